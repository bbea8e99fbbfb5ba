//! The BPF maps as [`Tables`]. Sizes here are the least that loads; the controller sets the real ones.

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    helpers::generated::bpf_ktime_get_coarse_ns,
    macros::map,
    maps::{Array, PerCpuArray, RingBuf},
};
use floodwall_common::{
    parse::Packet,
    prefix,
    tables::Tables,
    wire::{BITMAP_WORDS, Counter, EventMeter, Line, ROOTS, Reason, Settings, SourceSet, Word},
};

#[map]
static SETTINGS: Array<Settings> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static PREFIX_ROOTS: Array<Word> = Array::with_max_entries(2 * ROOTS, BPF_F_MMAPABLE);
#[map]
static PREFIX_BITMAPS: Array<Word> = Array::with_max_entries(4 * BITMAP_WORDS, BPF_F_MMAPABLE);
#[map]
static PREFIX_LINES: Array<Line> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static SOURCES: Array<SourceSet> = Array::with_max_entries(1, BPF_F_MMAPABLE);
/// By reason.
#[map]
pub static COUNTERS: PerCpuArray<Counter> = PerCpuArray::with_max_entries(Reason::COUNT, 0);
#[map]
pub static EVENT_METER: PerCpuArray<EventMeter> = PerCpuArray::with_max_entries(1, 0);
#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(256 * 1024, 0);

/// The packet that this CPU is judging. XDP programs do not preempt each other.
#[map]
static PACKET: PerCpuArray<Packet> = PerCpuArray::with_max_entries(1, 0);

/// Global, so that the verifier looks at it once, without what its callers know.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn find_v6(base: u32, high: u64, low: u64, count: u64) -> u64 {
    prefix::find_v6(&Maps, base, high, low, count)
}

/// Global for the same reason.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn step_v6(reference: u64, key: u64, high: u64, low: u64) -> u64 {
    prefix::step_v6(&Maps, reference, key, high, low)
}

/// All of the above.
pub struct Maps;

impl Tables for Maps {
    #[inline(always)]
    fn settings(&self) -> Option<&Settings> {
        SETTINGS.get(0)
    }

    #[inline(always)]
    fn settle(&self, packet: Packet) -> Option<Packet> {
        let place = PACKET.get_ptr_mut(0)?;
        // SAFETY: the place is this CPU's own; volatile, so that the way through memory is really taken.
        unsafe {
            place.write_volatile(packet);
            Some(place.read_volatile())
        }
    }

    #[inline(always)]
    fn clock(&self) -> u64 {
        // SAFETY: a helper without arguments.
        unsafe { bpf_ktime_get_coarse_ns() }
    }

    #[inline(always)]
    fn prefix_root(&self, index: u32) -> Option<&Word> {
        PREFIX_ROOTS.get(index)
    }

    #[inline(always)]
    fn prefix_bitmap(&self, index: u32) -> Option<&Word> {
        PREFIX_BITMAPS.get(index)
    }

    #[inline(always)]
    fn prefix_line(&self, index: u32) -> Option<&Line> {
        PREFIX_LINES.get(index)
    }

    #[inline(always)]
    fn find_v6(&self, base: u32, high: u64, low: u64, count: u64) -> u64 {
        find_v6(base, high, low, count)
    }

    #[inline(always)]
    fn step_v6(&self, reference: u64, key: u64, high: u64, low: u64) -> u64 {
        step_v6(reference, key, high, low)
    }

    #[inline(always)]
    fn source_set(&self, index: u32) -> Option<&SourceSet> {
        SOURCES.get(index)
    }
}
