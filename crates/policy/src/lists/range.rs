//! Ranges of addresses as prefixes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

use super::{Fault, explain, prefix};

/// The fewest prefixes that cover `first` to `last`, both included, in order: at most 62 of IPv4, 254 of
/// IPv6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prefixes {
    /// What is still to be covered; `None` at the end. IPv4 addresses stand in the low 32 bits.
    left: Option<(u128, u128)>,
    /// 32 or 128.
    bits: u32,
}

/// Reads the range whose ends are these texts.
pub(super) fn read(first: &[u8], last: &[u8]) -> Result<Prefixes, Fault> {
    let Some(address) = prefix::address_of(first) else {
        return Err(Fault::RangeEnd(explain::quoted(first)));
    };
    between(address, last)
}

/// Reads the end of a range that starts at `first`.
pub(super) fn between(first: IpAddr, last: &[u8]) -> Result<Prefixes, Fault> {
    let Some(last) = prefix::address_of(last) else {
        return Err(Fault::RangeEnd(explain::quoted(last)));
    };
    let (ends, bits) = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => ((u32::from(first).into(), u32::from(last).into()), 32),
        (IpAddr::V6(first), IpAddr::V6(last)) => ((u128::from(first), u128::from(last)), 128),
        _ => return Err(Fault::RangeFamilies),
    };
    if ends.0 > ends.1 {
        return Err(Fault::RangeOrder);
    }
    let mut prefixes = Prefixes { left: Some(ends), bits };
    if let (IpAddr::V6(first), IpAddr::V6(last)) = (first, last)
        && first.to_ipv4_mapped().is_some()
        && last.to_ipv4_mapped().is_some()
        && let Some(IpNetwork::V6(start)) = prefixes.next()
    {
        return Err(prefix::v6_network(start.ip(), start.prefix()).err().unwrap_or(Fault::NoAddress));
    }
    Ok(prefixes)
}

impl Iterator for Prefixes {
    type Item = IpNetwork;

    fn next(&mut self) -> Option<IpNetwork> {
        let (first, last) = self.left?;
        let aligned = first.trailing_zeros().min(self.bits);
        // Of all addresses from `first` on, those of a prefix must not go past `last`.
        let fits = match (last - first).checked_add(1) {
            Some(count) => count.ilog2(),
            None => self.bits,
        };
        let hosts = aligned.min(fits);
        let length = (self.bits - hosts) as u8;
        let covered = u128::MAX.checked_shr(128 - hosts).unwrap_or(0);
        self.left = (first + covered < last).then(|| (first + covered + 1, last));
        if self.bits == 32 {
            Ipv4Network::new(Ipv4Addr::from(first as u32), length).ok().map(IpNetwork::V4)
        } else {
            Ipv6Network::new(Ipv6Addr::from(first), length).ok().map(IpNetwork::V6)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(first: &str, last: &str) -> Vec<String> {
        read(first.as_bytes(), last.as_bytes()).unwrap().map(|prefix| prefix.to_string()).collect()
    }

    #[test]
    fn a_range_is_split_into_the_fewest_prefixes() {
        assert_eq!(split("192.0.2.0", "192.0.2.255"), ["192.0.2.0/24"]);
        assert_eq!(split("192.0.2.5", "192.0.2.5"), ["192.0.2.5/32"]);
        assert_eq!(
            split("192.0.2.1", "192.0.2.6"),
            ["192.0.2.1/32", "192.0.2.2/31", "192.0.2.4/31", "192.0.2.6/32"]
        );
        assert_eq!(split("0.0.0.0", "255.255.255.255"), ["0.0.0.0/0"]);
        assert_eq!(split("0.0.0.1", "255.255.255.254").len(), 62);
        assert_eq!(split("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), ["::/0"]);
        assert_eq!(split("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe").len(), 254);
        assert_eq!(split("2001:db8::", "2001:db8::1:ffff"), ["2001:db8::/111"]);
    }

    #[test]
    fn ranges_that_are_none() {
        let why = |first: &str, last: &str| read(first.as_bytes(), last.as_bytes()).unwrap_err();
        assert_eq!(why("192.0.2.2", "192.0.2.1"), Fault::RangeOrder);
        assert_eq!(why("192.0.2.2", "::1"), Fault::RangeFamilies);
        assert_eq!(why("192.0.2.2", "192.0.2"), Fault::RangeEnd("192.0.2".into()));
        assert_eq!(why("x", "192.0.2.0"), Fault::RangeEnd("x".into()));
        assert!(matches!(why("::ffff:1.2.3.4", "::ffff:1.2.3.5"), Fault::Mapped(_)));
    }

    proptest! {
        #[test]
        fn the_prefixes_cover_the_range_and_nothing_else(a: u32, b: u32) {
            let (first, last) = (a.min(b), a.max(b));
            let mut at = u64::from(first);
            let range = Prefixes { left: Some((first.into(), last.into())), bits: 32 };
            for prefix in range {
                let IpNetwork::V4(prefix) = prefix else { unreachable!() };
                prop_assert_eq!(u64::from(u32::from(prefix.network())), at);
                prop_assert_eq!(prefix.network(), prefix.ip());
                at += 1 << (32 - prefix.prefix());
            }
            prop_assert_eq!(at, u64::from(last) + 1);
        }
    }
}
