//! TCP, UDP, ICMP and ICMPv6; anything else has no ports.

use super::{Fragment, Network, protocol};
use crate::frame::{Frame, Header};

/// What a transport header says. Zero where there is none.
#[derive(Clone, Copy, Default)]
pub(super) struct Transport {
    pub(super) source_port: u16,
    pub(super) destination_port: u16,
    pub(super) tcp_flags: u8,
}

/// `None` if the header is cut short by the end of the IP packet, or contradicts itself.
#[inline(always)]
pub(super) fn parse<F: Frame>(frame: &F, network: &Network) -> Option<Transport> {
    if network.fragment as u8 == Fragment::Later as u8 {
        return Some(Transport::default());
    }
    let room = network.end - network.payload;
    match network.protocol {
        protocol::TCP => tcp(frame, network, room),
        protocol::UDP => udp(frame, network, room),
        protocol::ICMP | protocol::ICMPV6 => icmp(frame, network, room),
        _ => Some(Transport::default()),
    }
}

#[inline(always)]
fn tcp<F: Frame>(frame: &F, network: &Network, room: u32) -> Option<Transport> {
    let header = frame.header::<20>(network.payload)?;
    let header_length = u32::from(header.u8(12) >> 4) * 4;
    // A first fragment may end inside the options (RFC 1858 drops those that end before byte 16).
    if room < 20
        || header_length < 20
        || header_length > room && network.fragment as u8 == Fragment::Whole as u8
    {
        return None;
    }
    Some(Transport {
        source_port: header.be16(0),
        destination_port: header.be16(2),
        tcp_flags: header.u8(13),
    })
}

#[inline(always)]
fn udp<F: Frame>(frame: &F, network: &Network, room: u32) -> Option<Transport> {
    let header = frame.header::<8>(network.payload)?;
    let length = u32::from(header.be16(4));
    if room < 8 || length < 8 || length > room && network.fragment as u8 == Fragment::Whole as u8 {
        return None;
    }
    Some(Transport { source_port: header.be16(0), destination_port: header.be16(2), tcp_flags: 0 })
}

#[inline(always)]
fn icmp<F: Frame>(frame: &F, network: &Network, room: u32) -> Option<Transport> {
    let header = frame.header::<4>(network.payload)?;
    if room < 4 {
        return None;
    }
    Some(Transport { source_port: 0, destination_port: header.be16(0), tcp_flags: 0 })
}
