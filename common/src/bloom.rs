//! May anything be listed that covers an IPv6 address? A Bloom filter of prefixes.
//!
//! Most packets come from addresses that nothing covers, be others near them listed. To find that out by walking to them
//! costs more than all else that is done with a packet; to ask here costs one line that may be in no cache, and mostly that
//! is enough. (Bloom, "Space/time trade-offs in hash coding with allowable errors", CACM 1970; of prefixes: Dharmapurikar,
//! Krishnamurthy & Taylor, "Longest prefix matching using Bloom filters", SIGCOMM 2003; all bits of a key in one word:
//! Putze, Sanders & Singler, "Cache-, hash- and space-efficient Bloom filters", WEA 2007.)
//!
//! A prefix is put in by its *key*: its first octets, 4 to 8 of them, as many as it has in full. One with fewer than 4 is
//! put in by all keys of 4 octets that it covers, and one shorter than 16 bits by all of 2 octets. An address that is
//! covered by a prefix therefore finds one of its own beginnings here. What is found says nothing: other keys may have set
//! the same bits, or the prefix may have left since. (Keys of every 4 bits would let fewer addresses through beside odd
//! lengths, and cost every packet 52 instructions more.)
//!
//! A key sets two bits of one word. All words of a /32 are in one line of the cache, one for the keys shorter than 48
//! bits, and one of the eight by the first 48 for those that are longer. Where a /32 holds hundreds of prefixes, its line
//! fills up, and all of its addresses are looked for. The keys of 2 octets have words elsewhere; what is sent comes from
//! few of them.
//!
//! The filter outlives the controller in its map. Who changes where a key has its bits changes a layout, and
//! [`ABI_VERSION`](crate::wire::ABI_VERSION) with it.

use crate::wire::{BITMAP_WORDS, LINE_WORDS};

/// Bits that keys differ by in length.
pub const OCTET: u32 = 8;
/// Bits of the key of a prefix that is shorter than this.
pub const SHORT: u32 = 16;
/// Bits of the shortest other key, which its line is found by.
pub const SHORTEST: u32 = 32;
/// Bits of the longest key.
pub const LONGEST: u32 = 64;
/// Bits of the shortest key that has its word by more than its first 32 bits.
const LONGER: u32 = 48;

/// 2⁶⁴ by the golden ratio: spreads keys that follow on each other (Knuth, "The Art of Computer Programming", volume 3,
/// section 6.4).
const SPREAD_WORDS: u64 = 0x9e37_79b9_7f4a_7c15;
/// Another odd number without a pattern, of MurmurHash3's finalizer.
const SPREAD_BITS: u64 = 0xff51_afd7_ed55_8ccd;

/// The word of the filter that the key of `length` bits of an address, whose first 64 bits these are, has its bits in.
#[inline(always)]
pub const fn word_of(high: u64, length: u32) -> u32 {
    if length == SHORT {
        return spread(high, SHORT, SPREAD_WORDS, BITMAP_WORDS.ilog2());
    }
    let shorter = spread(high, SHORTEST, SPREAD_WORDS, BITMAP_WORDS.ilog2());
    if length < LONGER {
        return shorter;
    }
    let words = LINE_WORDS as u32;
    shorter & !(words - 1) | spread(high, LONGER, SPREAD_WORDS, words.ilog2())
}

/// The numbers of the two bits in that word.
#[inline(always)]
pub const fn bits_of(high: u64, length: u32) -> [u32; 2] {
    let both = spread(high, length, SPREAD_BITS, 2 * u64::BITS.ilog2());
    [both / u64::BITS, both % u64::BITS]
}

/// A number of `bits` bits for the first `length` of an address.
#[inline(always)]
const fn spread(high: u64, length: u32, by: u64, bits: u32) -> u32 {
    ((high >> (u64::BITS - length)).wrapping_mul(by) >> (u64::BITS - bits)) as u32
}

/// The words of the filter that an address has its keys in: that of 2 octets, the shorter ones, the longer ones.
#[inline(always)]
pub const fn words_of(high: u64) -> [u32; 3] {
    [word_of(high, SHORT), word_of(high, SHORTEST), word_of(high, LONGER)]
}

/// Do these words, which hold its keys, say that something may be listed that covers the address?
#[inline(always)]
pub const fn may_cover([short, shorter, longer]: [u64; 3], high: u64) -> bool {
    let mut found = both(short, bits_of(high, SHORT));
    let mut length = SHORTEST;
    while length <= LONGEST {
        found |= both(if length < LONGER { shorter } else { longer }, bits_of(high, length));
        length += OCTET;
    }
    found & 1 != 0
}

/// In bit 0: are both of these bits set?
#[inline(always)]
const fn both(word: u64, [one, other]: [u32; 2]) -> u64 {
    word >> one & word >> other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_by_all_of_its_bits_and_no_others() {
        let high = 0x2001_0db8_1234_5678;
        let other = |bit: u32| high ^ 1 << (63 - bit);
        for length in [SHORT].into_iter().chain((SHORTEST..=LONGEST).step_by(OCTET as usize)) {
            let place = |high| (word_of(high, length), bits_of(high, length));
            assert!(place(high).0 < BITMAP_WORDS);
            (0..length).for_each(|bit| assert_ne!(place(other(bit)), place(high), "bit {bit} of {length}"));
            (length..64).for_each(|bit| assert_eq!(place(other(bit)), place(high), "bit {bit} of {length}"));
            let line = |length| word_of(high, length) / LINE_WORDS as u32;
            assert!(length == SHORT || line(length) == line(SHORTEST));
        }
    }
}
