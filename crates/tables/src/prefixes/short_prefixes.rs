//! The few prefixes that are shorter than 16 bits.

use std::collections::BTreeMap;

use floodwall_common::prefix::Family;

use super::entry::{List, Rule, SHORTEST};
use crate::Prefix;

/// The prefixes of both lists that are shorter than [`SHORTEST`].
#[derive(Clone, Debug, Default)]
pub(super) struct Shorts {
    rules: [BTreeMap<Prefix, Rule>; 2],
    /// By list and family.
    indexes: [[Index; 2]; 2],
}

/// Which of the prefixes of a list and family there are, and their rule numbers: every slot is asked about
/// whenever a generation is built.
#[derive(Clone, Debug, Default)]
struct Index {
    /// A bit for each length that was ever there: what need not be looked for.
    lengths: u16,
    /// By [`Self::at`], a rule number and 1, or 0. Empty until there is one.
    numbers: Vec<u32>,
}

impl Index {
    /// A place of its own for every prefix: those of each length follow on those of the length before.
    fn at(bits: u128, length: u8) -> usize {
        // Of a 1 and the bits of the prefix.
        (1 << length) | (bits >> 112) as usize >> (SHORTEST - length)
    }

    fn set(&mut self, prefix: &Prefix, number: Option<u32>) {
        if self.numbers.is_empty() {
            self.numbers.resize(1 << SHORTEST, 0);
        }
        self.lengths |= 1 << prefix.length();
        self.numbers[Self::at(prefix.bits(), prefix.length())] = number.map_or(0, |number| number + 1);
    }

    /// The length and the rule number of the longest one that covers the address and is shorter than `below`.
    fn longest(&self, bits: u128, below: u8) -> Option<(u8, u32)> {
        let mut lengths = u32::from(self.lengths) & ((1 << below.min(SHORTEST)) - 1);
        while lengths != 0 {
            let length = lengths.ilog2();
            lengths ^= 1 << length;
            if let Some(number) = self.numbers[Self::at(bits, length as u8)].checked_sub(1) {
                return Some((length as u8, number));
            }
        }
        None
    }
}

impl Shorts {
    pub(super) fn get(&self, list: List, prefix: &Prefix) -> Option<Rule> {
        self.rules[list as usize].get(prefix).copied()
    }

    /// Adds a prefix, or changes its rule.
    pub(super) fn put(&mut self, list: List, prefix: Prefix, rule: Rule) {
        self.indexes[list as usize][prefix.family() as usize].set(&prefix, Some(rule.number));
        self.rules[list as usize].insert(prefix, rule);
    }

    /// Puts prefixes in order into a list that has none.
    pub(super) fn fill(&mut self, list: List, rules: Vec<(Prefix, Rule)>) {
        for (prefix, rule) in &rules {
            self.indexes[list as usize][prefix.family() as usize].set(prefix, Some(rule.number));
        }
        self.rules[list as usize] = rules.into_iter().collect();
    }

    pub(super) fn remove(&mut self, list: List, prefix: &Prefix) -> Option<Rule> {
        let rule = self.rules[list as usize].remove(prefix)?;
        self.indexes[list as usize][prefix.family() as usize].set(prefix, None);
        Some(rule)
    }

    /// All of a list, in order.
    pub(super) fn of(&self, list: List) -> &BTreeMap<Prefix, Rule> {
        &self.rules[list as usize]
    }

    /// The longest of a list that covers the address and is shorter than `below`.
    pub(super) fn longest(
        &self,
        list: List,
        family: Family,
        bits: u128,
        below: u8,
    ) -> Option<(Prefix, Rule)> {
        let (length, _) = self.indexes[list as usize][family as usize].longest(bits, below)?;
        let prefix = Prefix::of_bits(family, bits, length);
        Some((prefix, self.get(list, &prefix)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_is_found_in_each_list_and_family() {
        let mut shorts = Shorts::default();
        let prefix = |text: &str| text.parse::<Prefix>().unwrap();
        let texts = ["0.0.0.0/0", "10.0.0.0/8", "10.8.0.0/13", "10.8.0.0/15", "::/0", "255.254.0.0/15"];
        for (text, number) in texts.into_iter().zip(0..) {
            shorts.put(List::Block, prefix(text), Rule { number, owner: number });
        }
        let longest = |shorts: &Shorts, text: &str, below| {
            let prefix = prefix(text);
            let found = shorts.longest(List::Block, prefix.family(), prefix.bits(), below)?.1.number;
            Some(found)
        };
        for (text, below, expected) in [
            ("10.9.0.0", 255, Some(3)),
            ("10.9.0.0", 15, Some(2)),
            ("10.9.0.0", 13, Some(1)),
            ("10.16.0.0", 16, Some(1)),
            ("10.9.0.0", 8, Some(0)),
            ("10.9.0.0", 0, None),
            ("255.255.255.255", 16, Some(5)),
            ("ffff::", 16, Some(4)),
            ("::", 0, None),
        ] {
            assert_eq!(longest(&shorts, text, below), expected, "{text} below {below}");
        }
        assert!(shorts.longest(List::Allow, Family::V4, 0, SHORTEST).is_none());
        assert!(shorts.remove(List::Block, &prefix("10.8.0.0/15")).is_some());
        assert!(shorts.remove(List::Block, &prefix("10.8.0.0/15")).is_none());
        assert_eq!(longest(&shorts, "10.9.0.0", 16), Some(2));
    }
}
