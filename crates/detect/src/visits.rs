//! New sources that ask for connections time and again, though these are answered and bear fruit.
//!
//! A flood of whole requests from many hosts cannot be told from a rush of customers packet by packet, but by how often each
//! host comes: who looks at pages keeps connections open, and is gone after a while. So it is counted, once a source and second,
//! who asks for a connection and did so at other times of the last minute, seconds apart. Only sources that have come lately
//! count: a proxy, a probe or a partner that connects all day is no newcomer. Nor are those that come in the first half minute.
//! Those to which connections are refused for it, count as long as they ask.

use std::mem;

use floodwall_common::source::Key;
use foldhash::HashMap;

/// Visits of a source, the present one among them, that are time and again.
const TIMES: usize = 3;
/// Seconds from one to the next at least: pages are loaded over several connections.
const APART: u64 = 2;
/// Within so many seconds.
const LATELY: u64 = 60;
/// As many within so many seconds are often: hardly a customer comes so.
const OFTEN: u64 = 10;
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
    /// And often.
    often: bool,
    /// The last second in which it asked for a connection.
    last: Option<u64>,
    /// When it came, in seconds, the latest first.
    visits: [Option<u64>; TIMES - 1],
}

impl Visit {
    /// Counts a request in this second; says whether it is the first one in it.
    fn count(&mut self, second: u64, returning: &mut Returning) -> bool {
        let is_first = self.last.replace(second) != Some(second);
        returning.sources += u64::from(self.returns && is_first);
        returning.requests += u64::from(self.returns);
        is_first
    }
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
                often: false,
                last: None,
                visits: [None; TIMES - 1],
            })
        });
        let second = now_ns / SECOND;
        if visit.visits[0].is_none_or(|last| second >= last + APART) {
            let earliest = visit.visits[TIMES - 2];
            visit.visits.rotate_right(1);
            visit.visits[0] = Some(second);
            let is_new = visit.first_ns >= started_ns + AT_FIRST && now_ns <= visit.first_ns + NEW;
            let within = |seconds| is_new && earliest.is_some_and(|earliest| second < earliest + seconds);
            (visit.returns, visit.often) = (within(LATELY), within(OFTEN));
        }
        visit.count(second, returning);
    }

    /// Takes a request for a connection that was refused: that it was made counts, and is no visit.
    pub(super) fn refuse(&mut self, source: Key, now_ns: u64, returning: &mut Returning) {
        if let Some(visit) = self.young.get_mut(&source).or_else(|| self.old.get_mut(&source)) {
            visit.count(now_ns / SECOND, returning);
        }
    }

    /// Sources that come often, and have asked for a connection lately.
    pub(super) fn come_often(&self, now_ns: u64) -> impl Iterator<Item = Key> {
        let since = (now_ns / SECOND).saturating_sub(LATELY);
        let is_one = move |visit: &Visit| visit.often && visit.last.is_some_and(|last| last >= since);
        let all = self.young.iter().chain(&self.old);
        all.filter(move |(_, visit)| is_one(visit)).map(|(source, _)| *source)
    }

    /// Forgets when a source came.
    pub(super) fn forget(&mut self, source: Key) {
        if let Some(visit) = self.young.get_mut(&source).or_else(|| self.old.get_mut(&source)) {
            (visit.returns, visit.often, visit.visits) = (false, false, [None; TIMES - 1]);
        }
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
    fn the_third_visit_within_a_minute_counts() {
        assert_eq!(counted(&[40.0, 42.0]), (0, 0));
        assert_eq!(counted(&[40.0, 42.0, 44.0, 44.5, 45.0]), (2, 3), "once a second");
        assert_eq!(counted(&[40.0, 40.1, 41.2, 41.3, 41.9]), (0, 0), "a page that is loaded");
        assert_eq!(counted(&[40.0, 70.0, 99.0]), (1, 1));
        assert_eq!(counted(&[40.0, 70.0, 100.0]), (0, 0), "a minute is over");
    }

    #[test]
    fn who_was_there_before_or_has_come_for_minutes_does_not_count() {
        let every_second = |from: u32, to: u32| (from..to).map(f64::from).collect::<Vec<_>>();
        assert_eq!(counted(&every_second(29, 100)), (0, 0), "it was there as it began");
        assert_eq!(counted(&every_second(31, 100)), (65, 65));
        assert_eq!(counted(&every_second(31, 2_000)), (298, 298), "not for longer than five minutes");
    }

    #[test]
    fn who_is_refused_counts_and_makes_no_visits() {
        let (mut visits, mut returning) = (Visits::default(), Returning::default());
        let at = |second: u64| second * SECOND;
        visits.take(Key(1), 0, &mut returning);
        [40, 43, 46].into_iter().for_each(|second| visits.take(Key(2), at(second), &mut returning));
        assert_eq!(visits.come_often(at(47)).collect::<Vec<_>>(), [Key(2)]);
        [48, 49, 49].into_iter().for_each(|second| visits.refuse(Key(2), at(second), &mut returning));
        visits.refuse(Key(3), at(49), &mut returning);
        assert_eq!((returning.sources, returning.requests), (3, 4));
        assert_eq!(visits.come_often(at(120)).count(), 0, "it has gone");
        visits.forget(Key(2));
        [50, 53].into_iter().for_each(|second| visits.take(Key(2), at(second), &mut returning));
        assert_eq!((returning.sources, visits.come_often(at(53)).count()), (3, 0));
        visits.take(Key(2), at(56), &mut returning);
        assert_eq!(
            (returning.sources, visits.come_often(at(56)).count()),
            (4, 1),
            "time and again once more"
        );
        visits.take(Key(2), at(72), &mut returning);
        assert_eq!((returning.sources, visits.come_often(at(72)).count()), (5, 0), "but not often any more");
    }

    #[test]
    fn room_is_bounded() {
        let mut visits = Visits::default();
        let sources = 0..5 * MOST as u64;
        sources.for_each(|source| visits.take(Key(source), SECOND, &mut Returning::default()));
        assert!(visits.young.len() + visits.old.len() <= 2 * MOST);
    }
}
