//! Sources that have come with an incident, complete handshakes, and request far more connections than anybody else. Nothing of
//! them is dropped, so that nothing else in the record tells of them. A company behind one address may be such a source, so that
//! it is said in words and proves nothing.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
};

use floodwall_api::IncidentVector;

use crate::{
    attribution::Acquaintance,
    bounded::{largest, update},
    input::SampledPacket,
    vector::{self, Vector},
};

/// Sampled requests for connections that such a source has at least, and how many times as many as any other source.
const LEAST: u32 = 10;
const TIMES: u32 = 5;
/// Most of such sources: many new ones are a rush.
const FEW: usize = 5;

/// Requests for connections that have passed, by source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Newcomers {
    requests: HashMap<IpAddr, u32>,
    most_of_a_customer: u32,
    of_customers: HashMap<IpAddr, u32>,
    /// Those that were told, and the first and last time, Unix time in ms.
    told: BTreeSet<IpAddr>,
    times: Option<(u64, u64)>,
}

impl Newcomers {
    /// Counts a packet, if it is a request for a connection that passes, of a source that takes part in conversations.
    pub(crate) fn count(&mut self, packet: &SampledPacket, source: Acquaintance) {
        if packet.dropped
            || packet.unproven
            || packet.protocol != vector::TCP
            || !vector::is_syn(packet.tcp_flags)
        {
            return;
        }
        if source == Acquaintance::Old {
            update(&mut self.of_customers, packet.source, |requests| *requests += 1);
            let requests = self.of_customers.get(&packet.source).copied().unwrap_or_default();
            self.most_of_a_customer = self.most_of_a_customer.max(requests);
        } else {
            update(&mut self.requests, packet.source, |requests| *requests += 1);
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
            .map(|(source, requests)| {
                format!(
                    "{source}, which came with it, requests far more connections than anybody else ({requests} sampled, \
                     and {most_else} of the next), and passes: floodwall why {source}"
                )
            })
            .collect();
        if !told.is_empty() && self.times.is_none() {
            self.times = Some((time_ms, time_ms));
        }
        told
    }

    /// Such sources with their requests, and the most of any other source.
    fn busy(&self) -> (Vec<(IpAddr, u32)>, u32) {
        let most: Vec<_> = largest(&self.requests, FEW + 1, |requests| u64::from(*requests))
            .map(|(source, requests)| (*source, *requests))
            .collect();
        for number in (1..=FEW.min(most.len())).rev() {
            let next = most.get(number).map_or(0, |(_, requests)| *requests).max(self.most_of_a_customer);
            let least = LEAST.max(next.saturating_mul(TIMES));
            if most.get(number - 1).is_some_and(|(_, requests)| *requests >= least) {
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

    fn request(last: u8) -> SampledPacket {
        SampledPacket {
            dropped: false,
            unproven: false,
            reason: "clean",
            ..SampledPacket::dropped_syn([203, 0, 113, last])
        }
    }

    #[test]
    fn a_new_source_that_requests_more_than_anybody_else_is_told_once() {
        let mut newcomers = Newcomers::default();
        (0..30).for_each(|_| newcomers.count(&request(1), Acquaintance::Old));
        (0..149).for_each(|_| newcomers.count(&request(2), Acquaintance::None));
        assert_eq!(
            (newcomers.take_told(5), newcomers.report()),
            (vec![], None),
            "a customer has a fifth of it"
        );
        newcomers.count(&request(2), Acquaintance::None);
        let told = newcomers.take_told(9_000);
        assert!(
            told.len() == 1
                && told[0].starts_with("203.0.113.2, ")
                && told[0].contains("(150 sampled, and 30 ")
        );
        assert_eq!(newcomers.take_told(10_000), Vec::<String>::new());
        newcomers.count(&SampledPacket { time_ms: 11_000, ..request(2) }, Acquaintance::None);
        let (_, vector) = newcomers.report().expect("there is one");
        assert_eq!((vector.words.as_str(), vector.sampled), ("many connections of one new source", 0));
        assert_eq!((vector.first_ms, vector.last_ms), (9_000, 11_000));
    }

    #[test]
    fn forged_dropped_and_many_sources_and_other_segments_are_none() {
        let mut newcomers = Newcomers::default();
        for _ in 0..50 {
            newcomers.count(&SampledPacket { unproven: true, ..request(1) }, Acquaintance::None);
            newcomers.count(&SampledPacket { dropped: true, ..request(2) }, Acquaintance::None);
            newcomers.count(&SampledPacket { tcp_flags: 0x12, ..request(3) }, Acquaintance::None);
            newcomers.count(&SampledPacket { protocol: 17, tcp_flags: 0, ..request(4) }, Acquaintance::None);
        }
        assert_eq!(newcomers.take_told(5), Vec::<String>::new());
        for last in 10..20 {
            (0..50).for_each(|_| newcomers.count(&request(last), Acquaintance::None));
        }
        assert_eq!(newcomers.take_told(5), Vec::<String>::new(), "a rush");
    }
}
