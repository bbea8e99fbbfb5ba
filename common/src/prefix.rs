//! Longest-prefix match over the allowlist and the blocklist, in one look-up.
//!
//! Where an allowlist prefix covers an address, however long or short, the table holds the allow: the one who
//! builds it gives the allowlist precedence, so one search answers both stages. See [`crate::wire`] for the
//! layout. Cost: one bit for an address with nothing listed near it. For an IPv4 address that is listed, one more word
//! of a table that stays in the last cache, and one cold line that holds what decides and what is counted; where
//! several prefixes share a /24, a second. (That a bitmap and a count of its bits make an index into a packed array
//! is from Asai & Ohara, "Poptrie", SIGCOMM 2015.) For IPv6, a [filter](bloom) stands in place of the bit; what it lets
//! through goes down a multibit trie with controlled strides (Srinivasan & Varghese, "Fast address lookups using
//! controlled prefix expansion", TOCS 1999).

use crate::{
    bloom,
    branchless::{Lanes, at_most, min, ones},
    tables::Tables,
    wire::{
        DIRECT_RUNS, KEYS_PER_LINE, LINE_WORDS, Leaf, Line, MAX_SEARCHED_RUNS, OCTET_RANKS, SMALL_OCTET_RUNS,
        SMALL_RUNS, STRETCHES_PER_LINE, Settings, Shape, Slot, TILE_BITS, TILE_BLOCKS, TailWord, Word,
        bitmap_base, root_base,
    },
};

/// An address family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Family {
    #[default]
    /// IPv4.
    V4 = 0,
    /// IPv6.
    V6 = 1,
}

/// An address of either family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Address {
    /// Its family.
    pub family: Family,
    /// Its first 64 bits. An IPv4 address fills the top 32.
    pub high: u64,
    /// Its last 64 bits.
    pub low: u64,
}

impl Address {
    /// The IPv4 address with this value in host order.
    #[inline(always)]
    pub const fn v4(value: u32) -> Self {
        Self { family: Family::V4, high: (value as u64) << 32, low: 0 }
    }

    /// The IPv6 address with these halves in host order.
    #[inline(always)]
    pub const fn v6(high: u64, low: u64) -> Self {
        Self { family: Family::V6, high, low }
    }
}

/// Nodes below the root of IPv6.
const MAX_DEPTH: u32 = 7;

/// Where a word of the table is. Kept as numbers, not as a reference: the verifier then sees that all ways
/// through a node end alike, and looks at the next level once.
#[derive(Clone, Copy)]
struct Spot {
    line: u32,
    word: u32,
}

/// The rule whose prefix decides for `address`. Counts the hit in the table if `count`.
///
/// `None` means that the table contradicted itself or could not be reached.
#[inline(always)]
pub fn find<T: Tables>(tables: &T, settings: &Settings, address: Address, count: bool) -> Option<Leaf> {
    let generation = settings.generation.load();
    let family = address.family as u32;

    let (bitmap, roots) = (bitmap_base(generation, family), root_base(generation, family));
    match address.family {
        Family::V4 => {
            let bits = tables.prefix_bitmap(bitmap + (address.high >> 46) as u32)?.load();
            if bits >> ((address.high >> 40) & 63) & 1 == 0 {
                return Some(Leaf::Nothing);
            }
            find_v4(tables, roots, (address.high >> 32) as u32, count)
        }
        Family::V6 => {
            let [short, shorter, longer] = bloom::words_of(address.high);
            let load = |word: u32| Some(tables.prefix_bitmap(bitmap + word)?.load());
            if !bloom::may_cover([load(short)?, load(shorter)?, load(longer)?], address.high) {
                return Some(Leaf::Nothing);
            }
            find_v6(tables, roots, address, count)
        }
    }
}

/// What decides for an IPv4 address whose /24 holds something.
#[inline(always)]
fn find_v4<T: Tables>(tables: &T, base: u32, address: u32, count: bool) -> Option<Leaf> {
    let tile = tables.prefix_root(base + (address >> (32 - TILE_BITS)))?.load();
    if tile == 0 {
        return Some(Leaf::Nothing);
    }
    let (line, starts) = Slot::unpack_tile(tile);
    let block = address >> 8 & (TILE_BLOCKS - 1);
    // Of the /24s after the first, up to this one.
    let stretch = ones(u64::from(starts) & ((2 << block) - 2));
    let words = tables.prefix_line(line + stretch / STRETCHES_PER_LINE)?;
    let at = (stretch % STRETCHES_PER_LINE) as usize * 2;
    let Shape { first, last, value, open } = Shape::unpack(words[at].load());
    let octet = address & 0xff;
    let beside = at_most(u32::from(first), block) & at_most(block, u32::from(last)) ^ 1;
    if beside | (octet ^ u32::from(value)) >> (open & 15) != 0 {
        return Some(Leaf::Nothing);
    }
    let slot = &words[at + 1];
    let word = slot.load();
    let Slot::Octet { line, runs } = Slot::unpack(word) else { return Some(decided(slot, word, count)) };
    let words = tables.prefix_line(line)?;
    let slot = if runs <= SMALL_OCTET_RUNS {
        let upto = Lanes::<8>::sum(Lanes::<8>::at_most(words[0].load(), Lanes::<8>::all(octet)));
        // Slots follow on the word of keys. No unused key but 0xff is found to be at most anything.
        &words[min(upto, runs) as usize % LINE_WORDS]
    } else {
        let part = octet / u64::BITS;
        let before = (words[OCTET_RANKS].load() >> (16 * part)) as u32 & 0xffff;
        let upto = words[part as usize & 3].load() & (2u64 << (octet % u64::BITS)).wrapping_sub(1);
        let run = before + ones(upto) - 1;
        &tables.prefix_line(line + 1 + run / LINE_WORDS as u32)?[run as usize % LINE_WORDS]
    };
    Some(decided(slot, slot.load(), count))
}

/// The leaf that a search has ended at.
#[inline(always)]
fn decided(slot: &Word, word: u64, count: bool) -> Leaf {
    if count && word != Leaf::Nothing.pack() {
        slot.add(Leaf::HIT);
    }
    Leaf::unpack(word)
}

/// What decides for an IPv6 address that something may cover.
#[inline(always)]
fn find_v6<T: Tables>(tables: &T, base: u32, address: Address, count: bool) -> Option<Leaf> {
    let root = tables.prefix_root(base + (address.high >> 48) as u32)?.load();
    if root == 0 {
        return Some(Leaf::Nothing);
    }
    // The next 16 bits of the address are always the topmost of `high`.
    let (mut high, mut low) = (address.high, address.low);
    let mut reference = root;
    for _ in 0..=MAX_DEPTH {
        high = high << 16 | low >> 48;
        low <<= 16;
        let spot = tables.step_v6(reference, high >> 48, address.high, address.low);
        if spot == NO_SPOT {
            return None;
        }
        let slot = &tables.prefix_line((spot / LINE_WORDS as u64) as u32)?[spot as usize % LINE_WORDS];
        reference = slot.load();
        if let Slot::Leaf(_) = Slot::unpack(reference) {
            return Some(decided(slot, reference, count));
        }
    }
    None
}

/// Stands for no word of the table.
const NO_SPOT: u64 = u64::MAX;

/// The number of the word where a search goes on that has come upon `reference`, out of all words of all lines; see
/// [`Tables::step_v6`]. `key` is the next 16 bits of the address of which `high` and `low` are the halves.
#[inline(always)]
pub fn step_v6<T: Tables>(tables: &T, reference: u64, key: u64, high: u64, low: u64) -> u64 {
    let spot = match Slot::unpack(reference) {
        Slot::Node { line, runs } => run(tables, line, runs, key as u32),
        Slot::Tail { line } => {
            tables.prefix_line(line).map(|words| Spot { line, word: tail(words, Address::v6(high, low)) })
        }
        // A root holds no leaf, a leaf that was found has ended the search, and the rest is IPv4's.
        _ => None,
    };
    spot.map_or(NO_SPOT, |spot| u64::from(spot.line) * LINE_WORDS as u64 + u64::from(spot.word))
}

/// The spot of the run of the node at `line` that `key` falls in.
#[inline(always)]
fn run<T: Tables>(tables: &T, line: u32, runs: u32, key: u32) -> Option<Spot> {
    if runs <= SMALL_RUNS {
        let keys = tables.prefix_line(line)?;
        let key = Lanes::<16>::all(key);
        let upto = Lanes::<16>::at_most(keys[0].load(), key) + Lanes::<16>::at_most(keys[1].load(), key);
        // Slots follow on two words of keys.
        return Some(Spot { line, word: 1 + min(Lanes::<16>::sum(upto), runs) });
    }
    if runs > MAX_SEARCHED_RUNS {
        return (runs == DIRECT_RUNS).then_some(spot(line, key));
    }
    let (mut line, mut index) = (line, 0);
    if runs > KEYS_PER_LINE * KEYS_PER_LINE {
        index = last_at_most(tables.prefix_line(line)?, key);
        line += 1;
    }
    if runs > KEYS_PER_LINE {
        index = index * KEYS_PER_LINE + last_at_most(tables.prefix_line(line + index)?, key);
        line += runs.div_ceil(KEYS_PER_LINE * KEYS_PER_LINE);
    }
    index = index * KEYS_PER_LINE + last_at_most(tables.prefix_line(line + index)?, key);
    line += runs.div_ceil(KEYS_PER_LINE);
    // Past the last key the search meets filler, which only the key 0xffff does not stop at.
    Some(spot(line, min(index, runs - 1)))
}

/// The spot of slot number `index` of those that start at `line`.
#[inline(always)]
fn spot(line: u32, index: u32) -> Spot {
    Spot { line: line + index / LINE_WORDS as u32, word: index % LINE_WORDS as u32 }
}

/// Index of the last key of a line that is at most `key`.
#[inline(always)]
fn last_at_most(line: &Line, key: u32) -> u32 {
    let key = Lanes::<16>::all(key);
    let upto = |word: usize| Lanes::<16>::at_most(line[word].load(), key);
    let upto = (upto(0) + upto(1)) + (upto(2) + upto(3)) + (upto(4) + upto(5)) + (upto(6) + upto(7));
    // The first key is 0.
    Lanes::<16>::sum(upto).wrapping_sub(1) % KEYS_PER_LINE
}

/// The word of a tail that `address` belongs to.
#[inline(always)]
fn tail(line: &Line, address: Address) -> u32 {
    let word = |which: TailWord| line[which as usize].load();
    let outside = (address.high ^ word(TailWord::High)) & word(TailWord::MaskHigh)
        | (address.low ^ word(TailWord::Low)) & word(TailWord::MaskLow);
    if outside == 0 { TailWord::Inside as u32 } else { TailWord::Outside as u32 }
}
