//! Samples of the last seconds, and how many of them each source has sent.

use std::collections::VecDeque;

use floodwall_common::source::Key;
use foldhash::HashMap;

use super::sample::Sample;

/// Most samples that are held.
const MOST: usize = 16_000;

/// Samples of the last seconds, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent {
    samples: VecDeque<Sample>,
    /// Those that answer nothing.
    asked: BySource,
    /// Requests for connections.
    openings: BySource,
    /// The latest time of a sample so far, and how long before it one has come afterwards, ns.
    latest_ns: u64,
    most_late_ns: u64,
}

impl Recent {
    /// Takes a sample. If they become too many, the oldest one goes.
    pub(super) fn push(&mut self, sample: Sample) {
        self.samples.push_back(sample);
        self.latest_ns = self.latest_ns.max(sample.time_ns);
        self.most_late_ns = self.most_late_ns.max(self.latest_ns - sample.time_ns);
        if !sample.answers {
            self.asked.add(sample.source);
        }
        if sample.opens() {
            self.openings.add(sample.source);
        }
        if self.samples.len() > MOST {
            self.pop();
        }
    }

    fn pop(&mut self) {
        let Some(sample) = self.samples.pop_front() else { return };
        if !sample.answers {
            self.asked.remove(sample.source);
        }
        if sample.opens() {
            self.openings.remove(sample.source);
        }
    }

    /// Forgets what came before a time, ns.
    pub(super) fn forget_before(&mut self, time_ns: u64) {
        while self.samples.front().is_some_and(|sample| sample.time_ns < time_ns) {
            self.pop();
        }
    }

    /// Forgets what some sources have sent.
    pub(super) fn forget(&mut self, sources: &[Key]) {
        if sources.is_empty() {
            return;
        }
        self.samples.retain(|sample| !sources.contains(&sample.source));
        for source in sources {
            self.asked.forget(*source);
            self.openings.forget(*source);
        }
    }

    /// The samples, the oldest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Sample> {
        self.samples.iter()
    }

    /// Those since a time, ns, the youngest first.
    pub(super) fn since(&self, time_ns: u64) -> impl Iterator<Item = &Sample> {
        // What came before one that is so old was no later than that.
        let may_be = move |sample: &&Sample| sample.time_ns.saturating_add(self.most_late_ns) >= time_ns;
        self.iter().rev().take_while(may_be).filter(move |sample| sample.time_ns >= time_ns)
    }

    /// How many samples that answer nothing came from each source.
    pub(super) fn asked(&self) -> &BySource {
        &self.asked
    }

    /// How many connections each source asked for.
    pub(super) fn openings(&self) -> &BySource {
        &self.openings
    }
}

/// How many samples each source has sent.
#[derive(Debug, Default)]
pub(super) struct BySource {
    counts: HashMap<Key, usize>,
    /// How many sources have sent so many.
    sources: Vec<usize>,
}

impl BySource {
    fn add(&mut self, source: Key) {
        let count = self.counts.entry(source).or_default();
        *count += 1;
        let (before, now) = (*count - 1, *count);
        self.change(before, now);
    }

    fn remove(&mut self, source: Key) {
        let Some(count) = self.counts.get_mut(&source) else { return };
        *count -= 1;
        let now = *count;
        if now == 0 {
            self.counts.remove(&source);
        }
        self.change(now + 1, now);
    }

    fn forget(&mut self, source: Key) {
        if let Some(count) = self.counts.remove(&source) {
            self.change(count, 0);
        }
    }

    /// A source has sent `now`, and no more `before`.
    fn change(&mut self, before: usize, now: usize) {
        if let Some(sources) = before.checked_sub(1).and_then(|place| self.sources.get_mut(place)) {
            *sources -= 1;
        }
        if let Some(place) = now.checked_sub(1) {
            self.sources.resize(self.sources.len().max(now), 0);
            self.sources[place] += 1;
        }
        while self.sources.last() == Some(&0) {
            self.sources.pop();
        }
    }

    /// How many the busiest source has sent.
    pub(super) fn most(&self) -> usize {
        self.sources.len()
    }

    /// Sources that have sent at least so many, and how many, in no order.
    pub(super) fn at_least(&self, least: f64) -> impl Iterator<Item = (Key, usize)> {
        let none_is = (self.most() as f64) < least;
        let counts = (!none_is).then_some(&self.counts).into_iter().flatten();
        let such = counts.filter(move |(_, count)| **count as f64 >= least);
        such.map(|(source, count)| (*source, *count))
    }
}

#[cfg(test)]
mod tests {
    use floodwall_common::{
        features::{ByteField, Features},
        parse::{protocol, tcp_flag},
        wire::Reason,
    };
    use proptest::prelude::*;

    use super::*;

    fn sample(time_ns: u64, source: u64, opens: bool, answers: bool) -> Sample {
        let mut features = Features::default();
        features.octets[ByteField::Protocol as usize] = protocol::TCP;
        features.octets[ByteField::Flags as usize] = if opens { tcp_flag::SYN } else { tcp_flag::ACK };
        let (known, unasked, unprovable, acknowledged) = (false, false, false, 0);
        let (source, reason) = (Key(source), Reason::Clean);
        Sample { time_ns, features, source, reason, known, answers, unasked, unprovable, acknowledged }
    }

    fn counted<'a>(samples: impl Iterator<Item = &'a Sample>) -> Vec<(Key, usize)> {
        let mut counts: HashMap<Key, usize> = HashMap::default();
        samples.for_each(|sample| *counts.entry(sample.source).or_default() += 1);
        sorted(counts.into_iter())
    }

    fn sorted(counts: impl Iterator<Item = (Key, usize)>) -> Vec<(Key, usize)> {
        let mut counts: Vec<_> = counts.collect();
        counts.sort_unstable_by_key(|(source, _)| source.0);
        counts
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn sources_are_counted_as_if_all_samples_were_walked_over(
            steps in prop::collection::vec((0..6_u64, any::<bool>(), any::<bool>(), 0..20_u8), 1..200),
            least in 0..6_usize,
        ) {
            let mut recent = Recent::default();
            for (time, (source, opens, answers, step)) in (0..).zip(steps) {
                match step {
                    0 => recent.forget(&[Key(source), Key(source / 2)]),
                    1 => recent.forget_before(time - u64::from(time > 30) * 30),
                    _ => recent.push(sample(time - time.min(u64::from(step % 4)), source, opens, answers)),
                }
                let since = time.saturating_sub(10);
                let lately = recent.iter().filter(|sample| sample.time_ns >= since);
                prop_assert!(recent.since(since).eq(lately.rev()));
                let asked = counted(recent.iter().filter(|sample| !sample.answers));
                let openings = counted(recent.iter().filter(|sample| sample.opens()));
                for (kept, walked) in [(recent.asked(), asked), (recent.openings(), openings)] {
                    prop_assert_eq!(kept.most(), walked.iter().map(|(_, count)| *count).max().unwrap_or(0));
                    let such: Vec<_> = walked.into_iter().filter(|(_, count)| *count >= least).collect();
                    prop_assert_eq!(sorted(kept.at_least(least as f64)), such);
                }
            }
        }
    }

    #[test]
    fn room_is_bounded() {
        let mut recent = Recent::default();
        (0..2 * MOST as u64).for_each(|number| recent.push(sample(number, number, true, false)));
        assert_eq!((recent.iter().count(), recent.asked().counts.len()), (MOST, MOST));
        assert_eq!(recent.iter().next().map(|sample| sample.time_ns), Some(MOST as u64));
    }
}
