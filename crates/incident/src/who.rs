//! Whose packets sampled ones are, beyond their number: networks, countries, sources that nobody forges, and customers.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    net::IpAddr,
};

use floodwall_api::{IncidentCountry, IncidentHarm, IncidentNetwork, IncidentProven, IncidentSources};

use crate::{harm, told::Sampled};

/// Sources, networks and countries that are told apart; of more nothing is noted.
const MOST: usize = 65_536;
/// Those that there is most of are told: networks, and countries.
const TOLD: usize = 10;
/// Sources that nobody forges, as many as are told.
const PROVEN: usize = 500;
/// Hops by which ways may differ that are the same: routes change, and are not the same for all packets.
const SAME_WAY: u8 = 4;

/// Sources of proven conversations in calm times.
#[derive(Clone, Debug, Default)]
pub(crate) struct Customers(HashSet<IpAddr>);

impl Customers {
    /// Takes note of a packet in calm times.
    pub(crate) fn calm(&mut self, packet: &Sampled) {
        if !packet.unproven && !packet.dropped {
            if self.0.len() >= MOST {
                // Whoever is there still will be seen again.
                self.0.clear();
            }
            self.0.insert(packet.source);
        }
    }

    pub(crate) fn has(&self, source: IpAddr) -> bool {
        self.0.contains(&source)
    }
}

/// What was sampled of somebody.
#[derive(Clone, Copy, Debug, Default)]
struct Sides {
    dropped: u64,
    passed: u64,
}

impl Sides {
    fn count(&mut self, dropped: bool) {
        *(if dropped { &mut self.dropped } else { &mut self.passed }) += 1;
    }
}

/// Whose the sampled packets of an incident are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Who {
    networks: HashMap<u32, Sides>,
    countries: HashMap<[u8; 2], Sides>,
    /// How many hops away sources of proven conversations are.
    ways: HashMap<IpAddr, u8>,
    contradict: u64,
    proven: HashMap<IpAddr, IncidentProven>,
    customers: HashMap<IpAddr, Sides>,
    /// What an earlier run has written down.
    harm_before: IncidentHarm,
}

impl Who {
    /// Takes note of a packet; whether its source was a customer before the incident.
    pub(crate) fn count(&mut self, packet: &Sampled, is_customer: bool) {
        let Sampled { source, dropped, unproven, ttl, .. } = *packet;
        if let Some(asn) = packet.asn {
            entry(&mut self.networks, asn, |sides| sides.count(dropped));
        }
        if let Some(country) = packet.country {
            entry(&mut self.countries, country, |sides| sides.count(dropped));
        }
        if is_customer {
            entry(&mut self.customers, source, |sides| sides.count(dropped));
        }
        match (dropped, self.ways.get(&source)) {
            (false, None) if !unproven => entry(&mut self.ways, source, |way| *way = hops(ttl)),
            (true, Some(way)) if way.abs_diff(hops(ttl)) > SAME_WAY => self.contradict += 1,
            _ => {}
        }
        if dropped && packet.reason == "fruitless" && packet.source_port != 0 {
            self.prove(packet);
        }
    }

    /// A source has completed handshakes time and again, and asks for one more.
    fn prove(&mut self, packet: &Sampled) {
        entry(&mut self.proven, packet.source, |proven| {
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

    /// Goes on from what an earlier run has written down.
    pub(crate) fn resume(&mut self, sources: &IncidentSources, harm: &IncidentHarm) {
        self.harm_before = harm.clone();
        self.contradict = sources.contradict;
        let sides = |dropped, passed| Sides { dropped, passed };
        self.networks = sources
            .networks
            .iter()
            .map(|network| (network.asn, sides(network.dropped, network.passed)))
            .collect();
        let country = |country: &IncidentCountry| {
            let letters = country.country.as_bytes().try_into().ok()?;
            Some((letters, sides(country.dropped, country.passed)))
        };
        self.countries = sources.countries.iter().filter_map(country).collect();
        let proven = sources.proven.iter().filter_map(|one| Some((one.source.parse().ok()?, one.clone())));
        self.proven = proven.collect();
    }

    /// Says it beside what is known of sources otherwise.
    pub(crate) fn tell(&self, sources: IncidentSources) -> IncidentSources {
        let networks = most(&self.networks, TOLD, |sides| sides.dropped + sides.passed);
        let countries = most(&self.countries, TOLD, |sides| sides.dropped + sides.passed);
        IncidentSources {
            contradict: self.contradict,
            networks: networks
                .map(|(asn, sides)| IncidentNetwork {
                    asn: *asn,
                    name: None,
                    dropped: sides.dropped,
                    passed: sides.passed,
                })
                .collect(),
            countries: countries
                .map(|(letters, sides)| IncidentCountry {
                    country: String::from_utf8_lossy(letters).into_owned(),
                    dropped: sides.dropped,
                    passed: sides.passed,
                })
                .collect(),
            proven: most(&self.proven, PROVEN, |proven| proven.sampled)
                .map(|(_, proven)| proven.clone())
                .collect(),
            ..sources
        }
    }

    /// What was dropped of customers.
    pub(crate) fn harm(&self) -> IncidentHarm {
        let before = &self.harm_before;
        let (mut sampled, mut dropped, mut hurt) = (before.sampled, before.dropped, before.hurt);
        for sides in self.customers.values() {
            sampled += sides.dropped + sides.passed;
            dropped += sides.dropped;
            hurt += u64::from(sides.dropped > 0);
        }
        let customers = before.customers + self.customers.len() as u64;
        harm::estimate(IncidentHarm { sampled, dropped, customers, hurt, ..IncidentHarm::default() })
    }
}

/// Changes what is noted under a key, while there is room.
fn entry<K: Eq + Hash, V: Default>(map: &mut HashMap<K, V>, key: K, change: impl FnOnce(&mut V)) {
    if map.len() < MOST || map.contains_key(&key) {
        change(map.entry(key).or_default());
    }
}

/// Those that there is most of.
fn most<K: Ord, V>(
    map: &HashMap<K, V>,
    room: usize,
    of: impl Fn(&V) -> u64,
) -> impl Iterator<Item = (&K, &V)> {
    let mut all: Vec<_> = map.iter().collect();
    all.sort_by_key(|(key, value)| (std::cmp::Reverse(of(value)), *key));
    all.into_iter().take(room)
}

/// Routers between a packet's sender and here, from what systems begin with: 64, 128 or 255.
fn hops(ttl: u8) -> u8 {
    match ttl {
        0..=64 => 64 - ttl,
        65..=128 => 128 - ttl,
        _ => u8::MAX - ttl,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn packet(last: u8) -> Sampled {
        Sampled {
            time_ms: 1_000 * u64::from(last),
            source: Ipv4Addr::new(203, 0, 113, last).into(),
            destination: Ipv4Addr::new(192, 0, 2, 10).into(),
            protocol: 6,
            source_port: 40_000 + u16::from(last),
            destination_port: 443,
            tcp_flags: 16,
            has_data: false,
            later_fragment: false,
            reason: "clean",
            dropped: false,
            unproven: false,
            ttl: 57,
            asn: Some(64_500 + u32::from(last % 2)),
            country: Some(*b"DE"),
            question: None,
        }
    }

    #[test]
    fn networks_and_countries_of_what_was_dropped_and_passed() {
        let mut who = Who::default();
        (0..9).for_each(|last| who.count(&packet(last), false));
        let dropped = Sampled { dropped: true, reason: "signature", country: None, ..packet(1) };
        (0..5).for_each(|_| who.count(&dropped, false));
        let told = who.tell(IncidentSources::default());
        let networks: Vec<_> = told.networks.iter().map(|one| (one.asn, one.dropped, one.passed)).collect();
        assert_eq!(networks, [(64_501, 5, 4), (64_500, 0, 5)]);
        assert_eq!((told.countries[0].country.as_str(), told.countries[0].passed), ("DE", 9));
        let mut later = Who::default();
        later.resume(&told, &IncidentHarm::default());
        later.count(&dropped, false);
        assert_eq!(later.tell(IncidentSources::default()).networks[0].dropped, 6, "it goes on");
    }

    #[test]
    fn what_comes_by_another_way_than_its_source_does_contradicts() {
        let mut who = Who::default();
        who.count(&packet(7), false);
        for (ttl, contradicts) in [(57, 0), (54, 0), (120, 0), (242, 1), (40, 2)] {
            who.count(&Sampled { dropped: true, ttl, reason: "signature", ..packet(7) }, false);
            assert_eq!(who.tell(IncidentSources::default()).contradict, contradicts, "{ttl}");
        }
    }

    #[test]
    fn sources_of_fruitless_connections_are_proven_and_no_others() {
        let mut who = Who::default();
        let dropped = |reason| Sampled { dropped: true, reason, ..packet(7) };
        who.count(&dropped("signature"), false);
        who.count(&Sampled { source_port: 0, ..dropped("fruitless") }, false);
        assert_eq!(who.tell(IncidentSources::default()).proven, []);
        who.count(&dropped("fruitless"), false);
        who.count(&Sampled { time_ms: 9_000, source_port: 50_000, ..dropped("fruitless") }, false);
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
        assert_eq!(who.tell(IncidentSources::default()).proven, [expected]);
    }

    #[test]
    fn customers_are_those_that_were_there_before() {
        let mut customers = Customers::default();
        customers.calm(&packet(1));
        customers.calm(&Sampled { unproven: true, ..packet(2) });
        customers.calm(&Sampled { dropped: true, ..packet(3) });
        let has = [1, 2, 3].map(|last| customers.has(packet(last).source));
        assert_eq!(has, [true, false, false]);
        let mut who = Who::default();
        (0..300).for_each(|number| who.count(&Sampled { dropped: number < 3, ..packet(1) }, true));
        (0..300).for_each(|_| who.count(&Sampled { dropped: true, ..packet(2) }, false));
        let harm = who.harm();
        assert_eq!((harm.sampled, harm.dropped, harm.customers, harm.hurt), (300, 3, 1, 1));
        assert_eq!(harm.share, Some(0.01));
    }
}
