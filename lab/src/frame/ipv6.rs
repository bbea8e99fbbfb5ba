//! The IPv6 header and its extension headers (RFC 8200, RFC 4302).

use std::net::Ipv6Addr;

use super::address::ToIpv6;
use super::{Frame, IPV6, Icmp, Network, Packet, checksum, length_field};

/// Extension header: hop-by-hop options.
pub const HOP_BY_HOP: u8 = 0;
/// Extension header: routing.
pub const ROUTING: u8 = 43;
/// Extension header: fragment.
pub const FRAGMENT: u8 = 44;
/// Extension header: authentication.
pub const AUTHENTICATION: u8 = 51;
/// Extension header: destination options.
pub const DESTINATION_OPTIONS: u8 = 60;

/// An IPv6 header with its chain, and with what was overridden.
#[derive(Clone, Debug)]
pub struct Ipv6 {
    source: Ipv6Addr,
    destination: Ipv6Addr,
    hop_limit: u8,
    traffic_class: u8,
    flow_label: u32,
    /// Number and bytes of each extension header; the first byte is filled in at the end.
    extensions: Vec<(u8, Vec<u8>)>,
    version: u8,
    payload_length: Option<u16>,
    protocol: Option<u8>,
}

impl Frame<Ipv6> {
    /// An IPv6 packet with hop limit 64 and no extension headers.
    ///
    /// # Panics
    /// When an address given as text is none.
    #[must_use]
    pub fn ipv6(source: impl ToIpv6, destination: impl ToIpv6) -> Self {
        Self::over(Ipv6 {
            source: source.to_ipv6(),
            destination: destination.to_ipv6(),
            hop_limit: 64,
            traffic_class: 0,
            flow_label: 0,
            extensions: Vec::new(),
            version: 6,
            payload_length: None,
            protocol: None,
        })
    }

    /// Hops left: IPv4's name for it, so that one line serves both.
    #[must_use]
    pub fn ttl(mut self, hops: u8) -> Self {
        self.network.hop_limit = hops;
        self
    }

    /// Traffic class: DSCP (6 bits) and ECN (2 bits).
    #[must_use]
    pub fn tos(mut self, class: u8) -> Self {
        self.network.traffic_class = class;
        self
    }

    /// Flow label (20 bits).
    #[must_use]
    pub fn flow(mut self, label: u32) -> Self {
        self.network.flow_label = label & 0xf_ffff;
        self
    }

    /// Adds a hop-by-hop header of so many bytes of options, padded to a multiple of 8.
    #[must_use]
    pub fn hop_by_hop(self, options: &[u8]) -> Self {
        self.padded(HOP_BY_HOP, options)
    }

    /// Adds a destination options header, padded to a multiple of 8.
    #[must_use]
    pub fn destination_options(self, options: &[u8]) -> Self {
        self.padded(DESTINATION_OPTIONS, options)
    }

    /// Adds a routing header of a type with so many segments left and type-specific bytes.
    #[must_use]
    pub fn routing(self, kind: u8, segments_left: u8, rest: &[u8]) -> Self {
        self.padded(ROUTING, &[&[kind, segments_left], rest].concat())
    }

    /// Adds a fragment header: `offset` in bytes (a multiple of 8, below 65,536); `more` follow or not.
    #[must_use]
    pub fn fragment(self, id: u32, offset: u32, more: bool) -> Self {
        let field = length_field(offset as usize) & 0xfff8 | u16::from(more);
        let mut bytes = vec![0, 0];
        bytes.extend(field.to_be_bytes());
        bytes.extend(id.to_be_bytes());
        self.extension(FRAGMENT, &bytes)
    }

    /// Adds an authentication header; the check value has to be a multiple of 4 bytes (12 is usual).
    #[must_use]
    pub fn authentication(self, security_parameters_index: u32, sequence: u32, check: &[u8]) -> Self {
        // Its length counts words of 4 bytes less two, unlike all others' (RFC 4302 2.2).
        let words = ((12 + check.len()) / 4).saturating_sub(2).to_le_bytes()[0];
        let mut bytes = vec![0, words, 0, 0];
        bytes.extend(security_parameters_index.to_be_bytes());
        bytes.extend(sequence.to_be_bytes());
        bytes.extend(check);
        self.extension(AUTHENTICATION, &bytes)
    }

    /// Adds any extension header as it is; only its first byte, the next header, is filled in.
    #[must_use]
    pub fn extension(mut self, number: u8, bytes: &[u8]) -> Self {
        self.network.extensions.push((number, bytes.to_vec()));
        self
    }

    /// Overrides the version (4 bits).
    #[must_use]
    pub fn version(mut self, version: u8) -> Self {
        self.network.version = version;
        self
    }

    /// Overrides the payload length in bytes.
    #[must_use]
    pub fn payload_length(mut self, bytes: u16) -> Self {
        self.network.payload_length = Some(bytes);
        self
    }

    /// Announces, at the end of the chain, another protocol than the transport's.
    #[must_use]
    pub fn protocol(mut self, protocol: u8) -> Self {
        self.network.protocol = Some(protocol);
        self
    }

    /// Ends in `ICMPv6` (RFC 4443).
    #[must_use]
    pub fn icmpv6(self, kind: u8, code: u8) -> Packet<Ipv6, Icmp> {
        self.carry(Icmp::v6(kind, code))
    }

    fn padded(self, number: u8, content: &[u8]) -> Self {
        let length = (2 + content.len()).next_multiple_of(8);
        let mut bytes = vec![0, (length / 8 - 1).to_le_bytes()[0]];
        bytes.extend(content);
        // Zeros are Pad1 options, each a byte long.
        bytes.resize(length, 0);
        self.extension(number, &bytes)
    }
}

impl Network for Ipv6 {
    fn ethertype(&self) -> u16 {
        IPV6
    }

    fn assemble(&self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let chain: usize = self.extensions.iter().map(|(_, bytes)| bytes.len()).sum();
        let length = self.payload_length.unwrap_or_else(|| length_field(chain + payload.len()));
        let first = u32::from(self.version) << 28 | u32::from(self.traffic_class) << 20 | self.flow_label;
        let last = self.protocol.unwrap_or(protocol);
        // Each header says what the one behind it is.
        let following = self.extensions.iter().map(|&(number, _)| number).chain([last]);

        let mut bytes = Vec::with_capacity(40 + chain + payload.len());
        bytes.extend(first.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        let mut following = following.into_iter();
        bytes.extend([following.next().unwrap_or(last), self.hop_limit]);
        bytes.extend(self.source.octets());
        bytes.extend(self.destination.octets());
        for ((_, header), next) in self.extensions.iter().zip(following) {
            bytes.push(next);
            bytes.extend(header.get(1..).unwrap_or_default());
        }
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

    fn chain_of(bytes: &[u8]) -> (Vec<u8>, usize) {
        let (mut next, mut at, mut seen) = (bytes[6], 40, Vec::new());
        while [HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION_OPTIONS].contains(&next) {
            seen.push(next);
            let length = match next {
                FRAGMENT => 8,
                AUTHENTICATION => (usize::from(bytes[at + 1]) + 2) * 4,
                _ => (usize::from(bytes[at + 1]) + 1) * 8,
            };
            (next, at) = (bytes[at], at + length);
        }
        seen.push(next);
        (seen, at)
    }

    #[test]
    fn a_chain_can_be_walked_to_its_end() {
        let bytes = Frame::ipv6("2001:db8::1", "2001:db8::2")
            .hop_by_hop(&[5, 2, 0, 0])
            .routing(0, 1, &[0; 20])
            .fragment(77, 0, true)
            .authentication(1, 2, &[0; 12])
            .destination_options(&[])
            .udp(53, 4000)
            .payload(&[1, 2, 3])
            .ip_bytes();
        let (seen, at) = chain_of(&bytes);
        assert_eq!(seen, [HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION_OPTIONS, 17]);
        assert_eq!(bytes.len(), at + 8 + 3);
        assert_eq!(usize::from(u16::from_be_bytes([bytes[4], bytes[5]])), bytes.len() - 40);
    }

    #[test]
    fn label_and_class_stand_in_their_bits() {
        let bytes = Frame::ipv6("::1", "::2").tos(0xb8).flow(0x12345).ttl(3).udp(1, 2).ip_bytes();
        assert_eq!(bytes[..4], [0x6b, 0x81, 0x23, 0x45]);
        assert_eq!(bytes[7], 3);
    }
}
