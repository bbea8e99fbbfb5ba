//! Signatures: conjunctions of header fields that tell an attack's packets from others.
//!
//! A [`Signature`] allows a set of values in each of some fields; a packet matches it if all of its [`Features`] are
//! allowed. [`text`] says it in the terms of an operator and reads it back; [`image`] lays a set of them out for the
//! kernel program, which holds a packet against all of them at once; [`export`] says it in the terms of other tools;
//! [`naming`] calls services by their names; [`TooBroad`] says which are not to be enforced without an operator.

mod bits;
mod breadth;
pub mod export;
mod image;
pub mod naming;
mod text;
mod values;

pub use breadth::TooBroad;
pub use image::{Effect, Image, ImageError};
pub use text::{ParseError, TermFault};
pub use values::{ByteSet, Ranges};

use std::collections::BTreeMap;

use floodwall_common::features::{ByteField, Features, WordField};

/// Where a packet goes: what is known of it before its other header fields are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heading {
    /// Protocol above IP.
    pub protocol: u8,
    /// Number of the service that it is for.
    pub service: u8,
    /// Source port of TCP or UDP.
    pub source_port: u16,
    /// Destination port of TCP or UDP.
    pub destination_port: u16,
}

/// Values allowed in some fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Signature {
    /// By [`ByteField`](floodwall_common::features::ByteField), and the place of a byte of payload.
    pub octets: BTreeMap<usize, ByteSet>,
    /// By [`WordField`](floodwall_common::features::WordField).
    pub shorts: BTreeMap<usize, Ranges>,
    /// It spares sources that the kernel program knows.
    pub new_sources: bool,
}

impl Signature {
    /// Whether features are allowed by all fields.
    pub fn matches(&self, features: &Features) -> bool {
        self.octets.iter().all(|(&field, set)| set.contains(features.octets[field]))
            && self.shorts.iter().all(|(&field, ranges)| ranges.contains(features.shorts[field]))
    }

    /// Whether it can match a packet of which no more is known than where it goes.
    pub fn may_match(&self, packet: Heading) -> bool {
        let Heading { protocol, service, source_port, destination_port } = packet;
        let octet = |field: ByteField, value| {
            self.octets.get(&(field as usize)).is_none_or(|allowed| allowed.contains(value))
        };
        let short = |field: WordField, value| {
            self.shorts.get(&(field as usize)).is_none_or(|allowed| allowed.contains(value))
        };
        octet(ByteField::Protocol, protocol)
            && octet(ByteField::Service, service)
            && short(WordField::SourcePort, source_port)
            && short(WordField::DestinationPort, destination_port)
    }

    /// Fields that it looks at.
    pub fn len(&self) -> usize {
        self.octets.len() + self.shorts.len()
    }

    /// Whether it looks at no field, and so matches everything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use floodwall_common::parse::protocol;

    use super::*;

    #[test]
    fn a_signature_may_match_what_goes_where_it_says() {
        let tcp = Heading { protocol: protocol::TCP, service: 3, source_port: 40_000, destination_port: 443 };
        let udp = Heading { protocol: protocol::UDP, ..tcp };
        let icmp = Heading { protocol: protocol::ICMP, source_port: 0, destination_port: 0, ..tcp };
        for (text, expected) in [
            ("tcp flags=syn window=0", [true, false, false]),
            ("proto=tcp", [true, false, false]),
            ("udp", [false, true, false]),
            ("proto=17", [false, true, false]),
            ("icmp flags=8", [false, false, true]),
            ("proto=6,17 dport=400-443", [true, true, false]),
            ("proto=6,17 dport=444-500", [false, false, false]),
            ("tcp service=3 dport=443", [true, false, false]),
            ("service=4", [false, false, false]),
            ("sport=1024-40000 dport=80,443", [true, true, false]),
            ("sport=0x9c41", [false, false, false]),
            ("ttl=242 new-sources", [true, true, true]),
        ] {
            let signature: Signature = text.parse().unwrap();
            assert_eq!([tcp, udp, icmp].map(|packet| signature.may_match(packet)), expected, "{text}");
        }
    }
}
