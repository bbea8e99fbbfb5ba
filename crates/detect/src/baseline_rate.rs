//! How many packets usually come, as far as a search has to know: a mean that is followed slowly, and only in calm times.
//! Whether a service is attacked is another matter, see [`alarm`](super::alarm).

use serde::{Deserialize, Serialize};

use super::moment::PER_SECOND;

/// Ticks in a second.
const WINDOWS: usize = 20;
/// How fast the mean follows in calm times: by this share of the difference a second.
const FOLLOW: f64 = 1.0 / 60.0;
/// Packets/s that are always usual.
const FLOOR: f64 = 100.0;
/// Packets/s that are usual where nothing is known yet: what else the first second brings may be an attack already.
const FRESH: f64 = 1_000.0;
/// How many times as much as usual is too much.
const TOO_MUCH: f64 = 2.0;

/// Packets/s.
#[derive(Clone, Debug, Default)]
pub(super) struct BaselineRate {
    mean: f64,
    windows: u64,
    recent: [f64; WINDOWS],
}

/// What is kept of it over a restart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RateProfile {
    mean: f64,
}

impl BaselineRate {
    /// Takes what came in a tick. In times that are not `calm` it is not learnt.
    pub(super) fn take(&mut self, packets: f64, calm: bool) {
        let rate = packets * PER_SECOND;
        self.recent[(self.windows % WINDOWS as u64) as usize] = rate;
        self.windows += 1;
        if self.windows <= WINDOWS as u64 {
            self.mean = self.second().min(FRESH);
        } else if calm {
            let weight = (FOLLOW / WINDOWS as f64).max(1.0 / self.windows as f64);
            self.mean += weight * (rate - self.mean);
        }
    }

    /// Usually.
    pub(super) fn usual(&self) -> f64 {
        self.mean.max(FLOOR)
    }

    /// Over the last second.
    pub(super) fn second(&self) -> f64 {
        self.recent.iter().sum::<f64>() / (self.windows as usize).clamp(1, WINDOWS) as f64
    }

    /// Whether the last second brought far more than usual.
    pub(super) fn is_too_much(&self) -> bool {
        self.second() > TOO_MUCH * self.usual()
    }

    /// Takes what came in the last second as usual, whatever was before.
    pub(super) fn accept(&mut self) {
        self.mean = self.second();
    }

    /// What is to be kept.
    pub(super) fn profile(&self) -> RateProfile {
        RateProfile { mean: self.mean }
    }

    /// Takes up what was kept.
    pub(super) fn of(profile: RateProfile) -> Self {
        // As if it had been watched for a minute.
        let RateProfile { mean } = profile;
        Self { mean, windows: 60 * WINDOWS as u64, recent: [mean; WINDOWS] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(usual: &mut BaselineRate, seconds: usize, rate: f64, calm: bool) {
        (0..seconds * WINDOWS).for_each(|_| usual.take(rate / PER_SECOND, calm));
    }

    #[test]
    fn what_an_attack_brings_is_not_learnt() {
        let mut usual = BaselineRate::default();
        pass(&mut usual, 60, 300.0, true);
        assert!((usual.usual() - 300.0).abs() < 1.0 && !usual.is_too_much());
        pass(&mut usual, 600, 5_000.0, false);
        assert!((usual.usual() - 300.0).abs() < 1.0 && usual.is_too_much());
        pass(&mut usual, 600, 900.0, true);
        assert!((usual.usual() - 900.0).abs() < 1.0);
        assert_eq!(BaselineRate::of(usual.profile()).usual(), usual.usual());
    }

    #[test]
    fn a_flood_that_was_there_first_is_not_taken_for_usual() {
        let mut usual = BaselineRate::default();
        pass(&mut usual, 1, 50_000.0, true);
        assert_eq!(usual.usual(), FRESH);
    }
}
