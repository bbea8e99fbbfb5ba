//! IPv6 and its extension headers, RFC 8200.

use super::{Fragment, Packet, ip_form, run_length};
use crate::{
    branchless::at_most,
    frame::{Frame, Header},
    prefix::Address,
};

/// Length of the header.
pub(super) const HEADER: u32 = 40;
/// Offsets stay far below this; said so that the verifier knows, too.
pub(super) const OFFSET_MASK: u32 = 0x7fff;

/// Longest chain of extension headers that is followed. RFC 8200 section 4.1 names at most seven in one
/// packet; a longer chain is malformed (RFC 9098 on why operators drop them).
const MAX_EXTENSION_HEADERS: u32 = 8;

/// Extension headers, from IANA's "IPv6 Extension Header Types". ESP is one by name, but nothing behind it can
/// be read: it counts as the transport.
pub(super) const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
/// Hop-by-hop options (0), routing (43), fragment, authentication and destination options (60), as bits.
const LOW_EXTENSIONS: u64 = 1 | 1 << 43 | 1 << FRAGMENT | 1 << AUTHENTICATION | 1 << 60;
/// Mobility (135), HIP (139) and shim6 (140), as bits from 128 on.
const HIGH_EXTENSIONS: u64 = 1 << (135 - 128) | 1 << (139 - 128) | 1 << (140 - 128);

/// 1 if the protocol is an extension header whose length can be read, else 0.
#[inline(always)]
pub(super) fn is_extension(protocol: u8) -> u64 {
    let bit = protocol & 63;
    let low = LOW_EXTENSIONS >> bit & u64::from(is(protocol & 192, 0));
    let high = HIGH_EXTENSIONS >> bit & u64::from(is(protocol & 192, 128));
    (low | high) & 1
}

/// 1 if the two are the same, else 0.
#[inline(always)]
pub(super) fn is(a: u8, b: u8) -> u32 {
    at_most(u32::from(a ^ b), 0)
}

/// Length of an extension header, bytes.
///
/// In units of 8 bytes after the first; authentication in units of 4 after the first two (RFC 4302 section 2.2); a fragment
/// header has no length, and its byte is reserved (RFC 8200 section 4.5).
#[inline(always)]
pub(super) fn extension_length<H: Header>(protocol: u8, extension: &H) -> u32 {
    let (fragment, authentication) = (is(protocol, FRAGMENT), is(protocol, AUTHENTICATION));
    let units = u32::from(extension.u8(1)) * (1 ^ fragment);
    (units + 1 + authentication) << (3 - authentication)
}

/// Writes what the headers say into `packet`. `None` if one is cut short, contradicts itself, or comes after too many.
#[inline(always)]
pub(super) fn parse<F: Frame>(frame: &F, offset: u32, packet: &mut Packet) -> Option<()> {
    let header = frame.header::<40>(offset)?;
    let room = frame.length().wrapping_sub(offset + HEADER);
    let payload_length = run_length(u32::from(header.be16(4)), room);
    let end = offset + HEADER + payload_length;
    if header.u8(0) >> 4 != 6 || end > frame.length() {
        return None;
    }
    packet.source = Address::v6(header.be64(8), header.be64(16));
    packet.destination = Address::v6(header.be64(24), header.be64(32));
    packet.end = end;
    packet.identification = 0;
    packet.hop_limit = header.u8(7);
    packet.fragment = Fragment::Whole;
    let (mut protocol, mut payload) = (header.u8(6), offset + HEADER);
    packet.ip_form = is_extension(protocol) as u8 * ip_form::EXTENDED;
    for _ in 0..=MAX_EXTENSION_HEADERS {
        if is_extension(protocol) == 0 {
            packet.protocol = protocol;
            packet.transport = payload;
            return Some(());
        }
        // One way through for all kinds: with one each, the verifier would walk 3⁸ chains.
        let extension = frame.header::<8>(payload)?;
        let fragment = is(protocol, FRAGMENT);
        payload = (payload + extension_length(protocol, &extension)) & OFFSET_MASK;
        protocol = extension.u8(0);
        if payload > end {
            return None;
        }
        if fragment == 0 {
            continue;
        }
        packet.identification = extension.be32(4);
        let position = extension.be16(2);
        if position & !7 != 0 {
            // What follows is the middle of something; there is no header to be read.
            packet.fragment = Fragment::Later;
            packet.protocol = protocol;
            packet.transport = payload;
            return Some(());
        }
        if position & 1 != 0 {
            packet.fragment = Fragment::First;
        }
    }
    None
}
