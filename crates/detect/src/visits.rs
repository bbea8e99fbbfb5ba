//! New sources that ask for connections time and again, though these are answered and bear fruit.
//!
//! A flood of whole requests from many hosts cannot be told from a rush of customers packet by packet, but by how often each
//! host comes: who looks at pages keeps connections open, and is gone after a while. So it is counted, once a source and second,
//! who asks for a connection and did so in other seconds of the last minute. Only sources that have come lately count: a proxy,
//! a probe or a partner that connects all day is no newcomer. Nor are those that come in the first half minute.

use std::mem;

use floodwall_common::source::Key;
use foldhash::HashMap;

/// Different seconds in which a source asks for connections, the present one among them, that are time and again.
const TIMES: usize = 4;
/// Within so many seconds.
const LATELY: u64 = 60;
/// How long a source has been there at most that counts, ns.
const NEW: u64 = 300_000_000_000;
/// How long after the start all sources are new that were there before, ns.
const AT_FIRST: u64 = 30_000_000_000;
/// Sources of a generation.
const MOST: usize = 20_000;
const SECOND: u64 = 1_000_000_000;

/// Requests of new sources that come time and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Returning {
    /// Their sources, once a second each.
    pub(super) sources: u64,
    /// All of them.
    pub(super) requests: u64,
}

/// When a source was there.
#[derive(Clone, Copy, Debug)]
struct Visit {
    first_ns: u64,
    /// It has come time and again.
    returns: bool,
    /// The last different seconds in which it asked for a connection, the latest first.
    seconds: [Option<u64>; TIMES - 1],
}

/// Who has asked one service for connections, and when. Who has not for some minutes is forgotten.
#[derive(Debug, Default)]
pub(super) struct Visits {
    started_ns: Option<u64>,
    young: HashMap<Key, Visit>,
    old: HashMap<Key, Visit>,
    since_ns: u64,
}

impl Visits {
    /// Takes a request for a connection, and counts it if it is one of a new source that comes time and again.
    pub(super) fn take(&mut self, source: Key, now_ns: u64, returning: &mut Returning) {
        let started_ns = *self.started_ns.get_or_insert(now_ns);
        if self.young.len() >= MOST || now_ns >= self.since_ns.saturating_add(NEW) {
            self.old = mem::take(&mut self.young);
            self.since_ns = now_ns;
        }
        let old = &mut self.old;
        let visit = self.young.entry(source).or_insert_with(|| {
            old.remove(&source).unwrap_or(Visit {
                first_ns: now_ns,
                returns: false,
                seconds: [None; TIMES - 1],
            })
        });
        let second = now_ns / SECOND;
        let is_first = visit.seconds[0] != Some(second);
        if is_first {
            let earliest = visit.seconds[TIMES - 2];
            visit.seconds.rotate_right(1);
            visit.seconds[0] = Some(second);
            let is_new = visit.first_ns >= started_ns + AT_FIRST && now_ns <= visit.first_ns + NEW;
            visit.returns = is_new && earliest.is_some_and(|earliest| second < earliest + LATELY);
        }
        returning.sources += u64::from(visit.returns && is_first);
        returning.requests += u64::from(visit.returns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In how many seconds a source counts, and how many of its requests, that come at these times, s, if the first one of all
    /// came at 0.
    fn counted(at: &[f64]) -> (u64, u64) {
        let (mut visits, mut returning) = (Visits::default(), Returning::default());
        visits.take(Key(1), 0, &mut returning);
        at.iter().for_each(|at| visits.take(Key(2), (at * SECOND as f64) as u64, &mut returning));
        (returning.sources, returning.requests)
    }

    #[test]
    fn the_fourth_second_within_a_minute_counts() {
        assert_eq!(counted(&[40.0, 41.0, 42.0]), (0, 0));
        assert_eq!(counted(&[40.0, 41.0, 42.0, 43.0, 43.5, 44.0]), (2, 3), "once a second");
        assert_eq!(counted(&[40.0, 40.1, 40.2, 40.3, 40.4]), (0, 0), "a page that is loaded");
        assert_eq!(counted(&[40.0, 60.0, 80.0, 99.0]), (1, 1));
        assert_eq!(counted(&[40.0, 60.0, 80.0, 100.0]), (0, 0), "a minute is over");
    }

    #[test]
    fn who_was_there_before_or_has_come_for_minutes_does_not_count() {
        let every_second = |from: u32, to: u32| (from..to).map(f64::from).collect::<Vec<_>>();
        assert_eq!(counted(&every_second(29, 100)), (0, 0), "it was there as it began");
        assert_eq!(counted(&every_second(31, 100)), (66, 66));
        assert_eq!(counted(&every_second(31, 2_000)), (298, 298), "not for longer than five minutes");
    }

    #[test]
    fn room_is_bounded() {
        let mut visits = Visits::default();
        let sources = 0..5 * MOST as u64;
        sources.for_each(|source| visits.take(Key(source), SECOND, &mut Returning::default()));
        assert!(visits.young.len() + visits.old.len() <= 2 * MOST);
    }
}
