//! How many packets usually come at which time of day.
//!
//! Each hour has a mean of its last few days and one of its last weeks. What the minutes' mean says is usual
//! (see [`usual`](super::usual)) may be led only so far away from these: an attacker who sends a little more each minute, or
//! each day, is not followed.

use serde::{Deserialize, Serialize};

const HOURS: usize = 24;
const HOUR: f64 = 3_600.0;
/// Seconds of an hour that have to be known before it has a say.
const ENOUGH: f64 = 600.0;
/// Times that an hour's short mean looks back on: so many days.
const DAYS: f64 = 3.0;
/// And its long one.
const WEEKS: f64 = 60.0;
/// How many times the long mean the short one may say.
const DRIFT: f64 = 2.0;
/// How many times as much as is usual at that time of day may become usual within it.
const LEASH: f64 = 5.0 / 3.0;

/// An average over what it has seen, of which what is long past counts less and less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Mean {
    value: f64,
    seconds: f64,
}

impl Mean {
    fn take(&mut self, value: f64, seconds: f64, horizon: f64) {
        self.seconds = (self.seconds + seconds).min(horizon);
        self.value += (value - self.value) * (seconds / self.seconds).min(1.0);
    }
}

/// What is usual in one hour of the day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Hour {
    days: Mean,
    weeks: Mean,
}

impl Hour {
    fn usual(&self) -> Option<f64> {
        (self.days.seconds >= ENOUGH).then(|| self.days.value.min(self.weeks.value * DRIFT))
    }
}

/// Packets/s by hour of the day (UTC).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Day {
    hours: [Hour; HOURS],
}

impl Day {
    /// Learns what comes for some seconds at a second of the day.
    pub(super) fn take(&mut self, rate: f64, seconds: f64, second_of_day: u32) {
        let hour = &mut self.hours[second_of_day as usize / HOUR as usize % HOURS];
        hour.days.take(rate, seconds, DAYS * HOUR);
        hour.weeks.take(rate, seconds, WEEKS * HOUR);
    }

    /// What is usual at a second of the day: between the middles of the two hours that are closest.
    pub(super) fn usual(&self, second_of_day: u32) -> Option<f64> {
        let position = f64::from(second_of_day) / HOUR - 0.5;
        let (hour, share) = (position.floor(), position - position.floor());
        let at = |hour: f64| self.hours[hour.rem_euclid(HOURS as f64) as usize].usual();
        let (before, after) = (at(hour), at(hour + 1.0));
        // Of its neighbours' rates alone little follows.
        let inside = if share < 0.5 { before } else { after }?;
        let (before, after) = (before.unwrap_or(inside), after.unwrap_or(inside));
        Some(before + (after - before) * share)
    }

    /// The most that may become usual at a second of the day, if that is known.
    pub(super) fn most(&self, second_of_day: u32) -> Option<f64> {
        self.usual(second_of_day).map(|usual| usual * LEASH)
    }

    /// Takes a rate as what is usual at a second of the day, whatever was before.
    pub(super) fn accept(&mut self, rate: f64, second_of_day: u32) {
        let mean = Mean { value: rate, seconds: ENOUGH };
        self.hours[second_of_day as usize / HOUR as usize % HOURS] = Hour { days: mean, weeks: mean };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Days that are alike: 100 packets/s at night, 1,000 by day.
    fn days(number: usize, growth: f64) -> Day {
        let mut day = Day::default();
        for date in 0..number {
            for minute in 0..24 * 60_u32 {
                let rate = if (8 * 60..20 * 60).contains(&minute) { 1_000.0 } else { 100.0 };
                day.take(rate * growth.powi(date as i32), 60.0, minute * 60);
            }
        }
        day
    }

    #[test]
    fn each_hour_has_its_own_rate() {
        let day = days(3, 1.0);
        assert!((day.usual(12 * 3_600).unwrap() - 1_000.0).abs() < 1.0);
        assert!((day.usual(3 * 3_600).unwrap() - 100.0).abs() < 1.0);
        let dawn = day.usual(8 * 3_600).unwrap();
        assert!((400.0..700.0).contains(&dawn), "between the two: {dawn}");
    }

    #[test]
    fn nothing_is_said_of_hours_that_are_not_known() {
        let mut day = Day::default();
        day.take(100.0, 700.0, 3_600);
        assert_eq!(day.usual(3_600 + 100).map(f64::round), Some(100.0));
        assert_eq!(day.usual(3_600 + 3_500).map(f64::round), Some(100.0));
        assert_eq!(day.usual(9 * 3_600), None);
    }

    #[test]
    fn who_sends_a_little_more_each_day_is_not_followed_for_long() {
        let honest = days(40, 1.01).usual(12 * 3_600).unwrap() / 1_000.0 / 1.01_f64.powi(39);
        assert!(honest > 0.9, "slow growth is followed: {honest}");
        let greedy = days(40, 1.2).usual(12 * 3_600).unwrap() / 1_000.0 / 1.2_f64.powi(39);
        assert!(greedy < 0.5, "fast growth is not: {greedy}");
    }
}
