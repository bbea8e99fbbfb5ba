//! Proposes interfaces and services to protect.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::known::{self, FIRST_EPHEMERAL, KNOWN, LOCAL_UDP};

/// A port that can be reached from outside and that a process listens at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listening {
    /// UDP rather than TCP.
    pub udp: bool,
    /// The port.
    pub port: u16,
}

/// A proposed service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProposedService {
    /// Its name.
    pub name: String,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// Its ports.
    pub ports: Vec<u16>,
}

/// What to protect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Proposal {
    /// Interfaces to protect.
    pub interfaces: Vec<String>,
    /// Services, the well-known ones first.
    pub services: Vec<ProposedService>,
}

impl Proposal {
    /// Proposes a service for each well-known one that has a port among `listening`, and one for each other port.
    pub fn of(interfaces: Vec<String>, listening: &BTreeSet<Listening>) -> Self {
        let mut known: BTreeMap<usize, BTreeSet<u16>> = BTreeMap::new();
        let mut others = Vec::new();
        for Listening { udp, port } in listening.iter().copied().filter(is_service) {
            match known::by_port(udp, port) {
                Some(index) => drop(known.entry(index).or_default().insert(port)),
                None => others.push((udp, port)),
            }
        }
        let known = known.into_iter().map(|(index, ports)| {
            let known = &KNOWN[index];
            service(known.name.to_owned(), known.udp, ports.into_iter().collect())
        });
        let others = others
            .into_iter()
            .map(|(udp, port)| service(format!("{}-{port}", protocol(udp)), udp, vec![port]));
        Self { interfaces, services: known.chain(others).collect() }
    }
}

fn service(name: String, udp: bool, ports: Vec<u16>) -> ProposedService {
    ProposedService { name, protocol: protocol(udp), ports }
}

const fn protocol(udp: bool) -> &'static str {
    if udp { "udp" } else { "tcp" }
}

/// Whether the port serves clients from outside, rather than belonging to a client or the local network.
fn is_service(listening: &Listening) -> bool {
    let Listening { udp, port } = *listening;
    !udp || known::by_port(udp, port).is_some() || port < FIRST_EPHEMERAL && !LOCAL_UDP.contains(&port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_ports_become_services_named_by_use_or_by_port() {
        let tcp = |port| Listening { udp: false, port };
        let udp = |port| Listening { udp: true, port };
        let listening = [
            tcp(443),
            tcp(80),
            tcp(22),
            udp(443),
            udp(68),
            udp(41_000),
            tcp(9_100),
            udp(51_820),
            tcp(49_152),
        ];
        let proposal = Proposal::of(vec!["eth0".to_owned()], &listening.into());
        let found: Vec<_> = proposal
            .services
            .iter()
            .map(|service| format!("{} {} {:?}", service.name, service.protocol, service.ports))
            .collect();
        assert_eq!(
            found,
            [
                "ssh tcp [22]",
                "web tcp [80, 443]",
                "http3 udp [443]",
                "wireguard udp [51820]",
                "tcp-9100 tcp [9100]",
                "tcp-49152 tcp [49152]"
            ],
            "neither a client's UDP socket nor DHCP is a service"
        );
    }

    #[test]
    fn no_port_is_known_by_two_names() {
        let mut ports = BTreeSet::new();
        for known in &KNOWN {
            assert!(known.ports.iter().all(|port| ports.insert((known.udp, *port))), "{}", known.name);
        }
    }
}
