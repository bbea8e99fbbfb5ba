//! Questions about what is listed.

use std::iter;

use floodwall_common::prefix::{Address, Family};

use super::{
    Owners, PrefixTable,
    entry::{Entry, List, Rule},
    wanted::{PLACES, place_of, slot_at},
};
use crate::Prefix;

/// A listed prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The list.
    pub list: List,
    /// The prefix.
    pub prefix: Prefix,
    /// Who wants it: one of the table's [`sets`](PrefixTable::sets).
    pub owner: Owners,
    /// The number that leaves name it by, for as long as it is listed.
    pub rule: u32,
    /// Packets that it decided, up to the last [harvest](PrefixTable::harvest).
    pub hits: u64,
}

/// All of this is about what is in force.
impl PrefixTable {
    /// Most prefixes that can be listed, in both lists together.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Prefixes of a list.
    pub fn len(&self, list: List) -> u32 {
        self.active.len_of(list)
    }

    /// Prefixes of one family in the list. Takes some 0.1 ms: they are counted.
    pub fn len_in(&self, list: List, family: Family) -> u32 {
        let slots = PLACES / 2;
        let places = family as usize * slots..(family as usize + 1) * slots;
        let long: u32 =
            places.filter_map(|place| self.active.bucket(place)).map(|bucket| bucket.len_of(list)).sum();
        let short =
            self.active.shorts.of(list).iter().filter(|(prefix, _)| prefix.family() == family).count();
        long + short as u32
    }

    /// Is nothing listed?
    pub fn is_empty(&self) -> bool {
        self.active.len() == 0
    }

    /// A listed prefix.
    pub fn get(&self, list: List, prefix: Prefix) -> Option<Listed> {
        self.active.get(list, &prefix).map(|rule| self.listed(list, prefix, rule))
    }

    /// The prefix that decides about an address: the longest that is allowed, else the longest that is blocked.
    pub fn matching(&self, address: Address) -> Option<Listed> {
        List::ALL.into_iter().find_map(|list| {
            let (prefix, rule) = self.active.covering(list, address).next()?;
            Some(self.listed(list, prefix, rule))
        })
    }

    /// All prefixes that cover an address, the one that decides first: those allowed before those blocked, and
    /// longer before shorter ones.
    pub fn covering(&self, address: Address) -> impl Iterator<Item = Listed> {
        List::ALL.into_iter().flat_map(move |list| {
            self.active.covering(list, address).map(move |(prefix, rule)| self.listed(list, prefix, rule))
        })
    }

    /// A list, in order.
    pub fn iter(&self, list: List) -> impl Iterator<Item = Listed> {
        self.iter_after(list, None)
    }

    /// At most `limit` prefixes of a list, in order, that come after the given one, whether that is listed or not.
    pub fn range_after(&self, list: List, after: Option<Prefix>, limit: usize) -> Vec<Listed> {
        self.iter_after(list, after).take(limit).collect()
    }

    fn iter_after(&self, list: List, after: Option<Prefix>) -> impl Iterator<Item = Listed> {
        let first = after.map_or(0, |prefix| place_of(prefix.family(), prefix.bits()));
        let next = move |place| self.active.next_place(list, place);
        let places = iter::successors(next(first), move |place| next(place + 1));
        let mut long = places
            .flat_map(move |place| {
                let slot = slot_at(place);
                let entries = self.active.within(&slot).filter(move |entry| entry.list() == list);
                entries.map(move |entry: &Entry| (entry.prefix(slot.family()), entry.rule()))
            })
            .skip_while(move |(prefix, _)| Some(*prefix) <= after)
            .peekable();
        let shorts = self.active.shorts.of(list);
        let mut short = shorts
            .iter()
            .map(|(prefix, rule)| (*prefix, *rule))
            .skip_while(move |(prefix, _)| Some(*prefix) <= after)
            .peekable();
        iter::from_fn(move || match (short.peek(), long.peek()) {
            (Some(one), Some(other)) if one.0 < other.0 => short.next(),
            (Some(_), None) => short.next(),
            _ => long.next(),
        })
        .map(move |(prefix, rule)| self.listed(list, prefix, rule))
    }

    fn listed(&self, list: List, prefix: Prefix, rule: Rule) -> Listed {
        let Rule { number, owner } = rule;
        Listed { list, prefix, owner, rule: number, hits: self.engine.rules.hits(number) }
    }
}
