//! TCP, UDP, ICMP and ICMPv6; anything else has no ports.

use super::{Fragment, Packet, protocol};
use crate::frame::{Frame, Header};

/// What a transport header says. Zero where there is none.
#[derive(Clone, Copy, Default)]
pub(super) struct Transport {
    pub(super) acknowledged: u32,
    pub(super) source_port: u16,
    pub(super) destination_port: u16,
    pub(super) tcp_flags: u8,
}

/// `None` if the header is cut short by the end of the IP packet, or contradicts itself.
#[inline(always)]
pub(super) fn parse<F: Frame>(frame: &F, packet: &Packet) -> Option<Transport> {
    if packet.fragment as u8 == Fragment::Later as u8 {
        return Some(Transport::default());
    }
    let room = packet.end.saturating_sub(packet.transport);
    match packet.protocol {
        protocol::TCP => tcp(frame, packet, room),
        protocol::UDP => udp(frame, packet, room),
        protocol::ICMP | protocol::ICMPV6 => icmp(frame, packet, room),
        _ => Some(Transport::default()),
    }
}

#[inline(always)]
fn tcp<F: Frame>(frame: &F, packet: &Packet, room: u32) -> Option<Transport> {
    let header = frame.header::<20>(packet.transport)?;
    let header_length = u32::from(header.u8(12) >> 4) * 4;
    // A first fragment may end inside the options (RFC 1858 drops those that end before byte 16).
    if room < 20
        || header_length < 20
        || header_length > room && packet.fragment as u8 == Fragment::Whole as u8
    {
        return None;
    }
    Some(Transport {
        acknowledged: header.be32(8),
        source_port: header.be16(0),
        destination_port: header.be16(2),
        tcp_flags: header.u8(13),
    })
}

#[inline(always)]
fn udp<F: Frame>(frame: &F, packet: &Packet, room: u32) -> Option<Transport> {
    let header = frame.header::<8>(packet.transport)?;
    let length = u32::from(header.be16(4));
    if room < 8 || length < 8 || length > room && packet.fragment as u8 == Fragment::Whole as u8 {
        return None;
    }
    let (source_port, destination_port) = (header.be16(0), header.be16(2));
    Some(Transport { source_port, destination_port, ..Transport::default() })
}

#[inline(always)]
fn icmp<F: Frame>(frame: &F, packet: &Packet, room: u32) -> Option<Transport> {
    let header = frame.header::<4>(packet.transport)?;
    if room < 4 {
        return None;
    }
    Some(Transport { destination_port: header.be16(0), ..Transport::default() })
}
