//! Records: what is written down one after the other, each with a number, a checksum of its own, and a link to all
//! that come before it.
//!
//! A record's *sum* is SHA-256 over its number, batch, kind and body, so that a record that was changed is told from
//! one that was not, whatever became of its neighbours. Its *link* is SHA-256 over the link of the record before and its
//! own sum: who knows the last link knows what all records have to be. Both are cut to 128 bits, which is plenty against
//! chance; neither keeps out somebody who writes to the directory on purpose.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::records::{Change, Origin};

/// Version of the form in which the state is kept: databases and a witness. Version 1 was lines of JSON.
pub(super) const FORMAT: u32 = 2;

/// A checksum, or a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Sum(pub(super) [u8; 16]);

impl Sum {
    /// The sum of all these parts, each told from the next by its length.
    pub(super) fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let mut sum = [0; 16];
        sum.copy_from_slice(&hash.finalize()[..16]);
        Self(sum)
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl From<Sum> for String {
    fn from(sum: Sum) -> Self {
        sum.to_string()
    }
}

impl TryFrom<String> for Sum {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no checksum");
        let number = u128::from_str_radix(&text, 16).map_err(|_| wrong())?;
        let sum = Self(number.to_be_bytes());
        if sum.to_string() == text { Ok(sum) } else { Err(wrong()) }
    }
}

/// A place in the chain of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Number of the last record.
    pub(super) seq: u64,
    /// Its link.
    pub(super) link: Sum,
}

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Where the records begin, and after which one of those that they have replaced.
    Base = 0,
    /// A change.
    Change = 1,
    /// Which prefixes an import has.
    List = 2,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Its number: one more than that of the record before.
    pub(super) seq: u64,
    /// The number of the first record that was written together with it: all of them, or none.
    pub(super) batch: u64,
    pub(super) kind: Kind,
    /// JSON.
    pub(super) body: Vec<u8>,
    pub(super) sum: Sum,
    pub(super) link: Sum,
}

impl Record {
    /// The record that follows.
    pub(super) fn after(before: Position, batch: u64, kind: Kind, body: Vec<u8>) -> Self {
        let seq = before.seq + 1;
        let sum = sum(seq, batch, kind as u8, &body);
        let link = link(if kind == Kind::Base { Sum::default() } else { before.link }, sum);
        Self { seq, batch, kind, body, sum, link }
    }

    /// A record as it was found; `None` if it is not as it was written.
    pub(super) fn found(
        seq: u64,
        batch: u64,
        kind: i64,
        body: Vec<u8>,
        sum_and_link: (&[u8], &[u8]),
    ) -> Option<Self> {
        let kind = match kind {
            0 => Kind::Base,
            1 => Kind::Change,
            2 => Kind::List,
            _ => return None,
        };
        let sum = Sum(sum_and_link.0.try_into().ok()?);
        let link = Sum(sum_and_link.1.try_into().ok()?);
        (sum == self::sum(seq, batch, kind as u8, &body)).then_some(Self {
            seq,
            batch,
            kind,
            body,
            sum,
            link,
        })
    }

    /// Whether it is what came after this link.
    pub(super) fn follows(&self, before: Sum) -> bool {
        self.link == link(if self.kind == Kind::Base { Sum::default() } else { before }, self.sum)
    }

    pub(super) fn position(&self) -> Position {
        Position { seq: self.seq, link: self.link }
    }

    /// What it says.
    pub(super) fn read(&self) -> serde_json::Result<Entry> {
        Ok(match self.kind {
            Kind::Base => Entry::Base(serde_json::from_slice(&self.body)?),
            Kind::Change => Entry::Change(serde_json::from_slice(&self.body)?),
            Kind::List => Entry::List(serde_json::from_slice(&self.body)?),
        })
    }
}

fn sum(seq: u64, batch: u64, kind: u8, body: &[u8]) -> Sum {
    Sum::of(&[&seq.to_le_bytes(), &batch.to_le_bytes(), &[kind], body])
}

fn link(before: Sum, sum: Sum) -> Sum {
    Sum::of(&[&before.0, &sum.0])
}

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Entry {
    Base(Base),
    Change(Change),
    List(List),
}

/// Where the records begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Base {
    /// Form of the records.
    pub(super) format: u32,
    /// The record that it comes after; of a state that is new, a number of 0 and a link that was drawn.
    pub(super) after: Position,
    /// Version of floodwall that has written it.
    pub(super) by: String,
}

/// Which prefixes an import has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct List {
    /// Which import.
    pub(super) origin: Origin,
    /// Names its parts.
    pub(super) list: u64,
    /// How many there are.
    pub(super) parts: u64,
    /// How many prefixes.
    pub(super) prefixes: u64,
    /// The sum over the sums of the parts.
    pub(super) sum: Sum,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_told_from_one_that_was_changed_in_any_part() {
        let first = Record::after(Position::default(), 1, Kind::Base, b"{}".to_vec());
        let record = Record::after(first.position(), 2, Kind::Change, b"{\"change\":\"lift-all\"}".to_vec());
        let found = |seq, batch, kind, body: &[u8], sum: &Sum| {
            Record::found(seq, batch, kind, body.to_vec(), (&sum.0, &record.link.0))
        };
        assert_eq!(found(2, 2, 1, &record.body, &record.sum).as_ref(), Some(&record));
        assert!(record.follows(first.link) && !record.follows(record.link));
        for changed in [
            found(3, 2, 1, &record.body, &record.sum),
            found(2, 1, 1, &record.body, &record.sum),
            found(2, 2, 2, &record.body, &record.sum),
            found(2, 2, 7, &record.body, &record.sum),
            found(2, 2, 1, b"{\"change\":\"lift-alm\"}", &record.sum),
            found(2, 2, 1, &record.body, &first.sum),
        ] {
            assert_eq!(changed, None);
        }
    }

    #[test]
    fn sums_are_written_in_hexadecimal_in_one_way() {
        let sum = Sum::of(&[b"a", b"b"]);
        assert_ne!(sum, Sum::of(&[b"ab", b""]), "parts are told apart");
        assert_eq!(Sum::try_from(sum.to_string()), Ok(sum));
        for wrong in ["", "xyz", &sum.to_string().to_uppercase(), &sum.to_string()[1..]] {
            assert!(Sum::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
