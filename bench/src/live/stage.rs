//! The namespaces, the service, its client and the flood.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use floodwall::tables::Prefix;
use floodwall_common::prefix::Address;
use floodwall_lab::{
    flood::{Bounds, FASTEST, Flood, SpoofedSyn, Target},
    http::{Capacity, Client, Service, Visits},
    link::{Port, veth},
    namespace::Namespace,
};

/// A rate that no sender here keeps up with.
pub(super) const AS_MANY_AS_CAN_BE: u32 = FASTEST;
/// The flood comes out of this /24 (for benchmarks, RFC 2544).
const NETWORK: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);
const LENGTH: u8 = 24;
/// The service, and its client (documentation ranges, RFC 5737).
const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 20);
const PORT: u16 = 80;
/// The host's interface that the flood comes in by.
pub(super) const UNDER_ATTACK: &str = "attacked";
/// Time that is left to a change of load.
const SETTLE: Duration = Duration::from_millis(300);

/// Fields drop in order: first who talks, then the wires.
pub(super) struct Stage {
    _service: Service,
    client: Namespace,
    attacker: Port,
    attacked: Port,
    pub(super) host: Namespace,
}

/// The addresses that the flood comes from.
pub(super) fn addresses() -> impl Iterator<Item = Ipv4Addr> {
    let first = u32::from(NETWORK);
    (0..1 << (32 - LENGTH)).map(move |host| Ipv4Addr::from(first + host))
}

/// The same as prefixes.
pub(super) fn sources() -> Vec<Prefix> {
    addresses().map(|address| Prefix::host(Address::v4(address.into()))).collect()
}

impl Stage {
    /// Builds it and starts the service.
    pub(super) fn build() -> anyhow::Result<Self> {
        let [client, host, attacker] = ["client", "host", "attacker"].map(Namespace::new);
        let (client, host, attacker) = (client?, host?, attacker?);
        // What is measured is the filter, not how the host copes with half-open connections.
        host.sysctl("net.ipv4.tcp_syncookies", "2")?;
        let (to_host, to_client) = veth(&client, "to-host", &host, "to-client")?;
        let (attacker, attacked) = veth(&attacker, "to-host", &host, UNDER_ATTACK)?;
        to_client.address(&format!("{HOST}/24"))?;
        to_host.address(&format!("{CLIENT}/24"))?;
        attacked.address("203.0.113.10/24")?;
        let router = Ipv4Addr::new(203, 0, 113, 1).into();
        attacked.neighbour(router, attacker.mac())?;
        attacked.route(&format!("{NETWORK}/{LENGTH}"), router)?;
        let service =
            Service::start(&host, SocketAddr::new(HOST.into(), PORT), Capacity { workers: 4, backlog: 512 })?;
        Ok(Self { _service: service, client, attacker, attacked, host })
    }

    /// The index of the interface that the flood comes in by.
    pub(super) fn interface(&self) -> u32 {
        self.attacked.index()
    }

    /// Sends for a while; says how many packets/s there were.
    pub(super) fn flood(&self, rate: u32, time: Duration) -> anyhow::Result<f64> {
        let start = Instant::now();
        let sent = self.start(rate, time)?.wait()?;
        Ok(sent as f64 / start.elapsed().as_secs_f64())
    }

    /// Lets the client visit, under a flood if a rate is given; says how many packets/s were sent, and how many
    /// requests/s answered.
    pub(super) fn visit(&self, rate: Option<u32>, time: Duration) -> anyhow::Result<(f64, f64)> {
        let flood = rate.map(|rate| self.start(rate, time + 4 * SETTLE)).transpose()?;
        let visits = Visits {
            target: SocketAddr::new(HOST.into(), PORT),
            sources: vec![IpAddr::from(CLIENT)],
            at_once: 4,
            pause: Duration::ZERO,
            patience: Duration::from_secs(1),
        };
        let mut client = Client::start(&self.client, &visits)?;
        thread::sleep(SETTLE);
        client.interval();
        let (start, before) = (Instant::now(), flood.as_ref().map_or(0, Flood::sent));
        thread::sleep(time);
        let sent = flood.as_ref().map_or(0, Flood::sent) - before;
        let seconds = start.elapsed().as_secs_f64();
        let answered = client.interval().rate();
        if let Some(flood) = flood {
            flood.stop().context("the flood failed")?;
        }
        Ok((sent as f64 / seconds, answered))
    }

    fn start(&self, rate: u32, duration: Duration) -> anyhow::Result<Flood> {
        let target = Target::behind(&self.attacker, &self.attacked, HOST, PORT);
        Flood::start(&self.attacker, SpoofedSyn::new(target, NETWORK, LENGTH, 1), Bounds { rate, duration })
    }
}
