//! Transports with a short header: UDP, ICMP, GRE, ESP, and bytes of any protocol.

use super::{Network, Packet, Transport, checksum, length_field};

/// A UDP header (RFC 768), with what was overridden.
#[derive(Clone, Debug)]
pub struct Udp {
    source_port: u16,
    destination_port: u16,
    length: Option<u16>,
    checksum: Option<u16>,
}

/// An ICMP or `ICMPv6` header (RFC 792, RFC 4443), with what was overridden.
#[derive(Clone, Debug)]
pub struct Icmp {
    version: IcmpVersion,
    kind: u8,
    code: u8,
    rest: u32,
    checksum: Option<u16>,
}

/// They differ in number and in what the checksum covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IcmpVersion {
    V4,
    V6,
}

/// A GRE header (RFC 2784, RFC 2890).
#[derive(Clone, Debug)]
pub struct Gre {
    ethertype: u16,
    key: Option<u32>,
}

/// An ESP header (RFC 4303).
#[derive(Clone, Debug)]
pub struct Esp {
    security_parameters_index: u32,
    sequence: u32,
}

/// No header at all.
#[derive(Clone, Debug)]
pub struct Raw {
    protocol: u8,
}

impl Udp {
    pub(super) fn new(source_port: u16, destination_port: u16) -> Self {
        Self { source_port, destination_port, length: None, checksum: None }
    }
}

impl Icmp {
    pub(super) fn v4(kind: u8, code: u8) -> Self {
        Self { version: IcmpVersion::V4, kind, code, rest: 0, checksum: None }
    }

    pub(super) fn v6(kind: u8, code: u8) -> Self {
        Self { version: IcmpVersion::V6, kind, code, rest: 0, checksum: None }
    }
}

impl Gre {
    pub(super) fn new(ethertype: u16) -> Self {
        Self { ethertype, key: None }
    }
}

impl Esp {
    pub(super) fn new(security_parameters_index: u32, sequence: u32) -> Self {
        Self { security_parameters_index, sequence }
    }
}

impl Raw {
    pub(super) fn new(protocol: u8) -> Self {
        Self { protocol }
    }
}

impl<N: Network> Packet<N, Udp> {
    /// Overrides the length in bytes, header and payload.
    #[must_use]
    pub fn length(mut self, bytes: u16) -> Self {
        self.transport.length = Some(bytes);
        self
    }

    /// Overrides the checksum; zero says there is none.
    #[must_use]
    pub fn checksum(mut self, checksum: u16) -> Self {
        self.transport.checksum = Some(checksum);
        self
    }
}

impl<N: Network> Packet<N, Icmp> {
    /// The identifier and sequence number of an echo.
    #[must_use]
    pub fn echo(self, id: u16, sequence: u16) -> Self {
        self.rest(u32::from(id) << 16 | u32::from(sequence))
    }

    /// The four bytes behind the checksum; what they mean depends on the type.
    #[must_use]
    pub fn rest(mut self, rest: u32) -> Self {
        self.transport.rest = rest;
        self
    }

    /// Overrides the checksum.
    #[must_use]
    pub fn checksum(mut self, checksum: u16) -> Self {
        self.transport.checksum = Some(checksum);
        self
    }
}

impl<N: Network> Packet<N, Gre> {
    /// Adds a key.
    #[must_use]
    pub fn key(mut self, key: u32) -> Self {
        self.transport.key = Some(key);
        self
    }
}

impl Transport for Udp {
    fn protocol(&self) -> u8 {
        17
    }

    fn assemble(&self, payload: &[u8], pseudo_sum: &dyn Fn(usize) -> u32) -> Vec<u8> {
        let length = self.length.unwrap_or_else(|| length_field(8 + payload.len()));
        let mut bytes = Vec::with_capacity(8 + payload.len());
        bytes.extend(self.source_port.to_be_bytes());
        bytes.extend(self.destination_port.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(payload);
        let checksum = self.checksum.unwrap_or_else(|| {
            // A sum of zero is sent as all ones, since zero means "none" (RFC 768).
            match checksum::fold(checksum::sum(&bytes, pseudo_sum(bytes.len()))) {
                0 => 0xffff,
                sum => sum,
            }
        });
        bytes[6..8].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }
}

impl Transport for Icmp {
    fn protocol(&self) -> u8 {
        match self.version {
            IcmpVersion::V4 => 1,
            IcmpVersion::V6 => 58,
        }
    }

    fn assemble(&self, payload: &[u8], pseudo_sum: &dyn Fn(usize) -> u32) -> Vec<u8> {
        let mut bytes = vec![self.kind, self.code, 0, 0];
        bytes.extend(self.rest.to_be_bytes());
        bytes.extend(payload);
        // Only ICMPv6 covers the addresses.
        let start = if self.version == IcmpVersion::V6 { pseudo_sum(bytes.len()) } else { 0 };
        let checksum = self.checksum.unwrap_or_else(|| checksum::fold(checksum::sum(&bytes, start)));
        bytes[2..4].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }
}

impl Transport for Gre {
    fn protocol(&self) -> u8 {
        47
    }

    fn assemble(&self, payload: &[u8], _pseudo_sum: &dyn Fn(usize) -> u32) -> Vec<u8> {
        let mut bytes = vec![if self.key.is_some() { 0x20 } else { 0 }, 0];
        bytes.extend(self.ethertype.to_be_bytes());
        bytes.extend(self.key.iter().flat_map(|key| key.to_be_bytes()));
        bytes.extend(payload);
        bytes
    }
}

impl Transport for Esp {
    fn protocol(&self) -> u8 {
        50
    }

    fn assemble(&self, payload: &[u8], _pseudo_sum: &dyn Fn(usize) -> u32) -> Vec<u8> {
        let mut bytes = self.security_parameters_index.to_be_bytes().to_vec();
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(payload);
        bytes
    }
}

impl Transport for Raw {
    fn protocol(&self) -> u8 {
        self.protocol
    }

    fn assemble(&self, payload: &[u8], _pseudo_sum: &dyn Fn(usize) -> u32) -> Vec<u8> {
        payload.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use crate::frame::{Frame, IPV4, checksum};

    #[test]
    fn a_tunnel_carries_a_packet() {
        let inner = Frame::ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).ip_bytes();
        let outer = Frame::ipv4("198.51.100.7", "192.0.2.10").gre(IPV4).key(9).payload(&inner).ip_bytes();
        assert_eq!(outer[9], 47);
        assert_eq!(outer[20..28], [0x20, 0, 8, 0, 0, 0, 0, 9]);
        assert_eq!(outer[28..], inner);
    }

    #[test]
    fn an_echo_sums_to_zero_without_addresses() {
        let bytes = Frame::ipv4("1.2.3.4", "5.6.7.8").icmp(8, 0).echo(3, 4).payload(b"x").ip_bytes();
        assert_eq!(checksum::of(&bytes[20..]), 0);
    }

    #[test]
    fn a_udp_sum_of_zero_is_sent_as_ones() {
        // The payload is chosen so that everything else sums to all ones.
        let plain = Frame::ipv4("1.2.3.4", "5.6.7.8").udp(1, 2).payload(&[0, 0]);
        let sum = &plain.ip_bytes()[26..28];
        let zero = Frame::ipv4("1.2.3.4", "5.6.7.8").udp(1, 2).payload(sum).ip_bytes();
        assert_eq!(zero[26..28], [0xff, 0xff]);
    }
}
