//! The frames that are shown.

use std::net::{Ipv4Addr, Ipv6Addr};

use floodwall_common::prefix::{Address, Family};
use floodwall_lab::frame::{Frame as Builder, Network, Packet, Transport};
use serde::Serialize;

/// A kind of frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Frame {
    /// TCP, asks for a connection; 20 bytes of options.
    Syn,
    /// The same without options.
    BareSyn,
    /// TCP, acknowledges.
    Ack,
    /// TCP, acknowledges, in a connection that there is not.
    Stray,
    /// UDP with 512 bytes of payload.
    Udp,
    /// A DNS query over UDP.
    Dns,
    /// TCP, of which the header's end is missing.
    Cut,
}

/// The port that packets come from.
pub(crate) const CLIENT_PORT: u16 = 40_000;
/// The address that IPv4 packets are for (RFC 5737).
pub(crate) const HOST_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// The address that IPv6 packets are for (RFC 3849).
const HOST_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10);

/// The address that packets are for.
pub(crate) fn host(family: Family) -> Address {
    match family {
        Family::V4 => HOST_V4.into(),
        Family::V6 => HOST_V6.into(),
    }
}

/// Bytes of the shortest Ethernet frame, without its checksum (IEEE 802.3).
const SHORTEST: usize = 60;

/// A query for `example.com A`, RFC 1035 section 4.
const QUERY: &[u8] =
    b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01";

impl Frame {
    /// The name that people see.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Syn => "SYN",
            Self::BareSyn => "SYN without options",
            Self::Ack => "ACK",
            Self::Stray => "ACK of no connection",
            Self::Udp => "UDP",
            Self::Dns => "DNS",
            Self::Cut => "cut short",
        }
    }

    /// Whether it is one that a program may answer in place.
    pub(crate) const fn is_written_to(self) -> bool {
        matches!(self, Self::BareSyn)
    }

    /// The frame, from the Ethernet header on; the wrapper writes the source.
    pub(crate) fn bytes(self, family: Family) -> Vec<u8> {
        match family {
            Family::V4 => self.over(Builder::ipv4("198.51.100.7", HOST_V4)),
            Family::V6 => self.over(Builder::ipv6("2001:db8::7", HOST_V6)),
        }
    }

    fn over<N: Network>(self, network: Builder<N>) -> Vec<u8> {
        fn done<N: Network, T: Transport>(packet: &Packet<N, T>) -> Vec<u8> {
            packet.build()
        }
        match self {
            Self::Syn => done(&network.tcp(CLIENT_PORT, 443).syn().client_options()),
            Self::BareSyn => done(&network.pad_to(SHORTEST).tcp(CLIENT_PORT, 443).syn()),
            Self::Ack => done(&network.tcp(CLIENT_PORT, 443).ack()),
            Self::Stray => done(&network.tcp(CLIENT_PORT + 1, 443).ack()),
            Self::Udp => done(&network.udp(CLIENT_PORT, 443).payload(&[0; 512])),
            Self::Dns => done(&network.udp(CLIENT_PORT, 53).payload(QUERY)),
            Self::Cut => {
                let mut bytes = done(&network.tcp(CLIENT_PORT, 443).ack());
                bytes.truncate(bytes.len() - 4);
                bytes
            }
        }
    }
}
