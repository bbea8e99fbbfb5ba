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
const FLAGS: Names = Names { what: "flag", names: &["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"] };
const FORM: Names = Names {
    what: "form",
    names: &["v6", "first-fragment", "later-fragment", "df", "ip-options", "vlan", "offered", "no-id"],
};
const ODD: Names = Names {
    what: "anomaly",
    names: &[
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

/// Why a text is no signature: which of its terms, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{term}`: {fault}")]
pub struct ParseError {
    pub(super) term: String,
    pub(super) fault: TermFault,
}

/// What is wrong with a term of a signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermFault {
    /// There is none.
    #[error("a signature needs at least one term, such as `udp` or `dport=80`")]
    Missing,
    /// It is no term.
    #[error("is neither a protocol nor FIELD=VALUES; fields are {fields}", fields = fields())]
    NotATerm,
    /// There is no such field.
    #[error("there is no field `{0}`; fields are {fields}", fields = fields())]
    NoField(String),
    /// Another term names the same field.
    #[error("{0} stands there twice")]
    Twice(String),
    /// It is no number.
    #[error("`{0}` is not a number from 0 to 65535")]
    NotANumber(String),
    /// A range whose ends are the wrong way round.
    #[error("the range {0} ends before it starts")]
    Backwards(String),
    /// A number that the field cannot have.
    #[error("{number} is more than {most}")]
    TooLarge {
        /// The number.
        number: u16,
        /// The largest there is.
        most: u16,
    },
    /// None of a field's bits is called so.
    #[error("there is no {what} `{name}`; each {what} is none, {}", .names.join(", "))]
    NoBit {
        /// What a bit stands for.
        what: &'static str,
        /// What was written.
        name: String,
        /// What the bits are called.
        names: &'static [&'static str; 8],
    },
    /// Of the bits that matter, one is set that does not matter.
    #[error("`{bits}` is not among `{mask}`")]
    NotAmong {
        /// Those that are set.
        bits: String,
        /// Those that matter.
        mask: String,
    },
    /// There is no service of that name.
    #[error("there is no such service; `floodwall rule list` names those there are")]
    NoService,
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
            signature.add(term).map_err(|fault| ParseError { term: term.to_owned(), fault })?;
        }
        if signature.is_empty() {
            return Err(ParseError { term: text.trim().to_owned(), fault: TermFault::Missing });
        }
        Ok(signature)
    }
}

impl Signature {
    fn add(&mut self, term: &str) -> Result<(), TermFault> {
        if [NEW_SOURCES, FORMERLY].contains(&term) {
            self.new_sources = true;
            return Ok(());
        }
        let (name, values) = match term.split_once('=') {
            Some(both) => both,
            None if PROTOCOLS.iter().any(|(name, _)| *name == term) => ("proto", term),
            None => return Err(TermFault::NotATerm),
        };
        if let Some(field) = octet_field(name) {
            let bytes = octet_values(field, values)?;
            if self.octets.insert(field, bytes).is_some() {
                return Err(TermFault::Twice(name.to_owned()));
            }
        } else if let Some(field) = SHORTS.iter().position(|short| *short == name) {
            let ranges = ranges(values, number, u16::MAX)?;
            if self.shorts.insert(field, ranges).is_some() {
                return Err(TermFault::Twice(name.to_owned()));
            }
        } else {
            return Err(TermFault::NoField(name.to_owned()));
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

fn octet_values(field: usize, text: &str) -> Result<ByteSet, TermFault> {
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

fn octet_value(field: usize, text: &str) -> Result<u16, TermFault> {
    match PROTOCOLS.iter().find(|(name, _)| *name == text) {
        Some((_, number)) if field == ByteField::Protocol as usize => Ok(u16::from(*number)),
        _ => number(text),
    }
}

fn number(text: &str) -> Result<u16, TermFault> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| TermFault::NotANumber(text.to_owned()))
}

fn ranges(
    values: &str,
    value: impl Fn(&str) -> Result<u16, TermFault>,
    most: u16,
) -> Result<Ranges, TermFault> {
    values
        .split(',')
        .map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (value(first)?, value(last)?);
            if first > last {
                return Err(TermFault::Backwards(part.to_owned()));
            }
            if last > most {
                return Err(TermFault::TooLarge { number: last, most });
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
    fn mistakes_are_told_apart() {
        use TermFault as Fault;
        let no_bit = |bits: &Names, name: &str| bits.unknown(name);
        for (text, expected) in [
            ("", Fault::Missing),
            ("tpc", Fault::NotATerm),
            ("size=40", Fault::NoField("size".to_owned())),
            ("ttl=256", Fault::TooLarge { number: 256, most: 255 }),
            ("len=9-3", Fault::Backwards("9-3".to_owned())),
            ("len=70000", Fault::NotANumber("70000".to_owned())),
            ("flags=sin", no_bit(&FLAGS, "sin")),
            ("form=fd", no_bit(&FORM, "fd")),
            ("flags=syn/fin", Fault::NotAmong { bits: "syn".to_owned(), mask: "fin".to_owned() }),
            ("byte16=0", Fault::NoField("byte16".to_owned())),
            ("len=1 len=2", Fault::Twice("len".to_owned())),
        ] {
            assert_eq!(text.parse::<Signature>().unwrap_err().fault, expected, "`{text}`");
        }
    }

    #[test]
    fn what_is_said_of_a_mistake_names_what_there_is() {
        let said = |text: &str| text.parse::<Signature>().unwrap_err().to_string();
        assert!(
            said("flags=sin").starts_with("`flags=sin`: there is no flag `sin`; each flag is none, fin, syn")
        );
        assert!(said("size=40").contains("there is no field `size`; fields are proto, service"));
    }
}
