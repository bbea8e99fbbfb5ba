//! What floodwall reads off the machine it runs on: interfaces, its own addresses, its gateways and resolvers, its
//! sockets, who is logged in, whether it carries packets of others, which of their connections the kernel tracks, and how full
//! its links are. Nothing is ever changed here.

mod appended;
mod backlog;
mod carries;
mod conntrack;
mod disks;
mod dump;
mod ethtool;
mod framing;
mod health;
mod hostname;
mod link_events;
mod logins;
mod mode;
mod name;
mod nat;
mod netlink;
mod port;
mod resolvers;
mod sockets;

use std::fmt;

pub use appended::appended_to;
pub use backlog::{Backlog, Backlogs};
pub use carries::{Links, carries};
pub use conntrack::{Direction, Tracked, tracked};
pub use disks::{Disk, disks, mounts};
pub use framing::Framing;
pub use health::Vitals;
pub use hostname::hostname;
pub use link_events::LinkEvents;
pub use logins::{all_login_addresses, logins_of};
pub use mode::Mode;
pub use name::is_interface_name;
pub use nat::nat;
pub use netlink::{Netlink, WaysOut};
pub use port::{Port, PortCounters, Ports};
pub use resolvers::resolvers;
pub use sockets::{Accepted, Sockets, sockets};

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its alternative names, by which it can be asked for as well.
    pub other_names: Vec<String>,
    /// Its index.
    pub index: u32,
    /// What its frames begin with: `ARPHRD_…` in `include/uapi/linux/if_arp.h`.
    pub link_type: u16,
    /// Largest packet it carries, bytes without link header.
    pub mtu: u32,
    /// The XDP program that is attached to it, by whomever.
    pub xdp: Option<AttachedXdp>,
    /// Numbers of the programs that are attached, whichever way.
    pub xdp_programs: Vec<u32>,
    /// Index of the bridge, bond, VRF or the like that it belongs to.
    pub master: Option<u32>,
    /// Index of the interface that it is built upon, in this namespace.
    pub lower: Option<u32>,
    /// What it is, as the kernel has it: `vlan`, `veth`; `None` for a device of a driver.
    pub kind: Option<String>,
    /// Its link-layer address.
    pub address: Vec<u8>,
}

impl Interface {
    /// Whether it has this index and this program is on it. The numbers of interfaces are those of a network namespace, in
    /// another one the same may stand for another; those of programs hold everywhere.
    pub fn has(&self, index: u32, program: u32) -> bool {
        self.index == index && self.xdp_programs.contains(&program)
    }
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
