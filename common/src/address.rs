//! Addresses as the standard library has them, and as people write them.

use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::prefix::{Address, Family};

impl Family {
    /// Its number, as events carry it: 4 or 6.
    #[inline(always)]
    pub const fn number(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }

    /// The family of this number.
    pub const fn of_number(number: u8) -> Option<Self> {
        match number {
            4 => Some(Self::V4),
            6 => Some(Self::V6),
            _ => None,
        }
    }

    /// Of an address's bits, those that name a source: of IPv6 it is a /64.
    pub const fn source_bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 64,
        }
    }
}

impl Address {
    /// The address that packets carry: one of IPv4 that is mapped into IPv6 (`::ffff:192.0.2.1`) is one of IPv4. [`From`]
    /// leaves it one of IPv6.
    pub fn canonical(address: IpAddr) -> Self {
        address.to_canonical().into()
    }

    /// The first address of the source that it belongs to.
    pub const fn source(self) -> Self {
        match self.family {
            Family::V4 => self,
            Family::V6 => Self { low: 0, ..self },
        }
    }
}

impl From<Ipv4Addr> for Address {
    fn from(address: Ipv4Addr) -> Self {
        Self::v4(address.to_bits())
    }
}

impl From<Ipv6Addr> for Address {
    fn from(address: Ipv6Addr) -> Self {
        let bits = address.to_bits();
        Self::v6((bits >> 64) as u64, bits as u64)
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => address.into(),
        }
    }
}

impl From<Address> for IpAddr {
    fn from(Address { family, high, low }: Address) -> Self {
        match family {
            Family::V4 => Ipv4Addr::from_bits((high >> 32) as u32).into(),
            Family::V6 => Ipv6Addr::from_bits((high as u128) << 64 | low as u128).into(),
        }
    }
}

/// The source that an address belongs to, as people write it: `192.0.2.1`, or `2001:db8:1:2::/64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceOf(pub Address);

impl fmt::Display for SourceOf {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = IpAddr::from(self.0.source());
        match self.0.family {
            Family::V4 => write!(formatter, "{address}"),
            Family::V6 => write!(formatter, "{address}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_there_and_back() {
        for (text, expected) in [
            ("198.51.100.7", Address::v4(0xc633_6407)),
            ("2001:db8::7", Address::v6(0x2001_0db8_0000_0000, 7)),
            ("::ffff:198.51.100.7", Address::v6(0, 0xffff_c633_6407)),
        ] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(Address::from(address), expected, "{text}");
            assert_eq!(IpAddr::from(expected), address, "{text}");
        }
    }

    #[test]
    fn a_canonical_address_is_not_mapped() {
        let of = |text: &str| Address::canonical(text.parse().unwrap());
        assert_eq!(of("::ffff:198.51.100.7"), Address::v4(0xc633_6407));
        assert_eq!(of("198.51.100.7"), Address::v4(0xc633_6407));
        assert_eq!(of("2001:db8::7"), Address::v6(0x2001_0db8_0000_0000, 7));
    }

    #[test]
    fn a_source_is_an_ipv4_address_or_an_ipv6_64() {
        for (address, expected) in [
            (Address::v4(0xc633_6407), "198.51.100.7"),
            (Address::v6(0x2a04_a802_0000_0001, 9), "2a04:a802:0:1::/64"),
        ] {
            assert_eq!(SourceOf(address).to_string(), expected);
        }
    }

    #[test]
    fn a_family_has_the_number_of_its_version() {
        assert_eq!([Family::V4, Family::V6].map(Family::number), [4, 6]);
        assert_eq!([4, 6, 0].map(Family::of_number), [Some(Family::V4), Some(Family::V6), None]);
    }
}
