//! What is wanted: the prefixes of both lists.

use std::{ops::Range, sync::Arc};

use floodwall_common::{
    prefix::{Address, Family},
    wire::{Leaf, SLOTS},
};

use super::{
    bucket::Bucket,
    entry::{Entry, Key, List, Rule, SHORTEST},
    places::Places,
    short_prefixes::Shorts,
};
use crate::{Prefix, prefix::bits_of};

/// Slots of IPv4, which are those of each family.
pub(super) const SLOTS_V4: usize = SLOTS as usize;
/// Places of both families' slots: that of IPv4's 0.0/16 first, that of IPv6's ffff::/16 last.
pub(super) const PLACES: usize = 2 * SLOTS_V4;

/// The prefixes of both lists, by what they are found by.
#[derive(Debug)]
pub(super) struct Wanted {
    /// By [`place_of`]; `None` where a bucket would be empty.
    buckets: Vec<Option<Arc<Bucket>>>,
    /// By list, the places whose buckets have any of it.
    places: [Places; 2],
    pub(super) shorts: Shorts,
    /// By list.
    len: [u32; 2],
    /// By family and list, bit `n - 1` for each length `n` that was ever there: what need not be looked for.
    lengths: [[u128; 2]; 2],
}

/// The place in a root of the first 16 bits.
pub(super) fn place_of(family: Family, bits: u128) -> usize {
    family as usize * SLOTS_V4 + (bits >> 112) as usize
}

/// The places in a root that a prefix has a part in.
pub(super) fn places_of(prefix: &Prefix) -> Range<usize> {
    place_of(prefix.family(), prefix.bits())..place_of(prefix.family(), prefix.last_bits()) + 1
}

/// The /16 at a place in a root.
pub(super) fn slot_at(place: usize) -> Prefix {
    let family = if place < SLOTS_V4 { Family::V4 } else { Family::V6 };
    Prefix::of_bits(family, (place as u128) << 112, SHORTEST)
}

impl Wanted {
    /// Nothing.
    pub(super) fn new() -> Self {
        Self {
            buckets: vec![None; PLACES],
            places: [Places::new(), Places::new()],
            shorts: Shorts::default(),
            len: [0; 2],
            lengths: [[0; 2]; 2],
        }
    }

    /// Prefixes of a list.
    pub(super) fn len_of(&self, list: List) -> u32 {
        self.len[list as usize]
    }

    pub(super) fn len(&self) -> u32 {
        self.len[0] + self.len[1]
    }

    pub(super) fn bucket(&self, place: usize) -> Option<&Arc<Bucket>> {
        self.buckets[place].as_ref()
    }

    /// The next place, from the given one on, whose bucket has any of the list.
    pub(super) fn next_place(&self, list: List, place: usize) -> Option<usize> {
        self.places[list as usize].next(place)
    }

    /// What is kept of a listed prefix.
    pub(super) fn get(&self, list: List, prefix: &Prefix) -> Option<Rule> {
        if prefix.length() < SHORTEST {
            return self.shorts.get(list, prefix);
        }
        let bucket = self.bucket(place_of(prefix.family(), prefix.bits()))?;
        bucket.get(&Key::new(list, prefix)).map(Entry::rule)
    }

    /// What is kept of all prefixes, in no order.
    pub(super) fn rules(&self) -> impl Iterator<Item = Rule> {
        let long = self.buckets.iter().flatten().flat_map(|bucket| bucket.entries());
        let short = List::ALL.into_iter().flat_map(|list| self.shorts.of(list).values().copied());
        long.map(Entry::rule).chain(short)
    }

    /// Adds a prefix, or changes its rule.
    pub(super) fn put(&mut self, list: List, prefix: Prefix, rule: Rule) {
        let is_new = self.get(list, &prefix).is_none();
        self.len[list as usize] += u32::from(is_new);
        if prefix.length() < SHORTEST {
            return self.shorts.put(list, prefix, rule);
        }
        self.note_length(list, prefix.family(), prefix.length());
        let place = place_of(prefix.family(), prefix.bits());
        self.places[list as usize].set(place, true);
        let bucket = self.buckets[place].get_or_insert_default();
        Arc::make_mut(bucket).put(Entry::new(list, &prefix, rule));
    }

    /// Removes a prefix.
    pub(super) fn remove(&mut self, list: List, prefix: &Prefix) -> Option<Rule> {
        let rule = if prefix.length() < SHORTEST {
            self.shorts.remove(list, prefix)?
        } else {
            let place = place_of(prefix.family(), prefix.bits());
            let slot = &mut self.buckets[place];
            let bucket = Arc::make_mut(slot.as_mut()?);
            let entry = bucket.remove(&Key::new(list, prefix))?;
            self.places[list as usize].set(place, bucket.len_of(list) > 0);
            if bucket.is_empty() {
                *slot = None;
            }
            entry.rule()
        };
        self.len[list as usize] -= 1;
        Some(rule)
    }

    /// Puts a whole bucket in its place, of entries whose lengths were noted; gives back what was there.
    pub(super) fn fill(&mut self, place: usize, bucket: Option<Arc<Bucket>>) -> Option<Arc<Bucket>> {
        let old = std::mem::replace(&mut self.buckets[place], bucket);
        for list in List::ALL {
            let [before, after] = [&old, &self.buckets[place]]
                .map(|bucket| bucket.as_ref().map_or(0, |bucket| bucket.len_of(list)));
            self.len[list as usize] = self.len[list as usize] - before + after;
            self.places[list as usize].set(place, after > 0);
        }
        old
    }

    /// Puts prefixes shorter than a slot, in order, into a list that has none.
    pub(super) fn fill_shorts(&mut self, list: List, rules: Vec<(Prefix, Rule)>) {
        self.len[list as usize] += rules.len() as u32;
        self.shorts.fill(list, rules);
    }

    /// Takes note that there are prefixes of this length.
    pub(super) fn note_length(&mut self, list: List, family: Family, length: u8) {
        self.lengths[family as usize][list as usize] |= 1 << (length - 1);
    }

    /// Takes note of every length that the other knows.
    pub(super) fn note_lengths_of(&mut self, other: &Self) {
        for (mine, theirs) in self.lengths.iter_mut().flatten().zip(other.lengths.iter().flatten()) {
            *mine |= theirs;
        }
    }

    /// The longest prefix of a list that covers the address and is shorter than `below`.
    pub(super) fn longest(
        &self,
        list: List,
        family: Family,
        bits: u128,
        below: u8,
    ) -> Option<(Prefix, Rule)> {
        if let Some(bucket) = self.bucket(place_of(family, bits))
            && bucket.len_of(list) > 0
        {
            let known = self.lengths[family as usize][list as usize];
            let mut lengths = if below > 128 { known } else { known & ((1 << (below.max(1) - 1)) - 1) };
            while lengths != 0 {
                let bit = lengths.ilog2();
                lengths ^= 1 << bit;
                let prefix = Prefix::of_bits(family, bits, bit as u8 + 1);
                if let Some(entry) = bucket.get(&Key::new(list, &prefix)) {
                    return Some((prefix, entry.rule()));
                }
            }
        }
        self.shorts.longest(list, family, bits, below)
    }

    /// What prefixes shorter than `below` decide about an address: the longest allow, else the longest block.
    pub(super) fn decided(&self, family: Family, bits: u128, below: u8) -> Leaf {
        List::ALL
            .into_iter()
            .find_map(|list| decided_by(list, below, |below| self.longest(list, family, bits, below)))
            .unwrap_or(Leaf::Nothing)
    }

    /// What prefixes shorter than a slot decide about the slot at a place.
    pub(super) fn cover(&self, place: usize) -> Leaf {
        let slot = slot_at(place);
        List::ALL
            .into_iter()
            .find_map(|list| {
                let longest = |below| self.shorts.longest(list, slot.family(), slot.bits(), below);
                decided_by(list, SHORTEST, longest)
            })
            .unwrap_or(Leaf::Nothing)
    }

    /// Every prefix of a list that covers the address, longest first.
    pub(super) fn covering(&self, list: List, address: Address) -> impl Iterator<Item = (Prefix, Rule)> {
        let (family, bits) = (address.family, bits_of(address));
        let next = move |below| self.longest(list, family, bits, below);
        std::iter::successors(next(u8::MAX), move |(prefix, _)| next(prefix.length()))
    }

    /// Does any prefix cover or lie in the /24 of IPv4 that starts at `bits`?
    pub(super) fn touches(&self, bits: u128) -> bool {
        let range = Prefix::of_bits(Family::V4, bits, 24);
        self.within(&range).next().is_some()
            || List::ALL.into_iter().any(|list| self.longest(list, Family::V4, bits, 24).is_some())
    }

    /// The entries that lie within `range`, which is no shorter than a slot.
    pub(super) fn within<'a>(&'a self, range: &Prefix) -> impl Iterator<Item = &'a Entry> + use<'a> {
        let range = *range;
        let bucket = self.bucket(place_of(range.family(), range.bits()));
        bucket.into_iter().flat_map(move |bucket| bucket.within(&range, false))
    }

    /// How many prefixes lie within `range`, which is no shorter than a slot, and are longer; 2 if there are more.
    pub(super) fn count_to_two(&self, range: &Prefix) -> usize {
        let bucket = self.bucket(place_of(range.family(), range.bits()));
        bucket.map_or(0, |bucket| bucket.within(range, true).take(2).count())
    }
}
/// What the prefixes of a list decide, of which `longest` says the longest one that is shorter than a length.
fn decided_by(list: List, below: u8, longest: impl Fn(u8) -> Option<(Prefix, Rule)>) -> Option<Leaf> {
    let (prefix, rule) = longest(below)?;
    let leaf = list.leaf(rule);
    let shorter = || std::iter::successors(longest(prefix.length()), |(prefix, _)| longest(prefix.length()));
    // A ban within what is blocked; nobody asks what else covers any other.
    let is_blocked =
        matches!(leaf, Leaf::Ban(_)) && shorter().any(|(_, rule)| matches!(list.leaf(rule), Leaf::Block(_)));
    Some(if is_blocked { Leaf::Block(rule.number) } else { leaf })
}
