//! What a packet says of its source, and of the TCP connection that it belongs to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// FIN, SYN, RST and ACK of a TCP header; of these, a request for a connection has SYN alone.
const FLAGS: u8 = 0x17;
const SYN: u8 = 0x02;
/// VLAN tags (IEEE 802.1Q).
const TAGS: [u16; 2] = [0x8100, 0x88a8];

/// A TCP connection to the protected host, by the end that is not its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Connection {
    pub(super) source: IpAddr,
    pub(super) source_port: u16,
    /// The host's port.
    pub(super) port: u16,
}

/// An IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) source: IpAddr,
    /// The connection that it asks for; `None` of all but requests.
    pub(super) asks: Option<Connection>,
    /// The connection that it goes on with; `None` of requests, and of what is not TCP.
    pub(super) continues: Option<Connection>,
}

/// The IP packet that begins with these bytes, from its Ethernet header on. An IPv6 packet with headers before that of TCP
/// is taken for none of TCP, as is one that is cut off before its flags.
pub(super) fn of(head: &[u8]) -> Option<Segment> {
    let mut at = 12;
    while TAGS.contains(&be16(head, at)?) {
        at += 4;
    }
    let (ether_type, ip) = (be16(head, at)?, head.get(at + 2..)?);
    let (source, protocol, transport, later) = match ether_type {
        0x0800 => {
            let header: &[u8; 20] = ip.first_chunk()?;
            let source = Ipv4Addr::new(header[12], header[13], header[14], header[15]);
            let later = u16::from_be_bytes([header[6], header[7]]) & 0x1fff != 0;
            (IpAddr::V4(source), header[9], usize::from(header[0] & 15) * 4, later)
        }
        0x86dd => {
            let header: &[u8; 40] = ip.first_chunk()?;
            let source: [u8; 16] = *header[8..].first_chunk()?;
            (IpAddr::V6(Ipv6Addr::from(source)), header[6], 40, false)
        }
        _ => return None,
    };
    let flags = ip.get(transport + 13).filter(|_| protocol == 6 && !later);
    let ports = be16(ip, transport).zip(be16(ip, transport + 2));
    let (asks, continues) = match (flags, ports) {
        (Some(flags), Some((source_port, port))) => {
            let connection = Some(Connection { source, source_port, port });
            if flags & FLAGS == SYN { (connection, None) } else { (None, connection) }
        }
        _ => (None, None),
    };
    Some(Segment { source, asks, continues })
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

#[cfg(test)]
mod tests {
    use floodwall_lab::frame::Frame;

    use super::*;

    const SOURCE: &str = "198.51.100.7";
    const HOST: &str = "192.0.2.10";

    #[test]
    fn requests_are_told_from_what_follows() {
        let tcp = || Frame::ipv4(SOURCE, HOST).tcp(40_000, 443);
        let connection = Some(Connection { source: SOURCE.parse().unwrap(), source_port: 40_000, port: 443 });
        for (frame, asks) in [
            (tcp().syn().build(), true),
            (tcp().syn().psh().build(), true),
            (tcp().syn().ack().build(), false),
            (tcp().ack().build(), false),
            (tcp().rst().build(), false),
            (tcp().fin().ack().build(), false),
            (Frame::ipv4(SOURCE, HOST).vlan(7).tcp(40_000, 443).syn().build(), true),
        ] {
            let segment = of(&frame).unwrap();
            assert_eq!(segment.source, SOURCE.parse::<IpAddr>().unwrap());
            let expected = if asks { (connection, None) } else { (None, connection) };
            assert_eq!((segment.asks, segment.continues), expected, "{frame:x?}");
        }
        let v6 = of(&Frame::ipv6("2001:db8::7", "2001:db8::1").tcp(40_000, 443).syn().build()).unwrap();
        assert_eq!(v6.asks.map(|asks| asks.source), Some("2001:db8::7".parse().unwrap()));
    }

    #[test]
    fn what_is_no_segment_has_a_source_alone_and_what_is_no_ip_packet_not_even_that() {
        let segment = Frame::ipv4(SOURCE, HOST).tcp(40_000, 443).syn().build();
        for frame in [
            Frame::ipv4(SOURCE, HOST).udp(40_000, 443).build(),
            Frame::ipv4(SOURCE, HOST).fragment(64, true).raw(6, &[0; 64]).build(),
            segment[..34 + 13].to_vec(),
        ] {
            let found = of(&frame).unwrap();
            assert_eq!((found.asks, found.continues), (None, None), "{frame:x?}");
        }
        for bytes in [&segment[..33], &segment[..13], &[0; 60], &[]] {
            assert_eq!(of(bytes), None);
        }
    }
}
