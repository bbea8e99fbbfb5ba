//! Sources that have come with an incident, and use far more connections than anybody else. Nothing of them is dropped, so that
//! nothing else in the record tells of them. A company behind one address may be such a source, so that it is said in words and
//! proves nothing. Requests count for no more than there are connections with data, as they can be forged in anybody's name.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    net::IpAddr,
};

use floodwall_api::IncidentVector;

use crate::{
    attribution::Acquaintance,
    bounded::{largest, update},
    input::SampledPacket,
    vector::{self, Vector},
};

/// Connections in samples that such a source has at least, and how many times as many as any other source.
const LEAST: usize = 10;
const TIMES: usize = 5;
/// Most of such sources: many new ones are a rush.
const FEW: usize = 5;

/// Connections of a source in samples, by its ports.
#[derive(Clone, Debug, Default)]
struct Connections {
    requested: HashSet<u16>,
    used: HashSet<u16>,
}

impl Connections {
    /// Those that have begun meanwhile, at least.
    fn begun(&self) -> usize {
        self.requested.len().min(self.used.len())
    }
}

/// Connections that pass, by source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Newcomers {
    /// Of those that have come with the incident, and of others.
    new: HashMap<IpAddr, Connections>,
    old: HashMap<IpAddr, Connections>,
    most_of_old: usize,
    /// Those that were told, and the first and last time, Unix time in ms.
    told: BTreeSet<IpAddr>,
    times: Option<(u64, u64)>,
}

impl Newcomers {
    /// Counts a packet, if it requests a connection or carries data on one, and passes.
    pub(crate) fn count(&mut self, packet: &SampledPacket, source: Acquaintance) {
        let SampledPacket { dropped, unproven, protocol, tcp_flags, has_data, source_port, .. } = *packet;
        let requests = vector::is_syn(tcp_flags);
        let is_of_interest = protocol == vector::TCP && (requests || has_data);
        if dropped || unproven || !is_of_interest || source == Acquaintance::Unknown {
            return;
        }
        let count = |connections: &mut Connections| {
            let ports = if requests { &mut connections.requested } else { &mut connections.used };
            ports.insert(source_port);
        };
        if source == Acquaintance::Old {
            update(&mut self.old, packet.source, count);
            self.most_of_old =
                self.most_of_old.max(self.old.get(&packet.source).map_or(0, Connections::begun));
        } else {
            update(&mut self.new, packet.source, count);
        }
        if self.told.contains(&packet.source) {
            let first = self.times.map_or(packet.time_ms, |(first, _)| first);
            self.times = Some((first, packet.time_ms));
        }
    }

    /// What is to be told of sources that were not told of before.
    pub(crate) fn take_told(&mut self, time_ms: u64) -> Vec<String> {
        let (busy, most_else) = self.busy();
        let new = busy.into_iter().filter(|(source, _)| self.told.insert(*source));
        let told: Vec<_> = new
            .map(|(source, connections)| {
                format!(
                    "{source}, which came with it, opens far more connections than anybody else ({connections} in samples, \
                     and {most_else} of the next), and passes: floodwall why {source}"
                )
            })
            .collect();
        if !told.is_empty() && self.times.is_none() {
            self.times = Some((time_ms, time_ms));
        }
        told
    }

    /// Such sources with the number of their connections, and the most of any other source.
    fn busy(&self) -> (Vec<(IpAddr, usize)>, usize) {
        let most: Vec<_> = largest(&self.new, FEW + 1, |connections| connections.begun() as u64)
            .map(|(source, connections)| (*source, connections.begun()))
            .collect();
        for number in (1..=FEW.min(most.len())).rev() {
            let next = most.get(number).map_or(0, |(_, connections)| *connections).max(self.most_of_old);
            let least = LEAST.max(next.saturating_mul(TIMES));
            if most.get(number - 1).is_some_and(|(_, connections)| *connections >= least) {
                return (most.into_iter().take(number).collect(), next);
            }
        }
        (Vec::new(), 0)
    }

    /// The report on them, if there are any.
    pub(crate) fn report(&self) -> Option<(Vector, IncidentVector)> {
        let (first_ms, last_ms) = self.times?;
        let vector = vector::FEW_SOURCES;
        let words = match self.told.len() {
            1 => format!("{} one new source", vector.words),
            sources => format!("{} {sources} new sources", vector.words),
        };
        let name = vector.name.to_owned();
        Some((vector, IncidentVector { name, words, first_ms, last_ms, ..IncidentVector::default() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Data on a connection that passes.
    fn data(last: u8, source_port: u16) -> SampledPacket {
        SampledPacket {
            source_port,
            tcp_flags: 0x18,
            has_data: true,
            dropped: false,
            unproven: false,
            reason: "clean",
            ..SampledPacket::dropped_syn([203, 0, 113, last])
        }
    }

    /// A connection that is opened and used.
    fn connect(newcomers: &mut Newcomers, last: u8, source_port: u16, source: Acquaintance) {
        newcomers.count(&SampledPacket { tcp_flags: 2, has_data: false, ..data(last, source_port) }, source);
        newcomers.count(&data(last, source_port), source);
    }

    #[test]
    fn a_new_source_that_opens_more_connections_than_anybody_else_is_told_once() {
        let mut newcomers = Newcomers::default();
        (0..30).for_each(|port| connect(&mut newcomers, 1, port, Acquaintance::Old));
        (0..149).for_each(|port| connect(&mut newcomers, 2, port, Acquaintance::Recent));
        // Connections count, and not their packets.
        (0..500).for_each(|_| newcomers.count(&data(2, 7), Acquaintance::Recent));
        assert_eq!((newcomers.take_told(5), newcomers.report()), (vec![], None), "another has a fifth of it");
        connect(&mut newcomers, 2, 149, Acquaintance::Recent);
        let told = newcomers.take_told(9_000);
        assert!(told.len() == 1 && told[0].starts_with("203.0.113.2, "), "{told:?}");
        assert!(told[0].contains("(150 in samples, and 30 of the next)"), "{told:?}");
        assert_eq!(newcomers.take_told(10_000), Vec::<String>::new());
        newcomers.count(&SampledPacket { time_ms: 11_000, ..data(2, 7) }, Acquaintance::Recent);
        let (_, vector) = newcomers.report().expect("there is one");
        assert_eq!((vector.words.as_str(), vector.sampled), ("many connections of one new source", 0));
        assert_eq!((vector.first_ms, vector.last_ms), (9_000, 11_000));
    }

    #[test]
    fn requests_which_anybody_can_forge_what_is_dropped_and_a_rush_are_none() {
        let mut newcomers = Newcomers::default();
        for port in 0..50 {
            let none = Acquaintance::None;
            newcomers.count(&SampledPacket { tcp_flags: 2, has_data: false, ..data(1, port) }, none);
            // Data on connections that were there is as little.
            newcomers.count(&data(2, port), none);
            newcomers.count(&SampledPacket { dropped: true, ..data(3, port) }, none);
            newcomers.count(&SampledPacket { unproven: true, ..data(4, port) }, none);
            newcomers.count(&SampledPacket { protocol: 17, tcp_flags: 0, ..data(5, port) }, none);
        }
        assert_eq!(newcomers.take_told(5), Vec::<String>::new());
        for last in 10..20 {
            (0..50).for_each(|port| connect(&mut newcomers, last, port, Acquaintance::None));
        }
        assert_eq!(newcomers.take_told(5), Vec::<String>::new(), "a rush");
    }
}
