//! Which signatures a packet matches; see [`crate::wire::signature`] for how they are laid out.

use crate::{
    features::{ByteField, Features, WordField},
    tables::Tables,
    wire::signature::{
        DIRECTORIES, ENFORCED, FIELDS, LAPSING, MAX_PAGES, NEW_SOURCES, OCTETS, ONCE, PAGE_WORDS, PAGES,
        REPEAT, WATCHED, fields,
    },
};

/// Signatures that a packet matches, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Matches {
    /// Those that drop.
    pub enforced: u64,
    /// Those that only count.
    pub watched: u64,
    /// Those of both that spare known sources.
    pub new_sources: u64,
    /// Those that drop a request for a connection only once.
    pub once: u64,
    /// Those that let other packets pass once they are repeated.
    pub repeat: u64,
}

impl Matches {
    /// What is left for a source that is known.
    #[inline(always)]
    pub const fn of_known(self) -> Self {
        Self {
            enforced: self.enforced & !self.new_sources,
            watched: self.watched & !self.new_sources,
            new_sources: 0,
            once: self.once & !self.new_sources,
            repeat: self.repeat & !self.new_sources,
        }
    }
}

/// Holds features against the signatures of a half (1 or 2): what tells most first. If the controller's lease has lapsed, what
/// was found only counts. `None` if the tables could not be reached.
#[inline(always)]
pub fn matches<T: Tables>(tables: &T, half: u32, lapsed: bool, features: &Features) -> Option<Matches> {
    let half = tables.signature_half(half.wrapping_sub(1) & 1)?;
    let word = |at: u32| half[at as usize].load();
    let octet = |field: usize| word(OCTETS + field as u32 * PAGE_WORDS + u32::from(features.octets[field]));
    let short = |field: WordField| {
        // In 64 bits: the verifier of Linux 6.1 knows nothing of what comes out of a 32-bit OR.
        let value = u64::from(features.shorts[field as usize]);
        let directory = u64::from(DIRECTORIES + field as u32 * PAGE_WORDS);
        let page = half[(directory + (value >> 8)) as usize].load() & u64::from(MAX_PAGES - 1);
        half[(u64::from(PAGES) + page * u64::from(PAGE_WORDS) + (value & 0xff)) as usize].load()
    };
    let (in_force, used) = (word(ENFORCED), word(FIELDS));
    let mut bits = in_force | word(WATCHED);
    bits &= octet(ByteField::Protocol as usize)
        & octet(ByteField::Service as usize)
        & octet(ByteField::Flags as usize);
    if bits != 0 {
        bits &= octet(ByteField::HopLimit as usize)
            & octet(ByteField::Form as usize)
            & octet(ByteField::Anomaly as usize);
        bits &= short(WordField::Length) & short(WordField::DestinationPort);
    }
    if bits != 0 && used & fields::TCP != 0 {
        bits &= octet(ByteField::TcpHeader as usize);
        bits &= short(WordField::Window) & short(WordField::Options) & short(WordField::SegmentSize);
    }
    if bits != 0 {
        bits &= short(WordField::SourcePort) & short(WordField::PayloadLength);
    }
    if bits != 0 && used & fields::PAYLOAD != 0 {
        for at in 0..8 {
            bits &= octet(ByteField::Payload as usize + at);
        }
    }
    if bits != 0 && used & fields::MORE_PAYLOAD != 0 {
        for at in 8..16 {
            bits &= octet(ByteField::Payload as usize + at);
        }
    }
    let enforced = if lapsed { in_force & !word(LAPSING) } else { in_force };
    Some(Matches {
        enforced: bits & enforced,
        watched: bits & !enforced,
        new_sources: bits & word(NEW_SOURCES),
        once: bits & word(ONCE),
        repeat: bits & word(REPEAT),
    })
}

/// The signatures of a half (1 or 2) that spare known sources. `None` if the tables could not be reached.
#[inline(always)]
pub fn spare_known<T: Tables>(tables: &T, half: u32) -> Option<u64> {
    Some(tables.signature_half(half.wrapping_sub(1) & 1)?[NEW_SOURCES as usize].load())
}

/// The number of the first signature in a set that is not empty.
#[inline(always)]
pub fn first(bits: u64) -> u32 {
    // De Bruijn multiplication: BPF has no instruction for it, and a loop would be walked by the verifier.
    const SEQUENCE: u64 = 0x03f7_9d71_b4cb_0a89;
    let lowest = bits & bits.wrapping_neg();
    u32::from(PLACES[(lowest.wrapping_mul(SEQUENCE) >> 58) as usize & 63])
}

/// The place of the lowest bit, by what [`first`] makes of it.
static PLACES: [u8; 64] = {
    let mut places = [0; 64];
    let mut bit = 0;
    while bit < 64 {
        places[(0x03f7_9d71_b4cb_0a89_u64.wrapping_shl(bit) >> 58) as usize] = bit as u8;
        bit += 1;
    }
    places
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_set_is_its_lowest_bit() {
        for bit in 0..64 {
            assert_eq!(first(1 << bit), bit);
            assert_eq!(first(1 << bit | 1 << 63), bit);
        }
    }
}
