//! What the frames of an interface begin with.

use super::Interface;

/// What comes first in a frame that is received, as an XDP program sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// An Ethernet header.
    Ethernet,
    /// The IP header.
    Ip,
}

/// `ARPHRD_…` in `include/uapi/linux/if_arp.h`.
mod arphrd {
    pub(super) const ETHER: u16 = 1;
    pub(super) const PPP: u16 = 512;
    pub(super) const TUNNEL: u16 = 768;
    pub(super) const LOOPBACK: u16 = 772;
    pub(super) const SIT: u16 = 776;
    pub(super) const IPGRE: u16 = 778;
    pub(super) const IP6GRE: u16 = 823;
    pub(super) const NONE: u16 = 65_534;
}

/// Link types and kinds of which it is known that their drivers have a received packet begin with the IP header: they call
/// `skb_reset_mac_header` there (`drivers/net/tun.c`, `drivers/net/wireguard/queueing.h`, `drivers/net/ppp/ppp_generic.c`,
/// `net/ipv4/ipip.c`).
const IP_FIRST: [(u16, &str); 4] =
    [(arphrd::NONE, "tun"), (arphrd::NONE, "wireguard"), (arphrd::PPP, "ppp"), (arphrd::TUNNEL, "ipip")];

impl Interface {
    /// What its frames begin with; an error says why that cannot be filtered.
    pub fn framing(&self) -> Result<Framing, String> {
        let Self { link_type, kind, .. } = self;
        let kind = kind.as_deref().unwrap_or("of a driver");
        let outer = matches!(*link_type, arphrd::SIT | arphrd::IPGRE | arphrd::IP6GRE);
        match *link_type {
            arphrd::ETHER | arphrd::LOOPBACK => Ok(Framing::Ethernet),
            _ if IP_FIRST.contains(&(*link_type, kind)) => Ok(Framing::Ip),
            _ if outer => Err(format!(
                "packets that are received on such a tunnel (link type {link_type}) begin with the headers of the tunnel's \
                 other end, and would be taken for its own; filter the interface that the tunnel goes by"
            )),
            _ => Err(format!(
                "its frames do not begin with an Ethernet header (link type {link_type}, {kind}), and floodwall does not know \
                 what they do begin with; filter the interface that its packets come in by"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(link_type: u16, kind: Option<&str>) -> Result<Framing, String> {
        Interface { link_type, kind: kind.map(str::to_owned), ..Interface::default() }.framing()
    }

    #[test]
    fn what_is_known_is_filtered_and_the_rest_refused() {
        for (link_type, kind, expected) in [
            (1, None, Framing::Ethernet),
            (1, Some("veth"), Framing::Ethernet),
            (772, None, Framing::Ethernet),
            (65_534, Some("tun"), Framing::Ip),
            (65_534, Some("wireguard"), Framing::Ip),
            (512, Some("ppp"), Framing::Ip),
            (768, Some("ipip"), Framing::Ip),
        ] {
            assert_eq!(framing(link_type, kind), Ok(expected), "{link_type} {kind:?}");
        }
        for (link_type, kind, expected) in [
            (778, Some("gre"), "headers of the tunnel's other end"),
            (776, Some("sit"), "headers of the tunnel's other end"),
            (32, None, "link type 32, of a driver"),
            (65_534, None, "link type 65534"),
            (65_534, Some("xfrm"), "link type 65534, xfrm"),
            (768, Some("vti"), "link type 768, vti"),
            // A tun device can be told to be anything.
            (32, Some("tun"), "link type 32, tun"),
        ] {
            let refused = framing(link_type, kind).unwrap_err();
            assert!(refused.contains(expected), "{link_type} {kind:?}: {refused}");
        }
    }
}
