//! Why a text is no prefix, and what was probably meant.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnetwork::IpNetwork;

use super::{Fault, prefix, range, text};

/// Prefixes of a range that are named before the rest is left out.
const NAMED: usize = 4;

/// Foreign bytes inside a message.
pub(super) fn quoted(bytes: &[u8]) -> String {
    text::shortened(bytes)
}

/// What keeps `field` from being a prefix, given that what stands before its slash, if it has one, is no
/// address.
pub(super) fn no_prefix(field: &[u8]) -> Fault {
    if field.is_empty() {
        return Fault::Empty;
    }
    let Ok(field) = std::str::from_utf8(field) else { return Fault::Binary };
    if field.contains(|c: char| c.is_control() && !c.is_whitespace()) {
        return Fault::Binary;
    }
    dotted(field)
        .or_else(|| ported(field))
        .or_else(|| bracketed(field))
        .or_else(|| zoned(field))
        .or_else(|| ranged(field))
        .unwrap_or(Fault::NoAddress)
}

/// Something that was to be a dotted quad: digits, dots, perhaps a length.
fn dotted(field: &str) -> Option<Fault> {
    let (address, length) = match field.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (field, None),
    };
    let octets: Vec<&str> = address.split('.').collect();
    let is_number = |octet: &&str| !octet.is_empty() && octet.bytes().all(|byte| byte.is_ascii_digit());
    let numbers = octets.iter().take_while(|octet| is_number(octet)).count();
    if numbers == 0 || numbers == 1 && octets.len() == 1 && length.is_none() {
        return None;
    }
    let rest = &octets[numbers..];
    let starred = !rest.is_empty() && rest.iter().all(|octet| *octet == "*");
    if octets.len() > 4 || !(rest.is_empty() || starred) {
        return None;
    }
    if let Some(octet) = octets[..numbers].iter().find(|octet| octet.len() > 1 && octet.starts_with('0')) {
        return Some(Fault::LeadingZero(quoted(octet.as_bytes())));
    }
    if let Some(octet) = octets[..numbers].iter().find(|octet| octet.parse::<u8>().is_err()) {
        return Some(Fault::ByteField(quoted(octet.as_bytes())));
    }
    let mut meant = octets[..numbers].to_vec();
    meant.resize(4, "0");
    let length = match length {
        Some(length) if !starred => prefix::number(length.as_bytes(), 32).ok()?,
        _ => (numbers * 8) as u8,
    };
    let meant = format!("{}/{length}", meant.join("."));
    Some(if starred { Fault::Star(meant) } else { Fault::Short(meant) })
}

/// An address with a port.
fn ported(field: &str) -> Option<Fault> {
    field.parse::<SocketAddr>().ok().map(|socket| Fault::Port(socket.ip().into()))
}

/// An IPv6 address as it stands in a URL.
fn bracketed(field: &str) -> Option<Fault> {
    let (inner, after) = field.strip_prefix('[')?.split_once(']')?;
    let inner = prefix::read(format!("{inner}{after}").as_bytes()).ok()?;
    Some(Fault::Brackets(inner))
}

/// A link-local address as `ip address` shows it.
fn zoned(field: &str) -> Option<Fault> {
    let (address, zone) = field.split_once('%')?;
    address.parse::<Ipv6Addr>().ok()?;
    Some(Fault::Zone(quoted(zone.as_bytes())))
}

/// A range.
fn ranged(field: &str) -> Option<Fault> {
    let (first, last) = field.split_once('-')?;
    let first: IpAddr = prefix::address_of(first.as_bytes())?;
    let prefixes = match range::between(first, last.as_bytes()) {
        Ok(prefixes) => prefixes,
        Err(fault) => return Some(fault),
    };
    let mut names: Vec<String> =
        prefixes.take(NAMED + 1).map(|prefix: IpNetwork| prefix.to_string()).collect();
    if names.len() > NAMED {
        names[NAMED] = "…".to_owned();
    }
    Some(Fault::Range(names.join(" ")))
}

#[cfg(test)]
mod tests {
    use crate::lists::parse_prefix;

    fn why(given: &str) -> String {
        parse_prefix(given).unwrap_err().fault.to_string()
    }

    #[test]
    fn dotted_quads_that_are_none() {
        assert_eq!(why("256.1.1.1"), "`256` is no octet; an octet is 0 to 255");
        assert_eq!(why("1.2.3.1000/24"), "`1000` is no octet; an octet is 0 to 255");
        assert_eq!(
            why("010.1.2.3"),
            "leading zero in `010`, which some read as octal; write the number without it"
        );
        assert_eq!(why("10/8"), "an IPv4 address has four octets; meant 10.0.0.0/8?");
        assert_eq!(why("10.1"), "an IPv4 address has four octets; meant 10.1.0.0/16?");
        assert_eq!(why("192.0.2.*"), "no wildcards; meant 192.0.2.0/24?");
        assert_eq!(why("192.*.*.*/8"), "no wildcards; meant 192.0.0.0/8?");
        assert_eq!(why("1.2.3.4.5"), "no IP address or prefix");
        assert_eq!(why("10"), "no IP address or prefix");
    }

    #[test]
    fn decorated_addresses() {
        assert_eq!(why("192.0.2.1:80"), "a port has no place here; meant 192.0.2.1/32?");
        assert_eq!(why("[2001:db8::1]:80"), "a port has no place here; meant 2001:db8::1/128?");
        assert_eq!(why("[2001:db8::1]"), "no brackets; meant 2001:db8::1/128?");
        assert_eq!(why("[2001:db8::]/32"), "no brackets; meant 2001:db8::/32?");
        assert_eq!(
            why("fe80::1%eth0"),
            "an address with a zone is good on one interface only; leave out `%eth0`"
        );
    }

    #[test]
    fn ranges_name_their_prefixes() {
        assert_eq!(why("192.0.2.0-192.0.2.127"), "a range; meant 192.0.2.0/25?");
        assert_eq!(why("192.0.2.1-192.0.2.4"), "a range; meant 192.0.2.1/32 192.0.2.2/31 192.0.2.4/32?");
        assert!(why("192.0.2.1-192.0.2.254").ends_with("192.0.2.8/29 …?"));
        assert_eq!(why("192.0.2.1-192.0.2.0"), "the range ends before it starts");
    }

    #[test]
    fn everything_else() {
        assert_eq!(why(""), "empty; a prefix looks like 203.0.113.0/24 or 2001:db8::/32");
        assert_eq!(why("\x1b[2J"), "not text");
        for given in ["example.org", "AS64496", "eth0", "/8", "2001:db8:::1", "-", "http://192.0.2.1/"] {
            assert_eq!(why(given), "no IP address or prefix", "{given}");
        }
    }
}
