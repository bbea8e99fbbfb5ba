//! The second try: what is noted as it is dropped passes when it comes again after a while, for that is a retransmission,
//! which who forges packets does not bother to send. By it a session that is older than the filter, or has found no room in
//! the table of flows, lives on while there is a flood; and a customer whose request for a connection, first datagram or question
//! for a name looks like those of a flood gets in a second later.
//!
//! A word of a [line](crate::line) is a tag of 40 bits and a time of 24, in ticks of 2²⁴ ns (16.8 ms), which wraps after three days.

use crate::{line::Layout, wire::Line};

const LAYOUT: Layout = Layout::new(40, 0, 24, 24);

/// When retransmissions come, in ticks.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    soonest: u64,
    latest: u64,
    /// What the time counts from.
    from: From,
}

/// What the time to a retransmission counts from.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
enum From {
    /// From what came first.
    First = 0,
    /// From what came last: what is sent more often never passes.
    Last = 1,
    /// From what came first, and once that is long enough ago from what came last: it goes on.
    FirstThenLast = 2,
}

impl Wait {
    /// Those of segments of an open connection: after 151 ms at the soonest, as Linux waits for 200 ms at least
    /// (TCP_RTO_MIN), and 67 s at the latest, as RFC 6298 has the time between them grow to 60 s at least.
    pub const OF_SEGMENTS: Self = Self { soonest: 9, latest: 4_000, from: From::First };
    /// Those of requests for a connection: each after a second at least (RFC 6298, 2.1), less what the way may have changed,
    /// and 10 s at the latest. Floods that repeat a small stock of forged requests do so sooner.
    pub const OF_REQUESTS: Self = Self { soonest: 48, latest: 600, from: From::Last };
    /// Those of questions for a name, whoever asks: resolvers do so again after 0.4 s to 5 s, by how long answers take.
    pub const OF_QUESTIONS: Self = Self { soonest: 18, latest: 600, from: From::First };
    /// Those of datagrams, and of whatever is no TCP, from one source to one place: a flow that goes on for 0.8 s has shown
    /// that it does (RFC 8085, 3.1.1, has who asks by UDP ask again after a second), and is let through until it is silent
    /// for a minute.
    pub const OF_DATAGRAMS: Self = Self { soonest: 48, latest: 3_600, from: From::FirstThenLast };
}

/// Whether what has this hash was seen a while ago. It is noted, if it was not.
#[inline(always)]
pub fn again(line: &Line, hash: u64, wait: Wait, now_ns: u64) -> bool {
    let (tag, now) = (LAYOUT.tag(hash), LAYOUT.time(now_ns));
    let (place, is_there) = LAYOUT.find(line, tag, now);
    let age = LAYOUT.age(place.load(), now);
    if is_there && age <= wait.latest {
        let passes = age >= wait.soonest;
        if wait.from as u8 == From::Last as u8 {
            place.store(tag | now);
        } else if passes && wait.from as u8 == From::FirstThenLast as u8 {
            place.store(tag | LAYOUT.at(now.wrapping_sub(wait.soonest)));
        }
        return passes;
    }
    place.store(tag | now);
    false
}

/// Has what was noted, and has this hash, been noted just so long ago that what comes now comes again. For a replay, which
/// does not wait.
pub fn backdate(line: &Line, hash: u64, wait: Wait, now_ns: u64) {
    let tag = LAYOUT.tag(hash);
    let then = LAYOUT.time(now_ns).wrapping_sub(wait.soonest);
    if let Some(word) = line.iter().find(|word| LAYOUT.has(word.load(), tag)) {
        word.store(tag | LAYOUT.at(then));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: u64 = 1_000_000;

    #[test]
    fn what_comes_again_after_a_while_is_a_retransmission() {
        let start = 1_000_000 * MILLISECOND;
        for (after, expected) in
            [(0, false), (50, false), (130, false), (200, true), (60_000, true), (70_000, false)]
        {
            let line = Line::default();
            let segment = |hash, now| again(&line, hash, Wait::OF_SEGMENTS, now);
            assert!(!segment(7 << 30, start), "the first time");
            assert_eq!(segment(7 << 30, start + after * MILLISECOND), expected, "after {after} ms");
            assert!(!segment(8 << 30, start + after * MILLISECOND), "another connection");
        }
    }

    #[test]
    fn what_comes_often_is_held_against_the_first_time() {
        let line = Line::default();
        let segment = |at: &u64| again(&line, 7 << 30, Wait::OF_SEGMENTS, at * 10 * MILLISECOND);
        let passed = (0..50).filter(segment).count();
        assert!((30..=36).contains(&passed), "{passed} of 50 in half a second");
    }

    #[test]
    fn a_request_comes_again_after_a_second() {
        for (after, expected) in [
            (0, false),
            (300, false),
            (750, false),
            (1_000, true),
            (3_000, true),
            (10_000, true),
            (10_200, false),
        ] {
            let line = Line::default();
            assert!(!again(&line, 7 << 30, Wait::OF_REQUESTS, 0), "the first time");
            assert_eq!(
                again(&line, 7 << 30, Wait::OF_REQUESTS, after * MILLISECOND),
                expected,
                "after {after} ms"
            );
        }
    }

    #[test]
    fn a_request_that_comes_all_the_time_never_passes() {
        let line = Line::default();
        let request = |at: u64| again(&line, 7 << 30, Wait::OF_REQUESTS, at * MILLISECOND);
        assert_eq!((0..40).filter(|at| request(at * 500)).count(), 0, "each half second");
        let client = [0, 2, 1_000, 3_000, 7_000].map(|at| request(60_000 + at));
        assert_eq!(client, [false, false, true, true, true], "a client, whose first one comes twice");
    }

    #[test]
    fn a_flow_of_datagrams_passes_after_a_while_and_until_it_is_silent() {
        let line = Line::default();
        let datagram = |at: u64| again(&line, 7 << 30, Wait::OF_DATAGRAMS, at * MILLISECOND);
        let passed = |from: u64| (from..from + 2_000).step_by(50).filter(|at| datagram(*at)).count();
        assert!((22..=24).contains(&passed(0)), "all but those of the first 0.8 s");
        assert!(datagram(50_000), "a keep-alive");
        assert!(!datagram(150_000), "it was silent, and begins anew");
        assert!(datagram(151_000));
        assert!(!again(&line, 8 << 30, Wait::OF_DATAGRAMS, 151_000 * MILLISECOND), "another one");
    }

    #[test]
    fn what_was_noted_just_now_can_be_taken_for_older() {
        let line = Line::default();
        let request = |now| again(&line, 7 << 30, Wait::OF_REQUESTS, now * MILLISECOND);
        backdate(&line, 7 << 30, Wait::OF_REQUESTS, 5_000 * MILLISECOND);
        assert!(!request(5_000), "it was not noted");
        assert!(!request(5_020));
        backdate(&line, 7 << 30, Wait::OF_REQUESTS, 5_020 * MILLISECOND);
        assert!(request(5_020));
    }

    #[test]
    fn the_oldest_makes_room() {
        let line = Line::default();
        for at in 0..9 {
            again(&line, (at + 1) << 30, Wait::OF_SEGMENTS, at * 20 * MILLISECOND);
        }
        assert!(!again(&line, 1 << 30, Wait::OF_SEGMENTS, 1_000 * MILLISECOND), "forgotten");
        assert!(again(&line, 9 << 30, Wait::OF_SEGMENTS, 1_000 * MILLISECOND));
    }
}
