//! What is known of the host that is protected.

use std::{collections::BTreeSet, fmt, net::IpAddr};

use floodwall_common::wire::families;

/// The names of [`families`].
pub fn family_names(of: u64) -> Vec<&'static str> {
    let names = [(families::V4, "IPv4"), (families::V6, "IPv6")];
    names.into_iter().filter(|(family, _)| of & family != 0).map(|(_, name)| name).collect()
}

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
    /// All that leaves by any way out is noted in the tables, whoever has sent it.
    pub flows: bool,
    /// What the host answers is seen among it, and not only what it asks.
    pub answers: bool,
    /// The kernel's sockets can be asked.
    pub sockets: bool,
    /// Why packets may belong to flows that nothing is known of: the host carries what none of its own sockets has sent,
    /// and not all that leaves is seen. Empty if there is no such reason. As long as there is one, the checks that hold
    /// packets against what has left only count.
    pub carries: BTreeSet<Carries>,
    /// [`families`] of which all that leaves is seen nevertheless, so that none of these reasons counts for them.
    pub proven: u64,
}

impl HostFacts {
    /// [`families`] of packets that may belong to flows of which nothing is known.
    pub fn unprovable(&self) -> u64 {
        if self.carries.is_empty() { 0 } else { families::BOTH & !self.proven }
    }
}

/// Why a host may carry packets that none of its own sockets has asked for, or miss packets that one has sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carries {
    /// It forwards packets of a family (IPv4 or IPv6) between interfaces.
    Forwards(&'static str),
    /// A protected interface belongs to a bridge, a bond, a VRF or the like.
    Enslaved {
        /// The protected interface.
        interface: String,
        /// What it belongs to.
        to: String,
    },
    /// Other interfaces are built upon a protected one: VLANs, macvlans and the like.
    Upper {
        /// The protected interface.
        interface: String,
        /// What is built upon it, as far as that can be seen from here.
        upper: String,
    },
    /// Addresses are translated.
    Nat(&'static str),
    /// IPVS passes connections on to others.
    Ipvs,
    /// There is more than one way out: answers may come in on another interface than the question left by.
    DefaultRoutes(&'static str, usize),
    /// What leaves by an interface is not seen, and why.
    Unseen {
        /// The interface.
        interface: String,
        /// The [`families`] that lead out by it.
        families: u64,
        /// Why.
        why: String,
    },
    /// It carries packets of others, and what leaves has been seen for some seconds only: flows that were open before have
    /// to show themselves.
    Fresh,
    /// It could not be read whether it is so.
    Unknown(String),
}

impl fmt::Display for Carries {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forwards(family) => write!(formatter, "the host forwards {family} packets"),
            Self::Enslaved { interface, to } => write!(formatter, "{interface} belongs to {to}"),
            Self::Upper { interface, upper } => write!(formatter, "{upper} is built upon {interface}"),
            Self::Nat(by) => write!(formatter, "addresses are translated (NAT, by {by})"),
            Self::Ipvs => formatter.write_str("IPVS passes connections on to other hosts"),
            Self::DefaultRoutes(family, routes) => {
                write!(formatter, "there are {routes} {family} default routes")
            }
            Self::Unseen { interface, why, .. } => {
                write!(formatter, "what leaves by {interface} is not seen: {why}")
            }
            Self::Fresh => {
                formatter.write_str("what others send by here has been seen for less than ten seconds")
            }
            Self::Unknown(what) => write!(formatter, "{what}"),
        }
    }
}
