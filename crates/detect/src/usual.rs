//! How many packets usually come, and whether those that come now are more.
//!
//! Mean and spread of windows of 50 ms and of 1 s are kept as exponentially weighted moving averages, slowly, and
//! only in calm times: what an attack brings is no habit. A rise that is too slow for the windows is seen by a
//! cumulative sum (Page, "Continuous inspection schemes", Biometrika 1954); what is too slow for that, by the
//! [time of day](super::day).

use serde::{Deserialize, Serialize};

use super::day::Day;

/// Windows of 50 ms in a second.
const WINDOWS: usize = 20;
/// How fast the averages follow in calm times: by this share of the difference a second.
const FOLLOW: f64 = 1.0 / 60.0;
/// Packets/s that are always usual: below, nothing is an attack.
const FLOOR: f64 = 100.0;
/// Packets/s that are usual where nothing is known yet: what else the first second brings may be an attack already.
const FRESH: f64 = 1_000.0;
/// How often the usual rate makes an attack, seen over 100 ms and over a second.
const SUDDEN: f64 = 2.5;
const SUSTAINED: f64 = 1.8;
/// Spreads above the mean that chance may bring.
const SPREADS: f64 = 4.0;
/// Share of the usual rate by which a slow rise is let go by.
const SLACK: f64 = 0.5;
/// Seconds of the usual rate that a slow rise may add up to.
const SUM: f64 = 6.0;

/// What comes, held against what usually does. Rates are in packets/s.
#[derive(Clone, Debug, Default)]
pub(super) struct UsualRate {
    mean: f64,
    variance: f64,
    day: Day,
    windows: u64,
    recent: [f64; WINDOWS],
    risen: f64,
}

/// What is kept of it over a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Habit {
    mean: f64,
    variance: f64,
    day: Day,
}

/// How the rate of now stands against the usual one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Pulse {
    /// Over the last 100 ms.
    pub(super) now: f64,
    /// Usually.
    pub(super) usual: f64,
    /// Above what is usual.
    pub(super) excess: bool,
    /// Above it for a second or more, or rising slowly for longer.
    pub(super) lasting: bool,
    /// Close to what is usual.
    pub(super) back: bool,
}

impl UsualRate {
    /// Takes the rate of the last 50 ms. In times that are not `calm` it is compared, and not learnt.
    pub(super) fn take(&mut self, rate: f64, calm: bool, second_of_day: u32) -> Pulse {
        self.take_above(rate, calm, second_of_day, FLOOR)
    }

    /// As [`Self::take`], where a rate of up to `floor` is always usual.
    pub(super) fn take_above(&mut self, rate: f64, calm: bool, second_of_day: u32, floor: f64) -> Pulse {
        self.recent[(self.windows % WINDOWS as u64) as usize] = rate;
        self.windows += 1;
        let second = self.second();
        if self.windows <= WINDOWS as u64 {
            // The first second has little to be held against.
            self.mean = second.min(FRESH);
            self.variance = self.mean.max(1.0) * WINDOWS as f64;
            return Pulse { now: rate, usual: self.mean, excess: false, lasting: false, back: true };
        }
        let last = (self.windows as usize - 1) % WINDOWS;
        let now = f64::midpoint(rate, self.recent[(last + WINDOWS - 1) % WINDOWS]);
        let usual = self.mean.max(self.day.usual(second_of_day).unwrap_or(0.0)).max(floor);
        let spread = self.variance.sqrt();
        self.risen = (self.risen + (rate - usual * (1.0 + SLACK) - spread) / WINDOWS as f64).max(0.0);
        let sudden = now > usual * SUDDEN + SPREADS * spread;
        let sustained = second > usual * SUSTAINED + SPREADS * spread / (WINDOWS as f64).sqrt();
        let slow = self.risen > usual * SUM;
        let excess = sudden || sustained || slow;
        if calm && !excess {
            self.learn(rate, second_of_day);
        }
        let back = second < usual * f64::midpoint(1.0, SUSTAINED) + spread;
        if back {
            self.risen = 0.0;
        }
        Pulse { now, usual, excess, lasting: sustained || slow, back }
    }

    fn learn(&mut self, rate: f64, second_of_day: u32) {
        let weight = FOLLOW.max(1.0 / self.windows as f64) / WINDOWS as f64;
        let weight = weight.max(1.0 / self.windows as f64).min(0.1);
        let difference = rate - self.mean;
        let most = self.day.most(second_of_day).unwrap_or(f64::INFINITY);
        self.mean = (self.mean + weight * difference).min(most.max(FLOOR));
        self.variance += weight * (difference * difference - self.variance);
        self.day.take(rate, 1.0 / WINDOWS as f64, second_of_day);
    }

    /// Takes what came in the last second as usual, whatever was before.
    pub(super) fn accept(&mut self, second_of_day: u32) {
        self.mean = self.second();
        self.variance = self.mean.max(1.0) * WINDOWS as f64;
        self.risen = 0.0;
        self.day.accept(self.mean, second_of_day);
    }

    /// Over the last second.
    pub(super) fn second(&self) -> f64 {
        self.recent.iter().sum::<f64>() / (self.windows as usize).clamp(1, WINDOWS) as f64
    }

    /// What is to be kept.
    pub(super) fn habit(&self) -> Habit {
        Habit { mean: self.mean, variance: self.variance, day: self.day.clone() }
    }

    /// Takes up what was kept.
    pub(super) fn of(habit: Habit) -> Self {
        let Habit { mean, variance, day } = habit;
        // As if it had been watched for a minute.
        let windows = 60 * WINDOWS as u64;
        Self { mean, variance, day, windows, recent: [mean; WINDOWS], risen: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rate that sways around its mean.
    fn sway(window: u64, mean: f64) -> f64 {
        mean * (1.0 + 0.3 * (window as f64 * 1.7).sin() + 0.1 * (window as f64 * 0.13).cos())
    }

    fn settled() -> UsualRate {
        let mut usual = UsualRate::default();
        for window in 0..1_200 {
            assert!(!usual.take(sway(window, 300.0), true, 0).excess, "window {window}");
        }
        usual
    }

    #[test]
    fn a_flood_is_seen_within_two_windows() {
        let mut usual = settled();
        usual.take(3_000.0, true, 0);
        assert!(usual.take(3_000.0, true, 0).excess);
    }

    #[test]
    fn a_threefold_rate_is_seen_within_a_second() {
        let mut usual = settled();
        assert!((0..20).any(|window| usual.take(sway(window, 900.0), true, 0).excess));
    }

    #[test]
    fn a_slow_ramp_is_seen() {
        let mut usual = settled();
        let seen = (0..1_400).find(|window| {
            let rate = 300.0 + 50.0 * 100_f64.powf(*window as f64 / 1_400.0);
            usual.take(rate, true, 0).excess
        });
        assert!(seen.is_some_and(|window| window < 800), "{seen:?}");
    }

    #[test]
    fn an_attack_is_not_learnt() {
        let mut usual = settled();
        for _ in 0..12_000 {
            usual.take(5_000.0, false, 0);
        }
        assert!(usual.take(5_000.0, false, 0).usual < 400.0);
        for window in 0..40 {
            usual.take(sway(window, 300.0), false, 0);
        }
        assert!(usual.take(300.0, false, 0).back);
    }
}
