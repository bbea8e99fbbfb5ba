//! Ethernet and VLAN tags, or neither.

use crate::{
    branchless::at_most,
    frame::{Frame, Header},
};

/// EtherType of IPv4.
pub(super) const IPV4: u16 = 0x0800;
/// EtherType of IPv6.
pub(super) const IPV6: u16 = 0x86dd;
/// EtherType of a customer tag, IEEE 802.1Q.
const VLAN: u16 = 0x8100;
/// EtherType of a service tag, IEEE 802.1ad.
const SERVICE_VLAN: u16 = 0x88a8;
/// EtherType of a service tag before there was a standard for it.
const OLD_SERVICE_VLAN: u16 = 0x9100;

const ETHERNET: u32 = 14;
const TAG: u32 = 4;

/// The EtherType after up to two VLAN tags, and the offset of what it announces. `None` if the frame ends
/// before: no IP can be in there.
#[inline(always)]
pub(super) fn parse<F: Frame>(frame: &F) -> Option<(u16, u32)> {
    if !F::ETHERNET {
        return without(frame);
    }
    let ether_type = frame.header::<14>(0)?.be16(12);
    if !is_tag(ether_type) {
        return Some((ether_type, ETHERNET));
    }
    let ether_type = frame.header::<4>(ETHERNET)?.be16(2);
    if !is_tag(ether_type) {
        return Some((ether_type, ETHERNET + TAG));
    }
    let ether_type = frame.header::<4>(ETHERNET + TAG)?.be16(2);
    Some((ether_type, ETHERNET + 2 * TAG))
}

/// As [`parse`], where the IP header comes first: its version says which.
#[inline(always)]
fn without<F: Frame>(frame: &F) -> Option<(u16, u32)> {
    // Of a window of one byte, the compiler makes a comparison that the verifier does not understand.
    match frame.header::<2>(0)?.u8(0) >> 4 {
        4 => Some((IPV4, 0)),
        6 => Some((IPV6, 0)),
        _ => None,
    }
}

#[inline(always)]
fn is_tag(ether_type: u16) -> bool {
    matches!(ether_type, VLAN | SERVICE_VLAN | OLD_SERVICE_VLAN)
}

/// 1 if what starts at `offset` stood behind a VLAN tag, else 0.
#[inline(always)]
pub(super) fn tagged(offset: u32) -> u8 {
    (1 ^ at_most(offset, ETHERNET)) as u8
}
