//! Second sight: a TCP segment of a connection that nobody knows is noted and dropped; if the same connection sends again
//! after a while, that is a retransmission, and passes. A session that is older than the filter, or has found no room in
//! the table of flows, lives on by it while there is a flood.
//!
//! A word of a line is a tag of 40 bits and a time of 24, in ticks of 2²⁴ ns (16.8 ms), which wraps after three days.

use crate::{
    branchless::{min, nonzero},
    wire::{LINE_WORDS, Line},
};

const TICK_SHIFT: u32 = 24;
const TIME_MASK: u64 = (1 << 24) - 1;
/// Sooner than after this no retransmission comes, ticks: 151 ms. Linux waits for 200 ms at least (TCP_RTO_MIN).
const SOONEST: u64 = 9;
/// Nor later than after this, ticks: 67 s. RFC 6298 has the time between them grow to 60 s at least.
const LATEST: u64 = 4_000;

/// Whether what has this hash was seen a while ago. It is noted, if it was not.
#[inline(always)]
pub fn again(line: &Line, hash: u64, now_ns: u64) -> bool {
    let tag = (hash | 1 << 63) & !TIME_MASK;
    let now = now_ns >> TICK_SHIFT & TIME_MASK;
    let mut best = u32::MAX;
    for (place, word) in line.iter().enumerate() {
        let word = word.load();
        let is_other = nonzero((word ^ tag) & !TIME_MASK);
        let age = now.wrapping_sub(word) & TIME_MASK;
        // 0 for what is there already, 1 for an empty word, and then by age, the oldest first.
        let rank = is_other * (1 + nonzero(word) * (1 + (TIME_MASK - age)));
        best = min(best, (rank as u32) << 3 | place as u32);
    }
    let place = &line[best as usize % LINE_WORDS];
    let age = now.wrapping_sub(place.load()) & TIME_MASK;
    let is_there = best < LINE_WORDS as u32;
    if is_there && age <= LATEST {
        return age >= SOONEST;
    }
    place.store(tag | now);
    false
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
            assert!(!again(&line, 7 << 30, start), "the first time");
            assert_eq!(again(&line, 7 << 30, start + after * MILLISECOND), expected, "after {after} ms");
            assert!(!again(&line, 8 << 30, start + after * MILLISECOND), "another connection");
        }
    }

    #[test]
    fn what_comes_often_is_held_against_the_first_time() {
        let line = Line::default();
        let passed = (0..50).filter(|at| again(&line, 7 << 30, at * 10 * MILLISECOND)).count();
        assert!((30..=36).contains(&passed), "{passed} of 50 in half a second");
    }

    #[test]
    fn the_oldest_makes_room() {
        let line = Line::default();
        for at in 0..9 {
            again(&line, (at + 1) << 30, at * 20 * MILLISECOND);
        }
        assert!(!again(&line, 1 << 30, 1_000 * MILLISECOND), "forgotten");
        assert!(again(&line, 9 << 30, 1_000 * MILLISECOND));
    }
}
