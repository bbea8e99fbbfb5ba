//! Conditions on a field, and which of them are worth a try.

use floodwall_common::features::{ByteField, WordField};

use super::{
    columns::{Field, Group},
    tally::Tally,
};
use crate::signature::{ByteSet, Ranges, Signature};

/// Values of a field that are common enough to be a condition of their own: a share of the packets in question.
const COMMON: f64 = 0.05;
/// Share of the packets in question that a set or a range of values has to hold.
const NEARLY_ALL: f64 = 0.985;
/// Most values of such a set, and how often each has to be seen.
const MOST_VALUES: usize = 12;
const LEAST_SEEN: usize = 3;
/// Ports that clients draw from begin here at the latest: as source ports they tell connections apart, not attacks.
const EPHEMERAL: u16 = 32_768;

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Condition {
    /// Values of an [`ByteField`].
    ByteField(usize, ByteSet),
    /// Values of a [`WordField`].
    WordField(usize, Ranges),
}

impl Condition {
    /// Whether it is about where a packet goes, and not about the packet itself.
    pub(super) fn is_place(&self) -> bool {
        match self {
            Self::ByteField(field, _) => *field == ByteField::Service as usize,
            Self::WordField(field, _) => *field == WordField::DestinationPort as usize,
        }
    }

    /// The field that it is about.
    pub(super) fn field(&self) -> Field {
        match self {
            Self::ByteField(field, _) => Field::ByteField(*field),
            Self::WordField(field, _) => Field::WordField(*field),
        }
    }

    /// How many packets meet it, of those whose values of its field were counted.
    pub(super) fn count(&self, tally: &Tally) -> usize {
        match self {
            Self::ByteField(_, set) => set.iter().map(|value| tally.of(u16::from(value))).sum(),
            Self::WordField(_, ranges) => ranges.iter().map(|(first, last)| tally.between(first, last)).sum(),
        }
    }

    /// Adds it to a signature.
    pub(super) fn narrow(self, signature: &mut Signature) {
        match self {
            Self::ByteField(field, set) => {
                signature.octets.insert(field, set);
            }
            Self::WordField(field, ranges) => {
                signature.shorts.insert(field, ranges);
            }
        }
    }
}

/// A condition, and how many packets of an attack meet it.
pub(super) struct Candidate {
    pub(super) condition: Condition,
    pub(super) met: usize,
    /// It excepts all that is usual: see [`exceptions`].
    pub(super) excepts: bool,
}

/// Conditions that a good share of the packets meet, and at least so many.
pub(super) fn candidates(positive: &Group<'_>, so_far: &Signature, least: usize) -> Vec<Candidate> {
    let mut candidates = Vec::with_capacity(64);
    let mut add = |condition: Condition, met| {
        if met >= least {
            candidates.push(Candidate { condition, met, excepts: false });
        }
    };
    let least_common = ((positive.len() as f64 * COMMON) as usize).max(2).max(least);
    for field in (0..ByteField::COUNT).filter(|field| !so_far.octets.contains_key(field)) {
        let tally = positive.tally(Field::ByteField(field));
        for (value, count) in tally.common(least_common) {
            add(Condition::ByteField(field, [value as u8].into_iter().collect()), count);
        }
        if let Some((values, held)) = few_values(tally, |_| true) {
            add(Condition::ByteField(field, values.iter().map(|value| *value as u8).collect()), held);
        }
    }
    for field in (0..WordField::COUNT).filter(|field| !so_far.shorts.contains_key(field)) {
        let tally = positive.tally(Field::WordField(field));
        let tells = |value: u16| field != WordField::SourcePort as usize || value < EPHEMERAL;
        for (value, count) in tally.common(least_common).into_iter().filter(|(value, _)| tells(*value)) {
            add(Condition::WordField(field, Ranges::one(value, value)), count);
        }
        if let Some((values, held)) = few_values(tally, tells) {
            add(Condition::WordField(field, values.iter().map(|value| (*value, *value)).collect()), held);
        }
        if field != WordField::SourcePort as usize {
            let (first, last) = hull(tally);
            add(Condition::WordField(field, Ranges::one(first, last)), tally.between(first, last));
        }
    }
    candidates
}

/// Conditions that a field has none of the values that it has in `usual` packets, of those that at least so many
/// packets meet: what tells random content from that of a protocol is what it is not.
pub(super) fn exceptions(
    positive: &Group<'_>,
    usual: &Group<'_>,
    so_far: &Signature,
    least: usize,
) -> Vec<Candidate> {
    if !(ENOUGH_TO_EXCEPT..MOST_TO_EXCEPT).contains(&usual.len()) {
        return Vec::new();
    }
    // Hop limits tell of networks, and there are always others.
    let octets = (ByteField::Flags as usize..ByteField::COUNT)
        .filter(|field| *field != ByteField::HopLimit as usize && !so_far.octets.contains_key(field))
        .map(|field| (Field::ByteField(field), usize::from(u8::MAX) / 2));
    let shorts = (0..WordField::COUNT)
        .filter(|field| {
            let is_port = [WordField::SourcePort, WordField::DestinationPort]
                .iter()
                .any(|port| *port as usize == *field);
            !is_port && !so_far.shorts.contains_key(field)
        })
        .map(|field| (Field::WordField(field), MOST_EXCEPTED));
    let exceptions = octets.chain(shorts).filter_map(|(field, most)| {
        let (now, known) = (positive.tally(field), usual.tally(field));
        if known.values() > most {
            return None;
        }
        let met = now.packets() - now.shared(known);
        let condition = (met >= least).then(|| all_but(field, known))?;
        Some(Candidate { condition, met, excepts: true })
    });
    exceptions.collect()
}

/// Usual packets that say enough of a field's values; of more than the most, the first condition is not to be such.
const ENOUGH_TO_EXCEPT: usize = 30;
const MOST_TO_EXCEPT: usize = 4_000;
/// Most values of a field of 16 bits that are excepted: each costs the kernel's tables a page.
const MOST_EXCEPTED: usize = 48;

/// A field has none of these values.
fn all_but(field: Field, known: &Tally) -> Condition {
    match field {
        Field::ByteField(field) => {
            let mut others: ByteSet = (0..=u8::MAX).collect();
            known.iter().for_each(|(value, _)| others.remove(value as u8));
            Condition::ByteField(field, others)
        }
        Field::WordField(field) => Condition::WordField(field, gaps(known)),
    }
}

/// All numbers but these.
fn gaps(known: &Tally) -> Ranges {
    let mut next = 0_u32;
    let mut gaps = Vec::new();
    for (number, _) in known.iter() {
        if u32::from(number) > next {
            gaps.push((next as u16, number - 1));
        }
        next = u32::from(number) + 1;
    }
    if let Ok(next) = u16::try_from(next) {
        gaps.push((next, u16::MAX));
    }
    gaps.into_iter().collect()
}

/// The few values that nearly all have, if there are such, and how many have them: more than one value of those that
/// tell something, each seen several times.
fn few_values(tally: &Tally, tells: impl Fn(u16) -> bool) -> Option<(Vec<u16>, usize)> {
    let are_enough = |held: usize| held as f64 >= NEARLY_ALL * tally.packets() as f64;
    // Each of the other values is there at least once.
    let others = tally.values().saturating_sub(MOST_VALUES);
    if tally.only().is_some() || !are_enough(tally.packets() - others) {
        return None;
    }
    let common = tally.common(LEAST_SEEN).into_iter().filter(|(value, _)| tells(*value));
    let (several, counts): (Vec<u16>, Vec<usize>) = common.take(MOST_VALUES).unzip();
    let held = counts.iter().sum();
    (are_enough(held) && several.len() > 1).then_some((several, held))
}

/// The range that nearly all values lie in, with a little room on both sides.
fn hull(tally: &Tally) -> (u16, u16) {
    let packets = tally.packets();
    let outside = (packets as f64 * (1.0 - NEARLY_ALL) / 2.0) as usize;
    let (first, last) = (tally.at(outside), tally.at(packets - 1 - outside));
    let room = (last - first) / 16;
    (first.saturating_sub(room), last.saturating_add(room))
}
