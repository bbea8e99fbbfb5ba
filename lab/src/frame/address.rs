//! Addresses as a test likes to write them.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Anything that names an IPv4 address.
pub trait ToIpv4 {
    /// The address.
    ///
    /// # Panics
    /// When text is no address: a test's literal is the programmer's, not input from outside.
    fn to_ipv4(self) -> Ipv4Addr;
}

impl ToIpv4 for Ipv4Addr {
    fn to_ipv4(self) -> Ipv4Addr {
        self
    }
}

impl ToIpv4 for u32 {
    /// In host order.
    fn to_ipv4(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self)
    }
}

impl ToIpv4 for [u8; 4] {
    fn to_ipv4(self) -> Ipv4Addr {
        self.into()
    }
}

impl ToIpv4 for &str {
    fn to_ipv4(self) -> Ipv4Addr {
        self.parse().unwrap_or_else(|_| panic!("{self:?} is no IPv4 address"))
    }
}

/// Anything that names an IPv6 address.
pub trait ToIpv6 {
    /// The address.
    ///
    /// # Panics
    /// When text is no address: a test's literal is the programmer's, not input from outside.
    fn to_ipv6(self) -> Ipv6Addr;
}

impl ToIpv6 for Ipv6Addr {
    fn to_ipv6(self) -> Ipv6Addr {
        self
    }
}

impl ToIpv6 for u128 {
    /// In host order.
    fn to_ipv6(self) -> Ipv6Addr {
        Ipv6Addr::from_bits(self)
    }
}

impl ToIpv6 for [u8; 16] {
    fn to_ipv6(self) -> Ipv6Addr {
        self.into()
    }
}

impl ToIpv6 for &str {
    fn to_ipv6(self) -> Ipv6Addr {
        self.parse().unwrap_or_else(|_| panic!("{self:?} is no IPv6 address"))
    }
}
