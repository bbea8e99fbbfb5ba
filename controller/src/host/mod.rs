//! What floodwall reads off the machine it runs on: interfaces, its own addresses, its gateways, who is
//! logged in. Nothing is ever changed here.

mod health;
mod listeners;
mod logins;
mod netlink;

use std::{fmt, net::IpAddr};

pub use health::Vitals;
pub use listeners::listeners;
pub use logins::{all_login_addresses, login_addresses};
pub use netlink::Netlink;

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// Largest packet it carries, bytes without link header.
    pub mtu: u32,
    /// The XDP program that is attached to it, by whomever.
    pub xdp: Option<AttachedXdp>,
}

/// How an XDP program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachedXdp {
    /// The driver runs it.
    Native,
    /// The network stack runs it, after an skb was made of the packet.
    Generic,
    /// The card runs it, or several do.
    Other,
}

impl fmt::Display for AttachedXdp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Native => "native",
            Self::Generic => "generic",
            Self::Other => "hardware or multiple",
        })
    }
}

/// Addresses that must not be cut off by mistake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lifelines {
    /// The host's own.
    pub own: Vec<IpAddr>,
    /// Its default gateways.
    pub gateways: Vec<IpAddr>,
    /// Where the one who asks is logged in from.
    pub logins: Vec<IpAddr>,
}
