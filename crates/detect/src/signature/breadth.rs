//! Signatures that say too little to drop by, unless an operator wants just that.

use std::fmt;

use floodwall_common::{
    features::{ByteField, WordField},
    parse::{protocol, tcp_flag},
};

use super::{ByteSet, Signature};

/// Fields that say where a packet goes, or what carries it, and not what it looks like.
const PLACES: [usize; 2] = [ByteField::Protocol as usize, ByteField::Service as usize];
const PORTS: [usize; 2] = [WordField::SourcePort as usize, WordField::DestinationPort as usize];
/// Protocols that a signature may name and still be one of a protocol: ICMP comes as two.
const MOST_PROTOCOLS: u32 = 2;
/// Fields without which it hits whoever happens to have a value in common with an attack.
const LEAST_TERMS: usize = 2;

/// Values of a field of 8 bits beyond which it says next to nothing.
const MOST_OCTETS: u32 = 240;
/// The same of 16 bits.
const MOST_SHORTS: u32 = 61_440;

/// Why a signature is too broad to be enforced by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooBroad {
    /// It names no protocol.
    NoProtocol,
    /// Beside protocol and service it looks at one field, or none.
    OneTerm,
    /// It hits new sources, whichever service they come for.
    NewSourcesEverywhere,
    /// It hits anybody, whichever service they come for, and from whatever port.
    Everywhere,
}

impl fmt::Display for TooBroad {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoProtocol => "it names no protocol, and so hits all of them",
            Self::OneTerm => {
                "beside the protocol it looks at one header field only, which many clients have as well"
            }
            Self::NewSourcesEverywhere => {
                "it hits new sources on all services: it names neither a service nor a port"
            }
            Self::Everywhere => "it hits all services: it names neither a service nor a port",
        })
    }
}

impl Signature {
    /// What it says of where a packet goes, and what carries it.
    pub fn place(&self) -> Self {
        let mut place = Self { new_sources: false, ..self.clone() };
        place.octets.retain(|field, _| PLACES.contains(field));
        place.shorts.retain(|field, _| PORTS.contains(field));
        place
    }

    /// What it looks at beside: a signature of the same place for each field.
    pub fn terms(&self) -> impl Iterator<Item = Self> {
        let octets = self.octets.iter().filter(|(field, _)| !PLACES.contains(field)).map(|(field, set)| {
            let mut term = self.place();
            term.octets.insert(*field, *set);
            term
        });
        let shorts = self.shorts.iter().filter(|(field, _)| !PORTS.contains(field)).map(|(field, ranges)| {
            let mut term = self.place();
            term.shorts.insert(*field, ranges.clone());
            term
        });
        octets.chain(shorts)
    }

    /// Whether it takes all, or nearly all, of what a host lives by: it looks at no field, or allows nearly every value, and
    /// TCP, UDP or ICMP is among what it takes.
    pub fn takes_nearly_all(&self) -> bool {
        let is_lived_by = |set: &ByteSet| {
            let protocols = [protocol::TCP, protocol::UDP, protocol::ICMP, protocol::ICMPV6];
            protocols.into_iter().any(|protocol| set.contains(protocol))
        };
        let octets = self.octets.iter().filter(|(field, _)| !PLACES.contains(field));
        octets.into_iter().all(|(_, set)| set.len() > MOST_OCTETS)
            && self.shorts.values().all(|ranges| ranges.len() > MOST_SHORTS)
            && self.octets.get(&(ByteField::Protocol as usize)).is_none_or(is_lived_by)
    }

    /// Whether all that it hits are requests for a TCP connection.
    pub fn hits_only_requests(&self) -> bool {
        const DECISIVE: u8 = tcp_flag::SYN | tcp_flag::ACK | tcp_flag::RST | tcp_flag::FIN;
        let flags = self.octets.get(&(ByteField::Flags as usize));
        flags.is_some_and(|flags| flags.iter().all(|flags| flags & DECISIVE == tcp_flag::SYN))
    }

    /// Why it is not to be enforced unless an operator wants it, if there is a reason.
    pub fn too_broad(&self) -> Option<TooBroad> {
        let protocols = self.octets.get(&(ByteField::Protocol as usize));
        if protocols.is_none_or(|set| set.len() > MOST_PROTOCOLS) {
            return Some(TooBroad::NoProtocol);
        }
        let octets = self.octets.keys().filter(|field| !PLACES.contains(field)).count();
        if octets + self.shorts.len() < LEAST_TERMS {
            return Some(TooBroad::OneTerm);
        }
        let has_ports =
            protocols.is_some_and(|set| set.contains(protocol::TCP) || set.contains(protocol::UDP));
        let names = |port: WordField| self.shorts.contains_key(&(port as usize));
        let is_somewhere =
            self.octets.contains_key(&(ByteField::Service as usize)) || names(WordField::DestinationPort);
        if !has_ports || is_somewhere {
            return None;
        }
        if self.new_sources {
            return Some(TooBroad::NewSourcesEverywhere);
        }
        // What is reflected comes to whatever port, from the one of a service.
        (!names(WordField::SourcePort)).then_some(TooBroad::Everywhere)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_nearly_all() {
        for (text, expected) in [
            ("tcp", true),
            ("udp", true),
            ("len=0-65535", true),
            ("len=20-65535", true),
            ("ttl=1-255", true),
            ("tcp service=3 ttl=0-255 len=0-65535", true),
            ("tcp new-sources", true),
            ("proto=47", false),
            ("tcp dport=80", false),
            ("tcp flags=syn", false),
            ("len=40", false),
        ] {
            let signature: Signature = text.parse().expect("a signature");
            assert_eq!(signature.takes_nearly_all(), expected, "{text}");
        }
    }

    #[test]
    fn what_says_too_little() {
        for (text, expected) in [
            ("ttl=64", Some(TooBroad::NoProtocol)),
            ("form=offered", Some(TooBroad::NoProtocol)),
            ("options=0", Some(TooBroad::NoProtocol)),
            ("len=40 window=0 flags=syn", Some(TooBroad::NoProtocol)),
            ("proto=0-5,7-16 len=40 ttl=3", Some(TooBroad::NoProtocol)),
            ("tcp", Some(TooBroad::OneTerm)),
            ("tcp ttl=64", Some(TooBroad::OneTerm)),
            ("tcp service=3", Some(TooBroad::OneTerm)),
            ("tcp service=3 options=0", Some(TooBroad::OneTerm)),
            ("tcp flags=syn len=40 new-sources", Some(TooBroad::NewSourcesEverywhere)),
            ("udp sport=53 len=512 new-sources", Some(TooBroad::NewSourcesEverywhere)),
            ("tcp flags=syn len=40", Some(TooBroad::Everywhere)),
            ("udp sport=53 len=512", None),
            ("tcp flags=syn len=40 dport=80", None),
            ("tcp flags=syn len=40 dport=80 new-sources", None),
            ("tcp flags=syn len=40 service=3 new-sources", None),
            ("icmp flags=8 len=84 new-sources", None),
            ("proto=1,58 len=84 ttl=3", None),
        ] {
            let signature: Signature = text.parse().unwrap();
            assert_eq!(signature.too_broad(), expected, "{text}");
        }
    }
}
