//! What a packet starts with in a capture, which way it went, and the Ethernet frame that it would have been.

use crate::Direction;

/// What a captured packet's bytes start with: a number in the registry of link types
/// (<https://www.tcpdump.org/linktypes.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkType {
    /// An Ethernet header.
    Ethernet,
    /// An IPv4 or IPv6 header.
    RawIp,
    /// An IPv4 header.
    RawIpv4,
    /// An IPv6 header.
    RawIpv6,
    /// The 16-byte header of a capture on Linux's "any" interface.
    LinuxCooked,
    /// The 20-byte header of such a capture by newer tools.
    LinuxCooked2,
    /// A word that names the family, of BSD's loopback interfaces.
    Loopback,
    /// Something else, which no Ethernet interface carries.
    Other(u32),
}

impl From<u32> for LinkType {
    fn from(number: u32) -> Self {
        match number {
            1 => Self::Ethernet,
            // 101 is the registered number; 12 and 14 are what some systems wrote for it.
            12 | 14 | 101 => Self::RawIp,
            228 => Self::RawIpv4,
            229 => Self::RawIpv6,
            113 => Self::LinuxCooked,
            276 => Self::LinuxCooked2,
            0 | 108 => Self::Loopback,
            other => Self::Other(other),
        }
    }
}

/// A frame from its Ethernet header on, possibly cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EthernetFrame<'a> {
    /// The first bytes; the rest is not known.
    pub bytes: &'a [u8],
    /// Bytes on the wire.
    pub length: u32,
}

const ETHERNET: usize = 14;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// Packet types of cooked headers (`include/uapi/linux/if_packet.h`): for this host, as broadcast, as multicast, for
/// somebody else; and sent from here.
const TO_HOST: u16 = 0;
const TO_OTHERS: u16 = 3;
const OUTGOING: u16 = 4;
/// For local experiments (IEEE 802): stands for what no Ethernet interface carries.
const FOREIGN: u16 = 0x88b5;

impl LinkType {
    /// Which way a packet went, where its header says so: that of Linux's "any" interface does. A packet that was looped
    /// back, or of a kind that is not known, went neither way.
    pub fn direction(self, bytes: &[u8]) -> Option<Direction> {
        let kind = match self {
            Self::LinuxCooked => bytes.get(..2).map(|_| be16(bytes, 0)),
            Self::LinuxCooked2 => bytes.get(10).copied().map(u16::from),
            _ => None,
        };
        match kind? {
            TO_HOST..=TO_OTHERS => Some(Direction::Inbound),
            OUTGOING => Some(Direction::Outbound),
            _ => None,
        }
    }

    /// The frame that an Ethernet interface would have seen: `bytes` were captured of the `length` there were.
    ///
    /// Where there was no Ethernet header, one is made, with the sender's address if it is known; `scratch` is
    /// where that is done. A packet of [`Self::Other`] becomes a frame of its length that holds no IP.
    pub fn ethernet<'a>(self, bytes: &'a [u8], length: u32, scratch: &'a mut Vec<u8>) -> EthernetFrame<'a> {
        let (header, ether_type, sender): (usize, u16, &[u8]) = match self {
            Self::Ethernet => return EthernetFrame { bytes, length },
            Self::RawIp => (0, version(bytes), &[]),
            Self::RawIpv4 => (0, IPV4, &[]),
            Self::RawIpv6 => (0, IPV6, &[]),
            Self::LinuxCooked => (16, be16(bytes, 14), sender(bytes, be16(bytes, 4), 6)),
            Self::LinuxCooked2 => {
                let size = bytes.get(11).copied().map_or(0, u16::from);
                (20, be16(bytes, 0), sender(bytes, size, 12))
            }
            Self::Loopback => (4, family(bytes), &[]),
            Self::Other(_) => (bytes.len(), FOREIGN, &[]),
        };
        scratch.clear();
        scratch.resize(ETHERNET, 0);
        scratch[6..6 + sender.len()].copy_from_slice(sender);
        scratch[12..].copy_from_slice(&ether_type.to_be_bytes());
        scratch.extend_from_slice(bytes.get(header..).unwrap_or_default());
        let replaced = if matches!(self, Self::Other(_)) { 0 } else { header as u32 };
        let length = length.saturating_sub(replaced).saturating_add(ETHERNET as u32);
        EthernetFrame { bytes: scratch, length }
    }
}

/// The 16 bits at `at`; those that were not captured are zeros.
fn be16(bytes: &[u8], at: usize) -> u16 {
    let byte = |at| bytes.get(at).copied().unwrap_or(0);
    u16::from_be_bytes([byte(at), byte(at + 1)])
}

/// What a bare IP header is; of a version that is neither, IPv4 with a wrong one.
fn version(bytes: &[u8]) -> u16 {
    if bytes.first().is_some_and(|byte| byte >> 4 == 6) { IPV6 } else { IPV4 }
}

/// The hardware address at `at`, if it is an Ethernet one.
fn sender(bytes: &[u8], size: u16, at: usize) -> &[u8] {
    if size == 6 { bytes.get(at..at + 6).unwrap_or_default() } else { &[] }
}

/// Which family a loopback header names: 2 is IPv4 everywhere; IPv6 has another number on each system. In the
/// byte order of whoever captured it, or of the network; the number is small in one of them.
fn family(bytes: &[u8]) -> u16 {
    let number = be16(bytes, 2).max(be16(bytes, 0).swap_bytes());
    match number {
        2 => IPV4,
        10 | 24 | 28 | 30 => IPV6,
        _ => FOREIGN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: [u8; 4] = [0x45, 0, 0, 20];
    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 7];

    /// EtherType, sender and what follows the Ethernet header of a packet that was 100 bytes long.
    fn frame(number: u32, bytes: &[u8]) -> (u16, [u8; 6], Vec<u8>, u32) {
        let mut scratch = vec![9; 40];
        let EthernetFrame { bytes, length } = LinkType::from(number).ethernet(bytes, 100, &mut scratch);
        (be16(bytes, 12), bytes[6..12].try_into().unwrap(), bytes[14..].to_vec(), length)
    }

    #[test]
    fn bare_ip_gets_a_header() {
        for number in [12, 14, 101, 228] {
            assert_eq!(frame(number, &IP), (IPV4, [0; 6], IP.to_vec(), 114), "{number}");
        }
        assert_eq!(frame(101, &[0x60, 0]), (IPV6, [0; 6], vec![0x60, 0], 114));
        assert_eq!(frame(229, &IP).0, IPV6);
        assert_eq!(frame(101, &[]), (IPV4, [0; 6], vec![], 114));
    }

    #[test]
    fn cooked_headers_are_replaced() {
        let cooked = [&[0, 0, 0, 1, 0, 6][..], &MAC, &[0, 0, 0x86, 0xdd], &IP].concat();
        assert_eq!(frame(113, &cooked), (IPV6, MAC, IP.to_vec(), 98));
        let cooked = [&[8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6][..], &MAC, &[0, 0], &IP].concat();
        assert_eq!(frame(276, &cooked), (IPV4, MAC, IP.to_vec(), 94));
        let tagged = [&[0x81, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 0][..], &[0; 8], &[0, 7, 8, 0], &IP].concat();
        assert_eq!(frame(276, &tagged).0, 0x8100, "a tag stays where it was");
        for length in 0..16 {
            assert!(frame(113, &cooked[..length]).2.is_empty(), "cut off in the header");
        }
    }

    #[test]
    fn cooked_headers_say_which_way_a_packet_went() {
        use Direction::{Inbound, Outbound};
        for (kind, expected) in [
            (0, Some(Inbound)),
            (1, Some(Inbound)),
            (2, Some(Inbound)),
            (3, Some(Inbound)),
            (4, Some(Outbound)),
            (5, None),
            (200, None),
        ] {
            let mut header = [0; 20];
            header[1] = kind;
            assert_eq!(LinkType::LinuxCooked.direction(&header), expected, "{kind}");
            assert_eq!(LinkType::LinuxCooked.direction(&header[..2]), expected, "{kind}");
            assert_eq!(LinkType::LinuxCooked.direction(&header[..1]), None, "cut off");
            (header[1], header[10]) = (9, kind);
            assert_eq!(LinkType::LinuxCooked2.direction(&header), expected, "{kind}");
            assert_eq!(LinkType::LinuxCooked2.direction(&header[..11]), expected, "{kind}");
            assert_eq!(LinkType::LinuxCooked2.direction(&header[..10]), None, "cut off");
        }
        assert_eq!(LinkType::LinuxCooked.direction(&[1, 4, 0]), None, "a type of two bytes");
        for link in [LinkType::Ethernet, LinkType::RawIp, LinkType::Loopback, LinkType::Other(105)] {
            assert_eq!(link.direction(&[0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0]), None, "{link:?}");
        }
    }

    #[test]
    fn loopback_families_of_either_byte_order() {
        for (family, ether_type) in [(2, IPV4), (10, IPV6), (24, IPV6), (28, IPV6), (30, IPV6), (7, FOREIGN)]
        {
            for header in [u32::to_le_bytes(family), u32::to_be_bytes(family)] {
                assert_eq!(frame(0, &[&header[..], &IP].concat()), (ether_type, [0; 6], IP.to_vec(), 110));
            }
        }
    }

    #[test]
    fn what_is_carried_elsewhere_keeps_its_length_and_holds_no_ip() {
        assert_eq!(frame(105, &IP), (FOREIGN, [0; 6], vec![], 114));
    }
}
