//! A change of many prefixes, made ready.

use std::sync::Arc;

use floodwall_common::prefix::Family;

use super::{
    entry::{Entry, Key, List, Rule, SHORTEST},
    owners::{OwnerSets, Owners, Recent},
    wanted::{PLACES, Wanted, place_of, slot_at},
};
use crate::Prefix;

/// A change of many prefixes: what is to leave both lists, and what is to come in then.
///
/// Owners are sets of the table's [`sets`](super::PrefixTable::sets). A prefix that is brought in once more is wanted by
/// all who wanted it before and by those who bring it.
#[derive(Debug, Default)]
pub struct Changes {
    /// By list: all of them leave.
    clear: [bool; 2],
    /// By list: those leave that nobody but these wants.
    withdraw: [Vec<Owners>; 2],
    /// By family.
    entries: [Vec<Entry>; 2],
    shorts: Vec<(List, Prefix, Owners)>,
}

/// What happens to the prefixes of a list.
#[derive(Clone, Copy, Debug, Default)]
struct Edit {
    /// All of them leave.
    clear: bool,
    /// Those leave that nobody but these wants.
    withdraw: Owners,
}

impl Changes {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Brings in prefixes, each with its owners.
    #[must_use]
    pub fn insert(mut self, list: List, prefixes: impl IntoIterator<Item = (Prefix, Owners)>) -> Self {
        for (prefix, owner) in prefixes {
            if prefix.length() < SHORTEST {
                self.shorts.push((list, prefix, owner));
            } else {
                let entry = Entry::new(list, &prefix, Rule { number: 0, owner });
                self.entries[prefix.family() as usize].push(entry);
            }
        }
        self
    }

    /// Takes these owners off every prefix of the list; those leave that had some of them and have none left.
    #[must_use]
    pub fn withdraw(mut self, list: List, owners: Owners) -> Self {
        self.withdraw[list as usize].push(owners);
        self
    }

    /// All that is in the list leaves.
    #[must_use]
    pub fn clear(mut self, list: List) -> Self {
        self.clear[list as usize] = true;
        self
    }

    /// The list becomes these prefixes.
    #[must_use]
    pub fn replace(self, list: List, prefixes: impl IntoIterator<Item = (Prefix, Owners)>) -> Self {
        self.clear(list).insert(list, prefixes)
    }

    /// Sorts it all, so that the table need not, whose sets of owners these are. To be done outside of any lock.
    pub fn prepare(self, sets: &Arc<OwnerSets>) -> PreparedChanges {
        let Self { clear, withdraw, entries, mut shorts } = self;
        let sets = Recent::new(Arc::clone(sets));
        let withdraw = withdraw
            .map(|all| all.into_iter().fold(OwnerSets::NOBODY, |all, owners| sets.joined(all, owners)));
        let edits = [0, 1].map(|list| Edit { clear: clear[list], withdraw: withdraw[list] });
        let mut duplicates = 0;
        let (entries, starts) = by_place(entries);
        let (entries, starts) = sort_places(entries, starts, &sets, &mut duplicates);
        // As to why owners are in order: see `sort_places`.
        shorts.sort_unstable();
        shorts.dedup_by(|(list, prefix, owner), (same_list, same_prefix, all)| {
            let again = (*list, *prefix) == (*same_list, *same_prefix);
            if again {
                duplicates += 1;
                *all = sets.joined(*all, *owner);
            }
            again
        });
        PreparedChanges { edits, entries, starts, shorts, duplicates, sets, blank: Some(Wanted::new()) }
    }
}

/// The entries of both families by place, and where each place starts.
fn by_place(entries: [Vec<Entry>; 2]) -> (Vec<Entry>, Vec<usize>) {
    let families = [Family::V4, Family::V6].into_iter().zip(&entries);
    let places = families.flat_map(|(family, entries)| {
        entries.iter().map(move |entry| (place_of(family, entry.bits()), *entry))
    });
    let mut starts = vec![0; PLACES + 1];
    for (place, _) in places.clone() {
        starts[place + 1] += 1;
    }
    for place in 0..PLACES {
        starts[place + 1] += starts[place];
    }
    let blank = Entry::new(List::Allow, &slot_at(0), Rule { number: 0, owner: 0 });
    let mut sorted = vec![blank; starts[PLACES]];
    let mut next = starts.clone();
    for (place, entry) in places {
        sorted[next[place]] = entry;
        next[place] += 1;
    }
    (sorted, starts)
}

/// Sorts the entries of each place, and joins those that are given twice, which are counted. Their owners come in one
/// order for all, so that few sets come about on the way.
fn sort_places(
    mut entries: Vec<Entry>,
    mut starts: Vec<usize>,
    sets: &Recent,
    duplicates: &mut u64,
) -> (Vec<Entry>, Vec<usize>) {
    let mut kept = 0;
    for place in 0..PLACES {
        let range = starts[place]..starts[place + 1];
        starts[place] = kept;
        entries[range.clone()].sort_unstable_by_key(|entry| (entry.key(), entry.rule().owner));
        for at in range {
            let entry = entries[at];
            if kept > starts[place] && entries[kept - 1].key() == entry.key() {
                *duplicates += 1;
                join(&mut entries[kept - 1], &entry, sets);
            } else {
                entries[kept] = entry;
                kept += 1;
            }
        }
    }
    starts[PLACES] = kept;
    entries.truncate(kept);
    (entries, starts)
}

fn join(entry: &mut Entry, again: &Entry, sets: &Recent) {
    let Rule { number, owner } = entry.rule();
    *entry = entry.with(Rule { number, owner: sets.joined(owner, again.rule().owner) });
}

/// [`Changes`] in order, ready to be [staged](super::PrefixTable::stage).
#[derive(Debug)]
pub struct PreparedChanges {
    edits: [Edit; 2],
    /// Of both families and lists, each prefix of a list once, in order. Rule numbers mean nothing.
    entries: Vec<Entry>,
    /// By place, where its entries start; one more at the end.
    starts: Vec<usize>,
    /// Each prefix of a list once, in order.
    pub(super) shorts: Vec<(List, Prefix, Owners)>,
    pub(super) duplicates: u64,
    sets: Recent,
    /// Where the outcome will be put together.
    pub(super) blank: Option<Wanted>,
}

impl PreparedChanges {
    /// Prefixes that are brought in, each counted once.
    pub fn len(&self) -> usize {
        self.entries.len() + self.shorts.len()
    }

    /// Are none brought in?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Prefixes that were given more than once, not counting the first time.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Do all prefixes leave that are in either list?
    pub(super) fn replaces_all(&self) -> bool {
        self.edits.iter().all(|edit| edit.clear)
    }

    /// Does every prefix stay that is in either list, and wanted by those who want it now?
    pub(super) fn keeps_all(&self) -> bool {
        self.edits.iter().all(|edit| !edit.clear && edit.withdraw == OwnerSets::NOBODY)
    }

    /// What is brought in to the slot at a place.
    pub(super) fn at(&self, place: usize) -> &[Entry] {
        &self.entries[self.starts[place]..self.starts[place + 1]]
    }

    /// The owner of a prefix after the change, if it is listed then; from the owner that it has now, if it is listed
    /// now, and the one that is brought in, if one is.
    pub(super) fn outcome(&self, list: List, old: Option<Owners>, new: Option<Owners>) -> Option<Owners> {
        let Edit { clear, withdraw } = self.edits[list as usize];
        let left = old.filter(|_| !clear).and_then(|old| {
            let left = self.sets.left(old, withdraw);
            // Who had none of them stays, even if nobody wants it.
            (left == old || left != OwnerSets::NOBODY).then_some(left)
        });
        match (left, new) {
            (Some(left), Some(new)) => Some(self.sets.joined(left, new)),
            (left, new) => left.or(new),
        }
    }

    /// The owner that is brought in for a prefix, if one is.
    pub(super) fn owner_of(&self, list: List, prefix: &Prefix) -> Option<Owners> {
        if prefix.length() < SHORTEST {
            let at = self.shorts.binary_search_by_key(&(list, *prefix), |(list, prefix, _)| (*list, *prefix));
            return at.ok().map(|at| self.shorts[at].2);
        }
        let entries = self.at(place_of(prefix.family(), prefix.bits()));
        let at = entries.binary_search_by_key(&Key::new(list, prefix), Entry::key);
        at.ok().map(|at| entries[at].rule().owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_brought_in_twice_is_wanted_by_both() {
        let texts =
            ["10.0.0.0/8", "2001:db8::/32", "10.0.0.0/24", "10.0.0.0/8", "10.0.0.0/24", "10.0.0.0/25"];
        let given = texts.iter().zip(0..).map(|(text, bit)| (prefix(text), 1 << bit));
        let changes = Changes::new().insert(List::Block, given).prepare(&Arc::default());
        assert_eq!((changes.len(), changes.duplicates()), (4, 2));
        let owner = |text| changes.owner_of(List::Block, &prefix(text));
        assert_eq!((owner("10.0.0.0/8"), owner("10.0.0.0/24")), (Some(0b1001), Some(0b10100)));
        assert_eq!((owner("10.0.0.0/25"), owner("2001:db8::/32")), (Some(0b100000), Some(0b10)));
        assert_eq!((owner("10.0.0.0/9"), changes.owner_of(List::Allow, &prefix("10.0.0.0/8"))), (None, None));
        assert_eq!(changes.at(place_of(Family::V4, prefix("10.0.0.0/8").bits())).len(), 2);
        assert_eq!(changes.at(PLACES - 1).len(), 0);
    }

    #[test]
    fn owners_are_withdrawn_before_new_ones_come() {
        let changes = Changes::new().withdraw(List::Block, 0b11).clear(List::Allow).prepare(&Arc::default());
        let block = |old, new| changes.outcome(List::Block, old, new);
        assert_eq!(block(Some(0b01), None), None);
        assert_eq!(block(Some(0b01), Some(0b01)), Some(0b01));
        assert_eq!(block(Some(0b101), None), Some(0b100));
        assert_eq!(block(Some(0b101), Some(0b10)), Some(0b110));
        assert_eq!(block(Some(0b100), None), Some(0b100));
        assert_eq!((block(Some(0), None), block(None, None), block(None, Some(0))), (Some(0), None, Some(0)));
        let allow = |old, new| changes.outcome(List::Allow, old, new);
        assert_eq!((allow(Some(4), None), allow(Some(4), Some(1))), (None, Some(1)));
    }
}
