//! A service on a protected host, with customers or without, a flood on it that can be told by its headers, and the signature that does.

use std::{
    net::{IpAddr, SocketAddr, TcpListener},
    thread::sleep,
    time::{Duration, Instant},
};

use floodwall_lab::{
    flood::{Bounds, Flood, SpoofedSyn},
    http::{Capacity, Client, Service, Visits},
    pair::INSIDE_V4,
};

use crate::protected::{PATIENCE, Protected};

/// How long customers are watched before an attack begins.
pub const PEACE: Duration = Duration::from_secs(8);
/// Packets/s of a flood on customers.
pub const FLOOD: u32 = 8_000;
/// Packets/s of a flood where there are none: enough to be noticed, and to leave the machine room for the rest of a test.
pub const LESSER_FLOOD: u32 = 4_000;
const PORT: u16 = 8080;
/// Last bytes of the customers' addresses: so many, as a source teaches once in ten seconds.
const CUSTOMERS: std::ops::Range<u8> = 20..250;

/// Opens the service, with customers that come and go.
///
/// # Errors
/// Where sockets or addresses cannot be had.
pub fn open_for_business(host: &Protected) -> anyhow::Result<(Service, Client)> {
    let address = SocketAddr::from((INSIDE_V4, PORT));
    let capacity = Capacity { workers: 16, backlog: 128 };
    let service = Service::start(host.lab.inside.namespace(), address, capacity)?;
    let sources: Vec<IpAddr> = CUSTOMERS.map(|last| [192, 0, 2, last].into()).collect();
    for source in &sources {
        host.lab.outside.address(&format!("{source}/24"))?;
    }
    let visits = Visits {
        target: address,
        sources,
        at_once: 2,
        pause: Duration::from_millis(50),
        patience: Duration::from_secs(1),
    };
    Ok((service, Client::start(host.lab.outside.namespace(), &visits)?))
}

/// Opens the service without customers: what is sent there is no answer to nothing.
///
/// # Errors
/// Where the socket cannot be had.
pub fn listen(host: &Protected) -> anyhow::Result<TcpListener> {
    Ok(host.lab.inside.namespace().enter(|| TcpListener::bind((INSIDE_V4, PORT)))??)
}

/// Begins a flood of so many SYNs/s from forged addresses, all with the same headers.
///
/// # Errors
/// Where a raw socket cannot be had.
pub fn flooded(host: &Protected, rate: u32, duration: Duration) -> anyhow::Result<Flood> {
    let target = host.target(PORT);
    let pattern = SpoofedSyn::new(target, [198, 18, 0, 0].into(), 15, 7);
    Flood::start(&host.lab.outside, pattern, Bounds { rate, duration })
}

/// Waits until there is a signature that drops, and returns it.
///
/// # Errors
/// When there is none for too long; tells the daemon's log.
pub fn wait_for_signature(host: &Protected) -> anyhow::Result<serde_json::Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let list = host.json(&["signature", "list"])?;
        let signatures = list["signatures"].as_array().cloned().unwrap_or_default();
        if let Some(found) = signatures.into_iter().find(|signature| signature["enforced"] == true) {
            return Ok(found);
        }
        anyhow::ensure!(Instant::now() < deadline, "no signature: {list}\n{}", host.log());
        sleep(Duration::from_millis(20));
    }
}
