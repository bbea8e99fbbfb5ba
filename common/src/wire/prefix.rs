//! The prefix table: for IPv4 two levels by address, for IPv6 a multibit trie of 16-bit strides.
//!
//! Three arrays: *bitmaps* (is there anything to find? For IPv4, one bit for each /24; for IPv6, a
//! [Bloom filter](crate::bloom) of the same size), *roots* (where to look for it), and *lines* of 64 bytes that hold all
//! the rest. Bitmaps and roots exist for each family and twice, so that a whole new set can be built beside the one in
//! force; bit 0 of [`Settings::generation`](super::Settings::generation) says which half is.
//!
//! **IPv4.** A root stands for a *tile*, the 32 /24s that share their first 19 bits. It says where the tile's
//! *stretches* are, and in which /24s they start. A stretch is a row of /24s that share a fate, or a single /24 in
//! which one longer prefix is listed; it is two words, a [`Shape`] and a slot, so that what decides about a packet
//! is in one cache line together with what is counted for it. Record number `n` of a tile is for the `n`th /24 that
//! a stretch starts in (the first one's bit is not needed, and marks a tile that others share). Where more is
//! listed in a /24 than one prefix, the slot leads to a node of the last octet: runs of values that share a fate. Up
//! to 7 are one line, a word of 8-bit keys and 7 slots; more are a line with a bit for each value that a
//! run starts at and the number of runs before each 64 of them, and lines of slots.
//!
//! **IPv6.** A root stands for a /16. A **node** splits the next 16 bits of the address into runs. It starts at a
//! line and is stored by its number of runs:
//!
//! | runs | layout |
//! |---|---|
//! | ≤ 6 | one line: 8 keys of 16 bits, 6 slots |
//! | ≤ 32 | a line of keys, lines of slots |
//! | ≤ 1,024 | a line with the first key of each line of keys, lines of keys, lines of slots |
//! | ≤ 32,768 | one more such level |
//! | above | 65,536 slots, indexed by the value itself |
//!
//! A key is the first value of its run; the first key is 0 and unused keys are 0xffff. A search for 0xffff does not
//! stop at unused keys: it looks at lines past the node's end, whatever they hold, before it is called back to
//! the last run. The array must go on that far; see [`Slot::OVERRUN`].
//!
//! A **tail** stands for a subtree that holds a single prefix: value, mask, and the leaves inside and outside.
//!
//! Words that hold references are only ever replaced; words that hold leaves are only ever added to. Whoever
//! counts a hit can therefore never damage a reference.

use super::Word;

/// Words in a line.
pub const LINE_WORDS: usize = 8;
/// A cache line of the table.
pub type Line = [Word; LINE_WORDS];
/// Keys in a line of keys.
pub const KEYS_PER_LINE: u32 = 32;
/// Most runs of a node that fits one line.
pub const SMALL_RUNS: u32 = 6;
/// Most runs of a node that is searched; above, it is indexed.
pub const MAX_SEARCHED_RUNS: u32 = 32 * 32 * 32;
/// The run count that marks an indexed node.
pub const DIRECT_RUNS: u32 = RUNS_MAX;
/// Most runs that 16 bits can be split into.
pub const RUNS_MAX: u32 = 1 << 16;
/// Values of an address's first 16 bits.
pub const SLOTS: u32 = 1 << 16;
/// Bits of an IPv4 address that name its tile.
pub const TILE_BITS: u32 = 19;
/// Tiles of IPv4.
pub const TILES: u32 = 1 << TILE_BITS;
/// Tiles of a /16.
pub const TILES_PER_SLOT: u32 = TILES / SLOTS;
/// /24s of a tile.
pub const TILE_BLOCKS: u32 = 1 << (24 - TILE_BITS);
/// Roots of one half: tiles of IPv4, then /16s of IPv6.
pub const ROOTS: u32 = TILES + SLOTS;
/// Stretches in a line.
pub const STRETCHES_PER_LINE: u32 = LINE_WORDS as u32 / 2;
/// Most runs of a node of the last octet that fits one line.
pub const SMALL_OCTET_RUNS: u32 = 7;
/// Most runs of a node of the last octet.
pub const OCTET_RUNS_MAX: u32 = 256;
/// The word of a larger such node that holds the numbers of runs before each 64 values, 16 bits each.
pub const OCTET_RANKS: usize = 4;
/// Words of one bitmap.
pub const BITMAP_WORDS: u32 = (1 << 24) / 64;

/// First root of `family` (0: IPv4, 1: IPv6) in the half that `generation` names.
#[inline(always)]
pub const fn root_base(generation: u64, family: u32) -> u32 {
    (generation as u32 & 1) * ROOTS + family * TILES
}

/// First word of the bitmap of `family` in the half that `generation` names.
#[inline(always)]
pub const fn bitmap_base(generation: u64, family: u32) -> u32 {
    ((generation as u32 & 1) * 2 + family) * BITMAP_WORDS
}

/// Places of a tail's words in its line.
#[derive(Clone, Copy, Debug)]
pub enum TailWord {
    /// First 64 bits of the prefix.
    High = 0,
    /// Last 64 bits of the prefix.
    Low = 1,
    /// First 64 bits of its mask.
    MaskHigh = 2,
    /// Last 64 bits of its mask.
    MaskLow = 3,
    /// Leaf of addresses inside the prefix.
    Inside = 4,
    /// Leaf of all others.
    Outside = 5,
}

/// What a word of the table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The search ends here.
    Leaf(Leaf),
    /// Go on in the node at `line`, which has `runs` runs.
    Node {
        /// Index of its first line.
        line: u32,
        /// Number of runs, 1 to [`RUNS_MAX`].
        runs: u32,
    },
    /// Compare with the tail at `line`.
    Tail {
        /// Index of its line.
        line: u32,
    },
    /// Go on in the tile whose stretches begin at `line`.
    Tile {
        /// Index of its first line, below 2²⁹.
        line: u32,
        /// A bit for each /24 that a stretch starts in, but the first one's; bit 0 is [`Slot::SHARED`].
        starts: u32,
    },
    /// Go on in the node of the last octet at `line`.
    Octet {
        /// Index of its first line.
        line: u32,
        /// Number of runs, 2 to [`OCTET_RUNS_MAX`].
        runs: u32,
    },
}

/// Which addresses a stretch's slot is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Number of its first /24 in the tile.
    pub first: u8,
    /// Number of its last /24 in the tile.
    pub last: u8,
    /// Last octet of the addresses in question, but for as many bits as
    pub value: u8,
    /// this says are open: 8 if all addresses are.
    pub open: u8,
}

impl Shape {
    /// As a word.
    pub const fn pack(self) -> u64 {
        u32::from_le_bytes([self.first, self.last, self.value, self.open]) as u64
    }

    /// From a word.
    #[inline(always)]
    pub const fn unpack(word: u64) -> Self {
        let [first, last, value, open] = (word as u32).to_le_bytes();
        Self { first, last, value, open }
    }
}

/// The end of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// No prefix covers the address.
    Nothing,
    /// The rule with this number allows it.
    Allow(u32),
    /// The rule with this number blocks it.
    Block(u32),
    /// The rule with this number blocks it for as long as the controller is there: nobody has said so, it was decided.
    Ban(u32),
}

const TAG_BITS: u32 = 3;
const TAG_MASK: u64 = (1 << TAG_BITS) - 1;
const TAG_NOTHING: u64 = 0;
const TAG_ALLOW: u64 = 1;
const TAG_BLOCK: u64 = 2;
const TAG_BAN: u64 = 3;
const TAG_NODE: u64 = 4;
const TAG_TAIL: u64 = 5;
const TAG_TILE: u64 = 6;
const TAG_OCTET: u64 = 7;

impl Leaf {
    const RULE_BITS: u32 = 24;
    const HITS_SHIFT: u32 = TAG_BITS + Self::RULE_BITS;
    /// Rule numbers are below this.
    pub const MAX_RULES: u32 = 1 << Self::RULE_BITS;
    /// What one packet adds to a word that holds a leaf. Hits are counted modulo 2³⁷.
    pub const HIT: u64 = 1 << Self::HITS_SHIFT;

    /// The leaf as a word, without hits.
    pub const fn pack(self) -> u64 {
        match self {
            Self::Nothing => TAG_NOTHING,
            Self::Allow(rule) => TAG_ALLOW | (rule as u64) << TAG_BITS,
            Self::Block(rule) => TAG_BLOCK | (rule as u64) << TAG_BITS,
            Self::Ban(rule) => TAG_BAN | (rule as u64) << TAG_BITS,
        }
    }

    /// Hits counted in a word that holds a leaf.
    pub const fn hits(word: u64) -> u64 {
        word >> Self::HITS_SHIFT
    }

    /// The number of the rule that decides, if one does.
    pub const fn rule(self) -> Option<u32> {
        match self {
            Self::Nothing => None,
            Self::Allow(rule) | Self::Block(rule) | Self::Ban(rule) => Some(rule),
        }
    }

    /// From a word that holds a leaf; a reference reads as nothing.
    #[inline(always)]
    pub const fn unpack(word: u64) -> Self {
        let rule = (word >> TAG_BITS) as u32 & (Self::MAX_RULES - 1);
        match word & TAG_MASK {
            TAG_ALLOW => Self::Allow(rule),
            TAG_BLOCK => Self::Block(rule),
            TAG_BAN => Self::Ban(rule),
            _ => Self::Nothing,
        }
    }
}

impl Slot {
    /// How many lines past the end of a node a search may look at: the last lines of the array, as many as
    /// this, hold nothing.
    pub const OVERRUN: u32 = KEYS_PER_LINE * KEYS_PER_LINE;

    /// Bit of a tile's starts: other tiles that fare the same refer to the same stretch.
    pub const SHARED: u32 = 1;

    /// The slot as a word.
    pub const fn pack(self) -> u64 {
        match self {
            Self::Leaf(leaf) => leaf.pack(),
            Self::Node { line, runs } => {
                TAG_NODE | (line as u64) << TAG_BITS | (runs as u64) << (TAG_BITS + 32)
            }
            Self::Tail { line } => TAG_TAIL | (line as u64) << TAG_BITS,
            Self::Tile { line, starts } => TAG_TILE | (line as u64) << TAG_BITS | (starts as u64) << 32,
            Self::Octet { line, runs } => {
                TAG_OCTET | (line as u64) << TAG_BITS | (runs as u64) << (TAG_BITS + 32)
            }
        }
    }

    /// The line and the starts of a root that is known to stand for a tile.
    #[inline(always)]
    pub const fn unpack_tile(word: u64) -> (u32, u32) {
        (word as u32 >> TAG_BITS, (word >> 32) as u32)
    }

    /// From a word of the table.
    #[inline(always)]
    pub const fn unpack(word: u64) -> Self {
        let line = (word >> TAG_BITS) as u32;
        match word & TAG_MASK {
            TAG_NODE => Self::Node { line, runs: (word >> (TAG_BITS + 32)) as u32 },
            TAG_TAIL => Self::Tail { line },
            TAG_TILE => {
                let (line, starts) = Self::unpack_tile(word);
                Self::Tile { line, starts }
            }
            TAG_OCTET => Self::Octet { line, runs: (word >> (TAG_BITS + 32)) as u32 },
            _ => Self::Leaf(Leaf::unpack(word)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_survive_packing() {
        for slot in [
            Slot::Leaf(Leaf::Nothing),
            Slot::Leaf(Leaf::Allow(Leaf::MAX_RULES - 1)),
            Slot::Leaf(Leaf::Block(1)),
            Slot::Leaf(Leaf::Ban(Leaf::MAX_RULES - 1)),
            Slot::Node { line: u32::MAX, runs: RUNS_MAX },
            Slot::Tail { line: 7 },
            Slot::Tile { line: (1 << 29) - 1, starts: u32::MAX },
            Slot::Octet { line: u32::MAX, runs: OCTET_RUNS_MAX },
        ] {
            assert_eq!(Slot::unpack(slot.pack()), slot);
        }
    }

    #[test]
    fn a_shape_survives_packing() {
        let shape = Shape { first: 1, last: 31, value: 0xff, open: 8 };
        assert_eq!(Shape::unpack(shape.pack()), shape);
    }

    #[test]
    fn hits_leave_the_rule_alone() {
        let word = Leaf::Block(Leaf::MAX_RULES - 1).pack() + 5 * Leaf::HIT;
        assert_eq!((Leaf::unpack(word), Leaf::hits(word)), (Leaf::Block(Leaf::MAX_RULES - 1), 5));
    }
}
