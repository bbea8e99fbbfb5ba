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
    /// Lines that had no room since that was last asked.
    left_out: u64,
}

impl<K> Default for Quota<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Hash + Eq + Clone> Quota<K> {
    /// Takes the room for a line of a kind at this time, if there is any.
    pub(super) fn take(&mut self, kind: &K, now: Duration) -> bool {
        let share = match self.0.get_mut(kind) {
            Some(share) => share,
            None => self.0.entry(kind.clone()).or_insert(Share { lines: BURST, counted: now, left_out: 0 }),
        };
        share.gain(now);
        if share.lines == 0 {
            share.left_out += 1;
            return false;
        }
        share.lines -= 1;
        true
    }

    /// The kinds of which lines were left out since this was last asked, and how many.
    pub(super) fn left_out(&mut self, now: Duration) -> Vec<(K, u64)> {
        // A kind of which nothing was heard for so long that its share is whole again is as one that was never heard of.
        self.0.retain(|_, share| {
            share.gain(now);
            share.lines < BURST || share.left_out > 0
        });
        let shares = self.0.iter_mut().filter(|(_, share)| share.left_out > 0);
        shares.map(|(kind, share)| (kind.clone(), std::mem::take(&mut share.left_out))).collect()
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
            passed += u64::from(quota.take(&"flood", now));
            if number % 10_000 == 0 {
                assert!(quota.take(&"other", now), "one kind takes nothing from another");
                told += quota.left_out(now).into_iter().map(|(_, left_out)| left_out).sum::<u64>();
            }
        }
        let expected = u64::from(BURST) + 99_999 / PAUSE.as_millis() as u64;
        assert_eq!(passed, expected);
        assert_eq!(quota.left_out(Duration::from_secs(100)), [("flood", 100_000 - passed - told)]);
        assert_eq!(quota.left_out(Duration::from_secs(200)), []);
        assert!(quota.0.is_empty(), "what is not heard of any more takes no room");
    }

    #[test]
    fn a_pause_that_is_cut_in_pieces_is_as_long_and_a_long_one_gives_a_burst() {
        let mut quota = Quota::default();
        (0..BURST).for_each(|_| assert!(quota.take(&1, Duration::ZERO)));
        let times = (1..=40_u64).map(|tenth| PAUSE.mul_f64(tenth as f64 / 10.0));
        assert_eq!(times.filter(|now| quota.take(&1, *now)).count(), 4);
        let later = Duration::from_secs(1 << 40);
        assert_eq!((0..BURST * 2).filter(|_| quota.take(&1, later)).count(), BURST as usize);
    }
}
