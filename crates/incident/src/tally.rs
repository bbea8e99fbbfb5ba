//! Statistics of the sampled packets of one kind of attack: whether their sources are forged, and whether they belong to
//! complete connections.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use floodwall_api::IncidentVector;

use crate::{
    input::SampledPacket,
    vector::{self, Vector},
};

/// Samples that a judgement needs, and most samples that are looked at.
const ENOUGH: u64 = 100;
const LOOKED_AT: u64 = 1_000;
/// Sources are forged if at least this share of the samples has a source that was seen only once.
pub(crate) const ONCE_SHARE: f64 = 0.9;
/// Sources are also forged if they claim to be in at least this many networks (/8, or /16 of IPv6) and at least this share of
/// them has one of two TTLs: hosts in that many networks are at many different distances.
const NETWORKS: usize = 40;
const SAME_TTL_SHARE: f64 = 0.95;
const SAME_TTLS: usize = 2;
/// Names in DNS queries are random if at least this share of the queries has a name of its own.
const DISTINCT_NAMES: f64 = 0.9;
/// Segments belong to complete connections if at least this share of their sources also sends SYNs.
const SAME_SOURCES: f64 = 0.5;

/// Statistics of one kind of packets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) dropped: u64,
    pub(crate) passed: u64,
    /// The sources, TTLs, networks and queried names of the first [`LOOKED_AT`] samples.
    sources: HashMap<IpAddr, u32>,
    ttls: HashMap<u8, u64>,
    networks: HashSet<u16>,
    names: HashSet<u64>,
    questions: u64,
    looked_at: u64,
    pub(crate) fingerprints: Vec<String>,
    first_ms: u64,
    last_ms: u64,
}

impl Tally {
    /// Counts a packet.
    pub(crate) fn count(&mut self, packet: &SampledPacket) {
        self.seen(packet.time_ms);
        *(if packet.dropped { &mut self.dropped } else { &mut self.passed }) += 1;
        if self.looked_at >= LOOKED_AT {
            return;
        }
        self.looked_at += 1;
        *self.sources.entry(packet.source).or_default() += 1;
        *self.ttls.entry(packet.ttl).or_default() += 1;
        self.networks.insert(match packet.source {
            IpAddr::V4(address) => address.octets()[0].into(),
            IpAddr::V6(address) => address.segments()[0],
        });
        if let Some(name) = packet.question {
            self.questions += 1;
            self.names.insert(name);
        }
    }

    pub(crate) fn seen(&mut self, time_ms: u64) {
        if self.first_ms == 0 {
            self.first_ms = time_ms;
        }
        self.last_ms = self.last_ms.max(time_ms);
    }

    fn share(&self, part: f64) -> f64 {
        part / self.looked_at.max(1) as f64
    }

    /// Whether hardly any source was seen twice.
    fn came_once(&self) -> bool {
        let once = self.sources.values().filter(|times| **times == 1).count();
        self.looked_at >= ENOUGH && self.share(once as f64) >= ONCE_SHARE
    }

    /// Whether packets claim many networks but come from the same distance.
    fn came_the_same_way(&self) -> bool {
        let mut ttls: Vec<_> = self.ttls.values().copied().collect();
        ttls.sort_unstable_by_key(|times| std::cmp::Reverse(*times));
        let most: u64 = ttls.into_iter().take(SAME_TTLS).sum();
        self.looked_at >= ENOUGH
            && self.networks.len() >= NETWORKS
            && self.share(most as f64) >= SAME_TTL_SHARE
    }

    /// Whether hardly any name was queried twice.
    fn has_random_names(&self) -> bool {
        self.questions >= ENOUGH && self.names.len() as f64 >= self.questions as f64 * DISTINCT_NAMES
    }

    /// The report on this kind.
    pub(crate) fn report(&self, vector: Vector) -> IncidentVector {
        let random = vector == vector::DNS_QUERIES && self.has_random_names();
        let vector = if random { vector::RANDOM_NAMES } else { vector };
        let same_way = vector.forgeable && self.came_the_same_way();
        let spoofed = vector.forgeable && (same_way || self.came_once());
        IncidentVector {
            name: vector.name.to_owned(),
            words: if spoofed { format!("spoofed {}", vector.words) } else { vector.words.to_owned() },
            spoofed,
            same_way,
            fingerprints: self.fingerprints.clone(),
            sampled: self.dropped,
            first_ms: self.first_ms,
            last_ms: self.last_ms,
        }
    }

    fn merge(&mut self, other: &Self) {
        self.dropped += other.dropped;
        self.passed += other.passed;
        self.fingerprints.extend(other.fingerprints.iter().cloned());
        self.first_ms = self.first_ms.min(other.first_ms);
        self.last_ms = self.last_ms.max(other.last_ms);
    }
}

/// Merges kinds whose packets together form complete connections, which the same sources open, use and close, into one kind.
/// `completes` says whether a source has completed handshakes, which a forged address cannot.
pub(crate) fn with_whole_connections(
    kinds: Vec<(Vector, Tally)>,
    completes: impl Fn(IpAddr) -> bool,
) -> Vec<(Vector, Tally)> {
    let opens = |(vector, tally): &&(Vector, Tally)| {
        [vector::SYN_FLOOD, vector::CONNECTIONS].contains(vector) && tally.looked_at >= ENOUGH
    };
    let opening: Vec<_> = kinds.iter().filter(opens).map(|(_, tally)| tally).collect();
    if opening.is_empty() {
        return kinds;
    }
    let is_opener = |source: &IpAddr| {
        completes(*source) || opening.iter().any(|tally| tally.sources.contains_key(source))
    };
    let is_part = |(vector, tally): &(Vector, Tally)| {
        let same = tally.sources.keys().filter(|source| is_opener(source)).count();
        vector.of_connections
            && same as f64 >= tally.sources.len() as f64 * SAME_SOURCES
            && !(vector.forgeable && tally.came_once())
    };
    let parts: Vec<_> = kinds.iter().map(is_part).collect();
    // Without data or an end there are no complete connections.
    let uses = |((vector, _), is_part): (&(Vector, Tally), &bool)| *is_part && vector.ends_or_sends;
    if !kinds.iter().zip(&parts).any(uses) {
        return kinds;
    }
    let mut whole: Option<Tally> = None;
    let mut others = Vec::new();
    for ((vector, tally), is_part) in kinds.into_iter().zip(parts) {
        match (&mut whole, is_part) {
            (_, false) => others.push((vector, tally)),
            (None, true) => whole = Some(tally),
            (Some(whole), true) => whole.merge(&tally),
        }
    }
    others.extend(whole.map(|whole| (vector::WHOLE_CONNECTIONS, whole)));
    others
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(source: [u8; 4], ttl: u8) -> SampledPacket {
        SampledPacket { ttl, ..SampledPacket::dropped_syn(source) }
    }

    /// Three packets of each source, from a number of networks.
    fn tally(networks: u8, ttl: impl Fn(u8) -> u8) -> Tally {
        let mut tally = Tally::default();
        for round in 0..600_u32 {
            let network = 11 + (round / 3 % u32::from(networks)) as u8;
            tally.count(&packet([network, 1, (round / 3) as u8, 9], ttl(network)));
        }
        tally
    }

    #[test]
    fn many_networks_at_one_distance_are_forged_and_a_botnet_is_not() {
        let told = tally(100, |_| 242).report(vector::SYN_FLOOD);
        assert_eq!((told.words.as_str(), told.same_way), ("spoofed SYN flood", true));
        let real = tally(100, |network| 40 + network % 20).report(vector::SYN_FLOOD);
        assert_eq!((real.words.as_str(), real.spoofed), ("SYN flood", false));
        let near = tally(3, |_| 60).report(vector::SYN_FLOOD);
        assert_eq!(near.words, "SYN flood", "a few networks may well be as far away");
    }

    #[test]
    fn names_that_are_queried_once_are_random() {
        let ask = |names: u64| {
            let mut tally = Tally::default();
            for number in 0..400_u64 {
                let question = Some(number % names);
                tally.count(&SampledPacket { question, ..packet([11, 0, 0, 1], 60) });
            }
            tally.report(vector::DNS_QUERIES).name
        };
        assert_eq!((ask(400).as_str(), ask(50).as_str()), ("dns-random-names", "dns-query-flood"));
    }

    #[test]
    fn packets_of_complete_connections_are_one_kind_and_forged_ones_are_not() {
        let kind = |first: u8| {
            let mut tally = Tally::default();
            (0..300_u32).for_each(|number| tally.count(&packet([first, 0, 0, (number % 20) as u8], 60)));
            tally
        };
        let told = |kinds: Vec<(Vector, Tally)>| {
            let kinds = with_whole_connections(kinds, |_| false).into_iter();
            kinds.map(|(vector, tally)| (vector.name, tally.dropped)).collect::<Vec<_>>()
        };
        let whole =
            told(vec![(vector::SYN_FLOOD, kind(11)), (vector::ACKS, kind(11)), (vector::FINS, kind(11))]);
        assert_eq!(whole, [("connection-flood", 900)]);
        let apart =
            told(vec![(vector::SYN_FLOOD, kind(11)), (vector::ACKS, kind(12)), (vector::FINS, kind(12))]);
        assert_eq!(apart.len(), 3, "others send the segments");
        let refused =
            told(vec![(vector::CONNECTIONS, kind(11)), (vector::ACKS, kind(11)), (vector::FINS, kind(11))]);
        assert_eq!(refused, [("connection-flood", 900)], "the requests are refused");
        let no_end = told(vec![(vector::SYN_FLOOD, kind(11)), (vector::ACKS, kind(11))]);
        assert_eq!(no_end.len(), 2, "nothing is sent or ended");
    }
}
