//! What became of the packets, second by second.

use std::collections::BTreeMap;

use floodwall_common::wire::{Reason, Verdict};

/// Most rows that are kept. When there are more, each becomes twice as long: a capture of any length, and one
/// whose clock jumps about, takes bounded memory.
const MOST_ROWS: usize = 100_000;

/// What became of the packets, by equal spans of time.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// Seconds in a row.
    span: u64,
    /// By the number of the row, counted from 1970.
    rows: BTreeMap<u64, Row>,
}

/// Packets of a span, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Packets.
    pub packets: [u64; Reason::COUNT as usize],
}

impl Row {
    /// Packets with this verdict.
    pub fn with(&self, verdict: Verdict) -> u64 {
        let reasons = Reason::ALL.into_iter().filter(|reason| reason.verdict() == verdict);
        reasons.map(|reason| self.packets[reason as usize]).sum()
    }

    fn add(&mut self, other: &Self) {
        for (packets, more) in self.packets.iter_mut().zip(other.packets) {
            *packets += more;
        }
    }
}

impl Default for Timeline {
    fn default() -> Self {
        Self { span: 1, rows: BTreeMap::new() }
    }
}

impl Timeline {
    /// Counts a packet.
    pub fn count(&mut self, unix_ns: u64, reason: Reason) {
        let number = unix_ns / 1_000_000_000 / self.span;
        self.rows.entry(number).or_default().packets[reason as usize] += 1;
        if self.rows.len() > MOST_ROWS {
            *self = self.coarser(2);
        }
    }

    /// Seconds in a row.
    pub fn span(&self) -> u64 {
        self.span
    }

    /// The rows that have packets, each with the second that it begins at (since 1970).
    pub fn rows(&self) -> impl Iterator<Item = (u64, &Row)> {
        self.rows.iter().map(|(number, row)| (number * self.span, row))
    }

    /// With at most so many rows between the first and the last, empty ones included.
    pub fn at_most(&self, rows: u64) -> Self {
        let (Some(first), Some(last)) = (self.rows.keys().next(), self.rows.keys().next_back()) else {
            return self.clone();
        };
        // One more: a coarser row may begin before the first.
        let mut factor = ((last - first + 1).div_ceil(rows.max(1))).max(1);
        while last / factor - first / factor + 1 > rows.max(1) {
            factor += 1;
        }
        self.coarser(factor)
    }

    fn coarser(&self, factor: u64) -> Self {
        let mut coarse = Self { span: self.span * factor, rows: BTreeMap::new() };
        for (number, row) in &self.rows {
            coarse.rows.entry(number / factor).or_default().add(row);
        }
        coarse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn packets_are_counted_where_they_belong() {
        let mut timeline = Timeline::default();
        for (second, reason) in
            [(5, Reason::Clean), (5, Reason::Blocked), (7, Reason::SynRate), (3, Reason::NotIp)]
        {
            timeline.count(second * SECOND + 1, reason);
        }
        let rows: Vec<_> = timeline
            .rows()
            .map(|(second, row)| (second, row.with(Verdict::Pass), row.with(Verdict::Drop)))
            .collect();
        assert_eq!(rows, [(3, 1, 0), (5, 1, 1), (7, 0, 1)]);
        let coarse = timeline.at_most(2);
        assert_eq!(coarse.span(), 3);
        assert_eq!(coarse.rows().map(|(second, _)| second).collect::<Vec<_>>(), [3, 6]);
    }

    #[test]
    fn a_clock_that_jumps_about_takes_bounded_memory() {
        let mut timeline = Timeline::default();
        for second in 0..250_000 {
            timeline.count(second * SECOND, Reason::Clean);
        }
        assert_eq!(timeline.span(), 4);
        assert!(timeline.rows().count() <= MOST_ROWS);
        assert_eq!(timeline.rows().map(|(_, row)| row.with(Verdict::Pass)).sum::<u64>(), 250_000);
    }
}
