//! Whether an attacked service suffers though what was found is in force.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How long what is found may take to relieve it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How far back it is looked whether it suffers.
const LATELY: Duration = Duration::from_secs(5);

/// How an attacked service fares.
#[derive(Clone, Debug, Default)]
pub(super) struct Relief {
    attacked_since: Option<Instant>,
    /// Looks of lately, and whether it suffered.
    looks: VecDeque<(Instant, bool)>,
}

impl Relief {
    /// Takes note of how it fares. Says whether nothing relieves it: it was attacked before `PATIENCE`, and suffered in most
    /// looks of lately.
    pub(super) fn fails(&mut self, attacked: bool, suffers: bool, now: Instant) -> bool {
        if !attacked {
            *self = Self::default();
            return false;
        }
        let since = *self.attacked_since.get_or_insert(now);
        self.looks.push_back((now, suffers));
        while self.looks.front().is_some_and(|(at, _)| now.duration_since(*at) > LATELY) {
            self.looks.pop_front();
        }
        let suffered = self.looks.iter().filter(|(_, suffers)| *suffers).count();
        now.duration_since(since) >= PATIENCE && suffered * 2 > self.looks.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second in which nothing is found to relieve it, if there is one.
    fn fails_at(attacked: impl Fn(u64) -> bool, suffers: impl Fn(u64) -> bool) -> Option<u64> {
        let (start, mut relief) = (Instant::now(), Relief::default());
        (0..60).find(|second| {
            relief.fails(attacked(*second), suffers(*second), start + Duration::from_secs(*second))
        })
    }

    #[test]
    fn one_that_goes_on_to_suffer_is_not_relieved() {
        assert_eq!(fails_at(|_| true, |_| true), Some(10));
        assert_eq!(
            fails_at(|_| true, |second| second > 20),
            Some(24),
            "once it does for most of five seconds"
        );
    }

    #[test]
    fn one_that_is_relieved_or_not_attacked_is_left_alone() {
        assert_eq!(fails_at(|_| true, |second| second < 6), None, "what was found has helped");
        assert_eq!(fails_at(|_| true, |second| second % 3 == 0), None, "now and then is not for long");
        assert_eq!(fails_at(|_| false, |_| true), None, "customers may do that, too");
        assert_eq!(fails_at(|second| second % 9 < 8, |_| true), None, "each attack counts by itself");
    }
}
