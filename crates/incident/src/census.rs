//! Counts the sampled packets of an incident by source, destination and kind of attack.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use floodwall_api::{IncidentHarm, IncidentPrefix, IncidentSources, IncidentVector};

use crate::{
    attribution::{Acquaintance, Attribution},
    bounded::{largest, update},
    input::SampledPacket,
    newcomers::Newcomers,
    tally::{self, Tally},
    vector::{self, Vector},
};

/// Prefixes that are reported: those with the most packets.
const MAX_PREFIXES: usize = 10;
/// Samples that a kind needs to be reported, and its least share of all samples.
const LEAST_SAMPLES: u64 = 20;
const LEAST_SHARE: f64 = 0.01;
/// Share of the unproven packets that pass from which on a kind is likely, if nothing is dropped.
const LIKELY_SHARE: f64 = 0.3;

/// The sampled packets of one incident.
#[derive(Clone, Debug, Default)]
pub(crate) struct Census {
    sampled: u64,
    bogons: u64,
    sources: HashMap<IpAddr, u32>,
    prefixes: HashMap<IpAddr, u64>,
    destinations: HashMap<IpAddr, u64>,
    kinds: BTreeMap<Vector, Tally>,
    /// Kinds that detection supposes, with the first and last time, Unix time in ms. Reported while samples show nothing.
    supposed: BTreeMap<Vector, (u64, u64)>,
    attribution: Attribution,
    newcomers: Newcomers,
    /// The number of sources, and of those that were seen once, that an earlier run of the daemon has recorded.
    before: (u64, u64),
}

impl Census {
    /// Counts a packet. `source` says since when its source has exchanged packets with the host.
    pub(crate) fn count(&mut self, packet: &SampledPacket, source: Acquaintance) {
        self.attribution.count(packet, source == Acquaintance::Old);
        self.newcomers.count(packet, source);
        if !packet.dropped && !packet.unproven {
            return;
        }
        self.kinds.entry(vector::of_packet(packet)).or_default().count(packet);
        if !packet.dropped {
            return;
        }
        self.sampled += 1;
        self.bogons += u64::from(is_bogon(packet.source, packet.destination));
        update(&mut self.sources, packet.source, |packets| *packets += 1);
        update(&mut self.destinations, packet.destination, |packets| *packets += 1);
        update(&mut self.prefixes, network(packet.source), |packets| *packets += 1);
    }

    /// What is to be told of new sources that use very many connections.
    pub(crate) fn take_told(&mut self, time_ms: u64) -> Vec<String> {
        self.newcomers.take_told(time_ms)
    }

    /// Records a signature as a fingerprint of its kind.
    pub(crate) fn fingerprint(&mut self, signature: &str, time_ms: u64) {
        let Some(vector) = vector::of_signature(signature) else { return };
        let kind = self.kinds.entry(vector).or_default();
        kind.seen(time_ms);
        if !kind.fingerprints.iter().any(|known| known == signature) {
            kind.fingerprints.push(signature.to_owned());
        }
    }

    /// Records the kind that detection supposes.
    pub(crate) fn suppose(&mut self, vector: Vector, time_ms: u64) {
        self.supposed.entry(vector).or_insert((time_ms, time_ms)).1 = time_ms;
    }

    /// Continues from what an earlier run of the daemon has recorded.
    pub(crate) fn resume(
        &mut self,
        vectors: &[IncidentVector],
        sources: &IncidentSources,
        harm: &IncidentHarm,
    ) {
        self.attribution.resume(sources, harm);
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

    /// The kinds of attack that the incident consists of, the most frequent first.
    pub(crate) fn vectors(&self) -> Vec<IncidentVector> {
        let mut vectors = self.vectors_by_packets();
        if let Some((vector, report)) = self.newcomers.report()
            && !vectors.iter().any(|known| known.name == vector.name)
        {
            vectors.push(report);
        }
        vectors
    }

    fn vectors_by_packets(&self) -> Vec<IncidentVector> {
        let dropped: u64 = self.kinds.values().map(|kind| kind.dropped).sum();
        let passed: u64 = self.kinds.values().map(|kind| kind.passed).sum();
        let has = |of: u64, share: f64, all: u64| of >= LEAST_SAMPLES && of as f64 >= all as f64 * share;
        let is_shown =
            |kind: &Tally| !kind.fingerprints.is_empty() || has(kind.dropped, LEAST_SHARE, dropped);
        let mut kinds: Vec<_> = self.kinds.iter().filter(|(_, kind)| is_shown(kind)).collect();
        if kinds.is_empty() {
            // Single packets of complete connections are those of customers: what detection supposes tells more.
            let whole = self.supposed.contains_key(&vector::WHOLE_CONNECTIONS);
            let is_likely = |vector: &Vector, kind: &Tally| {
                !(whole && vector.of_connections) && has(kind.passed, LIKELY_SHARE, passed)
            };
            kinds = self.kinds.iter().filter(|(vector, kind)| is_likely(vector, kind)).collect();
        }
        if kinds.is_empty() {
            return self.supposed.iter().map(|(vector, times)| supposed(*vector, *times)).collect();
        }
        let kinds = kinds.into_iter().map(|(vector, kind)| (*vector, kind.clone())).collect();
        let mut kinds = tally::with_whole_connections(kinds, |source| self.attribution.is_proven(source));
        kinds.sort_by_key(|(_, kind)| std::cmp::Reverse((kind.dropped, kind.passed)));
        kinds.into_iter().map(|(vector, kind)| kind.report(vector)).collect()
    }

    /// The destinations of most packets.
    pub(crate) fn destinations(&self) -> Vec<IncidentPrefix> {
        most(&self.destinations, |address| if address.is_ipv4() { 32 } else { 128 })
    }

    /// The report on sources.
    pub(crate) fn sources(&self) -> IncidentSources {
        let (sources, once) = self.before;
        self.attribution.complete(IncidentSources {
            sampled: self.sampled,
            sources: sources + self.sources.len() as u64,
            once: once + self.sources.values().filter(|times| **times == 1).count() as u64,
            bogons: self.bogons,
            prefixes: most(&self.prefixes, |network| if network.is_ipv4() { 24 } else { 48 }),
            ..IncidentSources::default()
        })
    }

    /// The share of customers' packets that was dropped.
    pub(crate) fn harm(&self) -> IncidentHarm {
        self.attribution.harm()
    }
}

/// The addresses with the most packets, as prefixes.
fn most(counts: &HashMap<IpAddr, u64>, length: fn(&IpAddr) -> u8) -> Vec<IncidentPrefix> {
    largest(counts, MAX_PREFIXES, |sampled| *sampled)
        .map(|(address, sampled)| IncidentPrefix {
            prefix: format!("{address}/{}", length(address)),
            sampled: *sampled,
        })
        .collect()
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

/// The first address of the /24 or /48 that contains an address.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & 0xffff_ff00).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !0 << 80).into(),
    }
}

/// Whether a source address cannot occur on the Internet (RFC 6890). A private source is possible for a private destination.
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

    #[test]
    fn an_attack_is_spoofed_if_its_sources_are_seen_once_and_not_if_they_are_seen_often() {
        let (mut forged, mut real) = (Census::default(), Census::default());
        for number in 0..400_u16 {
            let [high, low] = number.to_be_bytes();
            forged.count(&SampledPacket::dropped_syn([45, 3, high, low]), Acquaintance::None);
            real.count(&SampledPacket::dropped_syn([45, 3, 0, low % 20]), Acquaintance::None);
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
    fn a_kind_with_few_drops_is_not_reported() {
        let mut census = Census::default();
        census.suppose(vector::of_excess(crate::input::Excess::Openings), 3);
        assert_eq!(census.vectors()[0].words, "SYN flood", "until more is known");
        let syn = SampledPacket::dropped_syn([9, 9, 9, 9]);
        let ntp = SampledPacket { protocol: 17, source_port: 123, tcp_flags: 0, has_data: true, ..syn };
        (0..5_000).for_each(|_| census.count(&ntp, Acquaintance::None));
        (0..30).for_each(|_| census.count(&SampledPacket::dropped_syn([9, 9, 9, 8]), Acquaintance::None));
        let told = census.vectors();
        assert_eq!((told.len(), told[0].words.as_str(), told[0].spoofed), (1, "NTP reflection", false));
    }

    #[test]
    fn unproven_packets_that_pass_are_reported_if_nothing_is_dropped() {
        let mut census = Census::default();
        let syn = SampledPacket::dropped_syn([9, 9, 9, 9]);
        let passed = SampledPacket { dropped: false, reason: "clean", ..syn };
        (0..50).for_each(|_| census.count(&passed, Acquaintance::None));
        (0..500).for_each(|_| {
            census.count(&SampledPacket { unproven: false, protocol: 17, ..passed }, Acquaintance::None);
        });
        assert_eq!(census.vectors()[0].name, "syn-flood");
        assert_eq!(census.sources().sampled, 0);
    }

    #[test]
    fn complete_connections_that_pass_are_not_reported_by_their_packets() {
        let mut census = Census::default();
        census.suppose(vector::of_excess(crate::input::Excess::Returning), 3);
        let ack = SampledPacket {
            dropped: false,
            reason: "clean",
            tcp_flags: 0x10,
            ..SampledPacket::dropped_syn([9; 4])
        };
        (0..500).for_each(|_| census.count(&ack, Acquaintance::None));
        let told = census.vectors();
        assert_eq!((told.len(), told[0].name.as_str()), (1, "connection-flood"));
    }

    #[test]
    fn addresses_that_cannot_occur_on_the_internet() {
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
