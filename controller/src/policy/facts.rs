//! What is known of the host that is protected.

use std::{collections::BTreeSet, net::IpAddr};

/// A port at which something listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// UDP, else TCP.
    pub udp: bool,
    /// The address it listens at; `None`: at all.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
}

/// What is known of the host. Nothing, by default: nobody is then suspected of coming for what is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// Its own addresses. Others that packets are for are taken to offer everything. Empty: not known; all are then
    /// its own.
    pub own: BTreeSet<IpAddr>,
    /// Where something listens; `None`: not known.
    pub listening: Option<BTreeSet<Listener>>,
    /// The flows that the host opens are noted in the tables.
    pub flows: bool,
    /// The kernel's sockets can be asked.
    pub sockets: bool,
}
