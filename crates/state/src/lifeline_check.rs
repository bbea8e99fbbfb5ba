//! Blocks that would cut off the host, or the one who asks for them.

use std::fmt;

use floodwall_common::prefix::Address;

use super::filter::Filter;
use floodwall_api::ListName;
use floodwall_policy::Lifelines;
use floodwall_tables::Prefix;

/// Why a block is refused without force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Danger {
    /// It covers every address of its family.
    Everything,
    /// It covers an address of the host itself.
    Own(std::net::IpAddr),
    /// It covers a default gateway.
    Gateway(std::net::IpAddr),
    /// It covers an address that somebody is logged in from.
    Login(std::net::IpAddr),
    /// It covers a resolver that the host asks.
    Resolver(std::net::IpAddr),
    /// It covers somebody whom the host itself has connected to.
    Peer(std::net::IpAddr),
}

impl fmt::Display for Danger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => formatter.write_str("covers every address there is"),
            Self::Own(address) => write!(formatter, "covers this host's own address {address}"),
            Self::Gateway(address) => write!(formatter, "covers this host's default gateway {address}"),
            Self::Login(address) => {
                write!(formatter, "covers {address}, which you or another administrator is logged in from")
            }
            Self::Resolver(address) => write!(formatter, "covers the resolver {address} that this host asks"),
            Self::Peer(address) => write!(formatter, "covers {address}, to which this host has a connection"),
        }
    }
}

impl Danger {
    /// What blocking `prefix` would cut off, if anything.
    pub fn of(prefix: Prefix, lifelines: &Lifelines) -> Option<Self> {
        if prefix.length() == 0 {
            return Some(Self::Everything);
        }
        let covered = |addresses: &[std::net::IpAddr]| {
            addresses.iter().copied().find(|address| prefix.contains(Address::canonical(*address)))
        };
        covered(&lifelines.logins)
            .map(Self::Login)
            .or_else(|| covered(&lifelines.own).map(Self::Own))
            .or_else(|| covered(&lifelines.gateways).map(Self::Gateway))
            .or_else(|| covered(&lifelines.resolvers).map(Self::Resolver))
            .or_else(|| covered(&lifelines.peers).map(Self::Peer))
    }
}

impl Filter {
    /// What the host lives by that the blocklist drops: it was forced, or has appeared since. It is told and not allowed by
    /// itself, as behind a gateway that translates addresses everybody has that of the gateway.
    pub fn cut_off(&self, lifelines: &Lifelines) -> Vec<String> {
        let Lifelines { gateways, logins, resolvers, own: _, peers: _ } = lifelines;
        let named = [
            (gateways, "this host's default gateway"),
            (resolvers, "a resolver that this host asks"),
            (logins, "which somebody is logged in from"),
        ];
        let mut warnings = Vec::new();
        for (addresses, what) in named {
            for address in addresses {
                let lists = self.test(*address);
                let (Some(ListName::Block), false) = (lists.decided_by, lists.only_counts) else { continue };
                let prefix = lists.prefix.unwrap_or_default();
                warnings.push(format!(
                    "{address}, {what}, is dropped by {prefix} on the blocklist; `floodwall allow add {address}` lets it in"
                ));
            }
        }
        warnings
    }
}
