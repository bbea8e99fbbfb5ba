//! May anything be listed that covers an IPv6 address? A Bloom filter of prefixes.
//!
//! Most packets come from addresses that nothing covers, near others that are listed. To walk to them costs more than
//! all else that is done with a packet; to ask here costs three words of 64 bits. (Bloom, "Space/time trade-offs in hash
//! coding with allowable errors", CACM 1970; of prefixes: Dharmapurikar, Krishnamurthy & Taylor, "Longest prefix matching
//! using Bloom filters", SIGCOMM 2003; all bits of a key in one word: Putze, Sanders & Singler, "Cache-, hash- and
//! space-efficient Bloom filters", WEA 2007.)
//!
//! A prefix is put in by its *key*: its first hexadecimal digits, 6 to 16 of them, as many as it has in full. One with
//! fewer than 6 is put in by all keys of 6 digits that it covers. An address that is covered by a prefix therefore finds
//! one of its own first digits here. What is found says nothing: other keys may have set the same bits, or the prefix may
//! have left since.
//!
//! A key sets two bits of one word. Which word, its *stem* says, those of its digits that several lengths share, so that
//! three words answer for eleven lengths.

use crate::{tables::Tables, wire::BITMAP_WORDS};

/// Bits of a hexadecimal digit.
pub const DIGIT: u32 = 4;
/// Bits of the shortest key.
pub const SHORTEST: u32 = 24;
/// Bits of the longest key.
pub const LONGEST: u32 = 64;

/// Lengths of the stems, in bits. The keys of a stem are as long as it is, or longer, but shorter than the next one.
const STEMS: [u32; 3] = [SHORTEST, 32, 48];

/// 2⁶⁴ by the golden ratio: spreads keys that follow on each other (Knuth, "The Art of Computer Programming", volume 3,
/// section 6.4).
const SPREAD_WORDS: u64 = 0x9e37_79b9_7f4a_7c15;
/// Another odd number without a pattern, of MurmurHash3's finalizer.
const SPREAD_BITS: u64 = 0xff51_afd7_ed55_8ccd;

/// The word of the filter that the key of `length` bits of an address, whose first 64 bits these are, has its bits in.
#[inline(always)]
pub const fn word_of(high: u64, length: u32) -> u32 {
    let stem = if length < STEMS[1] {
        STEMS[0]
    } else if length < STEMS[2] {
        STEMS[1]
    } else {
        STEMS[2]
    };
    ((high >> (u64::BITS - stem)).wrapping_mul(SPREAD_WORDS) >> (u64::BITS - BITMAP_WORDS.ilog2())) as u32
}

/// The numbers of the two bits in that word.
#[inline(always)]
pub const fn bits_of(high: u64, length: u32) -> [u32; 2] {
    let spread = (high >> (u64::BITS - length)).wrapping_mul(SPREAD_BITS);
    [(spread >> 58) as u32, (spread >> 52) as u32 & 63]
}

/// May something be listed that covers the IPv6 address whose first 64 bits these are? The filter's words begin at
/// `base`. `None` means that they could not be reached.
#[inline(always)]
pub fn may_cover<T: Tables>(tables: &T, base: u32, high: u64) -> Option<bool> {
    let mut found = 0;
    let mut length = SHORTEST;
    for next in [STEMS[1], STEMS[2], LONGEST + DIGIT] {
        let word = tables.prefix_bitmap(base + word_of(high, length))?.load();
        while length < next {
            let [one, other] = bits_of(high, length);
            found |= word >> one & word >> other;
            length += DIGIT;
        }
    }
    Some(found & 1 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_word_by_its_stem_and_its_bits_by_all_of_it() {
        let high = 0x2001_0db8_1234_5678;
        for (lengths, stem) in [(&[24, 28][..], 24), (&[32, 36, 40, 44], 32), (&[48, 52, 56, 60, 64], 48)] {
            let other = |bit: u32| high ^ 1 << (63 - bit);
            for &length in lengths {
                assert!(word_of(high, length) < BITMAP_WORDS);
                assert_eq!(word_of(high, length), word_of(high, stem));
                assert_eq!(word_of(high, length), word_of(other(stem), length), "bits after the stem");
                assert_ne!(word_of(high, length), word_of(other(stem - 1), length), "the stem's last bit");
                assert!(length == LONGEST || bits_of(high, length) == bits_of(other(length), length));
                assert_ne!(bits_of(high, length), bits_of(other(length - 1), length), "the key's last bit");
            }
        }
    }
}
