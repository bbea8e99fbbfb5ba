//! A memory of what was seen lately, for as long as there is room: clients that have proven to be there
//! ([`crate::client`]), and packets whose first fragment has passed. The hashes of all memories are made here as well.
//!
//! A [line](crate::line) of eight words holds what shares a hash; each word is a tag of 40 bits and the time it was noted, of
//! 24. What is noted takes the place of the oldest of its line. Two things may share a tag: one in 2³⁷ look-ups
//! finds what was never noted.

use crate::{
    line::Layout,
    wire::{Line, Settings},
};

/// Time in a memory: ticks of 2³⁰ ns.
const TICK_SHIFT: u32 = 30;
const TIME_BITS: u32 = 24;
const LAYOUT: Layout = Layout::new(u64::BITS - TIME_BITS, 0, TIME_BITS, TICK_SHIFT);

/// Whether what has this hash was noted in the line, up to 68 years ago.
#[inline(always)]
pub fn recalls(line: &Line, hash: u64) -> bool {
    let tag = LAYOUT.tag(hash);
    let mut found = 0;
    for word in line {
        found |= u64::from(LAYOUT.has(word.load(), tag));
    }
    found != 0
}

/// How many ticks of 2³⁰ ns ago what has this hash was noted last in the line; `u64::MAX`: it was not.
#[inline(always)]
pub fn age(line: &Line, hash: u64, now_ns: u64) -> u64 {
    let (tag, now) = (LAYOUT.tag(hash), LAYOUT.time(now_ns));
    let mut age = u64::MAX;
    for word in line {
        let word = word.load();
        if LAYOUT.has(word, tag) {
            age = LAYOUT.age(word, now);
        }
    }
    age
}

/// What is left of the hash of what a word notes.
pub const fn tag_of(word: u64) -> u64 {
    word >> TIME_BITS
}

/// How many ticks of 2³⁰ ns ago it was noted.
pub const fn age_of(word: u64, now_ns: u64) -> u64 {
    LAYOUT.age(word, LAYOUT.time(now_ns))
}

/// The word that notes what has such a tag, so many ticks ago.
pub const fn word(tag: u64, age: u64, now_ns: u64) -> u64 {
    tag << TIME_BITS | LAYOUT.at(LAYOUT.time(now_ns).wrapping_sub(age))
}

/// Seconds in so many ticks.
pub const fn seconds(ticks: u64) -> u64 {
    (ticks << TICK_SHIFT) / 1_000_000_000
}

/// Ticks in so many seconds.
pub const fn ticks(seconds: u64) -> u64 {
    seconds.saturating_mul(1_000_000_000) >> TICK_SHIFT
}

/// Notes what has this hash.
#[inline(always)]
pub fn note(line: &Line, hash: u64, now_ns: u64) {
    let (tag, now) = (LAYOUT.tag(hash), LAYOUT.time(now_ns));
    let (word, _) = LAYOUT.find(line, tag, now);
    word.store(tag | LAYOUT.at(now));
}

/// The seed of all hashes here.
#[inline(always)]
pub fn seed(settings: &Settings) -> [u64; 3] {
    [settings.seed[0].load(), settings.seed[1].load(), settings.seed[2].load()]
}

/// Mixes two words and a seed into a hash, which nobody who does not know the seed can choose.
#[inline(always)]
pub fn hash(seed: [u64; 3], first: u64, second: u64) -> u64 {
    let mut hash = (first ^ seed[2]).wrapping_mul(seed[0]);
    hash ^= hash >> 32;
    hash = (hash ^ second).wrapping_mul(seed[1]);
    hash ^= hash >> 29;
    hash = hash.wrapping_mul(seed[0]);
    hash ^ hash >> 32
}

/// The line for a hash, of `lines` (a power of two).
#[inline(always)]
pub const fn line(hash: u64, lines: u32) -> u32 {
    hash as u32 & (lines - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: [u64; 3] = [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03, 0x1234_5677];
    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn what_is_noted_is_recalled_until_its_line_is_full_of_newer() {
        let line = Line::default();
        let hashes: Vec<u64> = (0..9).map(|n| hash(SEED, n, 7)).collect();
        for (second, &hash) in hashes.iter().enumerate() {
            note(&line, hash, (100 + 2 * second as u64) * SECOND);
        }
        assert!(!recalls(&line, hashes[0]), "the oldest made room");
        assert!(hashes[1..].iter().all(|&hash| recalls(&line, hash)));
    }

    #[test]
    fn it_is_told_how_long_ago_something_was_noted() {
        let line = Line::default();
        note(&line, hash(SEED, 1, 2), 100 << TICK_SHIFT);
        note(&line, hash(SEED, 3, 4), 105 << TICK_SHIFT);
        assert_eq!(
            [(1, 2), (3, 4), (5, 6)].map(|(a, b)| age(&line, hash(SEED, a, b), 107 << TICK_SHIFT)),
            [7, 2, u64::MAX]
        );
    }

    #[test]
    fn what_is_noted_again_takes_no_second_place() {
        let line = Line::default();
        for second in 0..20 {
            note(&line, hash(SEED, 1, 2), second * SECOND);
        }
        assert_eq!(line.iter().filter(|word| word.load() != 0).count(), 1);
    }
}
