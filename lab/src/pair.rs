//! The smallest useful lab: the outside world and a host, joined by one cable.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Result;

use crate::link::{Port, veth};
use crate::namespace::Namespace;

/// The outside's addresses (documentation ranges, RFC 5737 and RFC 3849).
pub const OUTSIDE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The outside's IPv6 address.
pub const OUTSIDE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 5, 0, 0, 0, 0, 1);
/// The host's addresses.
pub const INSIDE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// The host's IPv6 address.
pub const INSIDE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 5, 0, 0, 0, 0, 0x10);

/// Two namespaces and the cable between them. Both ends know each other's hardware address, so
/// the wire is silent until someone speaks; the host answers every other source through the
/// outside.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The end on the side of the internet.
    pub outside: Port,
    /// The end at the protected host.
    pub inside: Port,
}

impl Pair {
    /// Builds the lab: interface `wan0` outside, `eth0` inside.
    ///
    /// # Errors
    /// Without root, or without iproute2.
    pub fn new(label: &str) -> Result<Self> {
        let (world, host) =
            (Namespace::new(&format!("{label}-out"))?, Namespace::new(&format!("{label}-in"))?);
        // A new namespace takes this over from the machine's first one (devconf_inherit_init_net, sysctl/net.rst); the
        // host is an end host, whatever the machine is.
        host.sysctl("net.ipv4.ip_forward", "0")?;
        let (outside, inside) = veth(&world, "wan0", &host, "eth0")?;
        outside.address(&format!("{OUTSIDE_V4}/24"))?;
        outside.address(&format!("{OUTSIDE_V6}/64"))?;
        inside.address(&format!("{INSIDE_V4}/24"))?;
        inside.address(&format!("{INSIDE_V6}/64"))?;
        outside.neighbour(INSIDE_V4.into(), inside.mac())?;
        outside.neighbour(INSIDE_V6.into(), inside.mac())?;
        let internet: [IpAddr; 2] = [OUTSIDE_V4.into(), OUTSIDE_V6.into()];
        for gateway in internet {
            inside.neighbour(gateway, outside.mac())?;
            inside.route("default", gateway)?;
        }
        Ok(Self { outside, inside })
    }
}
