//! The bit for each /24 of IPv4: is there anything to find?

use floodwall_common::{
    prefix::Family,
    wire::{BITMAP_WORDS, Leaf, Word, bitmap_base},
};

use super::{
    engine::{Engine, Half},
    entry::{Entry, SHORTEST},
    wanted::{SLOTS_V4, Wanted, places_of},
};
use crate::Prefix;

/// Words of the bits of one slot: 256 bits.
const WORDS: usize = 4;
/// Bits of a prefix that has one bit here.
const BIT_LENGTH: u8 = 24;

/// The bits of one slot.
pub(super) type Bits = [u64; WORDS];

/// Those of a slot that a shorter prefix covers.
pub(super) const ALL_BITS: Bits = [u64::MAX; WORDS];

impl Engine {
    /// The bits of the slot at a place.
    pub(super) fn bits(&self, half: Half, place: usize) -> &[Word] {
        let first = bitmap_base(half.index() as u64, Family::V4 as u32) as usize;
        &self.tables().prefix_bitmaps[first + place * WORDS..][..WORDS]
    }

    /// The bits of the slot at a place, as they are now.
    pub(super) fn load_bits(&self, half: Half, place: usize) -> Bits {
        std::array::from_fn(|word| self.bits(half, place)[word].load())
    }

    /// Stores the bits of the slot at a place.
    pub(super) fn store_bits(&self, half: Half, place: usize, bits: Bits) {
        for (word, bits) in self.bits(half, place).iter().zip(bits) {
            if word.load() != bits {
                word.store(bits);
            }
        }
    }

    /// Clears all bits of a half.
    pub(super) fn clear_all_bits(&self, half: Half) {
        (0..SLOTS_V4).for_each(|place| self.store_bits(half, place, [0; WORDS]));
    }

    /// Sets the bits of a prefix. It must be in the trees by now, lest a packet look for it in vain.
    pub(super) fn set_bits(&self, half: Half, prefix: &Prefix) {
        for place in places_of(prefix) {
            let new = bits_of_prefix(prefix);
            for (word, new) in self.bits(half, place).iter().zip(new) {
                word.store(word.load() | new);
            }
        }
    }

    /// Clears those bits of a prefix that no other prefix needs. It must be gone from the trees by now.
    pub(super) fn clear_bits(&self, half: Half, wanted: &Wanted, prefix: &Prefix) {
        if prefix.length() >= BIT_LENGTH {
            if !wanted.touches(prefix.bits()) {
                let place = places_of(prefix).start;
                for (word, gone) in self.bits(half, place).iter().zip(bits_of_prefix(prefix)) {
                    word.store(word.load() & !gone);
                }
            }
            return;
        }
        for place in places_of(prefix) {
            self.store_bits(half, place, bits_wanted(wanted, place));
        }
    }
}

/// The bits of the slot at a place, as they are to be.
pub(super) fn bits_wanted(wanted: &Wanted, place: usize) -> Bits {
    if wanted.cover(place) != Leaf::Nothing {
        return ALL_BITS;
    }
    let mut bits = [0; WORDS];
    if let Some(bucket) = wanted.bucket(place) {
        bucket.entries().for_each(|entry| add_bits(&mut bits, entry));
    }
    bits
}

/// Adds the bits of an entry to those of its slot.
pub(super) fn add_bits(bits: &mut Bits, entry: &Entry) {
    if entry.length() >= BIT_LENGTH {
        let (word, bit) = bit_of(entry.bits());
        bits[word] |= 1 << bit;
    } else {
        let more = bits_of_prefix(&entry.prefix(Family::V4));
        bits.iter_mut().zip(more).for_each(|(bits, more)| *bits |= more);
    }
}

/// The bits of a prefix in each slot that it has a part in.
fn bits_of_prefix(prefix: &Prefix) -> Bits {
    let mut bits = [0; WORDS];
    if prefix.length() < SHORTEST {
        return ALL_BITS;
    }
    let (first, last) = (bit_of(prefix.bits()), bit_of(prefix.last_bits()));
    for (at, word) in bits.iter_mut().enumerate().take(last.0 + 1).skip(first.0) {
        let from = if at == first.0 { first.1 } else { 0 };
        let to = if at == last.0 { last.1 } else { u64::BITS - 1 };
        *word = u64::MAX >> (u64::BITS - 1 - (to - from)) << from;
    }
    bits
}

/// The word and the bit of an address within its slot.
fn bit_of(bits: u128) -> (usize, u32) {
    let bit = (bits >> (u128::BITS - u32::from(BIT_LENGTH))) as u32 & 0xff;
    ((bit / u64::BITS) as usize, bit % u64::BITS)
}

const _: () = assert!(SLOTS_V4 * WORDS == BITMAP_WORDS as usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_has_the_bits_of_every_24_it_touches() {
        let bits = |text: &str| bits_of_prefix(&text.parse().unwrap());
        assert_eq!(bits("10.0.0.0/8"), [u64::MAX; 4]);
        assert_eq!(bits("10.0.0.0/16"), [u64::MAX; 4]);
        assert_eq!(bits("10.0.128.0/17"), [0, 0, u64::MAX, u64::MAX]);
        assert_eq!(bits("10.0.64.0/23"), [0, 3, 0, 0]);
        assert_eq!(bits("10.0.255.255/32"), [0, 0, 0, 1 << 63]);
        assert_eq!(bits("10.0.0.0/31"), [1, 0, 0, 0]);
    }
}
