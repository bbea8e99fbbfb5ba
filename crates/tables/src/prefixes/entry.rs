//! A listed prefix as it is kept: 24 bytes.

use std::fmt;

use floodwall_common::{prefix::Family, wire::Leaf};

use super::owners::{Owners, is_provisional};
use crate::Prefix;

/// The allowlist or the blocklist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum List {
    /// Sources that pass, whatever blocks them.
    Allow = 0,
    /// Sources that are dropped.
    Block = 1,
}

impl List {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Allow, Self::Block];

    /// `allow` or `block`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Block => "block",
        }
    }

    /// The end of a search that `rule` of this list decides.
    pub(super) const fn leaf(self, rule: Rule) -> Leaf {
        match self {
            Self::Allow => Leaf::Allow(rule.number),
            Self::Block if is_provisional(rule.owner) => Leaf::Ban(rule.number),
            Self::Block => Leaf::Block(rule.number),
        }
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is kept of a listed prefix beside the prefix itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// Its number, which the table's leaves name.
    pub(super) number: u32,
    /// The set of those who want it.
    pub(super) owner: Owners,
}

/// A prefix of 16 bits or more in a [`Bucket`](super::bucket::Bucket), which knows the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    high: u64,
    low: u64,
    owner: u32,
    /// Rule number in the low 24 bits, [`Key::rank`] above them.
    packed: u32,
}

/// What entries of one family are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// [`Prefix::bits`].
    pub(super) bits: u128,
    /// Twice the length above 16, plus the list: at one address, the shorter prefix comes first, and of two
    /// that are equal the allowed one.
    rank: u8,
}

const RULE_MASK: u32 = Leaf::MAX_RULES - 1;
const RANK_SHIFT: u32 = RULE_MASK.count_ones();

/// Shortest prefix that is kept in a bucket.
pub(super) const SHORTEST: u8 = 16;

impl Key {
    /// Of a prefix that is not shorter than [`SHORTEST`].
    pub(super) fn new(list: List, prefix: &Prefix) -> Self {
        Self { bits: prefix.bits(), rank: (prefix.length() - SHORTEST) << 1 | list as u8 }
    }

    /// The first key of any prefix that starts at `bits` with this length or a greater one.
    pub(super) fn first(bits: u128, length: u8) -> Self {
        Self { bits, rank: length.saturating_sub(SHORTEST) << 1 }
    }
}

impl Entry {
    /// Of a prefix that is not shorter than [`SHORTEST`].
    pub(super) fn new(list: List, prefix: &Prefix, rule: Rule) -> Self {
        let key = Key::new(list, prefix);
        Self {
            high: (key.bits >> 64) as u64,
            low: key.bits as u64,
            owner: rule.owner,
            packed: rule.number & RULE_MASK | u32::from(key.rank) << RANK_SHIFT,
        }
    }

    pub(super) const fn bits(&self) -> u128 {
        (self.high as u128) << 64 | self.low as u128
    }

    pub(super) const fn key(&self) -> Key {
        Key { bits: self.bits(), rank: (self.packed >> RANK_SHIFT) as u8 }
    }

    pub(super) const fn length(&self) -> u8 {
        (self.packed >> (RANK_SHIFT + 1)) as u8 + SHORTEST
    }

    pub(super) const fn list(&self) -> List {
        if self.packed >> RANK_SHIFT & 1 == 0 { List::Allow } else { List::Block }
    }

    pub(super) const fn rule(&self) -> Rule {
        Rule { number: self.packed & RULE_MASK, owner: self.owner }
    }

    pub(super) const fn leaf(&self) -> Leaf {
        self.list().leaf(self.rule())
    }

    pub(super) fn prefix(&self, family: Family) -> Prefix {
        Prefix::of_bits(family, self.bits(), self.length())
    }

    /// The same prefix with another rule.
    pub(super) const fn with(&self, rule: Rule) -> Self {
        let packed = self.packed & !RULE_MASK | rule.number & RULE_MASK;
        Self { high: self.high, low: self.low, owner: rule.owner, packed }
    }
}

const _: () = assert!(size_of::<Entry>() == 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_gives_back_what_it_was_made_of() {
        let rule = Rule { number: RULE_MASK, owner: 7 };
        for text in ["10.0.0.0/16", "255.255.255.255/32", "2001:db8::/32", "ffff::1/128"] {
            for list in List::ALL {
                let prefix: Prefix = text.parse().unwrap();
                let entry = Entry::new(list, &prefix, rule);
                assert_eq!((entry.prefix(prefix.family()), entry.list(), entry.rule()), (prefix, list, rule));
                assert_eq!((entry.key(), entry.length()), (Key::new(list, &prefix), prefix.length()));
                assert_eq!(entry.leaf(), list.leaf(entry.rule()));
                let other = Rule { number: 0, owner: 1 };
                assert_eq!(entry.with(other), Entry::new(list, &prefix, other));
            }
        }
    }

    #[test]
    fn shorter_stands_before_longer_and_allow_before_block() {
        let key = |list, text: &str| Key::new(list, &text.parse().unwrap());
        assert!(key(List::Block, "10.0.0.0/16") < key(List::Allow, "10.0.0.0/17"));
        assert!(key(List::Allow, "10.0.0.0/17") < key(List::Block, "10.0.0.0/17"));
        assert!(key(List::Block, "10.0.0.0/32") < key(List::Allow, "10.0.0.1/32"));
        let prefix: Prefix = "10.0.0.0/17".parse().unwrap();
        assert!(Key::first(prefix.bits(), 17) <= Key::new(List::Allow, &prefix));
        assert!(Key::first(prefix.bits(), 18) > Key::new(List::Block, &prefix));
    }
}
