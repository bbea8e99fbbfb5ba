//! Lines of eight words, of a cache line each: what shares a hash is looked for among them, and makes room for one another.
//!
//! Each memory of this crate that is made of lines says by a [`Layout`] where a word holds a tag, which tells what the word is about,
//! and a time. An empty word is 0; no tag is. The searches have no branches: see [`crate::branchless`].

use crate::{
    branchless::{min, nonzero},
    wire::{LINE_WORDS, Line, Word},
};

const _: () = assert!(LINE_WORDS == 8);

/// How the words of a memory are laid out: a tag above all else, and a time in ticks of 2^`tick_shift` ns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    tag: u64,
    time: u64,
    time_shift: u32,
    tick_shift: u32,
}

impl Layout {
    /// Words with a tag of so many bits, and above so many others a time of so many, in ticks of so many nanoseconds, as a
    /// power of two.
    pub(crate) const fn new(tag_bits: u32, time_shift: u32, time_bits: u32, tick_shift: u32) -> Self {
        assert!(tag_bits + time_bits + time_shift <= u64::BITS && time_bits <= 24);
        Self { tag: u64::MAX << (u64::BITS - tag_bits), time: (1 << time_bits) - 1, time_shift, tick_shift }
    }

    /// What is left of a hash of 64 bits that has chosen a line by its lowest bits.
    #[inline(always)]
    pub(crate) const fn tag(self, hash: u64) -> u64 {
        (hash | 1 << 63) & self.tag
    }

    /// 0 if a word is about what has a tag, else 1.
    #[inline(always)]
    pub(crate) fn differs(self, word: u64, tag: u64) -> u64 {
        nonzero((word ^ tag) & self.tag)
    }

    /// Whether a word is about what has a tag.
    #[inline(always)]
    pub(crate) const fn has(self, word: u64, tag: u64) -> bool {
        word & self.tag == tag
    }

    /// A time of the kernel's clock, as words have it.
    #[inline(always)]
    pub(crate) const fn time(self, now_ns: u64) -> u64 {
        now_ns >> self.tick_shift & self.time
    }

    /// A time, at its place in a word.
    #[inline(always)]
    pub(crate) const fn at(self, time: u64) -> u64 {
        (time & self.time) << self.time_shift
    }

    /// Ticks from the time of a word to another one.
    #[inline(always)]
    pub(crate) const fn age(self, word: u64, now: u64) -> u64 {
        now.wrapping_sub(word >> self.time_shift) & self.time
    }

    /// The word about what has a tag, or that which makes room for it: an empty one, or else the oldest; and whether it is there.
    #[inline(always)]
    pub(crate) fn find(self, line: &Line, tag: u64, now: u64) -> (&Word, bool) {
        let mut best = u32::MAX;
        for (place, word) in line.iter().enumerate() {
            let word = word.load();
            let is_other = self.differs(word, tag);
            // 0 for what is there already, 1 for an empty word, and then by age, the oldest first. The place is in the lowest bits.
            let rank = is_other * (1 + nonzero(word) * (1 + (self.time - self.age(word, now))));
            best = min(best, (rank as u32) << 3 | place as u32);
        }
        (&line[best as usize % LINE_WORDS], best < LINE_WORDS as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout::new(40, 8, 16, 30);

    fn note(line: &Line, hash: u64, now: u64) -> bool {
        let (word, is_there) = LAYOUT.find(line, LAYOUT.tag(hash), now);
        word.store(LAYOUT.tag(hash) | LAYOUT.at(now));
        is_there
    }

    #[test]
    fn the_oldest_word_makes_room_once_none_is_empty() {
        let line = Line::default();
        let hash = |number: u64| number << 24;
        // The time wraps meanwhile.
        assert!((0..8).all(|number| !note(&line, hash(number), 65_533 + number)));
        assert!(note(&line, hash(0), 65_541), "still there");
        assert!(!note(&line, hash(8), 65_541));
        assert!(
            note(&line, hash(0), 65_541) && !note(&line, hash(1), 65_541),
            "the oldest was the second one"
        );
    }

    #[test]
    fn the_bits_below_tag_and_time_tell_nothing_apart() {
        let word = LAYOUT.tag(7 << 24) | LAYOUT.at(3) | 0xff;
        assert!(LAYOUT.has(word, LAYOUT.tag(7 << 24 | 5)) && !LAYOUT.has(word, LAYOUT.tag(8 << 24)));
        assert_eq!((LAYOUT.age(word, 10), LAYOUT.age(word, 3), LAYOUT.age(word, 2)), (7, 0, 65_535));
        assert_ne!(LAYOUT.tag(0), 0, "that is an empty word");
    }
}
