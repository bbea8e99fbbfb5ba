//! Who wants a prefix: a set of owners, kept once, whatever many prefixes it is the set of.
//!
//! Prefixes have room for one word each. That is the number of the set of those who want it: millions of prefixes are
//! wanted by a few sets of owners, however many owners there are. A set gets its number when it first comes about,
//! and what was made of two sets is remembered, so that a change of a million prefixes makes few of them. Sets that no
//! prefix has any more are [forgotten](OwnerSets::keep), and their numbers given out again.

use std::{cell::Cell, collections::HashMap, sync::Arc};

use crate::lock::Mutex;

/// Somebody who wants prefixes: a number that means something to the caller.
pub type Owner = u16;

/// A set of owners, by its number in [`OwnerSets`]; 0 is nobody.
pub type Owners = u32;

/// Owners that decide by themselves, and whose decisions end with the controller: what nobody else wants is a
/// [ban](floodwall_common::wire::Leaf::Ban).
pub const PROVISIONAL: [Owner; 3] = [1, 2, 3];

/// Whether a prefix is wanted by somebody, and by nobody who is not [provisional](PROVISIONAL).
pub(super) const fn is_provisional(owners: Owners) -> bool {
    const BITS: Owners = 1 << PROVISIONAL[0] | 1 << PROVISIONAL[1] | 1 << PROVISIONAL[2];
    owners != OwnerSets::NOBODY && owners & !BITS == 0
}

/// So many owners, from 0, are in [sets that have fixed numbers](OwnerSets): those that nearly all prefixes have.
const FIXED_OWNERS: u32 = 6;
/// Numbers of fixed sets are below this.
const FIXED: Owners = 1 << FIXED_OWNERS;
/// Outcomes that are remembered, at most.
const REMEMBERED: usize = 1 << 16;
/// What a set takes beside its owners, about, bytes: its place by number, and the one by owners.
const SET_BYTES: usize = 64;

/// The sets of owners that prefixes have, and their numbers.
///
/// The sets of the owners 0 to 5 alone are always there, and their numbers have a bit for each owner.
#[derive(Debug)]
pub struct OwnerSets(Mutex<Sets>);

#[derive(Debug)]
struct Sets {
    /// By number, in order; `None` where the number is free.
    owners: Vec<Option<Arc<[Owner]>>>,
    numbers: HashMap<Arc<[Owner]>, Owners>,
    free: Vec<Owners>,
    /// Of two sets, the one of all who are in either.
    joined: HashMap<(Owners, Owners), Owners>,
    /// Of two sets, the one of those who are in the first alone.
    left: HashMap<(Owners, Owners), Owners>,
    /// Memory, about.
    bytes: usize,
    /// As many sets were kept when some were forgotten last.
    kept: usize,
}

impl Default for OwnerSets {
    fn default() -> Self {
        let mut sets = Sets {
            owners: Vec::new(),
            numbers: HashMap::new(),
            free: Vec::new(),
            joined: HashMap::new(),
            left: HashMap::new(),
            bytes: 0,
            kept: FIXED as usize,
        };
        for bits in 0..FIXED {
            let owners = (0..FIXED_OWNERS).filter(|owner| bits >> owner & 1 == 1);
            sets.number(owners.map(|owner| owner as Owner).collect());
        }
        Self(Mutex::new(sets))
    }
}

impl OwnerSets {
    /// Nobody.
    pub const NOBODY: Owners = 0;

    /// The set of one owner.
    pub fn one(&self, owner: Owner) -> Owners {
        self.of([owner])
    }

    /// The set of these owners.
    pub fn of(&self, owners: impl IntoIterator<Item = Owner>) -> Owners {
        let mut owners: Vec<_> = owners.into_iter().collect();
        owners.sort_unstable();
        owners.dedup();
        match owners.last() {
            Some(last) if u32::from(*last) >= FIXED_OWNERS => self.0.lock().number(owners),
            _ => owners.into_iter().fold(Self::NOBODY, |bits, owner| bits | 1 << owner),
        }
    }

    /// The owners in a set, in order.
    pub fn owners(&self, set: Owners) -> Arc<[Owner]> {
        self.0.lock().owners(set)
    }

    /// The set of all who are in either.
    pub fn joined(&self, one: Owners, other: Owners) -> Owners {
        if one == other || other == Self::NOBODY {
            return one;
        }
        if one.max(other) < FIXED {
            return one | other;
        }
        self.0.lock().joined(one, other)
    }

    /// The set of those who are in `all` and not in `gone`.
    pub fn left(&self, all: Owners, gone: Owners) -> Owners {
        if all == gone {
            return Self::NOBODY;
        }
        if gone == Self::NOBODY {
            return all;
        }
        if all.max(gone) < FIXED {
            return all & !gone;
        }
        self.0.lock().left(all, gone)
    }

    /// How many sets there are, fixed ones included.
    pub fn len(&self) -> usize {
        self.0.lock().numbers.len()
    }

    /// There always are some.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Memory that they take, about, bytes.
    pub fn bytes(&self) -> usize {
        self.0.lock().bytes
    }

    /// Are there so many more than when some were forgotten last that it is worth while to look for more to forget?
    pub fn are_many(&self) -> bool {
        let sets = self.0.lock();
        sets.numbers.len() > 2 * sets.kept + 1_024
    }

    /// Forgets all sets but the fixed ones and those that are used. No number of another may be in use anywhere.
    pub(super) fn keep(&self, used: impl IntoIterator<Item = Owners>) {
        let mut sets = self.0.lock();
        let mut keep = vec![false; sets.owners.len()];
        for set in used {
            if let Some(keep) = keep.get_mut(set as usize) {
                *keep = true;
            }
        }
        let Sets { owners, numbers, free, joined, left, bytes, kept } = &mut *sets;
        for ((number, set), keep) in (0..).zip(owners).zip(keep).skip(FIXED as usize) {
            if !keep && let Some(owners) = set.take() {
                numbers.remove(&owners);
                *bytes -= memory_of(&owners);
                free.push(number);
            }
        }
        joined.clear();
        left.clear();
        *kept = numbers.len();
    }
}

fn memory_of(owners: &[Owner]) -> usize {
    SET_BYTES + std::mem::size_of_val(owners)
}

impl Sets {
    /// The number of a set, which is in order.
    fn number(&mut self, owners: Vec<Owner>) -> Owners {
        let owners: Arc<[Owner]> = owners.into();
        if let Some(number) = self.numbers.get(&owners) {
            return *number;
        }
        self.bytes += memory_of(&owners);
        let number = match self.free.pop() {
            Some(number) => number,
            None => {
                self.owners.push(None);
                self.owners.len() as Owners - 1
            }
        };
        if let Some(place) = self.owners.get_mut(number as usize) {
            *place = Some(Arc::clone(&owners));
        }
        self.numbers.insert(owners, number);
        number
    }

    fn owners(&self, set: Owners) -> Arc<[Owner]> {
        self.owners.get(set as usize).cloned().flatten().unwrap_or_default()
    }

    fn joined(&mut self, one: Owners, other: Owners) -> Owners {
        // It makes no difference which comes first.
        let key = (one.min(other), one.max(other));
        if let Some(known) = self.joined.get(&key) {
            return *known;
        }
        let mut owners = [self.owners(one), self.owners(other)].concat();
        owners.sort_unstable();
        owners.dedup();
        let number = self.number(owners);
        remember(&mut self.joined, key, number);
        number
    }

    fn left(&mut self, all: Owners, gone: Owners) -> Owners {
        if let Some(known) = self.left.get(&(all, gone)) {
            return *known;
        }
        let gone_owners = self.owners(gone);
        let stays = |owner: &&Owner| gone_owners.binary_search(owner).is_err();
        let owners = self.owners(all).iter().filter(stays).copied().collect();
        let number = self.number(owners);
        remember(&mut self.left, (all, gone), number);
        number
    }
}

fn remember(outcomes: &mut HashMap<(Owners, Owners), Owners>, of: (Owners, Owners), outcome: Owners) {
    if outcomes.len() >= REMEMBERED {
        outcomes.clear();
    }
    outcomes.insert(of, outcome);
}

/// [`OwnerSets`] for a change of many prefixes: what came out last is at hand without a lock.
#[derive(Debug)]
pub(super) struct Recent {
    sets: Arc<OwnerSets>,
    joined: Outcomes,
    left: Outcomes,
}

/// Two sets and what was made of them, by both.
type Outcomes = [Cell<(Owners, Owners, Owners)>; 64];

impl Recent {
    pub(super) fn new(sets: Arc<OwnerSets>) -> Self {
        // Of nobody and nobody nobody is made, either way.
        let none = || [const { Cell::new((0, 0, 0)) }; 64];
        Self { sets, joined: none(), left: none() }
    }

    pub(super) fn joined(&self, one: Owners, other: Owners) -> Owners {
        recall(&self.joined, one, other, || self.sets.joined(one, other))
    }

    pub(super) fn left(&self, all: Owners, gone: Owners) -> Owners {
        recall(&self.left, all, gone, || self.sets.left(all, gone))
    }
}

fn recall(outcomes: &Outcomes, one: Owners, other: Owners, make: impl FnOnce() -> Owners) -> Owners {
    let at = one.wrapping_mul(0x9e37_79b1) ^ other.wrapping_mul(0x85eb_ca6b);
    let place = &outcomes[(at >> 26) as usize];
    let (first, second, known) = place.get();
    if (first, second) == (one, other) {
        return known;
    }
    let made = make();
    place.set((one, other, made));
    made
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn sets_of_the_first_owners_have_a_bit_for_each() {
        let sets = OwnerSets::default();
        assert_eq!((sets.one(0), sets.one(5), sets.of([2, 1, 2])), (1, 32, 0b110));
        assert_eq!((sets.joined(0b101, 0b11), sets.left(0b111, 0b101)), (0b111, 0b10));
        assert_eq!((sets.of([]), sets.left(7, 7)), (OwnerSets::NOBODY, OwnerSets::NOBODY));
        assert_eq!(&*sets.owners(0b10_0010), [1, 5]);
        assert_eq!(sets.len(), 64);
    }

    #[test]
    fn sets_are_what_they_are_made_of_however_they_come_about() {
        let sets = Arc::new(OwnerSets::default());
        let recent = Recent::new(Arc::clone(&sets));
        let of = |bits: u32| (0..12).filter(move |bit| bits >> bit & 1 == 1).map(|bit| bit * 500);
        let all = |set| sets.owners(set).iter().copied().collect::<BTreeSet<_>>();
        for one in (0..4_096).step_by(37) {
            for other in (0..4_096).step_by(101) {
                let (a, b) = (sets.of(of(one)), sets.of(of(other)));
                for _ in 0..2 {
                    assert_eq!(all(recent.joined(a, b)), of(one | other).collect());
                    assert_eq!(all(recent.left(a, b)), of(one & !other).collect());
                }
                assert_eq!(recent.joined(a, b), sets.of(of(one | other)), "a set has one number");
                assert_eq!(recent.joined(a, b), sets.joined(b, a));
                assert_eq!(recent.left(a, b), sets.of(of(one & !other)));
            }
        }
    }

    #[test]
    fn what_nobody_has_any_more_is_forgotten_and_its_number_given_out_again() {
        let sets = OwnerSets::default();
        let before = sets.bytes();
        let numbers: Vec<_> = (100..3_000).map(|owner| sets.of([owner, 7])).collect();
        assert!(sets.are_many());
        sets.keep([numbers[1], 3]);
        assert_eq!((sets.len(), sets.are_many()), (65, false));
        assert_eq!(&*sets.owners(numbers[1]), [7, 101]);
        assert!(sets.owners(numbers[2]).is_empty());
        let again: BTreeSet<_> = (100..3_000).map(|owner| sets.of([owner, 8])).collect();
        assert_eq!(again.len(), 2_900);
        assert!(*again.last().unwrap() <= *numbers.last().unwrap() + 1, "free numbers are not used");
        assert!(!again.contains(&numbers[1]));
        sets.keep([]);
        assert_eq!((sets.len(), sets.bytes()), (64, before));
    }
}
