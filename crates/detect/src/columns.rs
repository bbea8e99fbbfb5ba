//! Packets field by field, so that a field's values are counted without walking over all else.
//!
//! Which packets are a field's most common ones, how many lie in a range, how many of them meet a condition: all of that
//! is told by the field's [`Tally`], which is counted once, and only when it is asked for.

use std::{
    array,
    cell::RefCell,
    sync::{Arc, OnceLock},
};

use floodwall_common::features::{ByteField, Features, WordField};
use foldhash::HashMap;

use super::{condition::Condition, tally::Tally};

/// Fields of a packet.
const FIELDS: usize = ByteField::COUNT + WordField::COUNT;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// An [`ByteField`].
    ByteField(usize),
    /// A [`WordField`].
    WordField(usize),
}

impl Field {
    #[cfg(test)]
    fn of(index: usize) -> Self {
        if index < ByteField::COUNT {
            Self::ByteField(index)
        } else {
            Self::WordField(index - ByteField::COUNT)
        }
    }

    fn index(self) -> usize {
        match self {
            Self::ByteField(octet) => octet,
            Self::WordField(short) => ByteField::COUNT + short,
        }
    }
}

/// Packets, a column for each field.
#[derive(Debug, Default)]
pub(super) struct Columns {
    octets: [Vec<u8>; ByteField::COUNT],
    shorts: [Vec<u16>; WordField::COUNT],
    packets: usize,
    tallies: Tallies,
    narrowed: RefCell<Narrowed>,
}

/// By field, as far as they were asked for.
#[derive(Clone, Debug, Default)]
struct Tallies([OnceLock<Tally>; FIELDS]);

impl Columns {
    /// Packets with these features.
    pub(super) fn of<'a>(packets: impl ExactSizeIterator<Item = &'a Features> + Clone) -> Self {
        let octet = |field: usize| packets.clone().map(|features| features.octets[field]).collect();
        let short = |field: usize| packets.clone().map(|features| features.shorts[field]).collect();
        Self {
            octets: array::from_fn(octet),
            shorts: array::from_fn(short),
            packets: packets.len(),
            ..Self::default()
        }
    }

    /// Only the packets of these rows.
    pub(super) fn select(&self, rows: &[u32]) -> Self {
        Self {
            octets: self.octets.each_ref().map(|column| at(column, rows).collect()),
            shorts: self.shorts.each_ref().map(|column| at(column, rows).collect()),
            packets: rows.len(),
            ..Self::default()
        }
    }

    fn tally_of_all(&self, field: Field) -> Tally {
        match field {
            Field::ByteField(field) => Tally::of_octets(self.octets[field].iter().copied()),
            Field::WordField(field) => Tally::of_shorts(self.shorts[field].iter().copied()),
        }
    }

    fn tally_of(&self, field: Field, part: &Part) -> Tally {
        let Part { rows, before, gone, .. } = part;
        let before = before.as_ref().map_or(&self.tallies, |before| &before.tallies);
        if let Some(before) = before.0[field.index()].get() {
            // What all of them had, some of them have, too.
            if let Some(value) = before.only() {
                return Tally::one(value, rows.len());
            }
            // Where few are gone, these are counted.
            if let Some(gone) = gone {
                return match field {
                    Field::ByteField(field) => before.without(at(&self.octets[field], gone).map(u16::from)),
                    Field::WordField(field) => before.without(at(&self.shorts[field], gone)),
                };
            }
        }
        match field {
            Field::ByteField(field) => Tally::of_octets(at(&self.octets[field], rows)),
            Field::WordField(field) => Tally::of_shorts(at(&self.shorts[field], rows)),
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
fn at<'a, T: Copy>(column: &'a [T], rows: &'a [u32]) -> impl Iterator<Item = T> + Clone + 'a {
    rows.iter().map(|row| column[*row as usize])
}

/// Some of the packets.
#[derive(Clone, Debug)]
pub(super) struct Group<'a> {
    columns: &'a Columns,
    /// `None` if it is all of them.
    part: Option<Arc<Part>>,
}

#[derive(Debug)]
struct Part {
    /// In order.
    rows: Vec<u32>,
    /// What it was narrowed from, and rows that are gone since, if these are fewer.
    before: Option<Arc<Part>>,
    gone: Option<Vec<u32>>,
    tallies: Tallies,
    /// Its number among those that are remembered.
    number: Option<u32>,
}

/// Groups that are remembered: those that meet a condition, by that and by the number of the group that it was narrowed
/// from. That of all packets is 0.
#[derive(Debug, Default)]
struct Narrowed {
    parts: HashMap<(u32, Condition), Option<Arc<Part>>>,
    last: u32,
    /// What they take.
    room: usize,
}

/// Room that groups take which are remembered, in rows, and what each takes beside its rows.
const MOST_ROOM: usize = 500_000;
const ROOM_OF_ONE: usize = 2_000;

impl Narrowed {
    /// Gives a new group its number, and makes room for it.
    fn number(&mut self, mut part: Part) -> Arc<Part> {
        let room = ROOM_OF_ONE + part.rows.len() + part.gone.as_ref().map_or(0, Vec::len);
        if self.room + room > MOST_ROOM {
            self.parts.clear();
            self.room = 0;
        }
        self.room += room;
        self.last += 1;
        part.number = Some(self.last);
        part.rows.shrink_to_fit();
        part.gone.iter_mut().for_each(Vec::shrink_to_fit);
        Arc::new(part)
    }
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
            Field::ByteField(field) => u16::from(self.columns.octets[field][row]),
            Field::WordField(field) => self.columns.shorts[field][row],
        }
    }

    /// How often each value of a field is there.
    pub(super) fn tally(&self, field: Field) -> &Tally {
        match &self.part {
            None => self.columns.tallies.0[field.index()].get_or_init(|| self.columns.tally_of_all(field)),
            Some(part) => part.tallies.0[field.index()].get_or_init(|| self.columns.tally_of(field, part)),
        }
    }

    /// How many packets meet a condition.
    pub(super) fn count(&self, condition: &Condition) -> usize {
        condition.count(self.tally(condition.field()))
    }

    /// Keeps those that meet a condition.
    pub(super) fn narrow(&mut self, condition: &Condition) {
        self.keep(self.meeting(condition));
    }

    /// Keeps those that meet a condition, and remembers them: rules begin alike, and ask the same again and again.
    pub(super) fn narrow_again(&mut self, condition: &Condition) {
        let Some(number) = self.part.as_ref().map_or(Some(0), |part| part.number) else {
            return self.narrow(condition);
        };
        let narrowed = &self.columns.narrowed;
        let step = (number, condition.clone());
        let there = narrowed.borrow().parts.get(&step).cloned();
        if let Some(part) = there {
            self.part = part;
            return;
        }
        if let Some(part) = self.part_of(self.meeting(condition)) {
            self.part = Some(narrowed.borrow_mut().number(part));
        }
        narrowed.borrow_mut().parts.insert(step, self.part.clone());
    }

    /// Takes away those of another group, which are among its own.
    pub(super) fn without(&mut self, others: &Self) {
        let mut gone = others.rows().peekable();
        self.keep(self.divided(self.rows(), |row| gone.next_if_eq(&row).is_none()));
    }

    fn keep(&mut self, rows: Divided) {
        if let Some(part) = self.part_of(rows) {
            self.part = Some(Arc::new(part));
        }
    }

    /// Divides the packets into those that meet a condition, and others.
    fn meeting(&self, condition: &Condition) -> Divided {
        let Columns { octets, shorts, .. } = self.columns;
        match condition {
            Condition::ByteField(field, set) => {
                let column = &octets[*field];
                self.divided(self.rows(), |row| set.contains(column[row]))
            }
            Condition::WordField(field, ranges) => {
                let column = &shorts[*field];
                self.divided(self.rows(), |row| ranges.contains(column[row]))
            }
        }
    }

    fn divided(&self, rows: impl Iterator<Item = usize>, mut is_kept: impl FnMut(usize) -> bool) -> Divided {
        let room = || Vec::with_capacity(self.len());
        let mut divided = Divided { kept: room(), gone: room() };
        for row in rows {
            let rows = if is_kept(row) { &mut divided.kept } else { &mut divided.gone };
            rows.push(row as u32);
        }
        divided
    }

    /// The packets that are kept; `None` if that is all of them.
    fn part_of(&self, Divided { kept: rows, gone }: Divided) -> Option<Part> {
        if gone.is_empty() {
            return None;
        }
        let gone = (gone.len() < rows.len()).then_some(gone);
        Some(Part { rows, gone, before: self.part.clone(), tallies: Tallies::default(), number: None })
    }
}

/// Rows of a group that are kept, and others; both in order.
struct Divided {
    kept: Vec<u32>,
    gone: Vec<u32>,
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
        let octet = (0..ByteField::COUNT, prop::collection::vec(0..4_u8, 1..4))
            .prop_map(|(field, bytes)| Condition::ByteField(field, bytes.into_iter().collect::<ByteSet>()));
        let short = (0..WordField::COUNT, prop::collection::vec((0..600_u16, 0..600_u16), 1..4))
            .prop_map(|(field, ranges)| Condition::WordField(field, ranges.into_iter().collect::<Ranges>()));
        prop_oneof![octet, short]
    }

    fn holds(condition: &Condition, features: &Features) -> bool {
        match condition {
            Condition::ByteField(field, set) => set.contains(features.octets[*field]),
            Condition::WordField(field, ranges) => ranges.contains(features.shorts[*field]),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
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
                let holding = walked.iter().filter(|features| holds(condition, features)).count();
                prop_assert_eq!(group.count(condition), holding);
                let before = group.clone();
                group.narrow(condition);
                let mut others = before;
                others.without(&group);
                prop_assert_eq!(others.len(), walked.len() - holding);
                walked.retain(|features| holds(condition, features));
                prop_assert_eq!(group.len(), walked.len());
                for index in 0..FIELDS {
                    let value = |features: &&Features| match Field::of(index) {
                        Field::ByteField(octet) => u16::from(features.octets[octet]),
                        Field::WordField(short) => features.shorts[short],
                    };
                    prop_assert_eq!(group.tally(Field::of(index)), &Tally::of_shorts(walked.iter().map(value)));
                }
            }
            for _ in 0..2 {
                let mut again = columns.all();
                conditions.iter().for_each(|condition| again.narrow_again(condition));
                prop_assert!(again.rows().eq(group.rows()), "those that are remembered are the same");
            }
        }
    }
}
