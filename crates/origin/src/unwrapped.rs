//! IPv4 addresses that are embedded in IPv6 addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The IPv4 address that an IPv6 address embeds: IPv4-mapped (RFC 4291), 6to4 (RFC 3056), or NAT64 with the well-known prefix
/// (RFC 6052). Databases list only the embedded address. Any other address is returned unchanged.
pub fn unwrapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => embedded(v6).map_or(address, IpAddr::V4),
    }
}

fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = address.to_bits();
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            Some(Ipv4Addr::from_bits(bits as u32))
        }
        [0x2002, ..] => Some(Ipv4Addr::from_bits((bits >> 80) as u32)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_an_ipv4_address_is_taken_for_it() {
        for (given, expected) in [
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2002:c000:207::1", "192.0.2.7"),
            ("64:ff9b::192.0.2.7", "192.0.2.7"),
            ("64:ff9b:1::192.0.2.7", "64:ff9b:1::c000:207"),
            ("2001:db8::7", "2001:db8::7"),
            ("::1", "::1"),
            ("192.0.2.7", "192.0.2.7"),
        ] {
            let address = given.parse().expect(given);
            assert_eq!(unwrapped(address), expected.parse::<IpAddr>().expect(expected), "{given}");
        }
    }
}
