//! Addresses that the host depends on.

use std::net::IpAddr;

/// Addresses that must not be cut off by mistake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lifelines {
    /// The host's own.
    pub own: Vec<IpAddr>,
    /// Its default gateways.
    pub gateways: Vec<IpAddr>,
    /// Where the one who asks, and whoever else is, is logged in from.
    pub logins: Vec<IpAddr>,
    /// The resolvers that it is configured to ask.
    pub resolvers: Vec<IpAddr>,
    /// Those that it has opened a connection to itself.
    pub peers: Vec<IpAddr>,
}

impl Lifelines {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let Self { own, gateways, logins, resolvers, peers } = self;
        [own, gateways, logins, resolvers, peers].into_iter().flatten().copied()
    }
}
