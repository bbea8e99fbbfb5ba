//! Kinds of packets, as far as new sources are concerned.

use std::collections::BTreeMap;

use floodwall_common::{
    features::{ByteField, Features},
    parse::{protocol, tcp_flag},
};

use super::sample;
use crate::signature::{ByteSet, Signature};

/// What new sources' packets are good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Asks for a TCP connection.
    Opening,
    /// UDP.
    Datagram,
    /// All else.
    Other,
    /// Belongs to a TCP connection, or says so.
    Segment,
}

impl Kind {
    /// How many there are.
    pub(super) const COUNT: usize = 4;

    /// The kind of a packet.
    pub(super) fn of(features: &Features) -> Self {
        match features.octets[ByteField::Protocol as usize] {
            protocol::TCP if sample::opens(features) => Self::Opening,
            protocol::TCP => Self::Segment,
            protocol::UDP => Self::Datagram,
            _ => Self::Other,
        }
    }

    /// Hits this kind, and no other.
    pub(super) fn signature(self) -> Signature {
        let protocols: ByteSet = match self {
            Self::Opening | Self::Segment => [protocol::TCP].into_iter().collect(),
            Self::Datagram => [protocol::UDP].into_iter().collect(),
            Self::Other => {
                (0..=u8::MAX).filter(|number| ![protocol::TCP, protocol::UDP].contains(number)).collect()
            }
        };
        let mut octets = BTreeMap::from([(ByteField::Protocol as usize, protocols)]);
        if self == Self::Opening {
            let opens = |flags: &u8| flags & (tcp_flag::SYN | tcp_flag::ACK) == tcp_flag::SYN;
            octets.insert(ByteField::Flags as usize, (0..=u8::MAX).filter(opens).collect());
        }
        Signature { octets, ..Signature::default() }
    }
}
