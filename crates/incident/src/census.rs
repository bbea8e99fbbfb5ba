//! Whose packets they are, and of which kind, as far as a bounded number of samples tells.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use floodwall_api::{IncidentHarm, IncidentPrefix, IncidentSources, IncidentVector};

use crate::{
    tally::{self, Tally},
    told::Sampled,
    vector::{self, Vector},
    who::Who,
};

/// Sources, and prefixes of them, that are told apart; more count as known ones of the kind "others".
const MOST_SOURCES: usize = 65_536;
/// Prefixes that are told.
const PREFIXES: usize = 10;
/// Samples that a kind needs to be told of, and its share of all.
const FEW: u64 = 20;
const SMALL_SHARE: f64 = 0.01;
/// Share of what passes and is unproven that makes a kind the likely one, where nothing is dropped.
const LIKELY_SHARE: f64 = 0.3;
/// Samples of one incident.
#[derive(Clone, Debug, Default)]
pub(crate) struct Census {
    sampled: u64,
    bogons: u64,
    sources: HashMap<IpAddr, u32>,
    prefixes: HashMap<IpAddr, u64>,
    destinations: HashMap<IpAddr, u64>,
    kinds: BTreeMap<Vector, Tally>,
    /// Likely kinds, while there is nothing better.
    supposed: BTreeMap<Vector, (u64, u64)>,
    who: Who,
    /// Sources, and those that came once, that an earlier run has told of.
    before: (u64, u64),
}

impl Census {
    /// Takes note of a packet; whether its source was a customer before.
    pub(crate) fn count(&mut self, packet: &Sampled, is_customer: bool) {
        self.who.count(packet, is_customer);
        if !packet.dropped && !packet.unproven {
            return;
        }
        self.kinds.entry(vector::of_packet(packet)).or_default().count(packet);
        if !packet.dropped {
            return;
        }
        self.sampled += 1;
        self.bogons += u64::from(is_bogon(packet.source, packet.destination));
        let has_room = self.sources.len() < MOST_SOURCES;
        if has_room || self.sources.contains_key(&packet.source) {
            *self.sources.entry(packet.source).or_default() += 1;
        }
        if self.destinations.len() < MOST_SOURCES || self.destinations.contains_key(&packet.destination) {
            *self.destinations.entry(packet.destination).or_default() += 1;
        }
        let prefix = network(packet.source);
        if self.prefixes.len() < MOST_SOURCES || self.prefixes.contains_key(&prefix) {
            *self.prefixes.entry(prefix).or_default() += 1;
        }
    }

    /// Takes note of a signature.
    pub(crate) fn fingerprint(&mut self, signature: &str, time_ms: u64) {
        let Some(vector) = vector::of_signature(signature) else { return };
        let kind = self.kinds.entry(vector).or_default();
        kind.seen(time_ms);
        if !kind.fingerprints.iter().any(|known| known == signature) {
            kind.fingerprints.push(signature.to_owned());
        }
    }

    /// Takes note of what there is too much of.
    pub(crate) fn suppose(&mut self, vector: Vector, time_ms: u64) {
        self.supposed.entry(vector).or_insert((time_ms, time_ms)).1 = time_ms;
    }

    /// Goes on from what an earlier run has written down.
    pub(crate) fn resume(
        &mut self,
        vectors: &[IncidentVector],
        sources: &IncidentSources,
        harm: &IncidentHarm,
    ) {
        self.who.resume(sources, harm);
        self.before = (sources.sources, sources.once);
        for IncidentVector { fingerprints, first_ms, .. } in vectors {
            fingerprints.iter().for_each(|text| self.fingerprint(text, *first_ms));
        }
        for vector in vectors {
            if let Some((_, tally)) = self.kinds.iter_mut().find(|(kind, _)| kind.name == vector.name) {
                tally.dropped += vector.sampled;
            }
        }
        self.sampled = sources.sampled;
        self.bogons = sources.bogons;
        for IncidentPrefix { prefix, sampled } in &sources.prefixes {
            if let Some(Ok(address)) = prefix.split('/').next().map(str::parse) {
                self.prefixes.insert(address, *sampled);
            }
        }
    }

    /// What it consists of, what there is most of first.
    pub(crate) fn vectors(&self) -> Vec<IncidentVector> {
        let dropped: u64 = self.kinds.values().map(|kind| kind.dropped).sum();
        let passed: u64 = self.kinds.values().map(|kind| kind.passed).sum();
        let has = |of: u64, share: f64, all: u64| of >= FEW && of as f64 >= all as f64 * share;
        let is_told = |kind: &Tally| !kind.fingerprints.is_empty() || has(kind.dropped, SMALL_SHARE, dropped);
        let mut told: Vec<_> = self.kinds.iter().filter(|(_, kind)| is_told(kind)).collect();
        if told.is_empty() {
            told = self.kinds.iter().filter(|(_, kind)| has(kind.passed, LIKELY_SHARE, passed)).collect();
        }
        if told.is_empty() {
            return self.supposed.iter().map(|(vector, times)| supposed(*vector, *times)).collect();
        }
        let told = told.into_iter().map(|(vector, kind)| (*vector, kind.clone())).collect();
        let mut told = tally::with_whole_connections(told);
        told.sort_by_key(|(_, kind)| std::cmp::Reverse((kind.dropped, kind.passed)));
        told.into_iter().map(|(vector, kind)| kind.told(vector)).collect()
    }

    /// Where it goes.
    pub(crate) fn destinations(&self) -> Vec<IncidentPrefix> {
        most(&self.destinations, |address| if address.is_ipv4() { 32 } else { 128 })
    }

    /// Whose it is.
    pub(crate) fn sources(&self) -> IncidentSources {
        let (sources, once) = self.before;
        self.who.tell(IncidentSources {
            sampled: self.sampled,
            sources: sources + self.sources.len() as u64,
            once: once + self.sources.values().filter(|times| **times == 1).count() as u64,
            bogons: self.bogons,
            prefixes: most(&self.prefixes, |network| if network.is_ipv4() { 24 } else { 48 }),
            ..IncidentSources::default()
        })
    }

    /// What was dropped of customers.
    pub(crate) fn harm(&self) -> IncidentHarm {
        self.who.harm()
    }
}

/// Those that there is most of, as prefixes of this length.
fn most(counts: &HashMap<IpAddr, u64>, length: fn(&IpAddr) -> u8) -> Vec<IncidentPrefix> {
    let mut all: Vec<_> = counts.iter().collect();
    all.sort_by_key(|(address, sampled)| (std::cmp::Reverse(**sampled), **address));
    let told = |(address, sampled): (&IpAddr, &u64)| IncidentPrefix {
        prefix: format!("{address}/{}", length(address)),
        sampled: *sampled,
    };
    all.into_iter().take(PREFIXES).map(told).collect()
}

fn supposed(vector: Vector, (first_ms, last_ms): (u64, u64)) -> IncidentVector {
    IncidentVector {
        name: vector.name.to_owned(),
        words: vector.words.to_owned(),
        first_ms,
        last_ms,
        ..IncidentVector::default()
    }
}

/// The /24 or /48 that an address lies in.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & 0xffff_ff00).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !0 << 80).into(),
    }
}

/// Whether nobody can have sent a packet from there (RFC 6890). Private addresses may be real where the packet goes to one.
fn is_bogon(source: IpAddr, destination: IpAddr) -> bool {
    match source {
        IpAddr::V4(address) => {
            let [first, second, third, _] = address.octets();
            let shared = first == 100 && second & 0xc0 == 64;
            let private = address.is_private() || shared;
            let elsewhere = !matches!(destination, IpAddr::V4(to) if to.is_private());
            first == 0
                || first >= 224
                || address.is_loopback()
                || address.is_link_local()
                || address.is_documentation()
                || (first == 198 && second & 0xfe == 18)
                || (first == 192 && second == 0 && third == 0)
                || (private && elsewhere)
        }
        IpAddr::V6(address) => {
            let [first, second, ..] = address.segments();
            let elsewhere = !matches!(destination, IpAddr::V6(to) if to.segments()[0] & 0xfe00 == 0xfc00);
            address.is_loopback()
                || address.is_unspecified()
                || address.is_multicast()
                || (first == 0x2001 && second == 0xdb8)
                || (first & 0xfe00 == 0xfc00 && elsewhere)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn syn(source: [u8; 4]) -> Sampled {
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
            ttl: 57,
            asn: None,
            country: None,
            question: None,
        }
    }

    #[test]
    fn sources_that_come_once_are_forged_and_those_that_come_often_are_not() {
        let (mut forged, mut real) = (Census::default(), Census::default());
        for number in 0..400_u16 {
            let [high, low] = number.to_be_bytes();
            forged.count(&syn([45, 3, high, low]), false);
            real.count(&syn([45, 3, 0, low % 20]), false);
        }
        forged.fingerprint("tcp flags=syn window=0", 9);
        let told = forged.vectors();
        assert_eq!((told.len(), told[0].words.as_str(), told[0].sampled), (1, "spoofed SYN flood", 400));
        assert_eq!(told[0].fingerprints, ["tcp flags=syn window=0"]);
        assert_eq!(real.vectors()[0].words, "SYN flood");
        let sources = forged.sources();
        assert_eq!((sources.sampled, sources.sources, sources.once, sources.bogons), (400, 400, 400, 0));
        assert_eq!(sources.prefixes[0], IncidentPrefix { prefix: "45.3.0.0/24".into(), sampled: 256 });
    }

    #[test]
    fn a_few_that_were_dropped_beside_it_are_not_told_of() {
        let mut census = Census::default();
        census.suppose(vector::of_excess(crate::told::Excess::Openings), 3);
        assert_eq!(census.vectors()[0].words, "SYN flood", "until more is known");
        let ntp =
            Sampled { protocol: 17, source_port: 123, tcp_flags: 0, has_data: true, ..syn([9, 9, 9, 9]) };
        (0..5_000).for_each(|_| census.count(&ntp, false));
        (0..30).for_each(|_| census.count(&syn([9, 9, 9, 8]), false));
        let told = census.vectors();
        assert_eq!((told.len(), told[0].words.as_str(), told[0].spoofed), (1, "NTP reflection", false));
    }

    #[test]
    fn what_passes_and_is_unproven_is_told_where_nothing_is_dropped() {
        let mut census = Census::default();
        let passed = Sampled { dropped: false, reason: "clean", ..syn([9, 9, 9, 9]) };
        (0..50).for_each(|_| census.count(&passed, false));
        (0..500).for_each(|_| census.count(&Sampled { unproven: false, protocol: 17, ..passed }, false));
        assert_eq!(census.vectors()[0].name, "syn-flood");
        assert_eq!(census.sources().sampled, 0);
    }

    #[test]
    fn addresses_that_are_nobodys() {
        let public: IpAddr = "192.0.2.10".parse().unwrap();
        let private: IpAddr = "10.0.0.1".parse().unwrap();
        for (source, expected) in [
            ("198.18.0.1", true),
            ("0.1.2.3", true),
            ("240.0.0.1", true),
            ("8.8.8.8", false),
            ("fe00::1", false),
        ] {
            assert_eq!(is_bogon(source.parse().unwrap(), public), expected, "{source}");
        }
        assert!(is_bogon("10.1.2.3".parse().unwrap(), public));
        assert!(!is_bogon("10.1.2.3".parse().unwrap(), private));
    }
}
