//! Packets field by field, so that a field's values are counted without walking over all else.
//!
//! Which packets are a field's most common ones, how many lie in a range, how many of them meet a condition: all of that
//! is told by the field's [`Tally`], which is counted once, and only when it is asked for.

use std::{array, cell::OnceCell};

use floodwall_common::features::{Features, Octet, Short};

use super::{condition::Condition, tally::Tally};

/// Fields of a packet.
const FIELDS: usize = Octet::COUNT + Short::COUNT;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// An [`Octet`].
    Octet(usize),
    /// A [`Short`].
    Short(usize),
}

impl Field {
    #[cfg(test)]
    fn of(index: usize) -> Self {
        if index < Octet::COUNT { Self::Octet(index) } else { Self::Short(index - Octet::COUNT) }
    }

    fn index(self) -> usize {
        match self {
            Self::Octet(octet) => octet,
            Self::Short(short) => Octet::COUNT + short,
        }
    }
}

/// Packets, a column for each field.
#[derive(Debug, Default)]
pub(super) struct Columns {
    octets: [Vec<u8>; Octet::COUNT],
    shorts: [Vec<u16>; Short::COUNT],
    packets: usize,
    tallies: Tallies,
}

/// By field, as far as they were asked for.
#[derive(Clone, Debug, Default)]
struct Tallies([OnceCell<Tally>; FIELDS]);

impl Columns {
    /// Packets with these features.
    pub(super) fn of<'a>(packets: impl ExactSizeIterator<Item = &'a Features> + Clone) -> Self {
        let octet = |field: usize| packets.clone().map(|features| features.octets[field]).collect();
        let short = |field: usize| packets.clone().map(|features| features.shorts[field]).collect();
        Self {
            octets: array::from_fn(octet),
            shorts: array::from_fn(short),
            packets: packets.len(),
            tallies: Tallies::default(),
        }
    }

    /// Only the packets of these rows.
    pub(super) fn select(&self, rows: &[u32]) -> Self {
        Self {
            octets: self.octets.each_ref().map(|column| at(column, rows).collect()),
            shorts: self.shorts.each_ref().map(|column| at(column, rows).collect()),
            packets: rows.len(),
            tallies: Tallies::default(),
        }
    }

    /// All of the packets.
    pub(super) fn all(&self) -> Group<'_> {
        Group { columns: self, part: None }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.packets
    }
}

/// The values of some rows.
fn at<'a, T: Copy>(column: &'a [T], rows: &'a [u32]) -> impl Iterator<Item = T> + 'a {
    rows.iter().map(|row| column[*row as usize])
}

/// Some of the packets.
#[derive(Clone, Debug)]
pub(super) struct Group<'a> {
    columns: &'a Columns,
    /// `None` if it is all of them.
    part: Option<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    /// In order.
    rows: Vec<u32>,
    tallies: Tallies,
}

impl Group<'_> {
    /// How many packets there are.
    pub(super) fn len(&self) -> usize {
        self.part.as_ref().map_or(self.columns.packets, |part| part.rows.len())
    }

    /// Where they stand in the columns, in order.
    pub(super) fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        let (all, some) = match &self.part {
            None => (0..self.columns.packets, &[][..]),
            Some(part) => (0..0, &part.rows[..]),
        };
        all.chain(some.iter().map(|row| *row as usize))
    }

    /// Value of a field in a row.
    pub(super) fn value(&self, field: Field, row: usize) -> u16 {
        match field {
            Field::Octet(field) => u16::from(self.columns.octets[field][row]),
            Field::Short(field) => self.columns.shorts[field][row],
        }
    }

    /// How often each value of a field is there.
    pub(super) fn tally(&self, field: Field) -> &Tally {
        let Columns { octets, shorts, tallies, .. } = self.columns;
        match (&self.part, field) {
            (None, Field::Octet(octet)) => {
                tallies.0[field.index()].get_or_init(|| Tally::of_octets(octets[octet].iter().copied()))
            }
            (None, Field::Short(short)) => {
                tallies.0[field.index()].get_or_init(|| Tally::of_shorts(shorts[short].iter().copied()))
            }
            (Some(Part { rows, tallies }), Field::Octet(octet)) => {
                tallies.0[field.index()].get_or_init(|| Tally::of_octets(at(&octets[octet], rows)))
            }
            (Some(Part { rows, tallies }), Field::Short(short)) => {
                tallies.0[field.index()].get_or_init(|| Tally::of_shorts(at(&shorts[short], rows)))
            }
        }
    }

    /// How many packets meet a condition.
    pub(super) fn count(&self, condition: &Condition) -> usize {
        condition.count(self.tally(condition.field()))
    }

    /// Keeps those that meet a condition.
    pub(super) fn narrow(&mut self, condition: &Condition) {
        let Columns { octets, shorts, .. } = self.columns;
        self.keep(match condition {
            Condition::Octet(field, set) => self.rows_with(&octets[*field], |value| set.contains(value)),
            Condition::Short(field, ranges) => {
                self.rows_with(&shorts[*field], |value| ranges.contains(value))
            }
        });
    }

    /// Takes away those of another group.
    pub(super) fn without(&mut self, others: &Self) {
        let mut others = others.rows().peekable();
        let left = self.rows().filter(|row| others.next_if_eq(row).is_none());
        let left = left.map(|row| row as u32).collect();
        self.keep(left);
    }

    fn rows_with<T: Copy>(&self, column: &[T], allowed: impl Fn(T) -> bool) -> Vec<u32> {
        match &self.part {
            None => (0..).zip(column).filter(|(_, value)| allowed(**value)).map(|(row, _)| row).collect(),
            Some(part) => part.rows.iter().copied().filter(|row| allowed(column[*row as usize])).collect(),
        }
    }

    /// Keeps these rows only, which are among its own.
    fn keep(&mut self, rows: Vec<u32>) {
        if rows.len() == self.len() {
            return;
        }
        // What all of them have, some of them have, too.
        let known = self.part.as_ref().map_or(&self.columns.tallies, |part| &part.tallies);
        let tallies = Tallies(known.0.each_ref().map(|tally| {
            let only = tally.get().and_then(Tally::only);
            only.map_or_else(OnceCell::new, |value| Tally::one(value, rows.len()).into())
        }));
        self.part = Some(Part { rows, tallies });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::signature::{ByteSet, Ranges};

    fn features() -> impl Strategy<Value = Features> {
        (prop::array::uniform32(0..4_u8), prop::array::uniform7(0..600_u16))
            .prop_map(|(octets, shorts)| Features { octets: array::from_fn(|field| octets[field]), shorts })
    }

    fn condition() -> impl Strategy<Value = Condition> {
        let octet = (0..Octet::COUNT, prop::collection::vec(0..4_u8, 1..4))
            .prop_map(|(field, bytes)| Condition::Octet(field, bytes.into_iter().collect::<ByteSet>()));
        let short = (0..Short::COUNT, prop::collection::vec((0..600_u16, 0..600_u16), 1..4))
            .prop_map(|(field, ranges)| Condition::Short(field, ranges.into_iter().collect::<Ranges>()));
        prop_oneof![octet, short]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn columns_count_what_walking_over_all_packets_counts(
            packets in prop::collection::vec(features(), 0..300),
            conditions in prop::collection::vec(condition(), 1..6),
        ) {
            let columns = Columns::of(packets.iter());
            let mut group = columns.all();
            let mut walked: Vec<&Features> = packets.iter().collect();
            for (number, condition) in conditions.iter().enumerate() {
                // Tallies that were counted before a group is narrowed must not be taken for its own afterwards.
                for index in (0..FIELDS).filter(|index| index % 3 == number % 3) {
                    let _ = group.tally(Field::of(index));
                }
                let holding = walked.iter().filter(|features| condition.holds(features)).count();
                prop_assert_eq!(group.count(condition), holding);
                let before = group.clone();
                group.narrow(condition);
                let mut others = before;
                others.without(&group);
                prop_assert_eq!(others.len(), walked.len() - holding);
                walked.retain(|features| condition.holds(features));
                prop_assert_eq!(group.len(), walked.len());
                for index in 0..FIELDS {
                    let value = |features: &&Features| match Field::of(index) {
                        Field::Octet(octet) => u16::from(features.octets[octet]),
                        Field::Short(short) => features.shorts[short],
                    };
                    prop_assert_eq!(group.tally(Field::of(index)), &Tally::of_shorts(walked.iter().map(value)));
                }
            }
        }
    }
}
