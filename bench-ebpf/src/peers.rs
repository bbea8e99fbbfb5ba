//! The kernel's own maps doing floodwall's work, as one would write it with them.

use aya_ebpf::{
    bindings::{BPF_F_NO_PREALLOC, xdp_action},
    macros::{map, xdp},
    maps::{LpmTrie, LruHashMap, lpm_trie::Key},
    programs::XdpContext,
};
use floodwall_common::wire::{Counter, Word};

use crate::source::Source;

/// The blocklist, with a hit counter for each prefix. The loader sets the sizes.
#[map]
static BLOCKED_V4: LpmTrie<u32, Word> = LpmTrie::with_max_entries(1, BPF_F_NO_PREALLOC);
#[map]
static BLOCKED_V6: LpmTrie<[u64; 2], Word> = LpmTrie::with_max_entries(1, BPF_F_NO_PREALLOC);
/// Packets and bytes of each source.
#[map]
static COUNTS: LruHashMap<u64, Counter> = LruHashMap::with_max_entries(1, 0);

/// Longest match; counts the hit and drops.
#[xdp(frags)]
pub fn lpm(ctx: XdpContext) -> u32 {
    match Source::of(&ctx) {
        Some(source) if is_blocked(source) => xdp_action::XDP_DROP,
        Some(_) => xdp_action::XDP_PASS,
        None => xdp_action::XDP_ABORTED,
    }
}

/// Counts each source, entering those that are new.
#[xdp(frags)]
pub fn lru(ctx: XdpContext) -> u32 {
    let Some(source) = Source::of(&ctx) else { return xdp_action::XDP_ABORTED };
    count(&ctx, source);
    xdp_action::XDP_PASS
}

/// Both. Less than floodwall does with a clean packet, which takes tokens from two buckets besides.
#[xdp(frags)]
pub fn lpm_and_lru(ctx: XdpContext) -> u32 {
    let Some(source) = Source::of(&ctx) else { return xdp_action::XDP_ABORTED };
    if is_blocked(source) {
        return xdp_action::XDP_DROP;
    }
    count(&ctx, source);
    xdp_action::XDP_PASS
}

#[inline(always)]
fn is_blocked(source: Source) -> bool {
    let hits = match source {
        Source::V4(address) => BLOCKED_V4.get(Key::new(32, address)),
        Source::V6(address) => BLOCKED_V6.get(Key::new(128, address)),
    };
    if let Some(hits) = hits {
        hits.add(1);
    }
    hits.is_some()
}

#[inline(always)]
fn count(ctx: &XdpContext, source: Source) {
    let bytes = (ctx.data_end() - ctx.data()) as u64;
    let key = source.key();
    match COUNTS.get_ptr_mut(key) {
        Some(counter) => {
            // SAFETY: the entry stays where it is while the program runs.
            let counter = unsafe { &*counter };
            counter.packets.add(1);
            counter.bytes.add(bytes);
        }
        None => {
            // If it fails, which it does when another CPU enters the same, there is one packet less.
            let _ = COUNTS.insert(key, Counter { packets: Word::new(1), bytes: Word::new(bytes) }, 0);
        }
    }
}
