//! The test of one count: more than chance makes of what is the most that usually comes?

use super::{
    chance,
    series::{Busiest, Series},
};
use crate::moment::PER_SECOND;

/// A window that is looked at, of the last so many ticks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// Ticks.
    pub(super) ticks: usize,
    /// So many a second are always usual.
    pub(super) floor: f64,
    /// How many times as many as in the busiest ten minutes are.
    pub(super) times: f64,
    /// How often a source counts in it at most; `None`: as often as it likes, and then the bound itself is the limit.
    pub(super) batch: Option<f64>,
}

/// A window of which more came than chance explains.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Excess {
    /// How much came in it, a second.
    pub rate: f64,
    /// The most that usually comes, a second.
    pub bound: f64,
}

/// Ticks of a second: what is longer ago says nothing of whether an excess is over.
pub(super) const SECOND: usize = 20;

/// A count, and the windows that it is looked at in.
#[derive(Clone, Debug)]
pub(super) struct Test {
    series: Series,
    pub(super) busiest: Busiest,
    windows: &'static [Window],
}

impl Test {
    pub(super) fn new(windows: &'static [Window]) -> Self {
        Self { series: Series::default(), busiest: Busiest::default(), windows }
    }

    /// The most that usually comes of a window, a second. `growth` is how many times the floor grows with the service;
    /// `least`: it is at least so much.
    fn bound(&self, window: &Window, growth: f64, least: f64) -> f64 {
        (window.floor * growth).max(window.times * self.busiest.rate()).max(least)
    }

    /// Takes what came in a tick; it is learned from if it is `calm`. The first window of which more came than chance
    /// explains.
    pub(super) fn take(&mut self, count: f64, calm: bool, growth: f64, least: f64) -> Option<Excess> {
        self.series.push(count);
        let most = |window: &Window| self.bound(window, growth, 0.0) / window.times;
        let most = self.windows.iter().map(most).fold(f64::INFINITY, f64::min);
        self.busiest.take(count, calm, most);
        self.windows.iter().find_map(|window| {
            let seconds = window.ticks as f64 / PER_SECOND;
            let came = self.series.window(window.ticks);
            let bound = self.bound(window, growth, least);
            let mean = bound * seconds;
            let limit = window.batch.map_or(mean, |batch| chance::limit(mean, batch));
            (came > limit).then_some(Excess { rate: came / seconds, bound })
        })
    }

    /// Whether no more comes, in any window of up to a second, than usually does at most; of one that has only longer
    /// ones, in the shortest of these.
    pub(super) fn is_below(&self, growth: f64, least: f64) -> bool {
        let shortest = self.windows.iter().map(|window| window.ticks).min().unwrap_or(SECOND).max(SECOND);
        self.windows.iter().filter(|window| window.ticks <= shortest).all(|window| {
            let seconds = window.ticks as f64 / PER_SECOND;
            self.series.window(window.ticks) <= self.bound(window, growth, least) * seconds
        })
    }

    /// What came in the last ten seconds, a second.
    pub(super) fn lately(&self) -> f64 {
        self.series.window(super::series::LONGEST) * PER_SECOND / super::series::LONGEST as f64
    }

    /// Forgets what came.
    pub(super) fn restart(&mut self) {
        self.series.restart();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: [Window; 2] = [
        Window { ticks: 20, floor: 200.0, times: 3.0, batch: Some(1.0) },
        Window { ticks: 200, floor: 150.0, times: 3.0, batch: Some(1.0) },
    ];

    /// How many ticks of a rate go by until there is an excess.
    fn ticks_until(test: &mut Test, rate: f64, growth: f64, least: f64) -> Option<usize> {
        (1..=400).find(|_| test.take(rate / PER_SECOND, true, growth, least).is_some())
    }

    #[test]
    fn a_flood_exceeds_at_once_and_a_little_more_than_usual_never() {
        assert_eq!(ticks_until(&mut Test::new(&WINDOWS), 5_000.0, 1.0, 0.0), Some(2));
        assert_eq!(ticks_until(&mut Test::new(&WINDOWS), 320.0, 1.0, 0.0), Some(19));
        let seen = ticks_until(&mut Test::new(&WINDOWS), 190.0, 1.0, 0.0);
        assert!(seen.is_some_and(|ticks| (185..190).contains(&ticks)), "the long window sees it: {seen:?}");
        assert_eq!(ticks_until(&mut Test::new(&WINDOWS), 160.0, 1.0, 0.0), None);
    }

    #[test]
    fn the_bound_grows_with_the_service_and_with_what_came_before() {
        assert_eq!(ticks_until(&mut Test::new(&WINDOWS), 1_500.0, 10.0, 0.0), None);
        assert_eq!(ticks_until(&mut Test::new(&WINDOWS), 1_500.0, 1.0, 1_500.0), None);
        let mut test = Test::new(&WINDOWS);
        test.busiest.accept(500.0);
        assert_eq!(ticks_until(&mut test, 1_500.0, 1.0, 0.0), None);
        assert!(test.is_below(1.0, 0.0));
        assert!(ticks_until(&mut test, 2_500.0, 1.0, 0.0).is_some());
        assert!(!test.is_below(1.0, 0.0));
    }
}
