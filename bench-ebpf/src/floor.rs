//! What nothing can be cheaper than.

use aya_ebpf::{
    bindings::xdp_action,
    macros::{map, xdp},
    maps::Array,
    programs::XdpContext,
};

use crate::source::Source;

/// 64-bit words in 64 MiB: about the size of any table for a million entries, and far beyond the caches.
const WORDS: u32 = 1 << 23;

#[map]
static TABLE: Array<u64> = Array::with_max_entries(WORDS, 0);

/// Drops; what remains is the cost of making and handing over a packet.
#[xdp(frags)]
pub fn empty(_ctx: XdpContext) -> u32 {
    xdp_action::XDP_DROP
}

/// The same for wrappers without `frags`.
#[xdp]
pub fn plain_empty(_ctx: XdpContext) -> u32 {
    xdp_action::XDP_DROP
}

/// Passes; what remains is what any program costs that is attached to an interface.
#[xdp(frags)]
pub fn passing(_ctx: XdpContext) -> u32 {
    xdp_action::XDP_PASS
}

/// Parses, and reads one word of the table at a place that the source decides.
#[xdp(frags)]
pub fn one_read(ctx: XdpContext) -> u32 {
    let Some(source) = Source::of(&ctx) else { return xdp_action::XDP_ABORTED };
    // Fibonacci hashing.
    let index = (source.key().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 41) as u32 & (WORDS - 1);
    match TABLE.get(index) {
        // Always taken; the compiler does not know.
        Some(0) => xdp_action::XDP_DROP,
        _ => xdp_action::XDP_PASS,
    }
}
