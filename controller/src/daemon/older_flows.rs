//! Flows that are older than floodwall, taken over from what the kernel tracks: on a host that forwards or translates, nothing
//! else knows them before they show themselves.

use std::collections::BTreeSet;

use floodwall_common::{
    flow::{self, Flow},
    offered::{self, Offer},
    parse::protocol,
    prefix::Address,
    tables::Tables as _,
};

use crate::{
    host::{Direction, Tracked, tracked},
    policy::Carries,
    tables::{Capacity, SharedTables},
};

/// What was taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seed {
    /// Connections that were.
    pub(super) connections: usize,
    /// Families that they are of: what is not tracked has none.
    families: BTreeSet<&'static str>,
    /// All that are tracked were.
    whole: bool,
}

impl Seed {
    /// Whether all that the host carries is known from the beginning: it is tracked, and was taken over.
    pub(super) fn covers(&self, carries: &BTreeSet<Carries>) -> bool {
        let is_tracked = |why: &Carries| match why {
            Carries::Forwards(family) => self.families.contains(family),
            Carries::Nat(_) => !self.families.is_empty(),
            // Bridges, devices built upon others and the like carry what passes nobody who tracks it.
            _ => false,
        };
        self.whole && carries.iter().all(is_tracked)
    }
}

/// Takes over what the kernel tracks, up to as many connections as leave half of the table of flows free.
///
/// Both directions of each are noted as what may come in: which of them leads outside is not told. The other one is of
/// addresses that nothing comes in for.
///
/// # Errors
///
/// If what the kernel tracks could not be read.
pub(super) fn seed(tables: &SharedTables, capacity: &Capacity) -> anyhow::Result<Seed> {
    let most = capacity.flows as usize / 4;
    let mut seed = Seed::default();
    let settings = &tables.settings[0];
    seed.whole = tracked(|connection| {
        if seed.connections == most {
            return false;
        }
        let now_ns = tables.clock();
        for flow in flows(&connection) {
            flow::adopt(tables, settings, &flow, now_ns);
        }
        if let Some(offer) = published(&connection) {
            offered::note(tables, settings, offer, true, now_ns);
        }
        seed.families.insert(if connection.original.source.is_ipv4() { "IPv4" } else { "IPv6" });
        seed.connections += 1;
        true
    })?;
    Ok(seed)
}

fn number(connection: &Tracked) -> u8 {
    if connection.udp { protocol::UDP } else { protocol::TCP }
}

/// The flows that packets of a connection belong to as they come in: its answers, if it was begun on this side; else what
/// follows from who began.
fn flows(connection: &Tracked) -> [Flow; 2] {
    [connection.reply, connection.original].map(|direction| {
        let Direction { source, source_port, destination, destination_port } = direction;
        Flow {
            protocol: number(connection),
            local: Address::canonical(destination),
            local_port: destination_port,
            remote: Address::canonical(source),
            remote_port: source_port,
        }
    })
}

/// Where something is published that another address answers for.
fn published(connection: &Tracked) -> Option<Offer> {
    let Tracked { original, reply, .. } = connection;
    let is_translated =
        (original.destination, original.destination_port) != (reply.source, reply.source_port);
    is_translated.then(|| {
        Offer::new(number(connection), Address::canonical(original.destination), original.destination_port)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Carries::{Forwards, Nat, Upper};

    fn direction(source: &str, destination: &str) -> Direction {
        let [source, destination] = [source, destination]
            .map(|end| end.parse::<std::net::SocketAddr>().expect("an address and a port"));
        Direction {
            source: source.ip(),
            source_port: source.port(),
            destination: destination.ip(),
            destination_port: destination.port(),
        }
    }

    #[test]
    fn what_is_masqueraded_is_known_by_its_answers_and_publishes_nothing() {
        let connection = Tracked {
            udp: false,
            original: direction("10.98.0.2:40000", "203.0.113.9:443"),
            reply: direction("203.0.113.9:443", "198.51.100.1:1024"),
        };
        let [answers, _] = flows(&connection);
        assert_eq!(answers.local, Address::canonical("198.51.100.1".parse().expect("an address")));
        assert_eq!((answers.protocol, answers.local_port, answers.remote_port), (protocol::TCP, 1_024, 443));
        assert_eq!(published(&connection), None);
    }

    #[test]
    fn what_is_published_is_offered_and_known_by_who_asked() {
        let connection = Tracked {
            udp: true,
            original: direction("[2001:db8::9]:40000", "[2001:db8:5::1]:8080"),
            reply: direction("[fd00::2]:80", "[2001:db8::9]:40000"),
        };
        let [_, asked] = flows(&connection);
        let own = Address::canonical("2001:db8:5::1".parse().expect("an address"));
        assert_eq!((asked.protocol, asked.local, asked.local_port), (protocol::UDP, own, 8_080));
        assert_eq!((asked.remote_port, published(&connection)), (40_000, Some(Offer::new(17, own, 8_080))));
    }

    #[test]
    fn only_what_is_tracked_is_known_from_the_beginning() {
        let seed = Seed { connections: 3, families: ["IPv4"].into(), whole: true };
        let upper = Upper { interface: "e0".to_owned(), upper: "mv0".to_owned() };
        for (carries, expected) in [
            (BTreeSet::from([Forwards("IPv4"), Nat("nftables")]), true),
            (BTreeSet::from([Forwards("IPv4"), Forwards("IPv6")]), false),
            (BTreeSet::from([Forwards("IPv4"), upper]), false),
        ] {
            assert_eq!(seed.covers(&carries), expected, "{carries:?}");
            assert!(!Seed { whole: false, ..seed.clone() }.covers(&carries));
            assert!(!Seed::default().covers(&carries));
        }
    }
}
