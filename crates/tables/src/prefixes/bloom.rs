//! The filter of IPv6 prefixes; see [`floodwall_common::bloom`].
//!
//! A prefix that leaves leaves its bits behind, as others may need them. So a single change puts what it lists into the
//! filters of both halves, and every new generation begins with an empty one, into which its prefixes come as their slots
//! are built. Whatever comes between, the filter in force holds all that is listed, and maybe more.

use floodwall_common::{
    bloom::{LONGEST, OCTET, SHORT, SHORTEST, bits_of, word_of},
    prefix::Family,
    wire::{BITMAP_WORDS, Word, bitmap_base},
};

use super::engine::{Engine, Half};
use crate::Prefix;

/// Keys that may be left behind before the filter is to be made anew: 2 % of its bits.
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

    /// Puts an IPv6 prefix into the filter of a half. If that is in force, the prefix must be in its trees by now, lest a
    /// packet look for it in vain.
    pub(super) fn put_into_filter(&self, half: Half, prefix: &Prefix) {
        let filter = self.filter(half);
        let first = (prefix.bits() >> 64) as u64;
        let (length, count) = keys_of(prefix);
        for number in 0..count {
            let high = first + (u64::from(number) << (u64::BITS - length));
            let word = &filter[word_of(high, length) as usize];
            let bits = bits_of(high, length).into_iter().fold(word.load(), |bits, bit| bits | 1 << bit);
            word.store(bits);
        }
    }

    /// An IPv6 prefix has left, and its keys have not.
    pub(super) fn wear_filter(&mut self, prefix: &Prefix) {
        self.worn = self.worn.saturating_add(keys_of(prefix).1);
    }

    /// Says whether the filter should be made anew, by a new generation; once, until as much has been left behind again.
    pub(super) fn is_filter_worn(&mut self) -> bool {
        let worn = self.worn >= WORN;
        if worn {
            self.worn = 0;
        }
        worn
    }
}

/// The length of a prefix's keys, and how many it has: 65,536 at most.
pub(super) fn keys_of(prefix: &Prefix) -> (u32, u32) {
    let length = u32::from(prefix.length());
    let key = if length < SHORT { SHORT } else { (length - length % OCTET).clamp(SHORTEST, LONGEST) };
    (key, 1 << key.saturating_sub(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_has_as_many_keys_as_it_takes_to_cover_it() {
        let keys = |text: &str| keys_of(&text.parse().unwrap());
        assert_eq!(keys("::/0"), (16, 65_536));
        assert_eq!(keys("2a00::/12"), (16, 16));
        assert_eq!(keys("2a00::/16"), (32, 65_536));
        assert_eq!(keys("2a00::/29"), (32, 8));
        assert_eq!(keys("2a00::/39"), (32, 1));
        assert_eq!(keys("2a00::/63"), (56, 1));
        assert_eq!(keys("2a00::1/128"), (64, 1));
    }
}
