//! What kind of packet this is, as rules and counters name it.

use crate::{
    dns_names,
    parse::{Fragment, Packet, protocol, tcp_flag},
};

/// A set of traits: one bit each, several at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits(u32);

impl Traits {
    /// Every packet.
    pub const ANY: Self = Self(1);
    /// TCP.
    pub const TCP: Self = Self(1 << 1);
    /// Asks for a new TCP connection: SYN without ACK.
    pub const SYN: Self = Self(1 << 2);
    /// Answers a request for a TCP connection: SYN and ACK.
    pub const SYN_ACK: Self = Self(1 << 3);
    /// TCP without SYN or RST: belongs to a connection, or says so.
    pub const SEGMENT: Self = Self(1 << 4);
    /// TCP RST.
    pub const RST: Self = Self(1 << 5);
    /// UDP.
    pub const UDP: Self = Self(1 << 6);
    /// ICMP or ICMPv6.
    pub const ICMP: Self = Self(1 << 7);
    /// UDP to port 53.
    pub const DNS_QUERY: Self = Self(1 << 8);
    /// Part of a packet: a first or later fragment.
    pub const FRAGMENT: Self = Self(1 << 9);
    /// Neither TCP, UDP nor ICMP.
    pub const OTHER: Self = Self(1 << 10);

    /// Names, as rules use them.
    pub const NAMES: [(Self, &'static str); 11] = [
        (Self::ANY, "packets"),
        (Self::TCP, "tcp"),
        (Self::SYN, "syn"),
        (Self::SYN_ACK, "syn-ack"),
        (Self::SEGMENT, "segment"),
        (Self::RST, "rst"),
        (Self::UDP, "udp"),
        (Self::ICMP, "icmp"),
        (Self::DNS_QUERY, "dns-query"),
        (Self::FRAGMENT, "fragment"),
        (Self::OTHER, "other"),
    ];

    /// From bits, as they stand in a rule.
    #[inline(always)]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// As bits.
    #[inline(always)]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether the two have one in common.
    #[inline(always)]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// All of both.
    #[inline(always)]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are not the other's.
    #[inline(always)]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The traits of a packet.
    #[inline(always)]
    pub fn of(packet: &Packet) -> Self {
        let fragment = if packet.fragment as u8 == Fragment::Whole as u8 { 0 } else { Self::FRAGMENT.0 };
        let above = match packet.protocol {
            protocol::TCP => Self::TCP.0 | tcp(packet),
            protocol::UDP if packet.destination_port == dns_names::PORT => Self::UDP.0 | Self::DNS_QUERY.0,
            protocol::UDP => Self::UDP.0,
            protocol::ICMP | protocol::ICMPV6 => Self::ICMP.0,
            _ => Self::OTHER.0,
        };
        Self(Self::ANY.0 | fragment | above)
    }
}

/// A later fragment has no flags, and is none of these.
#[inline(always)]
fn tcp(packet: &Packet) -> u32 {
    if packet.fragment as u8 == Fragment::Later as u8 {
        return 0;
    }
    match packet.tcp_flags & (tcp_flag::SYN | tcp_flag::ACK | tcp_flag::RST) {
        tcp_flag::SYN => Traits::SYN.0,
        flags if flags & tcp_flag::RST != 0 => Traits::RST.0,
        flags if flags & tcp_flag::SYN != 0 => Traits::SYN_ACK.0,
        _ => Traits::SEGMENT.0,
    }
}
