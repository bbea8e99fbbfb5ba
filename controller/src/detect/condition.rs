//! Conditions on a field, and which of them are worth a try.

use std::collections::BTreeSet;

use floodwall_common::features::{Features, Octet, Short};
use foldhash::{HashMap, HashSet};

use super::baseline::Usual;
use crate::signature::{ByteSet, Ranges, Signature};

/// Values of a field that are common enough to be a condition of their own: a share of the packets in question.
const COMMON: f64 = 0.05;
/// Share of the packets in question that a set or a range of values has to hold.
const NEARLY_ALL: f64 = 0.985;
/// Most values of such a set.
const MOST_VALUES: usize = 12;
/// Ports that clients draw from begin here at the latest: as source ports they tell connections apart, not attacks.
const EPHEMERAL: u16 = 32_768;

/// One condition.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    /// Values of an [`Octet`].
    Octet(usize, ByteSet),
    /// Values of a [`Short`].
    Short(usize, Ranges),
}

impl Condition {
    /// Whether it is about where a packet goes, and not about the packet itself.
    pub(super) fn is_place(&self) -> bool {
        match self {
            Self::Octet(field, _) => *field == Octet::Service as usize,
            Self::Short(field, _) => *field == Short::DestinationPort as usize,
        }
    }

    /// Whether a packet meets it.
    pub(super) fn holds(&self, features: &Features) -> bool {
        match self {
            Self::Octet(field, set) => set.contains(features.octets[*field]),
            Self::Short(field, ranges) => ranges.contains(features.shorts[*field]),
        }
    }

    /// Adds it to a signature.
    pub(super) fn narrow(self, signature: &mut Signature) {
        match self {
            Self::Octet(field, set) => {
                signature.octets.insert(field, set);
            }
            Self::Short(field, ranges) => {
                signature.shorts.insert(field, ranges);
            }
        }
    }
}

/// Conditions that a good share of the packets meet.
pub(super) fn candidates(positive: &[&Features], so_far: &Signature) -> Vec<Condition> {
    let least = ((positive.len() as f64 * COMMON) as usize).max(2);
    let mut conditions = Vec::new();
    for field in 0..Octet::COUNT {
        if so_far.octets.contains_key(&field) {
            continue;
        }
        let ranked = ranked(positive.iter().map(|features| u16::from(features.octets[field])));
        let common = ranked.iter().take_while(|(_, count)| *count >= least);
        conditions
            .extend(common.map(|(value, _)| Condition::Octet(field, [*value as u8].into_iter().collect())));
        if let Some(values) = few_values(&ranked, positive.len()) {
            conditions.push(Condition::Octet(field, values.iter().map(|value| *value as u8).collect()));
        }
    }
    for field in 0..Short::COUNT {
        if so_far.shorts.contains_key(&field) {
            continue;
        }
        let mut ranked = ranked(positive.iter().map(|features| features.shorts[field]));
        if field == Short::SourcePort as usize {
            ranked.retain(|(port, _)| *port < EPHEMERAL);
        }
        let common = ranked.iter().take_while(|(_, count)| *count >= least);
        conditions.extend(common.map(|(value, _)| Condition::Short(field, Ranges::one(*value, *value))));
        if let Some(values) = few_values(&ranked, positive.len()) {
            conditions.push(Condition::Short(field, values.iter().map(|value| (*value, *value)).collect()));
        }
        if field != Short::SourcePort as usize {
            let (first, last) = hull(positive.iter().map(|features| features.shorts[field]));
            conditions.push(Condition::Short(field, Ranges::one(first, last)));
        }
    }
    conditions
}

/// Conditions that a field has none of the values that it usually has, and how many of the `usual` packets would
/// meet each for all that: what tells random content from that of a protocol is what it is not.
///
/// That a value was not seen does not say that it never comes. Of the flows to come, as large a share has a new value
/// as of those seen had one that no other flow had (Good, "The population frequencies of species and the estimation
/// of population parameters", Biometrika 1953).
pub(super) fn exceptions(usual: &[&Usual], so_far: &Signature) -> Vec<(Condition, f64)> {
    if !(ENOUGH_TO_EXCEPT..MOST_TO_EXCEPT).contains(&usual.len()) {
        return Vec::new();
    }
    let flows = usual.iter().map(|usual| usual.flow).collect::<HashSet<_>>().len();
    // Hop limits tell of networks, and there are always others.
    let octets = (Octet::Flags as usize..Octet::COUNT)
        .filter(|field| *field != Octet::HopLimit as usize && !so_far.octets.contains_key(field));
    let octets = octets.filter_map(|field| {
        let values = usual.iter().map(|usual| (u16::from(usual.features.octets[field]), usual.flow));
        let (known, once) = known_values(values, usize::from(u8::MAX) / 2)?;
        let set = (0..=u8::MAX).filter(|value| !known.contains(&u16::from(*value))).collect();
        Some((Condition::Octet(field, set), once))
    });
    let shorts = (0..Short::COUNT).filter(|field| {
        let is_port = [Short::SourcePort, Short::DestinationPort].iter().any(|port| *port as usize == *field);
        !is_port && !so_far.shorts.contains_key(field)
    });
    let shorts = shorts.filter_map(|field| {
        let values = usual.iter().map(|usual| (usual.features.shorts[field], usual.flow));
        let (known, once) = known_values(values, MOST_EXCEPTED)?;
        Some((Condition::Short(field, gaps(&known)), once))
    });
    octets
        .chain(shorts)
        .map(|(condition, once)| (condition, once as f64 * usual.len() as f64 / flows as f64))
        .collect()
}

/// Usual packets that say enough of a field's values; of more than the most, the first condition is not to be such.
const ENOUGH_TO_EXCEPT: usize = 30;
const MOST_TO_EXCEPT: usize = 4_000;
/// Most values of a field of 16 bits that are excepted: each costs the kernel's tables a page.
const MOST_EXCEPTED: usize = 48;

/// The values that were seen, in order, and how many of them in one flow only; `None` if they are more than `most`.
fn known_values(values: impl Iterator<Item = (u16, u64)>, most: usize) -> Option<(BTreeSet<u16>, usize)> {
    let mut seen: HashMap<u16, (u64, bool)> = HashMap::default();
    for (value, flow) in values {
        let (first, again) = seen.entry(value).or_insert((flow, false));
        *again |= *first != flow;
        if seen.len() > most {
            return None;
        }
    }
    let once = seen.values().filter(|(_, again)| !again).count();
    Some((seen.into_keys().collect(), once))
}

/// All numbers but these.
fn gaps(numbers: &BTreeSet<u16>) -> Ranges {
    let mut next = 0_u32;
    let mut gaps = Vec::new();
    for &number in numbers {
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

/// Values and how often each is there, the most common first.
pub(super) fn ranked(values: impl Iterator<Item = u16>) -> Vec<(u16, usize)> {
    let mut counts: HashMap<u16, usize> = HashMap::default();
    values.for_each(|value| *counts.entry(value).or_default() += 1);
    let mut ranked: Vec<_> = counts.into_iter().collect();
    ranked.sort_unstable_by_key(|(value, count)| (std::cmp::Reverse(*count), *value));
    ranked
}

/// The few values that nearly all have, if there are such: more than one, each seen several times.
fn few_values(ranked: &[(u16, usize)], of: usize) -> Option<Vec<u16>> {
    let several: Vec<_> = ranked.iter().take(MOST_VALUES).take_while(|(_, count)| *count >= 3).collect();
    let held: usize = several.iter().map(|(_, count)| count).sum();
    let enough = held as f64 >= NEARLY_ALL * of as f64;
    (enough && several.len() > 1).then(|| several.into_iter().map(|(value, _)| *value).collect())
}

/// The range that nearly all values lie in, with a little room on both sides.
fn hull(values: impl Iterator<Item = u16>) -> (u16, u16) {
    let mut values: Vec<u16> = values.collect();
    values.sort_unstable();
    let outside = (values.len() as f64 * (1.0 - NEARLY_ALL) / 2.0) as usize;
    let (first, last) = (values[outside], values[values.len() - 1 - outside]);
    let room = (last - first) / 16;
    (first.saturating_sub(room), last.saturating_add(room))
}
