//! An IP prefix: an address whose bits past a length are zero, and that length.

use std::{cmp::Ordering, fmt, net::IpAddr, str::FromStr};

use floodwall_common::prefix::{Address, Family};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An IP prefix of either family, without host bits.
///
/// Ordered by family, address, length: a prefix stands before everything that lies in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    address: Address,
    length: u8,
}

/// Why something is not a prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// The text is neither an address nor an address, a slash and a length.
    #[error("`{0}` is no prefix; one looks like 203.0.113.0/24 or 2001:db8::/32")]
    Syntax(String),
    /// The length is more than the address has bits.
    #[error("a prefix of this family is at most {max} bits long, not {length}")]
    TooLong {
        /// The length that was asked for.
        length: u8,
        /// Most bits that the family has.
        max: u8,
    },
    /// The address has bits set past the length.
    #[error("host bits are set; the prefix of that length is {prefix}")]
    HostBits {
        /// The prefix without them.
        prefix: Prefix,
    },
}

impl Prefix {
    /// The prefix of `length` bits at `address`, which must have no bits past them.
    pub fn new(address: Address, length: u8) -> Result<Self, PrefixError> {
        let prefix = Self::around(address, length)?;
        if prefix.address == address { Ok(prefix) } else { Err(PrefixError::HostBits { prefix }) }
    }

    /// The prefix of `length` bits that `address` lies in.
    pub fn around(address: Address, length: u8) -> Result<Self, PrefixError> {
        let max = Self::longest(address.family);
        if length > max {
            return Err(PrefixError::TooLong { length, max });
        }
        Ok(Self::of_bits(address.family, bits_of(address), length))
    }

    /// The prefix that holds `address` and nothing else.
    pub fn host(address: Address) -> Self {
        Self { address, length: Self::longest(address.family) }
    }

    /// The prefix of the topmost `length` of `bits`, which are written as those of [`Self::bits`].
    pub(super) fn of_bits(family: Family, bits: u128, length: u8) -> Self {
        let bits = bits & mask(length);
        Self { address: Address { family, high: (bits >> 64) as u64, low: bits as u64 }, length }
    }

    /// Bits of an address of the family.
    pub const fn longest(family: Family) -> u8 {
        match family {
            Family::V4 => 32,
            Family::V6 => 128,
        }
    }

    /// Its first address.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Its length in bits.
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// Its family.
    pub const fn family(&self) -> Family {
        self.address.family
    }

    /// Does the address lie in it?
    pub fn contains(&self, address: Address) -> bool {
        self.address.family == address.family && (bits_of(address) ^ self.bits()) & mask(self.length) == 0
    }

    /// Does all of the other lie in it? A prefix covers itself.
    pub fn covers(&self, other: &Self) -> bool {
        self.length <= other.length && self.contains(other.address)
    }

    /// The first address as a number whose topmost bits are the address's, whatever the family.
    pub(super) const fn bits(&self) -> u128 {
        bits_of(self.address)
    }

    /// The last address, as [`Self::bits`]; for IPv4 with all of the unused low bits set.
    pub(super) const fn last_bits(&self) -> u128 {
        self.bits() | !mask(self.length)
    }
}

/// The address as a number whose topmost bits are the address's, whatever the family.
pub(super) const fn bits_of(address: Address) -> u128 {
    (address.high as u128) << 64 | address.low as u128
}

/// The number whose topmost `length` bits are set.
const fn mask(length: u8) -> u128 {
    match length {
        0 => 0,
        length => u128::MAX << (128 - length as u32),
    }
}

impl Ord for Prefix {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.family(), self.bits(), self.length).cmp(&(other.family(), other.bits(), other.length))
    }
}

impl PartialOrd for Prefix {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The prefix that the network's address lies in: host bits, which an `IpNetwork` may have, are dropped.
impl From<IpNetwork> for Prefix {
    fn from(network: IpNetwork) -> Self {
        let address = Address::from(network.ip());
        Self::of_bits(address.family, bits_of(address), network.prefix())
    }
}

impl From<Prefix> for IpNetwork {
    fn from(prefix: Prefix) -> Self {
        let address = IpAddr::from(prefix.address);
        // The length fits the family, so the fallback is never taken.
        Self::new(address, prefix.length).unwrap_or_else(|_| address.into())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        IpNetwork::from(*self).fmt(f)
    }
}

/// As strict as [`Prefix::new`]; an address alone is the prefix that holds nothing else.
impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let network: IpNetwork = text.parse().map_err(|_| PrefixError::Syntax(text.to_owned()))?;
        Self::new(Address::from(network.ip()), network.prefix())
    }
}

/// As text.
impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Prefix, PrefixError> {
        text.parse()
    }

    #[test]
    fn a_prefix_is_written_as_it_is_read() {
        for text in ["0.0.0.0/0", "10.0.0.0/8", "192.0.2.1/32", "::/0", "2001:db8::/32", "2001:db8::1/128"] {
            let prefix = parse(text).unwrap();
            assert_eq!(prefix.to_string(), text);
            let json = serde_json::to_string(&prefix).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Prefix>(&json).unwrap(), prefix);
        }
        assert_eq!(parse("192.0.2.1"), parse("192.0.2.1/32"));
    }

    #[test]
    fn host_bits_and_lengths_that_do_not_fit_are_refused() {
        let error = parse("10.1.2.3/8").unwrap_err();
        assert_eq!(error, PrefixError::HostBits { prefix: parse("10.0.0.0/8").unwrap() });
        assert_eq!(error.to_string(), "host bits are set; the prefix of that length is 10.0.0.0/8");
        assert!(parse("2001:db8::1/127").is_err());
        let network: IpNetwork = "10.1.2.3/8".parse().unwrap();
        assert_eq!(Prefix::from(network), parse("10.0.0.0/8").unwrap());
        assert_eq!(parse("10.0.0/8"), Err(PrefixError::Syntax("10.0.0/8".to_owned())));
        assert_eq!(Prefix::new(Address::v4(0), 33), Err(PrefixError::TooLong { length: 33, max: 32 }));
        assert_eq!(Prefix::around(Address::v4(0x0a01_0203), 8), parse("10.0.0.0/8"));
    }

    #[test]
    fn covering_is_by_bits_and_within_a_family() {
        let wide = parse("10.0.0.0/8").unwrap();
        let narrow = parse("10.9.0.0/16").unwrap();
        assert!(wide.covers(&narrow) && wide.covers(&wide) && !narrow.covers(&wide));
        assert!(wide.contains(Address::v4(0x0aff_ffff)) && !wide.contains(Address::v4(0x0b00_0000)));
        assert!(!parse("::/0").unwrap().covers(&wide) && !wide.contains(Address::v6(0x0a00_0000 << 32, 0)));
        assert!(parse("::/0").unwrap().contains(Address::v6(u64::MAX, u64::MAX)));
        let host = Prefix::host(Address::v6(1, 2));
        assert!(host.contains(Address::v6(1, 2)) && !host.contains(Address::v6(1, 3)));
    }

    #[test]
    fn a_prefix_stands_before_what_lies_in_it() {
        let mut prefixes: Vec<_> =
            ["::/0", "10.0.0.0/9", "10.0.0.0/8", "9.255.255.255/32", "10.0.0.1/32", "10.128.0.0/9"]
                .map(|text| parse(text).unwrap())
                .into();
        prefixes.sort();
        let texts: Vec<_> = prefixes.iter().map(Prefix::to_string).collect();
        assert_eq!(
            texts,
            ["9.255.255.255/32", "10.0.0.0/8", "10.0.0.0/9", "10.0.0.1/32", "10.128.0.0/9", "::/0"]
        );
    }
}
