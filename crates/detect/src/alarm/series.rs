//! A count, as it came in each tick of the last ten seconds, and how much of it usually comes.

use serde::{Deserialize, Serialize};

use crate::moment::PER_SECOND;

/// Ticks that are kept: of ten seconds.
pub(super) const LONGEST: usize = 200;
/// Ticks of ten minutes.
const TEN_MINUTES: u32 = 12_000;
/// Of ten minutes, so many ticks without an alarm say how much usually comes: two minutes.
const ENOUGH: u32 = 2_400;
/// What is left of the busiest ten minutes after ten more: a half after a week.
const FADES: f64 = 0.999_312_6;
/// How many times as much as the bound the next one may be that is learned from ten minutes.
const MOST_GROWTH: f64 = 2.0;

/// Counts of the last ten seconds.
#[derive(Clone, Debug)]
pub(super) struct Series {
    ticks: [f64; LONGEST],
    next: usize,
    /// Sums over windows would be added up anew each tick otherwise: over all ticks so far, ever.
    total: f64,
    /// The same, as it was before each of the ticks.
    totals: [f64; LONGEST],
    since: usize,
}

impl Default for Series {
    fn default() -> Self {
        Self { ticks: [0.0; LONGEST], next: 0, total: 0.0, totals: [0.0; LONGEST], since: 0 }
    }
}

impl Series {
    /// Takes what came in a tick.
    pub(super) fn push(&mut self, count: f64) {
        self.ticks[self.next] = count;
        self.totals[self.next] = self.total;
        self.total += count;
        self.next = (self.next + 1) % LONGEST;
        self.since = (self.since + 1).min(LONGEST);
    }

    /// What came in the last so many ticks, at most [`LONGEST`]; fewer, if there are no more since it began anew.
    pub(super) fn window(&self, ticks: usize) -> f64 {
        let ticks = ticks.min(self.since);
        if ticks == 0 { 0.0 } else { self.total - self.totals[(self.next + LONGEST - ticks) % LONGEST] }
    }

    /// Forgets what came.
    pub(super) fn restart(&mut self) {
        self.since = 0;
    }
}

/// How much usually comes, a second: the busiest ten minutes without an alarm so far, of which half is forgotten in a week.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Busiest {
    rate: f64,
    #[serde(skip)]
    sum: f64,
    #[serde(skip)]
    calm: u32,
    #[serde(skip)]
    ticks: u32,
    #[serde(skip)]
    lately: f64,
}

impl Busiest {
    /// A second, in the busiest ten minutes.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// Takes what came in a tick. It counts if it was `calm`. What is learned of ten minutes is `most` at most, a second.
    pub(super) fn take(&mut self, count: f64, calm: bool, most: f64) {
        self.ticks += 1;
        if calm {
            self.sum += count;
            self.calm += 1;
        }
        if self.ticks < TEN_MINUTES {
            return;
        }
        self.rate *= FADES;
        if self.calm >= ENOUGH {
            let mean = self.sum / f64::from(self.calm) * PER_SECOND;
            self.rate = self.rate.max(mean.min(most * MOST_GROWTH)).max(0.0);
        }
        (self.sum, self.calm, self.ticks) = (0.0, 0, 0);
    }

    /// Takes a rate as usual, whatever was before.
    pub(super) fn accept(&mut self, rate: f64) {
        self.rate = self.rate.max(rate);
    }
}

/// The middle one of the last day's ten-minute means of a rate, a second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Middle {
    means: Vec<f64>,
    #[serde(skip)]
    sum: f64,
    #[serde(skip)]
    ticks: u32,
}

/// Ten minutes in a day.
const IN_A_DAY: usize = 144;

impl Middle {
    /// Takes what came in a tick.
    pub(super) fn take(&mut self, count: f64) {
        self.sum += count;
        self.ticks += 1;
        if self.ticks < TEN_MINUTES {
            return;
        }
        self.means.push(self.sum / f64::from(self.ticks) * PER_SECOND);
        if self.means.len() > IN_A_DAY {
            self.means.remove(0);
        }
        (self.sum, self.ticks) = (0.0, 0);
    }

    /// A second; 0 before ten minutes have passed.
    pub(super) fn rate(&self) -> f64 {
        let mut sorted = self.means.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_the_last_ticks() {
        let mut series = Series::default();
        for count in 1..=250 {
            series.push(f64::from(count));
        }
        assert_eq!([1, 2, 200].map(|ticks| series.window(ticks)), [250.0, 499.0, 30_100.0]);
        series.restart();
        assert_eq!(series.window(200), 0.0);
        series.push(7.0);
        assert_eq!([1, 20, 200].map(|ticks| series.window(ticks)), [7.0, 7.0, 7.0]);
    }

    fn ten_minutes(busiest: &mut Busiest, rate: f64, calm: bool, most: f64) {
        (0..TEN_MINUTES).for_each(|_| busiest.take(rate / PER_SECOND, calm, most));
    }

    #[test]
    fn the_busiest_ten_minutes_are_remembered_and_half_forgotten_in_a_week() {
        let mut busiest = Busiest::default();
        ten_minutes(&mut busiest, 5.0, true, 100.0);
        ten_minutes(&mut busiest, 40.0, true, 100.0);
        ten_minutes(&mut busiest, 5.0, true, 100.0);
        assert!((39.9..40.0).contains(&busiest.rate()), "{busiest:?}");
        (0..7 * 144).for_each(|_| ten_minutes(&mut busiest, 5.0, true, 100.0));
        assert!((19.9..20.1).contains(&busiest.rate()), "{busiest:?}");
    }

    #[test]
    fn neither_an_alarm_nor_a_leap_is_learned() {
        let mut busiest = Busiest::default();
        ten_minutes(&mut busiest, 5_000.0, false, 100.0);
        assert_eq!(busiest.rate(), 0.0);
        ten_minutes(&mut busiest, 5_000.0, true, 100.0);
        assert_eq!(busiest.rate(), 200.0, "at most doubled");
    }

    #[test]
    fn a_backup_does_not_move_the_middle() {
        let mut middle = Middle::default();
        for number in 0..200 {
            let rate = if number % 48 < 3 { 20_000.0 } else { 300.0 };
            (0..TEN_MINUTES).for_each(|_| middle.take(rate / PER_SECOND));
        }
        assert!((middle.rate() - 300.0).abs() < 1e-6);
    }
}
