//! What is counted of one kind of packets, and what that tells of it: whether its sources are forged, and whether it is of
//! whole connections.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use floodwall_api::IncidentVector;

use crate::{
    told::Sampled,
    vector::{self, Vector},
};

/// Samples from which on it is judged what a kind is, and how many are looked at.
const ENOUGH: u64 = 100;
const LOOKED_AT: u64 = 1_000;
/// Share of the samples whose source came once where sources are forged.
pub(crate) const ONCE_SHARE: f64 = 0.9;
/// Of samples that claim to come from so many networks (/8, or /16 of IPv6) so large a share has one of two TTLs only where
/// they come from one place: real hosts of as many networks are as many routers away as they are.
const NETWORKS: usize = 40;
const SAME_TTL_SHARE: f64 = 0.95;
const SAME_TTLS: usize = 2;
/// Share of questions that are for another name where names are random.
const OTHER_NAMES: f64 = 0.9;
/// Share of the sources of other segments that ask for connections, too, where these are whole.
const SAME_SOURCES: f64 = 0.5;

/// A kind of packets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) dropped: u64,
    pub(crate) passed: u64,
    /// Of the first [`LOOKED_AT`] samples, how many times each source, each TTL and each network came, and which names were
    /// asked for.
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
    /// Takes note of a packet.
    pub(crate) fn count(&mut self, packet: &Sampled) {
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

    /// Next to none of its sources came twice.
    fn came_once(&self) -> bool {
        let once = self.sources.values().filter(|times| **times == 1).count();
        self.looked_at >= ENOUGH && self.share(once as f64) >= ONCE_SHARE
    }

    /// It claims to come from all over the world, and comes from one place.
    fn came_the_same_way(&self) -> bool {
        let mut ttls: Vec<_> = self.ttls.values().copied().collect();
        ttls.sort_unstable_by_key(|times| std::cmp::Reverse(*times));
        let most: u64 = ttls.into_iter().take(SAME_TTLS).sum();
        self.looked_at >= ENOUGH
            && self.networks.len() >= NETWORKS
            && self.share(most as f64) >= SAME_TTL_SHARE
    }

    /// What it asks for are names that nobody asks for twice.
    fn asks_for_random_names(&self) -> bool {
        self.questions >= ENOUGH && self.names.len() as f64 >= self.questions as f64 * OTHER_NAMES
    }

    /// What is told of it.
    pub(crate) fn told(&self, vector: Vector) -> IncidentVector {
        let random = vector == vector::DNS_QUERIES && self.asks_for_random_names();
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

    fn take_in(&mut self, other: &Self) {
        self.dropped += other.dropped;
        self.passed += other.passed;
        self.fingerprints.extend(other.fingerprints.iter().cloned());
        self.first_ms = self.first_ms.min(other.first_ms);
        self.last_ms = self.last_ms.max(other.last_ms);
    }
}

/// Kinds of which sources have whole connections, that they open, use and close, as the one that these are together.
pub(crate) fn with_whole_connections(kinds: Vec<(Vector, Tally)>) -> Vec<(Vector, Tally)> {
    let asks = kinds.iter().find(|(vector, tally)| *vector == vector::SYN_FLOOD && tally.looked_at >= ENOUGH);
    let Some((_, asks)) = asks else { return kinds };
    let is_of_them = |(vector, tally): &(Vector, Tally)| {
        let ask_too = tally.sources.keys().filter(|source| asks.sources.contains_key(source)).count();
        vector.of_connections
            && ask_too as f64 >= tally.sources.len() as f64 * SAME_SOURCES
            && !tally.came_once()
    };
    let such: Vec<_> = kinds.iter().map(is_of_them).collect();
    // Who neither sends nor ends anything has no connections.
    let uses = |((vector, _), such): (&(Vector, Tally), &bool)| *such && vector.ends_or_sends;
    if !kinds.iter().zip(&such).any(uses) {
        return kinds;
    }
    let mut whole: Option<Tally> = None;
    let mut others = Vec::new();
    for ((vector, tally), such) in kinds.into_iter().zip(such) {
        match (&mut whole, such) {
            (_, false) => others.push((vector, tally)),
            (None, true) => whole = Some(tally),
            (Some(whole), true) => whole.take_in(&tally),
        }
    }
    others.extend(whole.map(|whole| (vector::WHOLE_CONNECTIONS, whole)));
    others
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn packet(source: Ipv4Addr, ttl: u8) -> Sampled {
        Sampled {
            time_ms: 7,
            source: source.into(),
            destination: Ipv4Addr::new(192, 0, 2, 10).into(),
            protocol: 6,
            source_port: 4_000,
            destination_port: 80,
            tcp_flags: 2,
            has_data: false,
            later_fragment: false,
            reason: "signature",
            dropped: true,
            unproven: true,
            ttl,
            asn: None,
            country: None,
            question: None,
        }
    }

    /// Of sources that come three times each, from as many networks.
    fn tally(networks: u8, ttl: impl Fn(u8) -> u8) -> Tally {
        let mut tally = Tally::default();
        for round in 0..600_u32 {
            let network = 11 + (round / 3 % u32::from(networks)) as u8;
            tally.count(&packet(Ipv4Addr::new(network, 1, (round / 3) as u8, 9), ttl(network)));
        }
        tally
    }

    #[test]
    fn all_the_world_from_one_place_is_forged_and_a_botnet_is_not() {
        let told = tally(100, |_| 242).told(vector::SYN_FLOOD);
        assert_eq!((told.words.as_str(), told.same_way), ("spoofed SYN flood", true));
        let real = tally(100, |network| 40 + network % 20).told(vector::SYN_FLOOD);
        assert_eq!((real.words.as_str(), real.spoofed), ("SYN flood", false));
        let near = tally(3, |_| 60).told(vector::SYN_FLOOD);
        assert_eq!(near.words, "SYN flood", "a few networks may well be as far away");
    }

    #[test]
    fn questions_for_names_that_nobody_asks_twice_are_random() {
        let ask = |names: u64| {
            let mut tally = Tally::default();
            for number in 0..400_u64 {
                let question = Some(number % names);
                tally.count(&Sampled { question, ..packet(Ipv4Addr::new(11, 0, 0, 1), 60) });
            }
            tally.told(vector::DNS_QUERIES).name
        };
        assert_eq!((ask(400).as_str(), ask(50).as_str()), ("dns-random-names", "dns-query-flood"));
    }

    #[test]
    fn sources_that_open_use_and_close_connections_are_one_flood_and_forged_ones_are_not() {
        let kind = |first: u8| {
            let mut tally = Tally::default();
            (0..300_u32)
                .for_each(|number| tally.count(&packet(Ipv4Addr::new(first, 0, 0, (number % 20) as u8), 60)));
            tally
        };
        let told = |kinds: Vec<(Vector, Tally)>| {
            let kinds = with_whole_connections(kinds).into_iter();
            kinds.map(|(vector, tally)| (vector.name, tally.dropped)).collect::<Vec<_>>()
        };
        let whole =
            told(vec![(vector::SYN_FLOOD, kind(11)), (vector::ACKS, kind(11)), (vector::FINS, kind(11))]);
        assert_eq!(whole, [("connection-flood", 900)]);
        let apart =
            told(vec![(vector::SYN_FLOOD, kind(11)), (vector::ACKS, kind(12)), (vector::FINS, kind(12))]);
        assert_eq!(apart.len(), 3, "others send the segments");
        let no_end = told(vec![(vector::SYN_FLOOD, kind(11)), (vector::ACKS, kind(11))]);
        assert_eq!(no_end.len(), 2, "nothing is sent or ended");
    }
}
