//! IPv4, RFC 791.

use super::{Fragment, Packet, ip_form, run_length};
use crate::{
    branchless::at_most,
    frame::{Frame, Header},
    prefix::Address,
};

const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET_MASK: u16 = 0x1fff;
const DONT_FRAGMENT_SHIFT: u16 = 14;

/// Writes what the header says into `packet`. `None` if it is cut short or contradicts itself.
#[inline(always)]
pub(super) fn parse<F: Frame>(frame: &F, offset: u32, packet: &mut Packet) -> Option<()> {
    let header = frame.header::<20>(offset)?;
    let version_ihl = header.u8(0);
    let header_length = u32::from(version_ihl & 0xf) * 4;
    let total_length = run_length(u32::from(header.be16(2)), frame.length().wrapping_sub(offset));
    if version_ihl >> 4 != 4
        || header_length < 20
        || total_length < header_length
        || offset + total_length > frame.length()
    {
        return None;
    }
    let flags = header.be16(6);
    packet.fragment = if flags & OFFSET_MASK != 0 {
        Fragment::Later
    } else if flags & MORE_FRAGMENTS != 0 {
        Fragment::First
    } else {
        Fragment::Whole
    };
    packet.source = Address::v4(header.be32(12));
    packet.destination = Address::v4(header.be32(16));
    packet.transport = offset + header_length;
    packet.end = offset + total_length;
    packet.identification = u32::from(header.be16(4));
    packet.protocol = header.u8(9);
    packet.hop_limit = header.u8(8);
    packet.ip_form = ((flags >> DONT_FRAGMENT_SHIFT) as u8 & ip_form::DONT_FRAGMENT)
        | ((1 ^ at_most(header_length, 20)) as u8 * ip_form::EXTENDED);
    Some(())
}
