//! Sources that were there in calm times.
//!
//! Two generations are kept: who is seen moves to the younger one, and when that is full or old, the other is forgotten
//! and it takes its place. So room is bounded, and who has not come for hours is a new source again.

use floodwall_common::source::Key;
use foldhash::HashMap;

/// Sources of a generation.
const MOST: usize = 100_000;
/// How long a generation is the younger one at most, ns: two hours.
const AGE: u64 = 7_200_000_000_000;

/// Sources, and when each was first seen, ns.
#[derive(Debug, Default)]
pub(super) struct Sources {
    young: HashMap<Key, u64>,
    old: HashMap<Key, u64>,
    since_ns: u64,
}

impl Sources {
    /// Notes that a source was seen; returns when it was first.
    pub(super) fn see(&mut self, source: Key, now_ns: u64) -> u64 {
        if let Some(first) = self.young.get(&source) {
            return *first;
        }
        if self.young.len() >= MOST || now_ns >= self.since_ns.saturating_add(AGE) {
            self.old = std::mem::take(&mut self.young);
            self.since_ns = now_ns;
        }
        let first = self.old.remove(&source).unwrap_or(now_ns);
        self.young.insert(source, first);
        first
    }

    /// Whether a source is remembered.
    pub(super) fn contains(&self, source: Key) -> bool {
        self.young.contains_key(&source) || self.old.contains_key(&source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000_000_000;

    #[test]
    fn who_comes_back_stays_and_others_are_forgotten() {
        let mut sources = Sources::default();
        let (regular, once) = (Key(1), Key(2));
        assert_eq!(sources.see(once, HOUR), HOUR);
        for hour in 1..10 {
            assert_eq!(sources.see(regular, hour * HOUR), HOUR);
            // Others come, too, so that generations pass.
            sources.see(Key(100 + hour), hour * HOUR);
        }
        assert!(sources.contains(regular));
        assert!(!sources.contains(once));
    }

    #[test]
    fn room_is_bounded() {
        let mut sources = Sources::default();
        for number in 0..3 * MOST as u64 {
            sources.see(Key(number as _), 1);
        }
        assert!(sources.young.len() + sources.old.len() <= 2 * MOST);
    }
}
