//! How often each value of a field is there among some packets.

use std::{cell::RefCell, cmp::Reverse, iter, mem::take};

thread_local! {
    static COUNTER: RefCell<Counter> = RefCell::new(Counter { counts: vec![0; 1 << 16], there: Vec::new() });
}

/// Where values of 16 bits are counted. It is empty but meanwhile.
struct Counter {
    /// For each value.
    counts: Vec<u32>,
    /// Values that are there, in the order in which they came.
    there: Vec<u16>,
}

/// Values, and how many packets have each.
#[derive(Clone, Debug)]
pub(super) enum Tally {
    /// In order of value: each that is there, and how many packets have it or a lower one.
    Values(Vec<(u16, u32)>),
    /// How many packets have each value of 8 bits, and how many there are.
    Octets(Box<[u32; 256]>, u32),
}

/// Values of 8 bits that are looked at together: most are not there, and are passed over.
const CHUNK: usize = 16;

impl Tally {
    /// Counts values of 8 bits.
    pub(super) fn of_octets(values: impl Iterator<Item = u8> + Clone) -> Self {
        if let Some((value, packets)) = all_alike(values.clone()) {
            return Self::one(u16::from(value), packets);
        }
        let mut counts = Box::new([0; 256]);
        let mut packets = 0;
        for value in values {
            counts[usize::from(value)] += 1;
            packets += 1;
        }
        Self::Octets(counts, packets)
    }

    /// Counts values of 16 bits.
    pub(super) fn of_shorts(values: impl Iterator<Item = u16> + Clone) -> Self {
        if let Some((value, packets)) = all_alike(values.clone()) {
            return Self::one(value, packets);
        }
        COUNTER.with_borrow_mut(|Counter { counts, there }| {
            for value in values {
                let count = &mut counts[usize::from(value)];
                if *count == 0 {
                    there.push(value);
                }
                *count += 1;
            }
            there.sort_unstable();
            Self::adding_up(there.drain(..).map(|value| (value, take(&mut counts[usize::from(value)]))))
        })
    }

    /// So many packets, all with the same value.
    pub(super) fn one(value: u16, packets: usize) -> Self {
        Self::adding_up((packets > 0).then_some((value, packets as u32)).into_iter())
    }

    /// A field that all packets have the same value of takes next to no room.
    fn of_counts(counts: Box<[u32; 256]>, packets: u32) -> Self {
        // Said so that many are looked at together.
        let is_one = counts.iter().fold(false, |is_one, count| is_one | (*count == packets));
        let value = is_one.then(|| counts.iter().position(|count| *count == packets)).flatten();
        match value {
            Some(value) => Self::one(value as u16, packets as usize),
            None => Self::Octets(counts, packets),
        }
    }

    fn adding_up(counts: impl Iterator<Item = (u16, u32)>) -> Self {
        let mut sum = 0;
        let up_to = counts.map(|(value, count)| {
            sum += count;
            (value, sum)
        });
        Self::Values(up_to.collect())
    }

    /// What is left if packets with these values are taken away, which have to be there.
    pub(super) fn without(&self, values: impl Iterator<Item = u16> + Clone) -> Self {
        match self {
            Self::Octets(counts, packets) => {
                let (mut left, mut packets) = (counts.clone(), *packets);
                for value in values {
                    left[usize::from(value)] -= 1;
                    packets -= 1;
                }
                Self::of_counts(left, packets)
            }
            Self::Values(up_to) => {
                let gone = Self::of_shorts(values);
                let mut gone = gone.iter().peekable();
                let mut left = Vec::with_capacity(up_to.len());
                let mut sum = 0;
                for (value, count) in self.iter() {
                    let gone = gone.next_if(|(other, _)| *other == value).map_or(0, |(_, gone)| gone);
                    sum += (count - gone) as u32;
                    if count > gone {
                        left.push((value, sum));
                    }
                }
                Self::Values(left)
            }
        }
    }

    /// How many values there are.
    pub(super) fn values(&self) -> usize {
        match self {
            Self::Values(up_to) => up_to.len(),
            Self::Octets(counts, _) => counts.iter().map(|count| u32::from(*count > 0)).sum::<u32>() as usize,
        }
    }

    /// How many packets there are.
    pub(super) fn packets(&self) -> usize {
        match self {
            Self::Values(up_to) => up_to.last().map_or(0, |(_, sum)| *sum as usize),
            Self::Octets(_, packets) => *packets as usize,
        }
    }

    /// The value that all packets have, if there is one.
    pub(super) fn only(&self) -> Option<u16> {
        match &self {
            Self::Values(up_to) if up_to.len() == 1 => Some(up_to[0].0),
            _ => None,
        }
    }

    /// The highest value that is there.
    pub(super) fn last(&self) -> Option<u16> {
        match self {
            Self::Values(up_to) => up_to.last().map(|(value, _)| *value),
            Self::Octets(counts, _) => counts.iter().rposition(|count| *count > 0).map(|value| value as u16),
        }
    }

    /// Values in order, and how many packets have each.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, usize)> + '_ {
        let (up_to, counts) = match self {
            Self::Values(up_to) => (&up_to[..], &[][..]),
            Self::Octets(counts, _) => (&[][..], &counts[..]),
        };
        let before = iter::once(0).chain(up_to.iter().map(|(_, sum)| *sum));
        let up_to = up_to.iter().zip(before).map(|((value, sum), before)| (*value, sum - before));
        let counts = (0..).zip(counts.iter().copied()).filter(|(_, count)| *count > 0);
        up_to.chain(counts).map(|(value, count)| (value, count as usize))
    }

    /// How many packets have a value.
    pub(super) fn of(&self, value: u16) -> usize {
        match self {
            Self::Values(_) => self.between(value, value),
            Self::Octets(counts, _) => counts.get(usize::from(value)).map_or(0, |count| *count as usize),
        }
    }

    /// How many packets have a value of a range, its ends included.
    pub(super) fn between(&self, first: u16, last: u16) -> usize {
        match self {
            Self::Values(up_to) => {
                let from = up_to.partition_point(|(value, _)| *value < first);
                let behind = from + up_to[from..].partition_point(|(value, _)| *value <= last);
                let below = |place: usize| place.checked_sub(1).map_or(0, |before| up_to[before].1);
                (below(behind) - below(from)) as usize
            }
            Self::Octets(..) => (first..=last.min(255)).map(|value| self.of(value)).sum(),
        }
    }

    /// How many packets have a value that others have, too.
    pub(super) fn shared(&self, others: &Self) -> usize {
        match (self, others) {
            (Self::Octets(counts, _), Self::Octets(others, _)) => {
                let both = counts.iter().zip(&**others);
                both.map(|(count, other)| if *other > 0 { *count } else { 0 }).sum::<u32>() as usize
            }
            (Self::Values(up_to), _) if up_to.len() == 1 => {
                if others.of(up_to[0].0) > 0 {
                    self.packets()
                } else {
                    0
                }
            }
            (Self::Octets(..), _) => others.iter().map(|(value, _)| self.of(value)).sum(),
            _ => {
                let mut others = others.iter().map(|(value, _)| value).peekable();
                let mut is_there = |value: u16| {
                    while others.next_if(|other| *other < value).is_some() {}
                    others.peek() == Some(&value)
                };
                self.iter().filter(|(value, _)| is_there(*value)).map(|(_, packets)| packets).sum()
            }
        }
    }

    /// The value of the packet at a place, were they in order of their values. There has to be such a place.
    pub(super) fn at(&self, place: usize) -> u16 {
        let mut behind = place;
        let is_it = |(_, count): &(u16, usize)| {
            let here = behind < *count;
            behind = behind.saturating_sub(*count);
            here
        };
        match self {
            Self::Values(up_to) => up_to[up_to.partition_point(|(_, sum)| *sum as usize <= place)].0,
            Self::Octets(..) => self.iter().find(is_it).map_or(0, |(value, _)| value),
        }
    }

    /// Values that at least so many packets have (one or more), and how many, the most common first.
    pub(super) fn common(&self, least: usize) -> Vec<(u16, usize)> {
        let mut common: Vec<(u16, usize)> = match self {
            Self::Values(_) => self.iter().filter(|(_, count)| *count >= least).collect(),
            Self::Octets(counts, _) => {
                let least = u32::try_from(least).unwrap_or(u32::MAX);
                let mut common = Vec::new();
                for (first, chunk) in (0..).step_by(CHUNK).zip(counts.as_chunks::<CHUNK>().0) {
                    if chunk.iter().fold(false, |any, count| any | (*count >= least)) {
                        let such = (first..).zip(*chunk).filter(|(_, count)| *count >= least);
                        common.extend(such.map(|(value, count)| (value, count as usize)));
                    }
                }
                common
            }
        };
        common.sort_unstable_by_key(|(value, count)| (Reverse(*count), *value));
        common
    }
}

/// The value that all packets have, and how many these are; `None` if there are several values. Comparing takes less time
/// than counting, and ends with the first that differs.
fn all_alike<T: Copy + Default + PartialEq>(
    mut values: impl Iterator<Item = T> + Clone,
) -> Option<(T, usize)> {
    let packets = values.clone().count();
    let first = values.next().unwrap_or_default();
    values.all(|value| value == first).then_some((first, packets))
}

/// However they are kept.
impl PartialEq for Tally {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn a_tally_says_what_counting_says(
            mut values in prop_oneof![
                4 => prop::collection::vec(0..256_u16, 0..400),
                1 => (0..256_u16, 0..400_usize).prop_map(|(value, packets)| vec![value; packets]),
            ],
            (first, last) in (0..256_u16, 0..256_u16),
            least in 1..4_usize,
            as_octets: bool,
        ) {
            let tally_of = |values: &[u16]| {
                let octets = values.iter().map(|value| *value as u8);
                if as_octets { Tally::of_octets(octets) } else { Tally::of_shorts(values.iter().copied()) }
            };
            let tally = tally_of(&values);
            let count = |wanted: u16| values.iter().filter(|value| **value == wanted).count();
            let inside = values.iter().filter(|value| (first..=last).contains(*value)).count();
            prop_assert_eq!(tally.between(first, last), inside);
            prop_assert_eq!(tally.packets(), values.len());
            prop_assert_eq!(tally.of(first), count(first));
            prop_assert_eq!(tally.last(), values.iter().max().copied());
            prop_assert!(tally.iter().all(|(value, packets)| packets == count(value)));
            let common: Vec<_> = (0..256).map(|value| (value, count(value))).filter(|(_, count)| *count >= least).collect();
            let mut told = tally.common(least);
            prop_assert!(told.is_sorted_by_key(|(_, count)| Reverse(*count)));
            told.sort_unstable();
            prop_assert_eq!(told, common);
            let shared = values.iter().filter(|value| **value % 3 == 0).count();
            prop_assert_eq!(tally.shared(&tally_of(&(0..256).filter(|value| value % 3 == 0).collect::<Vec<_>>())), shared);
            let (some, others): (Vec<u16>, Vec<u16>) = values.iter().partition(|value| **value >= first);
            prop_assert_eq!(tally.without(some.into_iter()), tally_of(&others));
            values.sort_unstable();
            prop_assert!(values.iter().enumerate().all(|(place, value)| tally.at(place) == *value));
        }
    }

    #[test]
    fn octets_and_shorts_are_counted_alike() {
        let octets = [7, 0, 255, 7, 7, 0];
        let tally = Tally::of_octets(octets.into_iter());
        assert_eq!(tally, Tally::of_shorts(octets.into_iter().map(u16::from)));
        assert_eq!((tally.values(), tally.only()), (3, None));
        assert_eq!(Tally::one(7, 2), Tally::of_octets([7, 7].into_iter()));
        assert_eq!(Tally::one(7, 0), Tally::of_octets([].into_iter()));
        assert_eq!(Tally::one(7, 2).only(), Some(7));
    }
}
