//! The least that a filter by source must parse: the link header, and where the source address is.
//!
//! No lengths are compared and no transport header is read, which is less than floodwall does: the programs it
//! is compared with are given the advantage.

use aya_ebpf::programs::XdpContext;
use floodwall_bench_filters::{SOURCE_OFFSET_V4, SOURCE_OFFSET_V6};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// A packet's source.
#[derive(Clone, Copy)]
pub enum Source {
    /// In network order.
    V4(u32),
    /// Both halves in network order.
    V6([u64; 2]),
}

impl Source {
    /// Of a packet without VLAN tags.
    #[inline(always)]
    pub fn of(ctx: &XdpContext) -> Option<Self> {
        let ether_type: *const u16 = at(ctx, 12)?;
        // SAFETY: `at` has compared with the end of the packet; the same below.
        match u16::from_be(unsafe { *ether_type }) {
            IPV4 => {
                let address: *const u32 = at(ctx, SOURCE_OFFSET_V4)?;
                // SAFETY: as above.
                Some(Self::V4(unsafe { *address }))
            }
            IPV6 => {
                let address: *const [u64; 2] = at(ctx, SOURCE_OFFSET_V6)?;
                // SAFETY: as above; packets may be read unaligned.
                Some(Self::V6(unsafe { [(*address)[0], (*address)[1]] }))
            }
            _ => None,
        }
    }

    /// What the source is counted under: an IPv4 address, or an IPv6 /64.
    #[inline(always)]
    pub fn key(self) -> u64 {
        match self {
            Self::V4(address) => u64::from(address),
            Self::V6([high, _]) => high,
        }
    }
}

/// The place of a `T` in the packet, if all of it is there.
#[inline(always)]
pub fn at<T>(ctx: &XdpContext, offset: usize) -> Option<*mut T> {
    let start = ctx.data() + offset;
    if start + size_of::<T>() > ctx.data_end() { None } else { Some(start as *mut T) }
}
