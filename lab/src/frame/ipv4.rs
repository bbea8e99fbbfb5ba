//! The IPv4 header (RFC 791).

use std::net::Ipv4Addr;

use super::address::ToIpv4;
use super::{Frame, IPV4, Icmp, Network, Packet, checksum, length_field};

const HEADER: usize = 20;
const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;

/// An IPv4 header, with what was overridden.
#[derive(Clone, Debug)]
pub struct Ipv4 {
    source: Ipv4Addr,
    destination: Ipv4Addr,
    ttl: u8,
    tos: u8,
    id: u16,
    /// The flags and the offset in units of 8 bytes, as they stand in the header.
    fragment: u16,
    options: Vec<u8>,
    version: u8,
    ihl: Option<u8>,
    total_length: Option<u16>,
    checksum: Option<u16>,
    protocol: Option<u8>,
}

impl Frame<Ipv4> {
    /// An IPv4 packet with TTL 64 and no options. Fragmentation is allowed.
    ///
    /// # Panics
    /// When an address given as text is none.
    #[must_use]
    pub fn ipv4(source: impl ToIpv4, destination: impl ToIpv4) -> Self {
        Self::over(Ipv4 {
            source: source.to_ipv4(),
            destination: destination.to_ipv4(),
            ttl: 64,
            tos: 0,
            id: 0,
            fragment: 0,
            options: Vec::new(),
            version: 4,
            ihl: None,
            total_length: None,
            checksum: None,
            protocol: None,
        })
    }

    /// Hops left.
    #[must_use]
    pub fn ttl(mut self, hops: u8) -> Self {
        self.network.ttl = hops;
        self
    }

    /// Type of service: DSCP (6 bits) and ECN (2 bits).
    #[must_use]
    pub fn tos(mut self, tos: u8) -> Self {
        self.network.tos = tos;
        self
    }

    /// The identification that fragments of one packet share.
    #[must_use]
    pub fn id(mut self, id: u16) -> Self {
        self.network.id = id;
        self
    }

    /// Sets "don't fragment".
    #[must_use]
    pub fn dont_fragment(mut self) -> Self {
        self.network.fragment |= DONT_FRAGMENT;
        self
    }

    /// Makes it the fragment at `offset` bytes (a multiple of 8, below 65,536); `more` follow or not.
    #[must_use]
    pub fn fragment(mut self, offset: u32, more: bool) -> Self {
        let units = length_field((offset / 8) as usize) & 0x1fff;
        self.network.fragment =
            (self.network.fragment & DONT_FRAGMENT) | units | if more { MORE_FRAGMENTS } else { 0 };
        self
    }

    /// Options, padded with end-of-list to a multiple of 4 bytes (40 fit an honest header).
    #[must_use]
    pub fn options(mut self, bytes: &[u8]) -> Self {
        self.network.options = bytes.to_vec();
        self.network.options.resize(bytes.len().next_multiple_of(4), 0);
        self
    }

    /// Overrides the version (4 bits).
    #[must_use]
    pub fn version(mut self, version: u8) -> Self {
        self.network.version = version;
        self
    }

    /// Overrides the header length, in words of 4 bytes (4 bits).
    #[must_use]
    pub fn ihl(mut self, words: u8) -> Self {
        self.network.ihl = Some(words);
        self
    }

    /// Overrides the total length in bytes.
    #[must_use]
    pub fn total_length(mut self, bytes: u16) -> Self {
        self.network.total_length = Some(bytes);
        self
    }

    /// Overrides the header checksum.
    #[must_use]
    pub fn header_checksum(mut self, checksum: u16) -> Self {
        self.network.checksum = Some(checksum);
        self
    }

    /// Announces another protocol than the transport's.
    #[must_use]
    pub fn protocol(mut self, protocol: u8) -> Self {
        self.network.protocol = Some(protocol);
        self
    }

    /// Ends in ICMP.
    #[must_use]
    pub fn icmp(self, kind: u8, code: u8) -> Packet<Ipv4, Icmp> {
        self.carry(Icmp::v4(kind, code))
    }
}

impl Network for Ipv4 {
    fn ethertype(&self) -> u16 {
        IPV4
    }

    fn assemble(&self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let header = HEADER + self.options.len();
        let words = self.ihl.unwrap_or_else(|| (header / 4).to_le_bytes()[0]);
        let total = self.total_length.unwrap_or_else(|| length_field(header + payload.len()));
        let mut bytes = Vec::with_capacity(header + payload.len());
        bytes.extend([self.version << 4 | words & 0xf, self.tos]);
        bytes.extend(total.to_be_bytes());
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(self.fragment.to_be_bytes());
        bytes.extend([self.ttl, self.protocol.unwrap_or(protocol), 0, 0]);
        bytes.extend(self.source.octets());
        bytes.extend(self.destination.octets());
        bytes.extend(&self.options);
        let checksum = self.checksum.unwrap_or_else(|| checksum::of(&bytes));
        bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    fn pseudo_sum(&self, protocol: u8, length: usize) -> u32 {
        let addresses =
            checksum::sum(&self.source.octets(), 0) + checksum::sum(&self.destination.octets(), 0);
        addresses + u32::from(protocol) + u32::from(length_field(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_sums_to_zero_and_tells_its_lengths() {
        let bytes = Frame::ipv4("198.51.100.7", "192.0.2.10")
            .options(&[7, 7, 4, 0, 0, 0, 0])
            .dont_fragment()
            .raw(50, &[9; 10])
            .ip_bytes();
        assert_eq!(bytes[0], 0x47);
        assert_eq!(bytes[2..4], [0, 38]);
        assert_eq!(bytes[6..8], [0x40, 0]);
        assert_eq!(bytes[9], 50);
        assert_eq!(checksum::of(&bytes[..28]), 0);
        assert_eq!(bytes[28..], [9; 10]);
    }

    #[test]
    fn a_fragment_counts_in_units_of_eight() {
        let bytes = Frame::ipv4("198.51.100.7", "192.0.2.10").fragment(1480, true).raw(17, &[]).ip_bytes();
        assert_eq!(bytes[6..8], [0x20, 185]);
        let last = Frame::ipv4("198.51.100.7", "192.0.2.10").fragment(65_528, false).raw(17, &[]).ip_bytes();
        assert_eq!(last[6..8], [0x1f, 0xff]);
    }

    #[test]
    fn overrides_stand_as_given() {
        let bytes = Frame::ipv4("198.51.100.7", "192.0.2.10")
            .version(5)
            .ihl(15)
            .total_length(9)
            .header_checksum(0xbeef)
            .protocol(1)
            .udp(1, 2)
            .ip_bytes();
        assert_eq!(
            (bytes[0], &bytes[2..4], bytes[9], &bytes[10..12]),
            (0x5f, &[0, 9][..], 1, &[0xbe, 0xef][..])
        );
    }
}
