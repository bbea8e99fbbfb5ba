//! Ethernet frames built by hand: right by default, wrong on demand.
//!
//! A frame is written from the outside in. [`Frame::ipv4`], [`Frame::ipv6`] and
//! [`Frame::ethernet`] start one; options of the link and the network header follow; `tcp`,
//! `udp`, `icmp`, `gre`, `esp` or `raw` add the transport; [`Packet::build`] gives the bytes.
//! Lengths and checksums are computed at the end, unless a method such as
//! [`Frame::total_length`] or `checksum` set them.
//!
//! ```
//! use floodwall_lab::frame::Frame;
//!
//! let syn = Frame::ipv4("198.51.100.7", "192.0.2.10").ttl(64).tcp(40_000, 80).syn().build();
//! let answer = Frame::ipv6("2001:db8::1", "2001:db8::2").vlan(7).udp(53, 40_000).payload(b"hi").build();
//! let later = Frame::ipv4("198.51.100.7", "192.0.2.10").fragment(1480, false).raw(17, &[0; 100]).build();
//! let lie = Frame::ipv4("198.51.100.7", "192.0.2.10").ihl(4).udp(1, 2).length(3).build();
//! # assert_eq!((syn.len(), answer.len(), later.len(), lie.len()), (54, 68, 134, 42));
//! ```
//!
//! This code is independent of the parser in `floodwall-common` on purpose: the one checks the other.

pub mod address;
pub mod arp;
pub mod checksum;
pub mod ipv4;
pub mod ipv6;
mod rewrite;
mod tcp;
mod transport;

pub use ipv4::Ipv4;
pub use ipv6::Ipv6;
pub use rewrite::Rewrite;
pub use tcp::Tcp;
pub use transport::{Esp, Gre, Icmp, Raw, Udp};

use crate::link::{Mac, Port};

/// EtherType of IPv4.
pub const IPV4: u16 = 0x0800;
/// EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;
/// Tag protocol identifier of a customer VLAN tag (802.1Q).
pub const VLAN: u16 = 0x8100;
/// Tag protocol identifier of a service VLAN tag (802.1ad).
pub const SERVICE_VLAN: u16 = 0x88a8;
/// Bytes of an Ethernet header without tags.
pub const ETHERNET_HEADER: usize = 14;

/// The hardware addresses used unless others are given: those of the corpus's router and host.
const DEFAULT_SOURCE: Mac = [0x02, 0x00, 0x5e, 0x00, 0x02, 0x01];
const DEFAULT_DESTINATION: Mac = [0x02, 0x00, 0x5e, 0x00, 0x02, 0x0a];

/// What stands between the Ethernet header and the transport.
pub trait Network {
    /// The EtherType that announces it.
    fn ethertype(&self) -> u16;
    /// The header(s) and `payload` as bytes; `protocol` is what the payload is.
    fn assemble(&self, protocol: u8, payload: &[u8]) -> Vec<u8>;
    /// The sum of the pseudo-header (RFC 9293 3.1, RFC 8200 8.1) for a payload of so many bytes.
    fn pseudo_sum(&self, protocol: u8, length: usize) -> u32;
}

/// What the network header carries.
pub trait Transport {
    /// Its IP protocol number.
    fn protocol(&self) -> u8;
    /// The header and `payload` as bytes; `pseudo_sum` is that of the network header.
    fn assemble(&self, payload: &[u8], pseudo_sum: &dyn Fn(usize) -> u32) -> Vec<u8>;
}

/// A frame up to its network header.
#[derive(Clone, Debug)]
pub struct Frame<N> {
    link: Link,
    pub(crate) network: N,
}

/// A whole frame.
#[derive(Clone, Debug)]
pub struct Packet<N, T> {
    frame: Frame<N>,
    pub(crate) transport: T,
    payload: Vec<u8>,
}

/// A payload directly behind the Ethernet header, announced by an EtherType.
#[derive(Clone, Debug)]
pub struct Bare {
    ethertype: u16,
    payload: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Link {
    source: Mac,
    destination: Mac,
    /// Tag protocol identifier and tag control information, outermost first.
    tags: Vec<(u16, u16)>,
    ethertype: Option<u16>,
    pad_to: usize,
    cut_to: usize,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            source: DEFAULT_SOURCE,
            destination: DEFAULT_DESTINATION,
            tags: Vec::new(),
            ethertype: None,
            pad_to: 0,
            cut_to: usize::MAX,
        }
    }
}

impl Link {
    fn wrap(&self, ethertype: u16, content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(ETHERNET_HEADER + 4 * self.tags.len() + content.len());
        bytes.extend(self.destination);
        bytes.extend(self.source);
        for (identifier, control) in &self.tags {
            bytes.extend(identifier.to_be_bytes());
            bytes.extend(control.to_be_bytes());
        }
        bytes.extend(self.ethertype.unwrap_or(ethertype).to_be_bytes());
        bytes.extend(content);
        if bytes.len() < self.pad_to {
            bytes.resize(self.pad_to, 0);
        }
        bytes.truncate(self.cut_to);
        bytes
    }
}

impl<N> Frame<N> {
    fn over(network: N) -> Self {
        Self { link: Link::default(), network }
    }

    /// Sets the hardware addresses so that the frame goes from one end of a cable to the other.
    #[must_use]
    pub fn between(self, source: &Port, destination: &Port) -> Self {
        self.macs(source.mac(), destination.mac())
    }

    /// Sets the hardware addresses.
    #[must_use]
    pub fn macs(mut self, source: Mac, destination: Mac) -> Self {
        self.link.source = source;
        self.link.destination = destination;
        self
    }

    /// Adds a customer VLAN tag (802.1Q) inside those already there; `id` is 12 bits.
    #[must_use]
    pub fn vlan(self, id: u16) -> Self {
        self.tag(VLAN, id)
    }

    /// Adds a service VLAN tag (802.1ad) inside those already there.
    #[must_use]
    pub fn service_vlan(self, id: u16) -> Self {
        self.tag(SERVICE_VLAN, id)
    }

    /// Adds any tag: its identifier, and priority with VLAN id as 16 bits.
    #[must_use]
    pub fn tag(mut self, identifier: u16, control: u16) -> Self {
        self.link.tags.push((identifier, control));
        self
    }

    /// Announces another content than there is.
    #[must_use]
    pub fn ethertype(mut self, ethertype: u16) -> Self {
        self.link.ethertype = Some(ethertype);
        self
    }

    /// Pads with zeros to so many bytes (60 is Ethernet's least, without the check sequence).
    #[must_use]
    pub fn pad_to(mut self, bytes: usize) -> Self {
        self.link.pad_to = bytes;
        self
    }

    /// Cuts the finished frame to so many bytes, whatever its headers say.
    #[must_use]
    pub fn cut_to(mut self, bytes: usize) -> Self {
        self.link.cut_to = bytes;
        self
    }
}

impl Frame<Bare> {
    /// A frame of any EtherType with any content.
    #[must_use]
    pub fn ethernet(ethertype: u16, payload: &[u8]) -> Self {
        Self::over(Bare { ethertype, payload: payload.to_vec() })
    }

    /// The frame as it goes on the wire, without the frame check sequence.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        self.link.wrap(self.network.ethertype, &self.network.payload)
    }
}

impl<N: Network> Frame<N> {
    /// Ends in TCP.
    pub fn tcp(self, source_port: u16, destination_port: u16) -> Packet<N, Tcp> {
        self.carry(Tcp::new(source_port, destination_port))
    }

    /// Ends in UDP.
    pub fn udp(self, source_port: u16, destination_port: u16) -> Packet<N, Udp> {
        self.carry(Udp::new(source_port, destination_port))
    }

    /// Ends in GRE (RFC 2784); `ethertype` says what the payload is.
    pub fn gre(self, ethertype: u16) -> Packet<N, Gre> {
        self.carry(Gre::new(ethertype))
    }

    /// Ends in ESP (RFC 4303).
    pub fn esp(self, security_parameters_index: u32, sequence: u32) -> Packet<N, Esp> {
        self.carry(Esp::new(security_parameters_index, sequence))
    }

    /// Ends in bytes of any protocol, as they are: unknown protocols, and later fragments.
    pub fn raw(self, protocol: u8, bytes: &[u8]) -> Packet<N, Raw> {
        self.carry(Raw::new(protocol)).payload(bytes)
    }

    fn carry<T>(self, transport: T) -> Packet<N, T> {
        Packet { frame: self, transport, payload: Vec::new() }
    }
}

impl<N: Network, T: Transport> Packet<N, T> {
    /// What follows the transport header.
    #[must_use]
    pub fn payload(mut self, bytes: &[u8]) -> Self {
        self.payload = bytes.to_vec();
        self
    }

    /// The frame as it goes on the wire, without the frame check sequence.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        self.frame.link.wrap(self.frame.network.ethertype(), &self.ip_bytes())
    }

    /// The frame without its Ethernet header: what a tunnel carries.
    #[must_use]
    pub fn ip_bytes(&self) -> Vec<u8> {
        let protocol = self.transport.protocol();
        let content =
            self.transport.assemble(&self.payload, &|length| self.frame.network.pseudo_sum(protocol, length));
        self.frame.network.assemble(protocol, &content)
    }
}

/// A length for a 16-bit header field; what does not fit is cut to the field, as on the wire.
fn length_field(bytes: usize) -> u16 {
    (bytes & 0xffff) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_stand_in_the_order_they_were_added() {
        let bytes = Frame::ipv4("198.51.100.7", "192.0.2.10").service_vlan(100).vlan(7).udp(1, 2).build();
        assert_eq!(&bytes[12..22], [0x88, 0xa8, 0, 100, 0x81, 0, 0, 7, 0x08, 0]);
        assert_eq!(bytes.len(), 14 + 8 + 20 + 8);
    }

    #[test]
    fn a_frame_is_padded_and_cut_without_touching_its_headers() {
        let packet = Frame::ipv4("198.51.100.7", "192.0.2.10").pad_to(60).tcp(1, 2);
        assert_eq!(packet.build().len(), 60);
        assert_eq!(packet.build()[17], 40);
        let cut = Frame::ipv4("198.51.100.7", "192.0.2.10").cut_to(30).tcp(1, 2).build();
        assert_eq!((cut.len(), cut[17]), (30, 40));
    }

    #[test]
    fn any_ethertype_carries_anything() {
        let bytes = Frame::ethernet(0x88cc, &[1, 2, 3]).vlan(4).build();
        assert_eq!(&bytes[12..], [0x81, 0, 0, 4, 0x88, 0xcc, 1, 2, 3]);
        let lie = Frame::ipv4("198.51.100.7", "192.0.2.10").ethertype(IPV6).udp(1, 2).build();
        assert_eq!(&lie[12..15], [0x86, 0xdd, 0x45]);
    }
}
