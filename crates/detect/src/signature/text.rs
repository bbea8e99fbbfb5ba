//! Signatures as text: `tcp flags=syn window=0 len=40 ttl=242,244 dport=25565`.
//!
//! Terms are separated by spaces, and all of them must hold. A term is `FIELD=VALUES`; values are numbers, ranges
//! (`1024-65535`) or several of these with commas; hexadecimal with `0x`. A protocol may stand by its name alone.
//!
//! | field | what | values |
//! |---|---|---|
//! | `proto` | protocol above IP | 0 to 255, or `tcp`, `udp`, `icmp`, `icmpv6` |
//! | `service` | number of the service | 0 to 63 |
//! | `flags` | TCP flags: all eight (`syn`, `psh+ack`, `none`), or some (`syn/syn+ack`: of these two, SYN); or the type of ICMP | |
//! | `ttl` | TTL or hop limit | 0 to 255 |
//! | `form` | [`form`](floodwall_common::features::form) bits | as flags: `df+offered`, `none`, `v6/v6` |
//! | `odd` | [`anomaly`](floodwall_common::features::anomaly) bits | as flags: `same-port`, `none` |
//! | `header` | TCP header, in units of 4 bytes | 5 to 15 |
//! | `byte0` … `byte15` | bytes behind the transport header | 0 to 255 |
//! | `len` | bytes of the IP packet | 0 to 65535 |
//! | `sport`, `dport` | ports; the code of ICMP is `dport` | |
//! | `window` | TCP window as in the header | |
//! | `options` | kinds of the first two TCP options, a byte each | |
//! | `mss` | maximum segment size | |
//! | `data` | bytes behind the transport header | |
//!
//! The term `new-sources` spares sources that have shown before that they take part in conversations.

use std::{fmt, str::FromStr};

use floodwall_common::{
    features::{ByteField, PAYLOAD, WordField},
    parse::protocol,
};

use super::{ByteSet, Ranges, Signature, bits::Names};

const OCTETS: [&str; ByteField::Payload as usize] =
    ["proto", "service", "flags", "ttl", "form", "odd", "header"];
const SHORTS: [&str; WordField::COUNT] = ["len", "sport", "dport", "window", "options", "mss", "data"];
const PROTOCOLS: [(&str, u8); 4] =
    [("tcp", protocol::TCP), ("udp", protocol::UDP), ("icmp", protocol::ICMP), ("icmpv6", protocol::ICMPV6)];
/// Term of a signature that spares sources which are known.
const NEW_SOURCES: &str = "new-sources";
/// What that was called before, in signatures that were written down.
const FORMERLY: &str = "strangers";
const FLAGS: Names = Names { what: "flag", names: ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"] };
const FORM: Names = Names {
    what: "form",
    names: ["v6", "first-fragment", "later-fragment", "df", "ip-options", "vlan", "offered", "no-id"],
};
const ODD: Names = Names {
    what: "anomaly",
    names: [
        "stray-ack",
        "zero-ack",
        "stray-urg",
        "zero-seq",
        "same-port",
        "no-checksum",
        "zero-port",
        "reserved",
    ],
};

/// Why a text is no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{term}`: {why}")]
pub struct ParseError {
    term: String,
    why: String,
}

impl ParseError {
    pub(super) fn new(term: &str, why: &str) -> Self {
        Self { term: term.to_owned(), why: why.to_owned() }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut terms = Vec::new();
        let protocols = self.octets.get(&(ByteField::Protocol as usize));
        for (&field, set) in &self.octets {
            let only = (set.len() == 1).then(|| set.iter().next()).flatten();
            let name = PROTOCOLS.iter().find(|(_, number)| Some(*number) == only);
            terms.push(match (field, name) {
                (0, Some((name, _))) => (*name).to_owned(),
                _ => match names(field, protocols) {
                    Some(names) => format!("{}={}", octet_name(field), names.write(set)),
                    None => format!("{}={}", octet_name(field), list(byte_runs(set), octet_writer(field))),
                },
            });
        }
        for (&field, ranges) in &self.shorts {
            let name = SHORTS[field];
            let hexadecimal = field == WordField::Options as usize;
            let write =
                move |value: u16| if hexadecimal { format!("{value:#06x}") } else { value.to_string() };
            terms.push(format!("{name}={}", list(ranges.iter(), write)));
        }
        if self.new_sources {
            terms.push(NEW_SOURCES.to_owned());
        }
        formatter.write_str(&terms.join(" "))
    }
}

fn octet_name(field: usize) -> String {
    match OCTETS.get(field) {
        Some(name) => (*name).to_owned(),
        None => format!("byte{}", field - OCTETS.len()),
    }
}

/// What the bits of a field are called, if they stand for something each.
fn names(field: usize, protocols: Option<&ByteSet>) -> Option<&'static Names> {
    let is_tcp = || protocols.is_some_and(|set| set.len() == 1 && set.contains(protocol::TCP));
    match field {
        field if field == ByteField::Flags as usize && is_tcp() => Some(&FLAGS),
        field if field == ByteField::Form as usize => Some(&FORM),
        field if field == ByteField::Anomaly as usize => Some(&ODD),
        _ => None,
    }
}

/// How a field's values are written.
fn octet_writer(field: usize) -> fn(u16) -> String {
    if field >= ByteField::Payload as usize {
        |value| format!("{value:#04x}")
    } else {
        |value| value.to_string()
    }
}

fn list(ranges: impl Iterator<Item = (u16, u16)>, write: impl Fn(u16) -> String) -> String {
    let parts: Vec<_> = ranges
        .map(
            |(first, last)| {
                if first == last { write(first) } else { format!("{}-{}", write(first), write(last)) }
            },
        )
        .collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(",") }
}

/// A set of bytes as ranges; two neighbours stay apart.
fn byte_runs(set: &ByteSet) -> impl Iterator<Item = (u16, u16)> {
    let ranges: Ranges = set.iter().map(|byte| (u16::from(byte), u16::from(byte))).collect();
    let split = |(first, last): (u16, u16)| {
        if last == first + 1 { vec![(first, first), (last, last)] } else { vec![(first, last)] }
    };
    ranges.iter().flat_map(split).collect::<Vec<_>>().into_iter()
}

impl FromStr for Signature {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut signature = Self::default();
        for term in text.split_whitespace() {
            signature.add(term).map_err(|why| ParseError { term: term.to_owned(), why })?;
        }
        if signature.is_empty() {
            let why = "a signature needs at least one term, such as `udp` or `dport=80`".to_owned();
            return Err(ParseError { term: text.trim().to_owned(), why });
        }
        Ok(signature)
    }
}

impl Signature {
    fn add(&mut self, term: &str) -> Result<(), String> {
        if [NEW_SOURCES, FORMERLY].contains(&term) {
            self.new_sources = true;
            return Ok(());
        }
        let (name, values) = match term.split_once('=') {
            Some(both) => both,
            None if PROTOCOLS.iter().any(|(name, _)| *name == term) => ("proto", term),
            None => return Err(format!("is neither a protocol nor FIELD=VALUES; fields are {}", fields())),
        };
        if let Some(field) = octet_field(name) {
            let bytes = octet_values(field, values)?;
            if self.octets.insert(field, bytes).is_some() {
                return Err(format!("{name} stands there twice"));
            }
        } else if let Some(field) = SHORTS.iter().position(|short| *short == name) {
            let ranges = ranges(values, number, u16::MAX)?;
            if self.shorts.insert(field, ranges).is_some() {
                return Err(format!("{name} stands there twice"));
            }
        } else {
            return Err(format!("there is no field `{name}`; fields are {}", fields()));
        }
        Ok(())
    }
}

fn fields() -> String {
    format!("{}, byte0 to byte{}, {}", OCTETS.join(", "), PAYLOAD - 1, SHORTS.join(", "))
}

fn octet_field(name: &str) -> Option<usize> {
    if let Some(place) = name.strip_prefix("byte") {
        return place.parse().ok().filter(|place| *place < PAYLOAD).map(|place: usize| OCTETS.len() + place);
    }
    OCTETS.iter().position(|octet| *octet == name)
}

fn octet_values(field: usize, text: &str) -> Result<ByteSet, String> {
    let named = match field {
        field if field == ByteField::Flags as usize => Some(&FLAGS),
        field if field == ByteField::Form as usize => Some(&FORM),
        field if field == ByteField::Anomaly as usize => Some(&ODD),
        _ => None,
    };
    if let Some(names) = named
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
    {
        return names.read(text);
    }
    let ranges = ranges(text, |value| octet_value(field, value), u16::from(u8::MAX))?;
    Ok(ranges.iter().flat_map(|(first, last)| (first..=last).map(|value| value as u8)).collect())
}

fn octet_value(field: usize, text: &str) -> Result<u16, String> {
    match PROTOCOLS.iter().find(|(name, _)| *name == text) {
        Some((_, number)) if field == ByteField::Protocol as usize => Ok(u16::from(*number)),
        _ => number(text),
    }
}

fn number(text: &str) -> Result<u16, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("`{text}` is not a number from 0 to 65535"))
}

fn ranges(values: &str, value: impl Fn(&str) -> Result<u16, String>, most: u16) -> Result<Ranges, String> {
    values
        .split(',')
        .map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (value(first)?, value(last)?);
            if first > last {
                return Err(format!("the range {part} ends before it starts"));
            }
            if last > most {
                return Err(format!("{last} is more than {most}"));
            }
            Ok((first, last))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            "tcp flags=syn ttl=242,244 len=40 dport=25565 window=0",
            "udp byte0=0xd7,0x97 byte3=0x2a sport=123",
            "icmp flags=3 dport=3",
            "tcp flags=psh+ack header=8 options=0x0108",
            "proto=44-47 form=1-3",
            "tcp flags=none",
            "tcp flags=syn/syn+ack,fin form=v6+offered odd=same-port new-sources",
            "udp form=none,df+offered odd=none",
        ] {
            let signature: Signature = text.parse().unwrap();
            assert_eq!(signature.to_string().parse::<Signature>().unwrap(), signature, "{text}");
        }
        let formerly: Signature = "tcp flags=syn strangers".parse().unwrap();
        assert_eq!(formerly.to_string(), "tcp flags=syn new-sources");
        let signature: Signature = "window=0 tcp  len=40 flags=syn".parse().unwrap();
        assert_eq!(signature.to_string(), "tcp flags=syn len=40 window=0");
    }

    #[test]
    fn mistakes_are_explained() {
        for (text, expected) in [
            ("", "at least one term"),
            ("tpc", "neither a protocol"),
            ("size=40", "fields are proto"),
            ("ttl=256", "more than 255"),
            ("len=9-3", "ends before it starts"),
            ("len=70000", "0 to 65535"),
            ("flags=sin", "there is no flag `sin`"),
            ("form=fd", "there is no form `fd`"),
            ("flags=syn/fin", "`syn` is not among `fin`"),
            ("byte16=0", "no field `byte16`"),
            ("len=1 len=2", "twice"),
        ] {
            let error = text.parse::<Signature>().unwrap_err().to_string();
            assert!(error.contains(expected), "`{text}`: {error}");
        }
    }
}
