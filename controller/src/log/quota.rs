//! How many lines of a kind may be logged.

use std::{collections::HashMap, hash::Hash, time::Duration};

/// Lines of a kind that may come at once.
pub(super) const BURST: u32 = 50;
/// How long after a line another one may come, once the burst is used up.
pub(super) const PAUSE: Duration = Duration::from_secs(2);

/// What is left of each kind's share: a token bucket each, that holds [`BURST`] lines and gains one each [`PAUSE`].
#[derive(Debug)]
pub(super) struct Quota<K>(HashMap<K, Share>);

#[derive(Debug)]
struct Share {
    lines: u32,
    /// Up to when lines were gained.
    counted: Duration,
    /// Lines that had no room since the last one that had.
    left_out: u64,
}

impl<K> Default for Quota<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Hash + Eq + Clone> Quota<K> {
    /// Takes the room for a line of a kind at this time; returns how many had none since the last one that had. `None`:
    /// there is none for this one either.
    pub(super) fn take(&mut self, kind: &K, now: Duration) -> Option<u64> {
        let share = match self.0.get_mut(kind) {
            Some(share) => share,
            None => self.0.entry(kind.clone()).or_insert(Share { lines: BURST, counted: now, left_out: 0 }),
        };
        share.gain(now);
        if share.lines == 0 {
            share.left_out += 1;
            return None;
        }
        share.lines -= 1;
        Some(std::mem::take(&mut share.left_out))
    }

    /// The kinds of which lines were left out and of which there is room for one again by now, and how many were: that is
    /// to be told, as no other line may come.
    pub(super) fn overdue(&mut self, now: Duration) -> Vec<(K, u64)> {
        let shares = self.0.iter_mut().filter_map(|(kind, share)| {
            share.gain(now);
            let is_due = share.left_out > 0 && share.lines > 0;
            is_due.then(|| (kind.clone(), std::mem::take(&mut share.left_out)))
        });
        shares.collect()
    }
}

impl Share {
    fn gain(&mut self, now: Duration) {
        let gained = now.saturating_sub(self.counted).as_millis() / PAUSE.as_millis();
        let gained = u32::try_from(gained).unwrap_or(u32::MAX);
        self.lines = self.lines.saturating_add(gained).min(BURST);
        // What is left of a pause counts for the next line, unless there is room for all.
        let counted = self.counted.saturating_add(PAUSE.saturating_mul(gained));
        self.counted = if self.lines == BURST { now } else { counted };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_its_burst_and_then_a_line_each_pause_and_no_line_goes_uncounted() {
        let mut quota = Quota::default();
        let (mut passed, mut told) = (0, 0);
        // A hundred thousand in 100 s.
        for number in 0..100_000_u32 {
            let now = Duration::from_millis(number.into());
            if let Some(left_out) = quota.take(&"flood", now) {
                passed += 1;
                told += left_out;
            }
            if number % 10_000 == 0 {
                assert_eq!(quota.take(&"other", now), Some(0), "one kind takes nothing from another");
            }
        }
        let expected = u64::from(BURST) + 99_999 / PAUSE.as_millis() as u64;
        assert_eq!(passed, expected);
        assert_eq!(quota.overdue(Duration::from_secs(100)), [("flood", 100_000 - passed - told)]);
        assert_eq!(quota.overdue(Duration::from_secs(200)), []);
    }

    #[test]
    fn a_pause_that_is_cut_in_pieces_is_as_long_and_a_long_one_gives_a_burst() {
        let mut quota = Quota::default();
        (0..BURST).for_each(|_| assert_eq!(quota.take(&1, Duration::ZERO), Some(0)));
        let times = (1..=40_u64).map(|tenth| PAUSE.mul_f64(tenth as f64 / 10.0));
        assert_eq!(times.filter(|now| quota.take(&1, *now).is_some()).count(), 4);
        let later = Duration::from_secs(1 << 40);
        assert_eq!((0..BURST * 2).filter(|_| quota.take(&1, later).is_some()).count(), BURST as usize);
    }
}
