//! Sending a captured packet again, to another target.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{ETHERNET_HEADER, IPV4, IPV6, SERVICE_VLAN, VLAN, checksum};
use crate::link::Mac;
use crate::pcap::Record;

/// Where captured packets are sent instead of where they went. Sources, TTLs, ports and options
/// stay as captured, since those are what tells an attack.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// The sender's hardware address.
    pub source_mac: Mac,
    /// The target's hardware address.
    pub destination_mac: Mac,
    /// The target of IPv4 packets; without one they are left out.
    pub ipv4: Option<Ipv4Addr>,
    /// The target of IPv6 packets; without one they are left out.
    pub ipv6: Option<Ipv6Addr>,
    /// The target port of TCP and UDP, if it is to change.
    pub port: Option<u16>,
}

impl Rewrite {
    /// The frame to send for a captured one, or nothing when it holds no IP packet for this target.
    ///
    /// VLAN tags are taken off. A packet that the capture cut is filled with zeros to its length,
    /// and checksums are made right for the new content.
    #[must_use]
    pub fn apply(&self, record: &Record) -> Option<Vec<u8>> {
        let mut scratch = Vec::new();
        let captured = record.link.ethernet(&record.bytes, record.original_length, &mut scratch);
        let start = ip_start(captured.bytes)?;
        let mut packet = captured.bytes.get(start..)?.to_vec();
        let length = usize::try_from(captured.length).ok()?.checked_sub(start)?;
        packet.resize(length.max(packet.len()), 0);
        let ethertype = match packet.first()? >> 4 {
            4 => {
                self.apply_v4(&mut packet, self.ipv4?)?;
                IPV4
            }
            6 => {
                self.apply_v6(&mut packet, self.ipv6?)?;
                IPV6
            }
            _ => return None,
        };
        let mut frame = Vec::with_capacity(ETHERNET_HEADER + packet.len());
        frame.extend(self.destination_mac);
        frame.extend(self.source_mac);
        frame.extend(ethertype.to_be_bytes());
        frame.extend(packet);
        Some(frame)
    }

    fn apply_v4(&self, packet: &mut [u8], target: Ipv4Addr) -> Option<()> {
        let header = usize::from(packet[0] & 0xf) * 4;
        if header < 20 || packet.len() < header {
            return None;
        }
        packet[16..20].copy_from_slice(&target.octets());
        packet[10..12].fill(0);
        let sum = checksum::of(&packet[..header]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());

        // A fragment's checksum covers bytes that are not here.
        let fragment = u16::from_be_bytes([packet[6], packet[7]]) & 0x3fff != 0;
        let end = usize::from(u16::from_be_bytes([packet[2], packet[3]])).min(packet.len());
        if !fragment && end >= header {
            let protocol = packet[9];
            let (front, transport) = packet[..end].split_at_mut(header);
            self.apply_transport(protocol, transport, &front[12..20]);
        }
        Some(())
    }

    fn apply_v6(&self, packet: &mut [u8], target: Ipv6Addr) -> Option<()> {
        packet.get_mut(24..40)?.copy_from_slice(&target.octets());
        let end = (40 + usize::from(u16::from_be_bytes([packet[4], packet[5]]))).min(packet.len());
        let (mut protocol, mut at) = (packet[6], 40);
        // Hop-by-hop, routing and destination options; anything else ends the walk.
        while [0, 43, 60].contains(&protocol) && at + 2 <= end {
            (protocol, at) = (packet[at], at + (usize::from(packet[at + 1]) + 1) * 8);
        }
        if at <= end {
            let (front, transport) = packet[..end].split_at_mut(at);
            self.apply_transport(protocol, transport, &front[8..40]);
        }
        Some(())
    }

    fn apply_transport(&self, protocol: u8, segment: &mut [u8], addresses: &[u8]) {
        let (least, field) = match protocol {
            6 => (20, 16),
            // UDP without a checksum stays without one.
            17 if segment.get(6..8).is_some_and(|sum| sum != [0, 0]) => (8, 6),
            58 => (4, 2),
            _ => (usize::MAX, 0),
        };
        if let Some(port) = self.port
            && matches!(protocol, 6 | 17)
            && let Some(field) = segment.get_mut(2..4)
        {
            field.copy_from_slice(&port.to_be_bytes());
        }
        if segment.len() < least {
            return;
        }
        let Ok(length) = u32::try_from(segment.len()) else { return };
        segment[field..field + 2].fill(0);
        let pseudo = checksum::sum(addresses, u32::from(protocol) + length);
        let sum = match checksum::fold(checksum::sum(segment, pseudo)) {
            0 if protocol == 17 => 0xffff,
            sum => sum,
        };
        segment[field..field + 2].copy_from_slice(&sum.to_be_bytes());
    }
}

/// Where the IP header of a frame starts, if it holds one.
fn ip_start(frame: &[u8]) -> Option<usize> {
    let ethertype_at = |at: usize| Some(u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]));
    let mut at = 12;
    while [VLAN, SERVICE_VLAN].contains(&ethertype_at(at)?) {
        at += 4;
    }
    [IPV4, IPV6].contains(&ethertype_at(at)?).then_some(at + 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;
    use crate::pcap::LinkType;

    const TO: Rewrite = Rewrite {
        source_mac: [2; 6],
        destination_mac: [4; 6],
        ipv4: Some(Ipv4Addr::new(192, 0, 2, 10)),
        ipv6: Some(Ipv6Addr::new(0x2001, 0xdb8, 5, 0, 0, 0, 0, 0x10)),
        port: None,
    };

    fn record(link: LinkType, bytes: Vec<u8>) -> Record {
        let original_length = u32::try_from(bytes.len()).unwrap();
        Record { nanoseconds: 0, original_length, link, direction: None, bytes }
    }

    #[test]
    fn only_the_target_changes_and_sums_are_right() {
        let captured =
            Frame::ipv4("203.0.113.9", "10.10.10.10").vlan(5).ttl(242).tcp(1234, 25565).syn().window(0);
        let expected = Frame::ipv4("203.0.113.9", "192.0.2.10")
            .macs([2; 6], [4; 6])
            .ttl(242)
            .tcp(1234, 25565)
            .syn()
            .window(0);
        let sent = TO.apply(&record(LinkType::Ethernet, captured.build()));
        assert_eq!(sent, Some(expected.build()));
        let raw = TO.apply(&record(LinkType::RawIp, captured.ip_bytes()));
        assert_eq!(raw, Some(expected.build()));
    }

    #[test]
    fn ipv6_with_a_chain_and_another_port() {
        let captured =
            Frame::ipv6("2001:db8::9", "2001:db8::1").hop_by_hop(&[]).udp(53, 9).payload(b"answer");
        let expected = Frame::ipv6("2001:db8::9", "2001:db8:5::10")
            .macs([2; 6], [4; 6])
            .hop_by_hop(&[])
            .udp(53, 80)
            .payload(b"answer");
        let to = Rewrite { port: Some(80), ..TO };
        assert_eq!(to.apply(&record(LinkType::Ethernet, captured.build())), Some(expected.build()));
    }

    #[test]
    fn a_cut_packet_is_filled_and_valid_again() {
        let whole = Frame::ipv4("203.0.113.9", "10.10.10.10").udp(1, 2).payload(&[7; 200]).build();
        let original_length = u32::try_from(whole.len()).unwrap();
        let cut = Record { original_length, ..record(LinkType::Ethernet, whole[..60].to_vec()) };
        let mut payload = [0; 200];
        payload[..60 - 42].fill(7);
        let expected =
            Frame::ipv4("203.0.113.9", "192.0.2.10").macs([2; 6], [4; 6]).udp(1, 2).payload(&payload);
        assert_eq!(TO.apply(&cut), Some(expected.build()));
    }

    #[test]
    fn what_is_not_for_the_target_is_left_out() {
        let arp = Frame::arp_request([2; 6], "10.0.0.1", "10.0.0.2").build();
        assert_eq!(TO.apply(&record(LinkType::Ethernet, arp)), None);
        assert_eq!(TO.apply(&record(LinkType::Ethernet, vec![0; 5])), None);
        assert_eq!(TO.apply(&record(LinkType::RawIp, vec![0x45; 10])), None);
        let v6 = Frame::ipv6("::1", "::2").udp(1, 2).build();
        let only_v4 = Rewrite { ipv6: None, ..TO };
        assert_eq!(only_v4.apply(&record(LinkType::Ethernet, v6)), None);
    }
}
