//! The filter of IPv6 prefixes; see [`floodwall_common::bloom`].
//!
//! A prefix that leaves leaves its bits behind, as others may need them. So a single change puts what it lists into the
//! filters of both halves, and every new generation begins with an empty one, into which its prefixes come as their slots
//! are built. Whatever comes between, the filter in force holds all that is listed, and maybe more.

use floodwall_common::{
    bloom::{LONGEST, OCTET, SHORTEST, bits_of, word_of},
    prefix::Family,
    wire::{BITMAP_WORDS, Word, bitmap_base},
};

use super::engine::{Engine, Half};
use crate::tables::Prefix;

/// A prefix that is shorter than this sets all bits there are: it would have more keys than are worth telling apart.
const SHORTEST_TOLD: u32 = 12;

/// Prefixes that may leave before the filter is to be made anew. What they leave behind are some 2 % of its bits.
const WORN: u32 = 1 << 17;

impl Engine {
    /// The filter's words.
    pub(super) fn filter(&self, half: Half) -> &[Word] {
        let first = bitmap_base(half.index() as u64, Family::V6 as u32) as usize;
        &self.tables().prefix_bitmaps[first..][..BITMAP_WORDS as usize]
    }

    /// Empties the filter of a half that is not in force.
    pub(super) fn clear_filter(&self, half: Half) {
        self.filter(half).iter().for_each(|word| word.store(0));
    }

    /// Puts an IPv6 prefix into the filter of a half. It must be in the trees by now, if that is in force, lest a packet
    /// look for it in vain.
    pub(super) fn put_into_filter(&self, half: Half, prefix: &Prefix) {
        let filter = self.filter(half);
        let (high, length) = ((prefix.bits() >> 64) as u64, u32::from(prefix.length()));
        if length < SHORTEST_TOLD {
            filter.iter().for_each(|word| word.store(u64::MAX));
            return;
        }
        let key = (length - length % OCTET).clamp(SHORTEST, LONGEST);
        for number in 0..1u64 << key.saturating_sub(length) {
            let high = high + (number << (u64::BITS - key));
            let word = &filter[word_of(high, key) as usize];
            let bits = bits_of(high, key).into_iter().fold(word.load(), |bits, bit| bits | 1 << bit);
            word.store(bits);
        }
    }

    /// An IPv6 prefix has left, and its bits have not.
    pub(super) fn wear_filter(&mut self) {
        self.worn = self.worn.saturating_add(1);
    }

    /// Says whether the filter should be made anew, by a new generation; once, until as many have left again.
    pub(super) fn is_filter_worn(&mut self) -> bool {
        let worn = self.worn >= WORN;
        if worn {
            self.worn = 0;
        }
        worn
    }
}
