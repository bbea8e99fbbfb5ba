//! Signatures in the terms of other tools.
//!
//! What a tool cannot say is left out, and named: what it says then is wider than the signature. A rule that drops is not
//! given if what is left of it is too broad to drop by.

use floodwall_common::{
    features::{ByteField, WordField},
    parse::protocol,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{ByteSet, Ranges, Signature, TooBroad};

/// A signature as another tool reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Exported {
    /// What the tool reads.
    pub text: String,
    /// Fields that it cannot be told of.
    pub left_out: Vec<String>,
}

/// Why a signature is not exported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooWide {
    /// The tool can say nothing of it.
    #[error("nothing of it can be said there ({})", .0.join(", "))]
    Nothing(Vec<String>),
    /// What it can say would drop far more than the signature does.
    #[error("without what cannot be said there ({}) {why}", left_out.join(", "))]
    Broad {
        /// Fields that it cannot be told of.
        left_out: Vec<String>,
        /// What is wrong with the rest.
        why: TooBroad,
    },
}

/// How a tool names a field, and a range of its values.
type Say = fn(&Signature, Field, u16, u16) -> Option<String>;

/// A field that tools may have a name for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    ByteField(usize),
    WordField(usize),
}

impl Field {
    const fn octet(octet: ByteField) -> Self {
        Self::ByteField(octet as usize)
    }

    const fn short(short: WordField) -> Self {
        Self::WordField(short as usize)
    }
}

/// A rule of nftables (for a chain that sees the packet at ingress or later), as `nft add rule` reads it. `service` is the
/// term on the service, which no tool knows.
///
/// # Errors
///
/// If the rule would drop far more than the signature does.
pub fn nftables(signature: &Signature, service: Option<String>) -> Result<Exported, TooWide> {
    let say: Say = |signature, field, first, last| {
        let name = match field {
            field if field == Field::octet(ByteField::Protocol) => "meta l4proto",
            field if field == Field::octet(ByteField::HopLimit) => "ip ttl",
            field if field == Field::octet(ByteField::Flags) => match protocol_of(signature)? {
                protocol::TCP => "tcp flags & 0xff ==",
                protocol::ICMP => "icmp type",
                protocol::ICMPV6 => "icmpv6 type",
                _ => return None,
            },
            field if field == Field::octet(ByteField::TcpHeader) => "tcp doff",
            field if field == Field::short(WordField::Length) => "ip length",
            field if field == Field::short(WordField::SourcePort) => "th sport",
            field if field == Field::short(WordField::DestinationPort) => match protocol_of(signature)? {
                protocol::ICMP => "icmp code",
                protocol::ICMPV6 => "icmpv6 code",
                _ => "th dport",
            },
            field if field == Field::short(WordField::Window) => "tcp window",
            field if field == Field::short(WordField::SegmentSize) && first != 0 => "tcp option maxseg size",
            _ => return None,
        };
        Some(if first == last { format!("{name} {first}") } else { format!("{name} {first}-{last}") })
    };
    // A set of values stands in braces after the name; it is built here from single sayings.
    export(
        signature,
        service,
        say,
        |sayings| match sayings {
            [one] => one.clone(),
            several => {
                let (name, _) = several[0].rsplit_once(' ').unwrap_or_default();
                let values: Vec<_> = several.iter().filter_map(|saying| saying.rsplit(' ').next()).collect();
                format!("{} {{ {} }}", name.trim_end_matches(" =="), values.join(", "))
            }
        },
        " ",
        Whole::Drops(|terms| format!("{terms} drop")),
    )
}

/// A filter expression of tcpdump (pcap-filter(7)), for IPv4.
///
/// # Errors
///
/// If nothing of the signature can be said.
pub fn tcpdump(signature: &Signature, service: Option<String>) -> Result<Exported, TooWide> {
    let say: Say = |signature, field, first, last| {
        let name = match field {
            field if field == Field::octet(ByteField::Protocol) => "ip[9]".to_owned(),
            field if field == Field::octet(ByteField::HopLimit) => "ip[8]".to_owned(),
            field if field == Field::short(WordField::Length) => "ip[2:2]".to_owned(),
            field if field == Field::octet(ByteField::Flags) => match protocol_of(signature)? {
                protocol::TCP => "tcp[13]".to_owned(),
                protocol::ICMP => "icmp[0]".to_owned(),
                _ => return None,
            },
            field if field == Field::octet(ByteField::TcpHeader) => "tcp[12] >> 4".to_owned(),
            field if field == Field::short(WordField::Window) => "tcp[14:2]".to_owned(),
            field if field == Field::short(WordField::SourcePort) => {
                format!("{}[0:2]", transport(signature)?)
            }
            field if field == Field::short(WordField::DestinationPort) => match protocol_of(signature)? {
                protocol::ICMP => "icmp[1]".to_owned(),
                _ => format!("{}[2:2]", transport(signature)?),
            },
            Field::ByteField(place)
                if place >= ByteField::Payload as usize && protocol_of(signature)? == protocol::UDP =>
            {
                format!("udp[{}]", 8 + place - ByteField::Payload as usize)
            }
            field
                if field == Field::short(WordField::PayloadLength)
                    && protocol_of(signature)? == protocol::UDP =>
            {
                "udp[4:2] - 8".to_owned()
            }
            _ => return None,
        };
        Some(if first == last {
            format!("{name} = {first}")
        } else {
            format!("({name} >= {first} and {name} <= {last})")
        })
    };
    export(
        signature,
        service,
        say,
        |sayings| match sayings {
            [one] => one.clone(),
            several => format!("({})", several.join(" or ")),
        },
        " and ",
        Whole::Shows,
    )
}

/// A rule of BGP FlowSpec (RFC 8955), in the words that GoBGP and ExaBGP share.
///
/// # Errors
///
/// If the rule would drop far more than the signature does.
pub fn flowspec(signature: &Signature, service: Option<String>) -> Result<Exported, TooWide> {
    let say: Say = |signature, field, first, last| {
        let name = match field {
            field if field == Field::octet(ByteField::Protocol) => "protocol",
            field if field == Field::octet(ByteField::Flags) => match protocol_of(signature)? {
                protocol::TCP => "tcp-flags",
                protocol::ICMP | protocol::ICMPV6 => "icmp-type",
                _ => return None,
            },
            field if field == Field::short(WordField::Length) => "packet-length",
            field if field == Field::short(WordField::SourcePort) => "source-port",
            field if field == Field::short(WordField::DestinationPort) => match protocol_of(signature)? {
                protocol::ICMP | protocol::ICMPV6 => "icmp-code",
                _ => "destination-port",
            },
            _ => return None,
        };
        Some(if first == last { format!("{name} =={first}") } else { format!("{name} >={first}&<={last}") })
    };
    export(
        signature,
        service,
        say,
        |sayings| {
            let (name, _) = sayings[0].split_once(' ').unwrap_or_default();
            let values: Vec<_> =
                sayings.iter().filter_map(|saying| Some(saying.split_once(' ')?.1)).collect();
            format!("{name} {}", values.join(" "))
        },
        " ",
        Whole::Drops(|terms| format!("match {terms} then discard")),
    )
}

fn export(
    signature: &Signature,
    service: Option<String>,
    say: Say,
    either: fn(&[String]) -> String,
    also: &str,
    whole: Whole,
) -> Result<Exported, TooWide> {
    let octets = signature.octets.iter().map(|(field, set)| (Field::ByteField(*field), byte_ranges(set)));
    let shorts = signature.shorts.iter().map(|(field, ranges)| (Field::WordField(*field), ranges.clone()));
    let (mut terms, mut left_out) = (Vec::new(), Vec::new());
    let mut said = Signature::default();
    for (field, ranges) in octets.chain(shorts) {
        let sayings: Option<Vec<_>> =
            ranges.iter().map(|(first, last)| say(signature, field, first, last)).collect();
        match sayings {
            Some(sayings) if !sayings.is_empty() => {
                terms.push(either(&sayings));
                let Signature { octets, shorts, .. } = only(signature, field);
                said.octets.extend(octets);
                said.shorts.extend(shorts);
            }
            _ => left_out.push(only(signature, field).to_string()),
        }
    }
    if signature.new_sources {
        left_out.push("new-sources".to_owned());
    }
    left_out.extend(service);
    if terms.is_empty() {
        return Err(TooWide::Nothing(left_out));
    }
    let terms = terms.join(also);
    let text = match whole {
        Whole::Shows => terms,
        Whole::Drops(whole) => match said.too_broad().filter(|_| !left_out.is_empty()) {
            Some(why) => return Err(TooWide::Broad { left_out, why }),
            None => whole(terms),
        },
    };
    Ok(Exported { text, left_out })
}

/// What a tool does by the terms, and how they become what it reads.
enum Whole {
    /// It shows packets: too many do no harm.
    Shows,
    /// It drops packets.
    Drops(fn(String) -> String),
}

fn byte_ranges(set: &ByteSet) -> Ranges {
    set.iter().map(|byte| (u16::from(byte), u16::from(byte))).collect()
}

/// The signature's term on one field.
fn only(signature: &Signature, field: Field) -> Signature {
    let mut one = Signature::default();
    match field {
        Field::ByteField(field) => one.octets.extend(signature.octets.get(&field).map(|set| (field, *set))),
        Field::WordField(field) => {
            one.shorts.extend(signature.shorts.get(&field).map(|set| (field, set.clone())));
        }
    }
    one
}

/// The one protocol that a signature is about.
fn protocol_of(signature: &Signature) -> Option<u8> {
    let set = signature.octets.get(&(ByteField::Protocol as usize))?;
    if set.len() == 1 { set.iter().next() } else { None }
}

fn transport(signature: &Signature) -> Option<&'static str> {
    match protocol_of(signature)? {
        protocol::TCP => Some("tcp"),
        protocol::UDP => Some("udp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature() -> Signature {
        "tcp flags=syn ttl=242,244 header=5 len=40 dport=25565 window=0 options=0".parse().unwrap()
    }

    #[test]
    fn nftables_reads_it() {
        let exported = nftables(&signature(), None).unwrap();
        assert_eq!(
            exported.text,
            "meta l4proto 6 tcp flags & 0xff == 2 ip ttl { 242, 244 } tcp doff 5 ip length 40 th dport 25565 tcp window 0 drop"
        );
        assert_eq!(exported.left_out, ["options=0x0000"]);
    }

    #[test]
    fn tcpdump_reads_it() {
        let exported = tcpdump(&signature(), None).unwrap();
        assert_eq!(
            exported.text,
            "ip[9] = 6 and tcp[13] = 2 and (ip[8] = 242 or ip[8] = 244) and tcp[12] >> 4 = 5 and ip[2:2] = 40 and \
             tcp[2:2] = 25565 and tcp[14:2] = 0"
        );
    }

    #[test]
    fn flowspec_reads_it() {
        let exported = flowspec(&"udp sport=123 len=400-500,600".parse().unwrap(), None).unwrap();
        assert_eq!(
            exported.text,
            "match protocol ==17 packet-length >=400&<=500 ==600 source-port ==123 then discard"
        );
        assert_eq!(exported.left_out, [""; 0]);
    }

    #[test]
    fn a_rule_that_would_drop_far_more_is_not_given() {
        let payload: Signature = "udp byte0=1 byte1=2".parse().unwrap();
        let refused = nftables(&payload, None).unwrap_err().to_string();
        assert!(refused.contains("byte0") && refused.contains("one header field only"), "{refused}");
        assert!(flowspec(&payload, None).is_err());
        assert!(tcpdump(&payload, None).unwrap().text.contains("udp[8] = 1"), "it only shows");
        let options: Signature = "options=0x0204".parse().unwrap();
        let nothing = |exported: Result<Exported, TooWide>| matches!(exported, Err(TooWide::Nothing(_)));
        assert!(nothing(nftables(&options, None)) && nothing(flowspec(&options, None)));
        assert!(nothing(tcpdump(&options, None)), "it would show everything");
        // The service is what keeps it from hitting all services.
        let of_service: Signature = "tcp flags=syn len=40".parse().unwrap();
        assert!(nftables(&of_service, Some("service=web".to_owned())).is_err());
        assert!(nftables(&of_service, None).is_ok(), "nothing is left out: it is as wide as it was wanted");
        let left_out = nftables(&signature(), Some("service=web".to_owned())).unwrap().left_out;
        assert_eq!(left_out, ["options=0x0000", "service=web"]);
    }
}
