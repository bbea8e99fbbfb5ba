//! Attributes the sampled packets of an incident: to networks and countries, to sources that are certainly not forged, and to
//! customers.

use std::{collections::HashMap, net::IpAddr};

use floodwall_api::{IncidentCountry, IncidentHarm, IncidentNetwork, IncidentProven, IncidentSources};

use crate::{
    bounded::{MAX_KEYS, largest, update},
    harm,
    input::SampledPacket,
};

/// Networks, and countries, that are reported: those with the most packets.
const MAX_ORIGINS: usize = 10;
/// Sources that are certainly not forged, as many as are reported.
const MAX_PROVEN: usize = 500;
/// Difference in hops up to which two packets may have come from the same host: routes change, and differ between packets.
const MAX_HOP_DIFFERENCE: u8 = 4;

/// How long before an incident a source has to have been there to count as one that did not come with it, ms.
const LONG_BEFORE: u64 = 30_000;

/// Since when a source has exchanged packets with the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acquaintance {
    /// It had not before the incident.
    None,
    /// Since shortly before the incident.
    Recent,
    /// Since long before the incident.
    Old,
    /// It is not known, as nobody was watched for long enough before the incident.
    Unknown,
}

/// Sources that have exchanged packets with the host while it was not attacked, and when each was first seen to, Unix time in ms.
#[derive(Clone, Debug, Default)]
pub(crate) struct Customers {
    first_ms: HashMap<IpAddr, u64>,
    /// Since when they are watched.
    watched_ms: Option<u64>,
    /// There were too many, so that it is not known any more when each was first seen.
    forgot: bool,
}

impl Customers {
    /// Adds the source of a packet that was sampled while the host was not attacked.
    pub(crate) fn calm(&mut self, packet: &SampledPacket) {
        self.watched_ms.get_or_insert(packet.time_ms);
        if !packet.unproven && !packet.dropped {
            if self.first_ms.len() >= MAX_KEYS {
                // Those that are still active will be added again.
                self.first_ms.clear();
                self.forgot = true;
            }
            self.first_ms.entry(packet.source).or_insert(packet.time_ms);
        }
    }

    /// Since when a source is known, at an incident that began then, Unix time in ms.
    pub(crate) fn since(&self, source: IpAddr, began_ms: u64) -> Acquaintance {
        let is_watched = self.watched_ms.is_some_and(|watched_ms| watched_ms + LONG_BEFORE <= began_ms);
        match self.first_ms.get(&source) {
            _ if !is_watched => Acquaintance::Unknown,
            None if self.forgot => Acquaintance::Unknown,
            None => Acquaintance::None,
            Some(first_ms) if !self.forgot && first_ms + LONG_BEFORE > began_ms => Acquaintance::Recent,
            Some(_) => Acquaintance::Old,
        }
    }
}

/// Sampled packets.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    dropped: u64,
    passed: u64,
}

impl Counts {
    fn count(&mut self, dropped: bool) {
        *(if dropped { &mut self.dropped } else { &mut self.passed }) += 1;
    }
}

/// The attribution of an incident's sampled packets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attribution {
    networks: HashMap<u32, Counts>,
    countries: HashMap<[u8; 2], Counts>,
    /// The distance in hops of sources that have exchanged packets with the host.
    distances: HashMap<IpAddr, u8>,
    /// Packets whose distance contradicts that of their source.
    contradict: u64,
    proven: HashMap<IpAddr, IncidentProven>,
    customers: HashMap<IpAddr, Counts>,
    /// The harm that an earlier run of the daemon has recorded.
    harm_before: IncidentHarm,
}

impl Attribution {
    /// Counts a packet. `is_customer` says whether its source was a customer before the incident.
    pub(crate) fn count(&mut self, packet: &SampledPacket, is_customer: bool) {
        let SampledPacket { source, dropped, unproven, ttl, .. } = *packet;
        if let Some(asn) = packet.asn {
            update(&mut self.networks, asn, |counts| counts.count(dropped));
        }
        if let Some(country) = packet.country {
            update(&mut self.countries, country, |counts| counts.count(dropped));
        }
        if is_customer {
            update(&mut self.customers, source, |counts| counts.count(dropped));
        }
        match (dropped, self.distances.get(&source)) {
            (false, None) if !unproven => update(&mut self.distances, source, |known| *known = hops(ttl)),
            (true, Some(known)) if known.abs_diff(hops(ttl)) > MAX_HOP_DIFFERENCE => self.contradict += 1,
            _ => {}
        }
        if dropped && packet.reason == "fruitless" && packet.source_port != 0 {
            self.prove(packet);
        }
    }

    /// Records a source that has repeatedly completed handshakes, which a forged address cannot, and requests another
    /// connection.
    fn prove(&mut self, packet: &SampledPacket) {
        update(&mut self.proven, packet.source, |proven| {
            if proven.sampled == 0 {
                proven.first_ms = packet.time_ms;
                proven.source = packet.source.to_string();
            }
            proven.sampled += 1;
            proven.last_ms = packet.time_ms;
            (proven.source_port, proven.destination_port) = (packet.source_port, packet.destination_port);
            proven.destination = packet.destination.to_string();
            proven.asn = packet.asn;
        });
    }

    /// Whether a source has completed handshakes for connections that came to nothing.
    pub(crate) fn is_proven(&self, source: IpAddr) -> bool {
        self.proven.contains_key(&source)
    }

    /// Continues from what an earlier run of the daemon has recorded.
    pub(crate) fn resume(&mut self, sources: &IncidentSources, harm: &IncidentHarm) {
        self.harm_before = harm.clone();
        self.contradict = sources.contradict;
        let counts = |dropped, passed| Counts { dropped, passed };
        self.networks = sources
            .networks
            .iter()
            .map(|network| (network.asn, counts(network.dropped, network.passed)))
            .collect();
        let country = |country: &IncidentCountry| {
            let letters = country.country.as_bytes().try_into().ok()?;
            Some((letters, counts(country.dropped, country.passed)))
        };
        self.countries = sources.countries.iter().filter_map(country).collect();
        let proven = sources.proven.iter().filter_map(|one| Some((one.source.parse().ok()?, one.clone())));
        self.proven = proven.collect();
    }

    /// Completes a report on sources.
    pub(crate) fn complete(&self, sources: IncidentSources) -> IncidentSources {
        let networks = largest(&self.networks, MAX_ORIGINS, |counts| counts.dropped + counts.passed);
        let countries = largest(&self.countries, MAX_ORIGINS, |counts| counts.dropped + counts.passed);
        IncidentSources {
            contradict: self.contradict,
            networks: networks
                .map(|(asn, counts)| IncidentNetwork {
                    asn: *asn,
                    name: None,
                    dropped: counts.dropped,
                    passed: counts.passed,
                })
                .collect(),
            countries: countries
                .map(|(letters, counts)| IncidentCountry {
                    country: String::from_utf8_lossy(letters).into_owned(),
                    dropped: counts.dropped,
                    passed: counts.passed,
                })
                .collect(),
            proven: largest(&self.proven, MAX_PROVEN, |proven| proven.sampled)
                .map(|(_, proven)| proven.clone())
                .collect(),
            ..sources
        }
    }

    /// The share of customers' packets that was dropped.
    pub(crate) fn harm(&self) -> IncidentHarm {
        let before = &self.harm_before;
        let (mut sampled, mut dropped, mut hurt) = (before.sampled, before.dropped, before.hurt);
        for counts in self.customers.values() {
            sampled += counts.dropped + counts.passed;
            dropped += counts.dropped;
            hurt += u64::from(counts.dropped > 0);
        }
        let customers = before.customers + self.customers.len() as u64;
        harm::estimate(IncidentHarm { sampled, dropped, customers, hurt, ..IncidentHarm::default() })
    }
}

/// Routers that a packet has passed, given that systems send with a TTL of 64, 128 or 255.
fn hops(ttl: u8) -> u8 {
    match ttl {
        0..=64 => 64 - ttl,
        65..=128 => 128 - ttl,
        _ => u8::MAX - ttl,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(last: u8) -> SampledPacket {
        SampledPacket {
            time_ms: 1_000 * u64::from(last),
            source_port: 40_000 + u16::from(last),
            destination_port: 443,
            tcp_flags: 16,
            reason: "clean",
            dropped: false,
            unproven: false,
            asn: Some(64_500 + u32::from(last % 2)),
            country: Some(*b"DE"),
            ..SampledPacket::dropped_syn([203, 0, 113, last])
        }
    }

    #[test]
    fn dropped_and_passed_packets_are_counted_by_network_and_country() {
        let mut who = Attribution::default();
        (0..9).for_each(|last| who.count(&packet(last), false));
        let dropped = SampledPacket { dropped: true, reason: "signature", country: None, ..packet(1) };
        (0..5).for_each(|_| who.count(&dropped, false));
        let told = who.complete(IncidentSources::default());
        let networks: Vec<_> = told.networks.iter().map(|one| (one.asn, one.dropped, one.passed)).collect();
        assert_eq!(networks, [(64_501, 5, 4), (64_500, 0, 5)]);
        assert_eq!((told.countries[0].country.as_str(), told.countries[0].passed), ("DE", 9));
        let mut later = Attribution::default();
        later.resume(&told, &IncidentHarm::default());
        later.count(&dropped, false);
        assert_eq!(later.complete(IncidentSources::default()).networks[0].dropped, 6, "it goes on");
    }

    #[test]
    fn a_packet_from_another_distance_than_its_source_contradicts_it() {
        let mut who = Attribution::default();
        who.count(&packet(7), false);
        for (ttl, contradicts) in [(57, 0), (54, 0), (120, 0), (242, 1), (40, 2)] {
            who.count(&SampledPacket { dropped: true, ttl, reason: "signature", ..packet(7) }, false);
            assert_eq!(who.complete(IncidentSources::default()).contradict, contradicts, "{ttl}");
        }
    }

    #[test]
    fn only_sources_of_fruitless_connections_are_proven() {
        let mut who = Attribution::default();
        let dropped = |reason| SampledPacket { dropped: true, reason, ..packet(7) };
        who.count(&dropped("signature"), false);
        who.count(&SampledPacket { source_port: 0, ..dropped("fruitless") }, false);
        assert_eq!(who.complete(IncidentSources::default()).proven, []);
        who.count(&dropped("fruitless"), false);
        who.count(&SampledPacket { time_ms: 9_000, source_port: 50_000, ..dropped("fruitless") }, false);
        let expected = IncidentProven {
            source: "203.0.113.7".into(),
            source_port: 50_000,
            destination: "192.0.2.10".into(),
            destination_port: 443,
            asn: Some(64_501),
            sampled: 2,
            first_ms: 7_000,
            last_ms: 9_000,
        };
        assert_eq!(who.complete(IncidentSources::default()).proven, [expected]);
    }

    #[test]
    fn customers_are_sources_from_before_the_incident() {
        let mut customers = Customers::default();
        assert_eq!(customers.since(packet(1).source, 90_000), Acquaintance::Unknown, "nobody was watched");
        customers.calm(&packet(0));
        customers.calm(&packet(1));
        customers.calm(&SampledPacket { unproven: true, ..packet(2) });
        customers.calm(&SampledPacket { dropped: true, ..packet(3) });
        let since = |last, began_ms| customers.since(packet(last).source, began_ms);
        assert_eq!(
            [1, 2, 3].map(|last| since(last, 31_000)),
            [Acquaintance::Old, Acquaintance::None, Acquaintance::None]
        );
        assert_eq!(since(1, 30_999), Acquaintance::Recent, "it may have come with the incident");
        assert_eq!(
            [1, 2].map(|last| since(last, 29_999)),
            [Acquaintance::Unknown; 2],
            "watched for too short"
        );
        let mut who = Attribution::default();
        (0..300).for_each(|number| who.count(&SampledPacket { dropped: number < 3, ..packet(1) }, true));
        (0..300).for_each(|_| who.count(&SampledPacket { dropped: true, ..packet(2) }, false));
        let harm = who.harm();
        assert_eq!((harm.sampled, harm.dropped, harm.customers, harm.hurt), (300, 3, 1, 1));
        assert_eq!(harm.share, Some(0.01));
    }
}
