//! Usual packets as examples of what a signature must not hit, laid out so that what a rule would hit is counted fast.

use std::cell::OnceCell;

use floodwall_common::features::{Features, Octet, Short};
use foldhash::{HashMap, HashSet};

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
    /// Number of the flow that each belongs to.
    flows: Vec<u64>,
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
        Self { columns, flows: packets.map(|(_, flow)| flow).collect(), kinds: OnceCell::new() }
    }

    /// Only the packets of these rows.
    pub(super) fn select(&self, rows: &[u32]) -> Self {
        let flows = rows.iter().map(|row| self.flows[*row as usize]).collect();
        Self { columns: self.columns.select(rows), flows, kinds: OnceCell::new() }
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
        let octets = signature.octets.iter().map(|(field, set)| Condition::Octet(*field, *set));
        let shorts = signature.shorts.iter().map(|(field, ranges)| Condition::Short(*field, ranges.clone()));
        octets.chain(shorts).for_each(|condition| hit.narrow(&condition));
        hit.len()
    }

    /// How many are of a signature's kind (protocol and flags), and how many of these go to its ports.
    pub(super) fn alike(&self, signature: &Signature) -> (usize, usize) {
        let allows = |field: Octet, value: u8| {
            signature.octets.get(&(field as usize)).is_none_or(|set| set.contains(value))
        };
        let ports = signature.shorts.get(&(Short::DestinationPort as usize));
        let kin = self.kinds().iter();
        let kin = kin.filter(|kin| allows(Octet::Protocol, kin.protocol) && allows(Octet::Flags, kin.flags));
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
            let value = |octet: Octet, row| all.value(Field::Octet(octet as usize), row) as u8;
            let mut kinds: HashMap<(u8, u8), Vec<u16>> = HashMap::default();
            for row in all.rows() {
                let port = all.value(Field::Short(Short::DestinationPort as usize), row);
                let kind = (value(Octet::Protocol, row), value(Octet::Flags, row));
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
        let mut seen: HashMap<u16, (u64, bool)> = HashMap::default();
        let mut flows = HashSet::default();
        for row in such.rows() {
            let flow = self.flows[row];
            let (first, again) = seen.entry(such.value(field, row)).or_insert((flow, false));
            *again |= *first != flow;
            flows.insert(flow);
        }
        let once = seen.values().filter(|(_, again)| !again).count();
        once as f64 * such.len() as f64 / flows.len() as f64
    }
}
