//! What is asked of: an address, or a packet by its five-tuple.

use std::{
    fmt::Display,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use crate::{api::path, cli::arguments, client::target};

/// Protocols with ports.
const PROTOCOLS: [&str; 2] = ["tcp", "udp"];

/// What is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// An address.
    Address(IpAddr),
    /// A packet: its protocol, where it comes from, and where it goes.
    Packet(&'static str, SocketAddr, SocketAddr),
}

/// A word of what is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// `tcp` or `udp`.
    Protocol(&'static str),
    /// An address.
    Address(IpAddr),
    /// An address with a port.
    Place(SocketAddr),
}

impl FromStr for Word {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        if let Some(protocol) = PROTOCOLS.into_iter().find(|name| given.eq_ignore_ascii_case(name)) {
            return Ok(Self::Protocol(protocol));
        }
        match given.parse() {
            Ok(place) => Ok(Self::Place(place)),
            Err(_) => arguments::address(given).map(Self::Address),
        }
    }
}

impl Subject {
    /// What words mean together.
    pub(super) fn of(words: &[Word]) -> Result<Self, String> {
        match words {
            [Word::Address(address)] => Ok(Self::Address(*address)),
            [Word::Protocol(protocol), Word::Place(from), Word::Place(to)] => {
                Ok(Self::Packet(protocol, *from, *to))
            }
            _ => Err("an address is wanted, or a packet with both ports: `tcp 203.0.113.7:40000 192.0.2.10:443`; of IPv6 \
                      `tcp [2001:db8::7]:40000 [2001:db8:5::10]:443`"
                .to_owned()),
        }
    }

    /// Where it is asked.
    pub(super) fn target(&self) -> String {
        match self {
            Self::Address(address) => target(path::WHY, [("address", address as &dyn Display)]),
            Self::Packet(protocol, from, to) => target(
                path::WHY,
                [
                    ("address", &from.ip() as &dyn Display),
                    ("protocol", protocol),
                    ("port", &from.port()),
                    ("to", &to.ip()),
                    ("to_port", &to.port()),
                ],
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, String> {
        let words = text.split_whitespace().map(str::parse).collect::<Result<Vec<_>, _>>()?;
        Subject::of(&words).map(|subject| subject.target())
    }

    #[test]
    fn an_address_or_a_packet_is_asked_of() {
        for (given, asked) in [
            ("203.0.113.7", "/v1/why?address=203.0.113.7"),
            (
                "TCP [2001:db8::7]:40000 [2001:db8:5::10]:443",
                "/v1/why?address=2001%3Adb8%3A%3A7&protocol=tcp&port=40000&to=2001%3Adb8%3A5%3A%3A10&to_port=443",
            ),
        ] {
            assert_eq!(parsed(given).as_deref(), Ok(asked));
        }
        for (given, expected) in [
            ("203.0.113.0/24", "meant 203.0.113.0?"),
            ("tcp 203.0.113.7 192.0.2.1:2", "a packet with both ports"),
            ("203.0.113.7 192.0.2.1", "a packet with both ports"),
            ("tcp", "an address is wanted"),
        ] {
            let error = parsed(given).expect_err(given);
            assert!(error.contains(expected), "{given}: {error}");
        }
    }
}
