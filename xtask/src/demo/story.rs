//! What was seen: second by second, and the moments in which something happened.

use std::fmt::Write as _;
use std::time::Duration;

/// The four acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Customers, and nobody else.
    Peace,
    /// A flood that nothing stops.
    Flood,
    /// The flood is over, and floodwall is started.
    Rest,
    /// The same flood again.
    Guarded,
}

impl Act {
    pub(super) const ALL: [Self; 4] = [Self::Peace, Self::Flood, Self::Rest, Self::Guarded];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Peace => "peace",
            Self::Flood => "a flood",
            Self::Rest => "floodwall on",
            Self::Guarded => "the same flood",
        }
    }

    /// Its name for machines.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Peace => "peace",
            Self::Flood => "flood",
            Self::Rest => "rest",
            Self::Guarded => "guarded",
        }
    }

    /// Its part of the show, of 60.
    pub(super) fn sixtieths(self) -> u32 {
        match self {
            Self::Peace => 9,
            Self::Flood => 13,
            Self::Rest => 14,
            Self::Guarded => 24,
        }
    }
}

/// A column of the charts: about a second.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub(super) act: Act,
    pub(super) span: Duration,
    /// Requests answered, and failed, per second.
    pub(super) answered: f64,
    pub(super) failed: f64,
    /// Time that half of the answered requests stayed within.
    pub(super) half: Option<Duration>,
    /// Packets of the flood.
    pub(super) sent: u64,
    /// Those of them that nothing has dropped.
    pub(super) arrived: u64,
    /// Packets that floodwall has dropped; nothing while it does not run.
    pub(super) dropped: Option<u64>,
}

impl Column {
    /// Packets/s of the flood that nothing has dropped.
    pub(super) fn reaching(&self) -> f64 {
        self.per_second(self.arrived)
    }

    /// Packets/s that floodwall has dropped.
    pub(super) fn dropping(&self) -> f64 {
        self.per_second(self.dropped.unwrap_or_default())
    }

    fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.span.as_secs_f64().max(1e-9)
    }
}

/// How what happened is to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Bad,
    /// floodwall has done it.
    Own,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// Since the show began.
    pub(super) at: Duration,
    pub(super) tone: Tone,
    pub(super) text: String,
}

/// The whole show.
#[derive(Debug, Default)]
pub(super) struct Story {
    columns: Vec<Column>,
    moments: Vec<Moment>,
}

/// An act in short.
#[derive(Debug, PartialEq)]
pub(super) struct Digest {
    /// Requests per second, over the last half: what it settled at.
    pub(super) answered: f64,
    pub(super) failed: f64,
    /// The median of the columns' medians, over the last half.
    pub(super) half: Option<Duration>,
    /// Packets of the flood, and those that floodwall has dropped, in all.
    pub(super) sent: u64,
    pub(super) dropped: Option<u64>,
}

impl Story {
    pub(super) fn push(&mut self, column: Column) {
        self.columns.push(column);
    }

    pub(super) fn happened(&mut self, moment: Moment) {
        self.moments.push(moment);
    }

    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub(super) fn moments(&self) -> &[Moment] {
        &self.moments
    }

    /// What an act settled at; nothing if it was not played.
    pub(super) fn digest(&self, act: Act) -> Option<Digest> {
        let all: Vec<&Column> = self.columns.iter().filter(|column| column.act == act).collect();
        let settled = all.get(all.len() / 2..).filter(|settled| !settled.is_empty())?;
        let seconds: f64 = settled.iter().map(|column| column.span.as_secs_f64()).sum();
        let mean = |value: &dyn Fn(&Column) -> f64| {
            let sum: f64 = settled.iter().map(|column| value(column) * column.span.as_secs_f64()).sum();
            sum / seconds.max(1e-9)
        };
        let mut halves: Vec<Duration> = settled.iter().filter_map(|column| column.half).collect();
        halves.sort_unstable();
        Some(Digest {
            answered: mean(&|column| column.answered),
            failed: mean(&|column| column.failed),
            half: halves.get(halves.len() / 2).copied(),
            sent: all.iter().map(|column| column.sent).sum(),
            dropped: all.iter().map(|column| column.dropped).sum(),
        })
    }
}

/// A time of the show: `0:07`.
pub(super) fn clock(at: Duration) -> String {
    format!("{}:{:02}", at.as_secs() / 60, at.as_secs() % 60)
}

/// How long something took: `143 ms`, `2.8 s`.
pub(super) fn took(span: Duration) -> String {
    let mut text = String::new();
    let milliseconds = span.as_secs_f64() * 1_000.0;
    let _ = match milliseconds {
        few if few < 10.0 => write!(text, "{few:.1} ms"),
        some if some < 1_000.0 => write!(text, "{some:.0} ms"),
        many => write!(text, "{:.1} s", many / 1_000.0),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(act: Act, answered: f64) -> Column {
        Column {
            act,
            span: Duration::from_secs(1),
            answered,
            failed: 0.0,
            half: Some(Duration::from_millis(2)),
            sent: 500,
            arrived: 100,
            dropped: Some(400),
        }
    }

    #[test]
    fn an_act_is_judged_by_what_it_settles_at() {
        let mut story = Story::default();
        for answered in [0.0, 0.0, 90.0, 110.0] {
            story.push(column(Act::Guarded, answered));
        }
        let digest = story.digest(Act::Guarded).unwrap();
        assert!((digest.answered - 100.0).abs() < 1e-6, "{digest:?}");
        assert_eq!((digest.sent, digest.dropped), (2_000, Some(1_600)));
        assert_eq!(story.digest(Act::Peace), None);
    }

    #[test]
    fn counts_of_a_column_are_rates() {
        let column = Column { span: Duration::from_millis(500), ..column(Act::Guarded, 1.0) };
        assert!((column.reaching() - 200.0).abs() < 1e-6 && (column.dropping() - 800.0).abs() < 1e-6);
    }

    #[test]
    fn times_are_short() {
        assert_eq!(clock(Duration::from_secs(67)), "1:07");
        let spans = [4, 143, 2_840].map(|ms| took(Duration::from_millis(ms)));
        assert_eq!(spans, ["4.0 ms", "143 ms", "2.8 s"].map(String::from));
    }

    #[test]
    fn the_acts_are_the_whole_show() {
        assert_eq!(Act::ALL.map(Act::sixtieths).iter().sum::<u32>(), 60);
    }
}
