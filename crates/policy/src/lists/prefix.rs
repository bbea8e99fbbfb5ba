//! One address or prefix.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

use super::{Fault, PrefixError, explain};

/// Reads a prefix as an operator types it; a bare address is a /32 or /128.
///
/// # Errors
///
/// Says what is wrong and, where it can be told, what was meant, just as for a line of a list.
pub fn parse_prefix(given: &str) -> Result<IpNetwork, PrefixError> {
    read(given.as_bytes()).map_err(|fault| PrefixError::new(given, fault))
}

/// Reads a single address as an operator types it.
///
/// # Errors
///
/// As [`parse_prefix`]; a prefix is refused too.
pub fn parse_address(given: &str) -> Result<IpAddr, PrefixError> {
    let prefix = parse_prefix(given)?;
    if given.contains('/') {
        return Err(PrefixError::new(given, Fault::Prefix(prefix.ip().to_string())));
    }
    Ok(prefix.ip())
}

/// The prefix that `field` is, in full.
pub(super) fn read(field: &[u8]) -> Result<IpNetwork, Fault> {
    let (address, length) = match memchr::memchr(b'/', field) {
        Some(slash) => (&field[..slash], Some(&field[slash + 1..])),
        None => (field, None),
    };
    let Some(address) = address_of(address) else {
        return Err(explain::no_prefix(field));
    };
    match address {
        IpAddr::V4(address) => {
            let length = length.map_or(Ok(32), |length| v4_length(address, length))?;
            v4_network(address, length)
        }
        IpAddr::V6(address) => {
            let length = length.map_or(Ok(128), |length| number(length, 128))?;
            v6_network(address, length)
        }
    }
}

/// The address that `text` is, in full.
pub(super) fn address_of(text: &[u8]) -> Option<IpAddr> {
    if let Some((address, used)) = leading_v4(text)
        && used == text.len()
    {
        return Some(IpAddr::V4(address.into()));
    }
    let text = std::str::from_utf8(text).ok()?;
    text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

/// The prefix of a line that holds a bare IPv4 entry and nothing else, and how many bytes the line takes, its
/// end included. Most lines of most lists are so; `None` leaves the rest to the slower way.
#[inline]
pub(super) fn whole_v4_line(bytes: &[u8]) -> Option<(IpNetwork, usize)> {
    let (address, mut at) = leading_v4(bytes)?;
    let mut length = 32;
    if *bytes.get(at)? == b'/' {
        let (number, digits) = leading_octet(&bytes[at + 1..])?;
        at += 1 + digits;
        length = number as u8;
    }
    if *bytes.get(at)? == b'\r' {
        at += 1;
    }
    if *bytes.get(at)? != b'\n' || address & host_mask(length) != 0 {
        return None;
    }
    Some((IpNetwork::V4(Ipv4Network::new_checked(address.into(), length)?), at + 1))
}

/// The dotted quad at the start of `bytes` in host order, and its length; no octet has a leading zero.
#[inline]
fn leading_v4(bytes: &[u8]) -> Option<(u32, usize)> {
    let (first, mut at) = leading_octet(bytes)?;
    let mut address = first;
    for _ in 0..3 {
        if *bytes.get(at)? != b'.' {
            return None;
        }
        let (octet, digits) = leading_octet(&bytes[at + 1..])?;
        address = address << 8 | octet;
        at += 1 + digits;
    }
    Some((address, at))
}

/// The number up to 255 at the start of `bytes`, without a leading zero, and its digits.
#[inline]
fn leading_octet(bytes: &[u8]) -> Option<(u32, usize)> {
    let digit = |at: usize| bytes.get(at).map(|byte| u32::from(byte.wrapping_sub(b'0'))).filter(|&d| d <= 9);
    let first = digit(0)?;
    let Some(second) = digit(1) else { return Some((first, 1)) };
    if first == 0 {
        return None;
    }
    let Some(third) = digit(2) else { return Some((first * 10 + second, 2)) };
    let value = first * 100 + second * 10 + third;
    (value <= 255 && digit(3).is_none()).then_some((value, 3))
}

/// The bits of an IPv4 address that a prefix of this length leaves to hosts.
#[inline]
fn host_mask(length: u8) -> u32 {
    u32::MAX.checked_shr(u32::from(length)).unwrap_or(0)
}

/// What stands after the slash of an IPv4 prefix: a length or a netmask.
fn v4_length(address: Ipv4Addr, text: &[u8]) -> Result<u8, Fault> {
    let Some((mask, used)) = leading_v4(text) else { return number(text, 32) };
    if used != text.len() {
        return Err(Fault::Netmask(explain::quoted(text)));
    }
    let length = mask.leading_ones() as u8;
    if mask == !host_mask(length) {
        return Ok(length);
    }
    let length = mask.leading_zeros() as u8;
    if mask != host_mask(length) {
        return Err(Fault::Netmask(explain::quoted(text)));
    }
    let meant = u32::from(address) & !host_mask(length);
    Err(match Ipv4Network::new(meant.into(), length) {
        Ok(meant) => Fault::WildcardMask(meant.into()),
        Err(_) => Fault::Netmask(explain::quoted(text)),
    })
}

/// A prefix length.
pub(super) fn number(text: &[u8], max: u8) -> Result<u8, Fault> {
    let refused = || Fault::Length { given: explain::quoted(text), max };
    if text.len() > 1 && text[0] == b'0' && text.iter().all(u8::is_ascii_digit) {
        return Err(Fault::LeadingZero(explain::quoted(text)));
    }
    match leading_octet(text) {
        Some((value, digits)) if digits == text.len() && value <= u32::from(max) => Ok(value as u8),
        _ => Err(refused()),
    }
}

/// The prefix, if no host bits are set.
pub(super) fn v4_network(address: Ipv4Addr, length: u8) -> Result<IpNetwork, Fault> {
    let network = u32::from(address) & !host_mask(length);
    let refused = |_| Fault::Length { given: length.to_string(), max: 32 };
    let meant = Ipv4Network::new(network.into(), length).map_err(refused)?;
    if network == u32::from(address) { Ok(meant.into()) } else { Err(Fault::HostBits(meant.into())) }
}

/// The prefix, if no host bits are set and it is not IPv4 in disguise (RFC 4291, 2.5.5.2).
pub(super) fn v6_network(address: Ipv6Addr, length: u8) -> Result<IpNetwork, Fault> {
    let hosts = u128::MAX.checked_shr(u32::from(length)).unwrap_or(0);
    let network = u128::from(address) & !hosts;
    let refused = |_| Fault::Length { given: length.to_string(), max: 128 };
    if let Some(inner) = address.to_ipv4_mapped()
        && length >= 96
    {
        let length = length - 96;
        let inner = u32::from(inner) & !host_mask(length);
        return Err(Fault::Mapped(Ipv4Network::new(inner.into(), length).map_err(refused)?.into()));
    }
    let meant = Ipv6Network::new(network.into(), length).map_err(refused)?;
    if network == u128::from(address) { Ok(meant.into()) } else { Err(Fault::HostBits(meant.into())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(given: &str) -> String {
        match parse_prefix(given) {
            Ok(prefix) => prefix.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn addresses_and_prefixes_of_both_families() {
        assert_eq!(says("203.0.113.7"), "203.0.113.7/32");
        assert_eq!(says("203.0.113.0/24"), "203.0.113.0/24");
        assert_eq!(says("0.0.0.0/0"), "0.0.0.0/0");
        assert_eq!(says("255.255.255.255/32"), "255.255.255.255/32");
        assert_eq!(says("2001:db8::"), "2001:db8::/128");
        assert_eq!(says("2001:DB8::/32"), "2001:db8::/32");
        assert_eq!(says("::/0"), "::/0");
        assert_eq!(says("64:ff9b::192.0.2.0/120"), "64:ff9b::c000:200/120");
    }

    #[test]
    fn netmasks() {
        assert_eq!(says("10.0.0.0/255.0.0.0"), "10.0.0.0/8");
        assert_eq!(says("10.0.0.0/255.255.255.255"), "10.0.0.0/32");
        assert_eq!(says("0.0.0.0/0.0.0.0"), "0.0.0.0/0");
        assert_eq!(
            says("10.0.0.0/255.0.255.0"),
            "10.0.0.0/255.0.255.0: `255.0.255.0` is not a contiguous netmask"
        );
        assert_eq!(
            says("10.0.0.0/255.0.0.0.0"),
            "10.0.0.0/255.0.0.0.0: `255.0.0.0.0` is not a contiguous netmask"
        );
        assert_eq!(
            says("10.9.0.0/0.255.255.255"),
            "10.9.0.0/0.255.255.255: a wildcard mask, not a netmask; meant 10.0.0.0/8?"
        );
    }

    #[test]
    fn host_bits_name_what_was_meant() {
        assert_eq!(says("203.0.113.7/24"), "203.0.113.7/24: host bits set; meant 203.0.113.0/24?");
        assert_eq!(says("2001:db8::1/32"), "2001:db8::1/32: host bits set; meant 2001:db8::/32?");
        assert_eq!(says("1.2.3.4/0"), "1.2.3.4/0: host bits set; meant 0.0.0.0/0?");
    }

    #[test]
    fn mapped_addresses_name_the_ipv4_that_was_meant() {
        let why = "an IPv4-mapped IPv6 address, which is IPv4 on the wire; meant";
        assert_eq!(says("::ffff:192.0.2.1"), format!("::ffff:192.0.2.1: {why} 192.0.2.1/32?"));
        assert_eq!(says("::FFFF:c000:201/120"), format!("::FFFF:c000:201/120: {why} 192.0.2.0/24?"));
        assert_eq!(says("::ffff:0:0/96"), format!("::ffff:0:0/96: {why} 0.0.0.0/0?"));
    }

    #[test]
    fn lengths() {
        for given in ["33", "256", "999", "-1", "+8", "", "8 ", "a", "8/8"] {
            let prefix = format!("10.0.0.0/{given}");
            assert_eq!(
                says(&prefix),
                format!("{prefix}: `{given}` is no prefix length; it is a number from 0 to 32")
            );
        }
        assert_eq!(says("::/129"), "::/129: `129` is no prefix length; it is a number from 0 to 128");
        assert_eq!(
            says("10.0.0.0/08"),
            "10.0.0.0/08: leading zero in `08`, which some read as octal; write the number without it"
        );
    }

    #[test]
    fn an_address_is_not_a_prefix() {
        assert_eq!(parse_address("192.0.2.1").map_err(|e| e.to_string()), Ok(IpAddr::from([192, 0, 2, 1])));
        assert_eq!(
            parse_address("192.0.2.1/32").unwrap_err().to_string(),
            "192.0.2.1/32: a prefix, where one address is wanted; meant 192.0.2.1?"
        );
    }

    #[test]
    fn the_fast_way_takes_whole_lines_only() {
        let takes =
            |line: &str| whole_v4_line(line.as_bytes()).map(|(prefix, used)| (prefix.to_string(), used));
        assert_eq!(takes("1.2.3.4\n5"), Some(("1.2.3.4/32".into(), 8)));
        assert_eq!(takes("1.2.3.0/24\r\n"), Some(("1.2.3.0/24".into(), 12)));
        for line in [
            "",
            "1.2.3.4",
            "1.2.3.4 \n",
            "1.2.3.4/24\n",
            "1.2.3.04\n",
            "1.2.3.256\n",
            "1.2.3.0/33\n",
            "1.2.3\n",
            "1.2.3.4\r",
        ] {
            assert_eq!(takes(line), None, "{line:?}");
        }
    }
}
