//! What stands on the command line, and what it means.

use std::time::Duration;

use floodwall_origin::{Selector, SelectorError};
use ipnetwork::IpNetwork;

use crate::{host::is_interface_name, lists};

/// An address or prefix.
pub(super) fn prefix(given: &str) -> Result<IpNetwork, String> {
    lists::parse_prefix(given).map_err(|error| error.fault.to_string())
}

/// A name of ranges, `cdn:NAME`.
pub(super) fn range_name(given: &str) -> Result<String, String> {
    match given.parse::<Selector>() {
        Ok(name @ Selector::Cdn(_)) => Ok(name.to_string()),
        Err(error @ SelectorError::NoName(_)) => Err(error.to_string()),
        Ok(_) | Err(_) => Err("ranges are named cdn:NAME, such as cdn:example".to_owned()),
    }
}

/// What a list may name: an address, a prefix, `asn:64500`, `country:XX` or `cdn:NAME`; as the daemon reads it.
pub(super) fn listed(given: &str) -> Result<String, String> {
    if Selector::looks_like(given) {
        return given
            .parse::<Selector>()
            .map(|selector| selector.to_string())
            .map_err(|error| error.to_string());
    }
    prefix(given).map(|prefix| prefix.to_string())
}

/// One address.
pub(super) fn address(given: &str) -> Result<std::net::IpAddr, String> {
    lists::parse_address(given).map_err(|error| error.fault.to_string())
}

/// A time to live: `90s`, `10m`, `1h30m`, `2d`.
pub(super) fn lifetime(given: &str) -> Result<Duration, String> {
    const EXAMPLES: &str = "such as 90s, 10m, 1h30m or 2d";
    if !given.is_empty() && given.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("which unit? Meant {given}s, {given}m, {given}h or {given}d?"));
    }
    let lifetime =
        humantime::parse_duration(given).map_err(|error| format!("{error}; a duration is {EXAMPLES}"))?;
    if lifetime.is_zero() || lifetime.subsec_nanos() != 0 {
        return Err(format!("a duration is a whole number of seconds and more than none, {EXAMPLES}"));
    }
    Ok(lifetime)
}

/// The name of an interface; nothing that could be a path.
pub(super) fn interface(given: &str) -> Result<String, String> {
    if !is_interface_name(given) {
        return Err("no name of an interface; `ip link` shows them".to_owned());
    }
    Ok(given.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes() {
        let seconds = |given: &str| lifetime(given).map(|lifetime| lifetime.as_secs());
        assert_eq!(seconds("10m"), Ok(600));
        assert_eq!(seconds("1h30m"), Ok(5_400));
        assert_eq!(seconds("1h 30m"), Ok(5_400));
        assert_eq!(seconds("2d"), Ok(172_800));
        assert_eq!(seconds("10"), Err("which unit? Meant 10s, 10m, 10h or 10d?".into()));
        assert!(seconds("10x").unwrap_err().ends_with("; a duration is such as 90s, 10m, 1h30m or 2d"));
        for given in ["0s", "1500ms", "10ns", "", "-1s", "forever", "99999999999999999999d"] {
            assert!(seconds(given).unwrap_err().contains("such as 90s"), "{given}: {:?}", seconds(given));
        }
    }

    #[test]
    fn lists_name_prefixes_and_what_stands_for_many() {
        for (given, read) in [
            ("203.0.113.7", "203.0.113.7/32"),
            ("AS:64500", "asn:64500"),
            ("country:de", "country:DE"),
            ("CDN:example", "cdn:example"),
            ("2001:db8::/32", "2001:db8::/32"),
        ] {
            assert_eq!(listed(given), Ok(read.to_owned()));
        }
        assert!(listed("country:Germany").unwrap_err().contains("two letters"));
        assert!(listed("10.0.0.0/40").is_err());
    }

    #[test]
    fn ranges_have_a_name_of_their_own_kind() {
        assert_eq!(range_name("cdn:Example"), Ok("cdn:example".to_owned()));
        for given in ["example", "asn:64500", "192.0.2.0/24"] {
            assert!(range_name(given).unwrap_err().contains("named cdn:NAME"), "{given}");
        }
        assert!(range_name("cdn:a b").unwrap_err().contains("1 to 32"));
    }

    #[test]
    fn interfaces_are_no_paths() {
        for given in ["eth0", "enp0s31f6.100", "br-lan", "wlan0@1"] {
            assert_eq!(interface(given), Ok(given.to_owned()));
        }
        for given in ["", ".", "..", "../x", "a/b", "a b", "eth0:1", "a\n"] {
            assert!(interface(given).is_err(), "{given:?}");
        }
        assert!(interface(&"a".repeat(127)).is_ok(), "an alternative name");
        assert!(interface(&"a".repeat(128)).is_err(), "no name is as long");
    }
}
