//! The frames that are shown.

use floodwall_common::prefix::Family;
use floodwall_lab::frame::{Frame as Builder, Network, Packet, Transport};
use serde::Serialize;

/// A kind of frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Frame {
    /// TCP, asks for a connection; 20 bytes of options.
    Syn,
    /// TCP, acknowledges.
    Ack,
    /// UDP with 512 bytes of payload.
    Udp,
    /// A DNS query over UDP.
    Dns,
}

/// A query for `example.com A`, RFC 1035 section 4.
const QUERY: &[u8] =
    b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01";

impl Frame {
    /// The name that people see.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Syn => "SYN",
            Self::Ack => "ACK",
            Self::Udp => "UDP",
            Self::Dns => "DNS",
        }
    }

    /// The frame, from the Ethernet header on; the wrapper writes the source.
    pub(crate) fn bytes(self, family: Family) -> Vec<u8> {
        match family {
            Family::V4 => self.over(Builder::ipv4("198.51.100.7", "192.0.2.10")),
            Family::V6 => self.over(Builder::ipv6("2001:db8::7", "2001:db8::10")),
        }
    }

    fn over<N: Network>(self, network: Builder<N>) -> Vec<u8> {
        fn done<N: Network, T: Transport>(packet: &Packet<N, T>) -> Vec<u8> {
            packet.build()
        }
        match self {
            Self::Syn => done(&network.tcp(40_000, 443).syn().client_options()),
            Self::Ack => done(&network.tcp(40_000, 443).ack()),
            Self::Udp => done(&network.udp(40_000, 443).payload(&[0; 512])),
            Self::Dns => done(&network.udp(40_000, 53).payload(QUERY)),
        }
    }
}
