//! The few prefixes that are shorter than 16 bits.

use std::collections::BTreeMap;

use floodwall_common::prefix::Family;

use super::entry::{List, Rule, SHORTEST};
use crate::tables::Prefix;

/// The prefixes of both lists that are shorter than [`SHORTEST`].
#[derive(Clone, Debug, Default)]
pub(super) struct Shorts {
    rules: [BTreeMap<Prefix, Rule>; 2],
    /// By family and list, a bit for each length that was ever there: what need not be looked for.
    lengths: [[u16; 2]; 2],
}

impl Shorts {
    pub(super) fn get(&self, list: List, prefix: &Prefix) -> Option<Rule> {
        self.rules[list as usize].get(prefix).copied()
    }

    /// Adds a prefix, or changes its rule.
    pub(super) fn put(&mut self, list: List, prefix: Prefix, rule: Rule) {
        self.lengths[prefix.family() as usize][list as usize] |= 1 << prefix.length();
        self.rules[list as usize].insert(prefix, rule);
    }

    pub(super) fn remove(&mut self, list: List, prefix: &Prefix) -> Option<Rule> {
        self.rules[list as usize].remove(prefix)
    }

    /// All of a list, in order.
    pub(super) fn of(&self, list: List) -> &BTreeMap<Prefix, Rule> {
        &self.rules[list as usize]
    }

    /// The longest of a list that covers the address and is shorter than `below`.
    pub(super) fn longest(&self, list: List, family: Family, bits: u128, below: u8) -> Option<(Prefix, Rule)> {
        let rules = &self.rules[list as usize];
        let below = below.min(SHORTEST);
        let mut lengths = u32::from(self.lengths[family as usize][list as usize]) & ((1 << below) - 1);
        while !rules.is_empty() && lengths != 0 {
            let length = lengths.ilog2();
            lengths ^= 1 << length;
            let prefix = Prefix::of_bits(family, bits, length as u8);
            if let Some(rule) = rules.get(&prefix) {
                return Some((prefix, *rule));
            }
        }
        None
    }
}
