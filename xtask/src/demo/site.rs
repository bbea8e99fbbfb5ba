//! The stage: a web site, its customers, and a wire to the attacker.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;
use floodwall_lab::http::{Capacity, Client, Service, Visits};
use floodwall_lab::link::{Port, veth};
use floodwall_lab::namespace::Namespace;

/// The web site (documentation ranges, RFC 5737).
pub(super) const SITE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
pub(super) const SITE_PORT: u16 = 80;
/// The router that every other address lies behind.
const ROUTER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// The interfaces of the edge host.
pub(super) const INTERFACES: [&str; 2] = ["to-client", "to-attacker"];
/// Customers come from so many addresses: a person opens few connections a second.
const CUSTOMERS: u8 = 64;
/// Half-open and waiting connections that the host has room for.
pub(super) const BACKLOG: u16 = 4_096;

/// The running stage. Fields drop in order: first who talks, then the wires.
pub(super) struct Site {
    _service: Service,
    client: Port,
    /// The attacker's end of its wire, and the edge's.
    pub(super) attacker: Port,
    pub(super) from_attacker: Port,
    pub(super) edge: Namespace,
}

impl Site {
    /// Builds the three namespaces and starts the service.
    pub(super) fn build() -> Result<Self> {
        let (client, edge, attacker) =
            (Namespace::new("client")?, Namespace::new("edge")?, Namespace::new("attacker")?);
        for (key, value) in [
            ("net.ipv4.tcp_syncookies", "0"),
            ("net.ipv4.tcp_max_syn_backlog", &BACKLOG.to_string()),
            ("net.core.somaxconn", &BACKLOG.to_string()),
            ("net.ipv4.tcp_synack_retries", "1"),
            // Else the host would keep a place for those whom it has seen before.
            ("net.ipv4.tcp_no_metrics_save", "1"),
        ] {
            edge.sysctl(key, value)?;
        }
        let (client_port, to_client) = veth(&client, "to-edge", &edge, INTERFACES[0])?;
        let (attacker_port, to_attacker) = veth(&attacker, "to-edge", &edge, INTERFACES[1])?;
        to_client.address(&format!("{SITE}/24"))?;
        for address in customers() {
            client_port.address(&format!("{address}/24"))?;
        }
        attacker_port.address(&format!("{ROUTER}/24"))?;
        to_attacker.address("203.0.113.10/24")?;
        to_attacker.neighbour(ROUTER.into(), attacker_port.mac())?;
        to_attacker.route("default", ROUTER.into())?;

        let capacity = Capacity { workers: 8, backlog: BACKLOG };
        let service = Service::start(&edge, SocketAddr::new(SITE.into(), SITE_PORT), capacity)?;
        Ok(Self {
            _service: service,
            client: client_port,
            attacker: attacker_port,
            from_attacker: to_attacker,
            edge,
        })
    }

    /// Opens the shop.
    pub(super) fn customers(&self) -> Result<Client> {
        let visits = Visits {
            target: SocketAddr::new(SITE.into(), SITE_PORT),
            sources: customers().collect(),
            at_once: 16,
            // Some 700 requests/s: all of them are in one /24, which may ask for 1,000 connections/s by default.
            pause: Duration::from_millis(20),
            patience: Duration::from_secs(1),
        };
        Client::start(self.client.namespace(), &visits)
    }
}

fn customers() -> impl Iterator<Item = IpAddr> {
    (101..101 + CUSTOMERS).map(|host| IpAddr::from([192, 0, 2, host]))
}
