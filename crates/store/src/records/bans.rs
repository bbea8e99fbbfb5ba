//! Bans, and offences that are not forgotten yet.

use std::collections::{BTreeMap, BTreeSet};

use floodwall_tables::Prefix;
use serde::{Deserialize, Serialize};

use super::origin::Origin;

/// A ban. Times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// When it began.
    pub since: u64,
    /// When it ends, or ended.
    pub until: u64,
    /// When the offence is forgotten.
    pub forget: u64,
    /// The how manieth it is.
    pub count: u32,
    /// The rule that it is for: `web/source-syn`; `None` if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Who has made it.
    #[serde(default, skip_serializing_if = "is_of_a_rule")]
    pub origin: Origin,
}

/// Most are, and those of before this was written down.
fn is_of_a_rule(origin: &Origin) -> bool {
    *origin == Origin::Rule
}

/// More are not remembered: those whose time comes first are forgotten. Some 100 MB.
const MOST: usize = 500_000;

/// Who is banned, and who was.
#[derive(Clone, Debug, Default)]
pub struct BanBook {
    bans: BTreeMap<Prefix, Ban>,
    /// Of those in force, when they end.
    ends: BTreeSet<(u64, Prefix)>,
    /// When each is forgotten.
    forgotten: BTreeSet<(u64, Prefix)>,
}

impl BanBook {
    /// Takes note of a ban, in place of what was known of the prefix.
    pub fn enter(&mut self, prefix: Prefix, ban: Ban) {
        self.remove(prefix);
        self.ends.insert((ban.until, prefix));
        self.forgotten.insert((ban.forget, prefix));
        self.bans.insert(prefix, ban);
        while self.bans.len() > MOST {
            let Some((_, first)) = self.forgotten.first().copied() else { break };
            self.remove(first);
        }
    }

    /// Forgets all of a prefix; says what was known.
    pub fn remove(&mut self, prefix: Prefix) -> Option<Ban> {
        let ban = self.bans.remove(&prefix)?;
        self.ends.remove(&(ban.until, prefix));
        self.forgotten.remove(&(ban.forget, prefix));
        Some(ban)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The ban of a prefix, if it is in force.
    pub fn in_force(&self, prefix: Prefix) -> Option<&Ban> {
        self.bans.get(&prefix).filter(|ban| self.ends.contains(&(ban.until, prefix)))
    }

    /// The ban of a prefix, in force or over, as long as it is remembered.
    pub fn remembered(&self, prefix: Prefix) -> Option<&Ban> {
        self.bans.get(&prefix)
    }

    /// How often a prefix was banned before, as far as that is remembered.
    pub fn offences(&self, prefix: Prefix, now: u64) -> u32 {
        self.bans.get(&prefix).filter(|ban| ban.forget > now).map_or(0, |ban| ban.count)
    }

    /// Bans in force, in order of address, after a prefix.
    pub fn after(&self, after: Option<Prefix>) -> impl Iterator<Item = (Prefix, &Ban)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        self.bans
            .range((from, Unbounded))
            .filter(|(prefix, ban)| self.ends.contains(&(ban.until, **prefix)))
            .map(|(prefix, ban)| (*prefix, ban))
    }

    /// How many are in force.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Is none in force?
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// When the next one ends.
    pub fn next_end(&self) -> Option<u64> {
        self.ends.first().map(|(until, _)| *until)
    }

    /// Takes those out of force whose time is over; they stay remembered. Forgets what is to be forgotten.
    pub fn end(&mut self, now: u64) -> Vec<Prefix> {
        let mut ended = Vec::new();
        while let Some((until, prefix)) = self.ends.first().copied().filter(|(until, _)| *until <= now) {
            self.ends.remove(&(until, prefix));
            ended.push(prefix);
        }
        while let Some((_, prefix)) = self.forgotten.first().copied().filter(|(forget, _)| *forget <= now) {
            if self.in_force(prefix).is_some() {
                break;
            }
            self.remove(prefix);
        }
        ended
    }

    /// All that is remembered.
    pub fn all(&self) -> impl Iterator<Item = (Prefix, &Ban)> {
        self.bans.iter().map(|(prefix, ban)| (*prefix, ban))
    }
}

#[cfg(test)]
mod tests {
    use floodwall_common::prefix::Address;

    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    fn ban(since: u64, until: u64, count: u32) -> Ban {
        Ban { since, until, forget: until + 1_000, count, rule: None, origin: Origin::Rule }
    }

    #[test]
    fn who_has_made_a_ban_is_kept_and_that_of_before_was_a_rule() {
        let made = Ban { origin: Origin::Detection, ..ban(0, 100, 1) };
        let line = serde_json::to_string(&made).unwrap();
        assert_eq!(line, r#"{"since":0,"until":100,"forget":1100,"count":1,"origin":"detection"}"#);
        assert_eq!(serde_json::from_str::<Ban>(&line).unwrap(), made);
        let older = r#"{"since":0,"until":100,"forget":1100,"count":1}"#;
        assert_eq!(serde_json::from_str::<Ban>(older).unwrap(), ban(0, 100, 1));
        assert_eq!(serde_json::to_string(&ban(0, 100, 1)).unwrap(), older);
    }

    #[test]
    fn what_is_over_is_remembered_for_a_while() {
        let mut book = BanBook::default();
        let (one, other) = (prefix("192.0.2.1/32"), prefix("2001:db8::/64"));
        book.enter(one, ban(0, 100, 1));
        book.enter(other, ban(0, 200, 3));
        assert_eq!((book.len(), book.next_end()), (2, Some(100)));
        assert_eq!(book.in_force(one), Some(&ban(0, 100, 1)));
        assert!(!book.is_empty());
        assert_eq!(book.end(100), [one]);
        assert_eq!((book.in_force(one), book.offences(one, 100)), (None, 1));
        assert_eq!(
            [1_099, 1_100].map(|now| book.offences(one, now)),
            [1, 0],
            "forgotten when its time comes"
        );
        assert_eq!(book.after(None).map(|(prefix, _)| prefix).collect::<Vec<_>>(), [other]);
        book.enter(one, ban(150, 300, 2));
        assert_eq!(book.offences(one, 200), 2);
        assert_eq!(book.end(10_000), [other, one]);
        assert_eq!((book.offences(one, 10_000), book.all().count(), book.is_empty()), (0, 0, true));
    }

    #[test]
    fn of_too_many_those_go_that_would_be_forgotten_first() {
        let mut book = BanBook::default();
        let numbered =
            |number: u64| Prefix::new(Address::v6(0x2001_0db8 << 32, number), 128).expect("a length");
        // The later they are entered, the sooner they are forgotten.
        let most = MOST as u64;
        for number in 0..=most {
            book.enter(numbered(number), ban(0, 2 * most - number, 1));
        }
        assert_eq!((book.len(), book.all().count()), (MOST, MOST));
        assert_eq!(book.in_force(numbered(most)), None, "the one that was to be forgotten first");
        assert!(book.in_force(numbered(0)).is_some() && book.in_force(numbered(most - 1)).is_some());
    }
}
