//! Which service a packet is for.

use crate::{
    branchless::at_most_wide,
    parse::{Fragment, Packet, protocol},
    prefix::{Address, Family},
    tables::Tables,
    wire::{Destination, MAX_CLASSES, MAX_DESTINATIONS, PORT_WORDS, Port, Settings},
};

/// First byte of the UDP ports on a page.
const UDP: u32 = 1 << 16;
/// First byte of the other protocols on a page.
const OTHERS: u32 = 2 << 16;

/// The byte of a page that speaks of a protocol's port; of protocols without ports, port 0.
#[inline(always)]
pub const fn byte_of(protocol: u8, port: u16) -> u32 {
    match protocol {
        protocol::TCP => port as u32,
        protocol::UDP => UDP + port as u32,
        _ => OTHERS + protocol as u32,
    }
}

/// What the port that a packet is for says. `None` if the tables could not be reached.
#[inline(always)]
pub fn port<T: Tables>(tables: &T, settings: &Settings, packet: &Packet) -> Option<Port> {
    let class = class(tables, settings, packet.destination)?;
    // A later fragment does not say what port it is for; its protocol has to do.
    let byte = if packet.fragment as u8 == Fragment::Later as u8 {
        OTHERS + u32::from(packet.protocol)
    } else {
        byte_of(packet.protocol, packet.destination_port)
    };
    let word = tables.ports(class * PORT_WORDS + byte / 8)?.load();
    Some(Port::unpack((word >> (byte % 8 * 8)) as u8))
}

/// What an address's port of a protocol says. `None` if the tables could not be reached.
#[inline(always)]
pub fn port_at<T: Tables>(
    tables: &T,
    settings: &Settings,
    address: Address,
    protocol: u8,
    port: u16,
) -> Option<Port> {
    let class = class(tables, settings, address)?;
    let byte = byte_of(protocol, port);
    let word = tables.ports(class * PORT_WORDS + byte / 8)?.load();
    Some(Port::unpack((word >> (byte % 8 * 8)) as u8))
}

/// The class of a destination.
#[inline(always)]
fn class<T: Tables>(tables: &T, settings: &Settings, address: Address) -> Option<u32> {
    if settings.destinations.load() == 0 {
        return Some(0);
    }
    let (high, low) = mapped(address);
    let mut at = 0;
    let mut step = MAX_DESTINATIONS / 2;
    while step > 0 {
        at += reaches(tables.destination(at + step)?, high, low) * step;
        step /= 2;
    }
    Some(tables.destination(at)?.class.load() as u32 % MAX_CLASSES)
}

/// 1 if a range starts at an address or before it, else 0.
#[inline(always)]
fn reaches(range: &Destination, high: u64, low: u64) -> u32 {
    at_most_wide((range.high.load(), range.low.load()), (high, low))
}

/// An address as IPv6 has it; IPv4 is mapped (RFC 4291 section 2.5.5.2).
#[inline(always)]
pub const fn mapped(address: Address) -> (u64, u64) {
    match address.family {
        Family::V4 => (0, 0xffff << 32 | address.high >> 32),
        Family::V6 => (address.high, address.low),
    }
}

const _: () = assert!(PORT_WORDS == (OTHERS + 256) / 8);
