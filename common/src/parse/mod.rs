//! From a frame to a packet.
//!
//! One function per header; each returns what comes next, or that the headers are malformed. Hostile headers
//! are the rule here: lengths are held against the frame, offsets follow IHL and the extension-header chain,
//! and whatever is IP but unknown above is still a packet with an address and a protocol.

mod ipv4;
mod ipv6;
mod link;
mod quoted;
mod transport;

pub use quoted::{Quoted, parse_quoted};

use crate::{
    branchless::{at_most, nonzero},
    frame::Frame,
    prefix::Address,
};

/// What a frame turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// IPv4 or IPv6.
    Packet(Packet),
    /// Anything else, which is passed on: ARP, LLDP, spanning tree, PPPoE, MPLS …
    NotIp,
    /// Claims to be IP and contradicts itself or ends too early.
    Malformed,
}

/// Whether a packet is whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Fragment {
    #[default]
    /// Not fragmented (or an IPv6 atomic fragment, RFC 6946).
    Whole = 0,
    /// Offset 0, more to come: the transport header is here.
    First = 1,
    /// Offset above 0: no transport header.
    Later = 2,
}

/// IP protocol numbers that floodwall reads above IP (IANA "Protocol Numbers").
pub mod protocol {
    /// ICMP, RFC 792.
    pub const ICMP: u8 = 1;
    /// TCP, RFC 9293.
    pub const TCP: u8 = 6;
    /// UDP, RFC 768.
    pub const UDP: u8 = 17;
    /// ICMPv6, RFC 4443.
    pub const ICMPV6: u8 = 58;
}

/// TCP flags as they stand in the header's 14th byte.
pub mod tcp_flag {
    /// Nothing more to send.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// There is no such connection.
    pub const RST: u8 = 0x04;
    /// To be handed to the application at once.
    pub const PSH: u8 = 0x08;
    /// Acknowledgement.
    pub const ACK: u8 = 0x10;
    /// Urgent data.
    pub const URG: u8 = 0x20;
    /// Congestion was met (RFC 3168).
    pub const ECE: u8 = 0x40;
    /// The window was reduced for that.
    pub const CWR: u8 = 0x80;
}

/// A packet's headers, as far as decisions need them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Bytes on the wire, link header included.
    pub length: u32,
    /// Offset of the IP header in the frame.
    pub network: u32,
    /// Offset of the transport header in the frame.
    pub transport: u32,
    /// Offset of the end of the IP packet in the frame.
    pub end: u32,
    /// What the fragments of one packet share: the identification of IPv4 (16 bits) or of IPv6's fragment
    /// header (32 bits; 0 where there is none).
    pub identification: u32,
    /// TCP acknowledgement number, whatever the flags say; 0 for other protocols.
    pub acknowledged: u32,
    /// TCP or UDP source port; 0 where there is none.
    pub source_port: u16,
    /// TCP or UDP destination port; type and code for ICMP and ICMPv6; 0 where there is none.
    pub destination_port: u16,
    /// The protocol above IP and its extension headers.
    pub protocol: u8,
    /// TCP flags; 0 for other protocols.
    pub tcp_flags: u8,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// Whole, or which part of a fragmented packet.
    pub fragment: Fragment,
    /// [`ip_form`] bits.
    pub ip_form: u8,
}

/// Bits of [`Packet::ip_form`].
pub mod ip_form {
    /// IPv4: don't fragment.
    pub const DONT_FRAGMENT: u8 = 1;
    /// IPv4 options, or IPv6 extension headers.
    pub const EXTENDED: u8 = 2;
    /// Carried in a VLAN.
    pub const TAGGED: u8 = 4;
}

impl Packet {
    /// Asks for a new TCP connection.
    #[inline(always)]
    pub fn opens_connection(&self) -> bool {
        self.protocol == protocol::TCP && self.tcp_flags & (tcp_flag::SYN | tcp_flag::ACK) == tcp_flag::SYN
    }

    /// An echo request: of ICMP type 8 (RFC 792), of ICMPv6 type 128 (RFC 4443, section 4.1).
    #[inline(always)]
    pub fn is_echo_request(&self) -> bool {
        self.is_icmp_of(8, 128)
    }

    /// An echo reply: of ICMP type 0, of ICMPv6 type 129.
    #[inline(always)]
    pub fn is_echo_reply(&self) -> bool {
        self.is_icmp_of(0, 129)
    }

    /// Whether it is ICMP or ICMPv6 of these types. A later fragment has none.
    #[inline(always)]
    fn is_icmp_of(&self, v4: u16, v6: u16) -> bool {
        let kind = match self.protocol {
            protocol::ICMP => v4,
            protocol::ICMPV6 => v6,
            _ => return false,
        };
        self.fragment as u8 != Fragment::Later as u8 && self.destination_port >> 8 == kind
    }

    /// Router or neighbour solicitation, advertisement or redirect that no router has forwarded (RFC 4861,
    /// sections 4.1 to 4.5: hop limit 255).
    #[inline(always)]
    pub fn is_neighbour_discovery(&self) -> bool {
        self.protocol == protocol::ICMPV6
            && self.hop_limit == 255
            && self.fragment as u8 == Fragment::Whole as u8
            && matches!(self.destination_port >> 8, 133..=137)
    }
}

/// What the headers up to IP's say a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 or IPv6.
    Ip,
    /// See [`Parsed::NotIp`].
    NotIp,
    /// See [`Parsed::Malformed`].
    Malformed,
}

/// Parses a frame from its Ethernet header on, or from its IP header where the link has none.
#[inline(always)]
pub fn parse<F: Frame>(frame: &F) -> Parsed {
    let mut packet = Packet::default();
    match parse_network(frame, &mut packet) {
        Kind::Ip if parse_transport(frame, &mut packet).is_some() => Parsed::Packet(packet),
        Kind::NotIp => Parsed::NotIp,
        Kind::Ip | Kind::Malformed => Parsed::Malformed,
    }
}

/// Parses a frame up to the transport header: the packet, if it is one, has no ports and no flags then.
///
/// What was in `packet` is gone in any case.
#[inline(always)]
pub fn parse_network<F: Frame>(frame: &F, packet: &mut Packet) -> Kind {
    let Some((ether_type, offset)) = link::parse(frame) else { return Kind::NotIp };
    let parsed = match ether_type {
        link::IPV4 => ipv4::parse(frame, offset, packet),
        link::IPV6 => ipv6::parse(frame, offset, packet),
        _ => return Kind::NotIp,
    };
    if parsed.is_none() {
        return Kind::Malformed;
    }
    packet.length = frame.length();
    packet.network = offset;
    packet.ip_form |= link::tagged(offset) * ip_form::TAGGED;
    packet.source_port = 0;
    packet.destination_port = 0;
    packet.tcp_flags = 0;
    packet.acknowledged = 0;
    Kind::Ip
}

/// No frame of a link with an MTU of 1,500 is longer, tags included.
const LONGEST_FRAME: u32 = 1_522;

/// How long an IP packet or payload is that says so much of itself, where the frame has room for `room`.
///
/// Segments that an offload has joined may be longer than the header can say, which then says 0: those that are received
/// beyond 64 KiB (BIG TCP; of IPv6, RFC 2675), and in captures those that are sent. What the frame holds is meant then.
#[inline(always)]
fn run_length(said: u32, room: u32) -> u32 {
    let is_run = (1 ^ nonzero(u64::from(said)) as u32) & (1 ^ at_most(room, LONGEST_FRAME));
    said + is_run * room
}

/// Adds what the transport header says. `None` if it is cut short by the end of the IP packet, or contradicts itself.
#[inline(always)]
pub fn parse_transport<F: Frame>(frame: &F, packet: &mut Packet) -> Option<()> {
    let transport = transport::parse(frame, packet)?;
    packet.source_port = transport.source_port;
    packet.destination_port = transport.destination_port;
    packet.tcp_flags = transport.tcp_flags;
    packet.acknowledged = transport.acknowledged;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::testing::{frame, tcp},
        frame::Captured,
    };

    /// Where a packet's length ends up, if its header says 0 and the frame is as long as this.
    fn end_of(bytes: &[u8], length_at: usize, length: u32) -> Option<u32> {
        let mut bytes = bytes.to_vec();
        bytes[length_at..length_at + 2].fill(0);
        match parse(&Captured::cut(&bytes, length)) {
            Parsed::Packet(packet) => Some(packet.end),
            _ => None,
        }
    }

    #[test]
    fn without_a_link_layer_the_ip_header_comes_first() {
        use crate::frame::WithoutLink;
        let ethernet = frame(&tcp(tcp_flag::SYN));
        let Parsed::Packet(expected) = parse(&Captured::whole(&ethernet)) else { panic!("no packet") };
        let parsed = parse(&WithoutLink(Captured::whole(&ethernet[14..])));
        let shifted = Packet {
            length: expected.length - 14,
            network: 0,
            transport: expected.transport - 14,
            end: expected.end - 14,
            ..expected
        };
        assert_eq!(parsed, Parsed::Packet(shifted));
        // Where an EtherType would stand is an address: it announces nothing.
        let mut other = ethernet[14..].to_vec();
        other[12..14].copy_from_slice(&[0x81, 0x00]);
        let parsed = parse(&WithoutLink(Captured::whole(&other)));
        assert!(matches!(parsed, Parsed::Packet(packet) if packet.network == 0), "{parsed:?}");
        let mut six = vec![0x60, 0, 0, 0, 0, 8, 17, 64];
        six.extend([0x20; 32]);
        six.extend([0, 1, 0, 2, 0, 8, 0, 0]);
        let parsed = parse(&WithoutLink(Captured::whole(&six)));
        assert!(matches!(parsed, Parsed::Packet(packet) if packet.destination_port == 2), "{parsed:?}");
        for bytes in [&[][..], &[0x00, 1, 2], &[0x50; 40]] {
            assert_eq!(parse(&WithoutLink(Captured::whole(bytes))), Parsed::NotIp);
        }
        assert_eq!(parse(&WithoutLink(Captured::whole(&six[..20]))), Parsed::Malformed);
    }

    #[test]
    fn a_run_that_is_too_long_for_its_header_has_the_length_of_the_frame() {
        let v4 = frame(&tcp(tcp_flag::ACK));
        let mut v6 = v4[..12].to_vec();
        v6.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, 0, 64]);
        v6.extend([0x20; 32]);
        // The jumbo option, and TCP behind it.
        v6.extend([6, 0, 0xc2, 4, 0, 2, 0xce, 0]);
        v6.extend(&v4[34..54]);
        for (bytes, length_at) in [(&v4, 16), (&v6, 18)] {
            assert_eq!(end_of(bytes, length_at, 184_000), Some(184_000));
            assert_eq!(end_of(bytes, length_at, 9_000), Some(9_000), "as a capture has what is sent");
            assert_eq!(end_of(bytes, length_at, bytes.len() as u32), None, "an ordinary frame");
            assert_eq!(end_of(bytes, length_at, 1_514), None, "an ordinary frame");
        }
    }
}
