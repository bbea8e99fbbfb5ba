//! Usual packets as examples of what a signature must not hit, laid out so that what a rule would hit is counted fast.

use std::{cell::OnceCell, mem::take};

use floodwall_common::features::{ByteField, Features, WordField};
use foldhash::HashMap;

use super::{
    columns::{Columns, Field, Group},
    condition::Condition,
    tally::Tally,
};
use crate::signature::Signature;

/// Usual packets.
#[derive(Debug, Default)]
pub(super) struct Examples {
    columns: Columns,
    /// The flow that each belongs to: they are numbered from 0 on.
    flows: Vec<u32>,
    different_flows: u32,
    kinds: OnceCell<Vec<Kin>>,
}

/// Packets with the same protocol and flags.
#[derive(Debug)]
struct Kin {
    protocol: u8,
    flags: u8,
    /// Where they go.
    ports: Tally,
}

impl Examples {
    /// Packets, each with the number of its flow.
    pub(super) fn of<'a>(packets: impl ExactSizeIterator<Item = (&'a Features, u64)> + Clone) -> Self {
        let columns = Columns::of(packets.clone().map(|(features, _)| features));
        let mut numbers: HashMap<u64, u32> = HashMap::default();
        let mut number = |flow| {
            let next = numbers.len() as u32;
            *numbers.entry(flow).or_insert(next)
        };
        let flows = packets.map(|(_, flow)| number(flow)).collect();
        Self { columns, flows, different_flows: numbers.len() as u32, kinds: OnceCell::new() }
    }

    /// Only the packets of these rows.
    pub(super) fn select(&self, rows: &[u32]) -> Self {
        let flows = rows.iter().map(|row| self.flows[*row as usize]).collect();
        Self { columns: self.columns.select(rows), flows, kinds: OnceCell::new(), ..*self }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// All of them.
    pub(super) fn all(&self) -> Group<'_> {
        self.columns.all()
    }

    /// How many a signature hits.
    pub(super) fn hit_by(&self, signature: &Signature) -> usize {
        let mut hit = self.all();
        let octets = signature.octets.iter().map(|(field, set)| Condition::ByteField(*field, *set));
        let shorts =
            signature.shorts.iter().map(|(field, ranges)| Condition::WordField(*field, ranges.clone()));
        octets.chain(shorts).for_each(|condition| hit.narrow(&condition));
        hit.len()
    }

    /// How many are of a signature's kind (protocol and flags), and how many of these go to its ports.
    pub(super) fn alike(&self, signature: &Signature) -> (usize, usize) {
        let allows = |field: ByteField, value: u8| {
            signature.octets.get(&(field as usize)).is_none_or(|set| set.contains(value))
        };
        let ports = signature.shorts.get(&(WordField::DestinationPort as usize));
        let kin = self.kinds().iter();
        let kin = kin
            .filter(|kin| allows(ByteField::Protocol, kin.protocol) && allows(ByteField::Flags, kin.flags));
        kin.fold((0, 0), |(alike, alike_here), kin| {
            let here = ports.map_or(kin.ports.packets(), |ports| {
                ports.iter().map(|(first, last)| kin.ports.between(first, last)).sum()
            });
            (alike + kin.ports.packets(), alike_here + here)
        })
    }

    fn kinds(&self) -> &[Kin] {
        self.kinds.get_or_init(|| {
            let all = self.all();
            let value = |octet: ByteField, row| all.value(Field::ByteField(octet as usize), row) as u8;
            let mut kinds: HashMap<(u8, u8), Vec<u16>> = HashMap::default();
            for row in all.rows() {
                let port = all.value(Field::WordField(WordField::DestinationPort as usize), row);
                let kind = (value(ByteField::Protocol, row), value(ByteField::Flags, row));
                kinds.entry(kind).or_default().push(port);
            }
            let kin = |((protocol, flags), ports): (_, Vec<u16>)| {
                let ports = Tally::of_shorts(ports.into_iter());
                Kin { protocol, flags, ports }
            };
            kinds.into_iter().map(kin).collect()
        })
    }

    /// How many of such packets are likely to have a value of a field that none of these has.
    ///
    /// That a value was not seen does not say that it never comes. Of the flows to come, as large a share has a new value
    /// as of those seen had one that no other flow had (Good, "The population frequencies of species and the estimation
    /// of population parameters", Biometrika 1953).
    pub(super) fn unseen(&self, such: &Group<'_>, field: Field) -> f64 {
        /// Of a value that was not seen yet, and of one that several flows have.
        const NONE: u32 = u32::MAX;
        const SEVERAL: u32 = u32::MAX - 1;
        let mut flow_with = vec![NONE; such.tally(field).last().map_or(0, |value| usize::from(value) + 1)];
        let mut is_new = vec![true; self.different_flows as usize];
        let (mut once, mut flows) = (0_usize, 0_usize);
        for row in such.rows() {
            let flow = self.flows[row];
            let with = &mut flow_with[usize::from(such.value(field, row))];
            if *with == NONE {
                (*with, once) = (flow, once + 1);
            } else if *with != flow && *with != SEVERAL {
                (*with, once) = (SEVERAL, once - 1);
            }
            flows += usize::from(take(&mut is_new[flow as usize]));
        }
        once as f64 * such.len() as f64 / flows as f64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::signature::{ByteSet, Ranges};

    fn packet() -> impl Strategy<Value = (Features, u64)> {
        (0..3_u8, 0..3_u8, 0..5_u16, 0..40_u64).prop_map(|(protocol, flags, port, flow)| {
            let mut features = Features::default();
            features.octets[ByteField::Protocol as usize] = protocol;
            features.octets[ByteField::Flags as usize] = flags;
            features.shorts[WordField::DestinationPort as usize] = port;
            (features, flow)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn examples_count_what_walking_over_all_packets_counts(
            packets in prop::collection::vec(packet(), 1..200),
            flags in prop::option::of(prop::collection::vec(0..3_u8, 1..3)),
            ports in prop::option::of((0..5_u16, 0..5_u16)),
        ) {
            let mut signature = Signature::default();
            if let Some(flags) = flags {
                signature.octets.insert(ByteField::Flags as usize, flags.into_iter().collect::<ByteSet>());
            }
            let kind = signature.clone();
            if let Some(ports) = ports {
                signature.shorts.insert(WordField::DestinationPort as usize, [ports].into_iter().collect::<Ranges>());
            }
            let examples = Examples::of(packets.iter().map(|(features, flow)| (features, *flow)));
            let hit = |by: &Signature| packets.iter().filter(|(features, _)| by.matches(features)).count();
            prop_assert_eq!(examples.hit_by(&signature), hit(&signature));
            prop_assert_eq!(examples.alike(&signature), (hit(&kind), hit(&signature)));

            let port = WordField::DestinationPort as usize;
            let mut flows_of: BTreeMap<u16, BTreeSet<u64>> = BTreeMap::new();
            packets.iter().for_each(|(features, flow)| {
                flows_of.entry(features.shorts[port]).or_default().insert(*flow);
            });
            let once = flows_of.values().filter(|flows| flows.len() == 1).count() as f64;
            let flows = packets.iter().map(|(_, flow)| flow).collect::<BTreeSet<_>>().len() as f64;
            prop_assert_eq!(
                examples.unseen(&examples.all(), Field::WordField(port)),
                once * packets.len() as f64 / flows
            );
        }
    }
}
