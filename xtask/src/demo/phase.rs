//! What was seen, second by second and phase by phase.

use std::time::Duration;

use floodwall_lab::http::Interval;

use super::counters::Counters;

/// The three acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Before,
    Flood,
    Filtered,
}

impl Phase {
    pub(super) const ALL: [Self; 3] = [Self::Before, Self::Flood, Self::Filtered];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Before => "before the flood",
            Self::Flood => "flood, no filter",
            Self::Filtered => "flood, floodwall on",
        }
    }

    /// Its name for machines.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Flood => "flood",
            Self::Filtered => "filtered",
        }
    }

    pub(super) fn number(self) -> usize {
        match self {
            Self::Before => 1,
            Self::Flood => 2,
            Self::Filtered => 3,
        }
    }
}

/// One second.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) span: Duration,
    /// Requests answered, and failed, per second.
    pub(super) answered: f64,
    pub(super) failed: f64,
    /// Time that half, and 99 of 100, of the answered requests stayed within.
    pub(super) half: Option<Duration>,
    pub(super) most: Option<Duration>,
    /// Packets that the attacker sent.
    pub(super) sent: u64,
    /// Packets by reason, while the filter is on. Customers' packets are among them.
    pub(super) filter: Option<Counters>,
}

impl Sample {
    pub(super) fn new(customers: &Interval, sent: u64, span: Duration) -> Self {
        Self {
            span,
            answered: customers.rate(),
            // More than 2^52 failures do not happen.
            failed: customers.failed as f64 / span.as_secs_f64().max(1e-9),
            half: customers.percentile(50),
            most: customers.percentile(99),
            sent,
            filter: None,
        }
    }

    pub(super) fn filtered(mut self, counters: Counters) -> Self {
        self.filter = Some(counters);
        self
    }

    /// Packets per second of a count in this sample.
    pub(super) fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.span.as_secs_f64().max(1e-9)
    }
}

/// The whole show.
#[derive(Debug, Default)]
pub(super) struct Story {
    samples: Vec<(Phase, Sample)>,
    /// What the flood is made of, in packets per second.
    pub(super) attack: Vec<(String, u32)>,
    /// The commands that were given when floodwall was on.
    pub(super) steps: Vec<String>,
}

/// A phase in short.
#[derive(Debug)]
pub(super) struct Digest {
    /// Per second, over the last two thirds: what it settled at.
    pub(super) answered: f64,
    pub(super) failed: f64,
    /// The medians of the samples' values, over the last two thirds.
    pub(super) half: Option<Duration>,
    pub(super) most: Option<Duration>,
    /// Packets that the attacker sent: per second, over the last two thirds, and in all.
    pub(super) sent: f64,
    pub(super) all_sent: u64,
    /// All that the filter counted.
    pub(super) filter: Counters,
}

impl Story {
    pub(super) fn push(&mut self, phase: Phase, sample: Sample) {
        self.samples.push((phase, sample));
    }

    pub(super) fn samples(&self) -> &[(Phase, Sample)] {
        &self.samples
    }

    pub(super) fn of(&self, phase: Phase) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |(of, _)| *of == phase).map(|(_, sample)| sample)
    }

    /// What a phase settled at; nothing if it was not played.
    pub(super) fn digest(&self, phase: Phase) -> Option<Digest> {
        let all: Vec<&Sample> = self.of(phase).collect();
        let settled = all.get(all.len() / 3..).filter(|settled| !settled.is_empty())?;
        let seconds: f64 = settled.iter().map(|sample| sample.span.as_secs_f64()).sum();
        let mean = |value: &dyn Fn(&Sample) -> f64| {
            settled.iter().map(|sample| value(sample) * sample.span.as_secs_f64()).sum::<f64>()
                / seconds.max(1e-9)
        };
        let mut filter = Counters::default();
        for counters in all.iter().filter_map(|sample| sample.filter.as_ref()) {
            filter.add(counters);
        }
        Some(Digest {
            answered: mean(&|sample| sample.answered),
            failed: mean(&|sample| sample.failed),
            half: median(settled.iter().filter_map(|sample| sample.half)),
            most: median(settled.iter().filter_map(|sample| sample.most)),
            sent: mean(&|sample| sample.per_second(sample.sent)),
            all_sent: all.iter().map(|sample| sample.sent).sum(),
            filter,
        })
    }

    /// How long the customers waited, once floodwall was told what to block, until four fifths of
    /// what they got before the flood were back; nothing if they never were.
    pub(super) fn recovery(&self) -> Option<Duration> {
        let usual = self.digest(Phase::Before)?.answered;
        let mut waited = Duration::ZERO;
        for sample in self.of(Phase::Filtered) {
            waited += sample.span;
            if sample.answered >= usual * 0.8 {
                return Some(waited);
            }
        }
        None
    }
}

fn median(values: impl Iterator<Item = Duration>) -> Option<Duration> {
    let mut values: Vec<Duration> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(answered: f64) -> Sample {
        let interval = Interval { span: Duration::from_secs(1), ..Interval::default() };
        Sample { answered, ..Sample::new(&interval, 500, Duration::from_secs(1)) }
    }

    #[test]
    fn a_phase_is_judged_by_what_it_settles_at() {
        let mut story = Story::default();
        for answered in [0.0, 0.0, 90.0, 110.0, 90.0, 110.0] {
            story.push(Phase::Before, sample(answered));
        }
        let digest = story.digest(Phase::Before).unwrap();
        assert!((digest.answered - 100.0).abs() < 1e-6 && (digest.sent - 500.0).abs() < 1e-6, "{digest:?}");
        assert!(story.digest(Phase::Flood).is_none());
    }

    #[test]
    fn recovery_is_the_time_until_most_is_back() {
        let mut story = Story::default();
        story.push(Phase::Before, sample(100.0));
        story.push(Phase::Filtered, sample(10.0));
        assert_eq!(story.recovery(), None);
        story.push(Phase::Filtered, sample(79.0));
        story.push(Phase::Filtered, sample(81.0));
        assert_eq!(story.recovery(), Some(Duration::from_secs(3)));
    }
}
