//! The BPF maps as [`Tables`]. Sizes here are the least that loads; the controller sets the real ones.

use aya_ebpf::{
    bindings::{BPF_F_MMAPABLE, xdp_md},
    helpers::generated::bpf_ktime_get_coarse_ns,
    macros::map,
    maps::{Array, PerCpuArray, RingBuf},
};
use floodwall_common::{
    busy::BUSY_SLOTS,
    decide::PacketContext,
    parse::Packet,
    prefix,
    tables::{
        AGGREGATE_SETS, CLIENT_LINES, COUNTED_LINES, FRAGMENT_LINES, LEFT as LEFT_COUNTERS, NAME_LINES,
        OFFERED_LINES, REQUEST_LINES, RETRANSMISSION_LINES, Tables,
    },
    wire::{
        BITMAP_WORDS, BusySource, Counter, Destination, EventMeter, Line, MAX_CLASSES, MAX_DESTINATIONS,
        MAX_RULES, MAX_SERVICES, MONITOR_COUNTERS, PORT_WORDS, ROOTS, Reason, Rule, Service, ServiceCounter,
        Settings, SourceSet, Word, signature,
    },
};

use crate::sockets;

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
#[map]
static AGGREGATES: Array<SourceSet> = Array::with_max_entries(AGGREGATE_SETS, BPF_F_MMAPABLE);
#[map]
static PORTS: Array<Word> = Array::with_max_entries(MAX_CLASSES * PORT_WORDS, BPF_F_MMAPABLE);
#[map]
static DESTINATIONS: Array<Destination> = Array::with_max_entries(MAX_DESTINATIONS, BPF_F_MMAPABLE);
#[map]
static SERVICES: Array<Service> = Array::with_max_entries(MAX_SERVICES, BPF_F_MMAPABLE);
#[map]
static RULES: Array<Rule> = Array::with_max_entries(MAX_RULES, BPF_F_MMAPABLE);
#[map]
static SIGNATURES: Array<signature::Half> = Array::with_max_entries(2, BPF_F_MMAPABLE);
#[map]
static FLOWS: Array<Line> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static OFFERED: Array<Line> = Array::with_max_entries(OFFERED_LINES, BPF_F_MMAPABLE);
#[map]
static RETRANSMISSIONS: Array<Line> = Array::with_max_entries(RETRANSMISSION_LINES, BPF_F_MMAPABLE);
#[map]
static NAMES: Array<Line> = Array::with_max_entries(NAME_LINES, BPF_F_MMAPABLE);
#[map]
static REQUESTS: Array<Line> = Array::with_max_entries(REQUEST_LINES, BPF_F_MMAPABLE);
#[map]
static COUNTED: Array<Line> = Array::with_max_entries(COUNTED_LINES, BPF_F_MMAPABLE);
#[map]
static CLIENTS: Array<Line> = Array::with_max_entries(CLIENT_LINES, BPF_F_MMAPABLE);
#[map]
static FRAGMENTS: Array<Line> = Array::with_max_entries(FRAGMENT_LINES, BPF_F_MMAPABLE);

/// By reason.
#[map]
static REASON_COUNTS: PerCpuArray<Counter> = PerCpuArray::with_max_entries(Reason::COUNT, 0);
/// By reason, and whether the source is known: see [`Reason::monitor_index`].
#[map]
static MONITOR_COUNTS: PerCpuArray<Counter> = PerCpuArray::with_max_entries(MONITOR_COUNTERS, 0);
/// By rule.
#[map]
static RULE_COUNTS: PerCpuArray<Counter> = PerCpuArray::with_max_entries(MAX_RULES, 0);
/// By signature.
#[map]
static SIGNATURE_COUNTS: PerCpuArray<Counter> = PerCpuArray::with_max_entries(signature::MAX_SIGNATURES, 0);
/// By service.
#[map]
static SERVICE_COUNTS: PerCpuArray<ServiceCounter> = PerCpuArray::with_max_entries(MAX_SERVICES, 0);
#[map]
static SAMPLE_METER: PerCpuArray<Word> = PerCpuArray::with_max_entries(1, 0);
#[map]
static BUSY_SOURCES: PerCpuArray<BusySource> = PerCpuArray::with_max_entries(BUSY_SLOTS, 0);

/// Packets that left by an interface: what tells that the program is asked at all.
#[map]
pub static LEFT: PerCpuArray<Word> = PerCpuArray::with_max_entries(LEFT_COUNTERS, 0);
#[map]
pub static EVENT_METER: PerCpuArray<EventMeter> = PerCpuArray::with_max_entries(1, 0);
/// Dropped packets, within a budget.
#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(256 * 1024, 0);
/// Bans: some 150,000. What finds it full is not lost, as the source table holds the bans themselves; but where a set of
/// that is full of banned sources, one makes room for the next, and had better been told of.
#[map]
pub static BANS: RingBuf = RingBuf::with_byte_size(8 * 1024 * 1024, 0);
/// Sampled packets, within a budget.
#[map]
pub static SAMPLES: RingBuf = RingBuf::with_byte_size(1024 * 1024, 0);

/// Of the packet that this CPU works on. XDP programs do not preempt each other.
#[map]
static PACKET_CONTEXT: PerCpuArray<PacketContext> = PerCpuArray::with_max_entries(1, 0);

/// The controller's settings.
#[inline(always)]
pub fn settings() -> Option<&'static Settings> {
    SETTINGS.get(0)
}

/// The context of the packet that this CPU works on.
#[inline(always)]
pub fn packet_context() -> Option<&'static mut PacketContext> {
    let context = PACKET_CONTEXT.get_ptr_mut(0)?;
    // SAFETY: it is this CPU's own; all bits zero, which is what it starts as, is a context; and who calls this again
    // while it holds one has handed that to the function that calls.
    Some(unsafe { &mut *context })
}

/// Global, so that the verifier looks at it once, without what its callers know.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn step_v6(reference: u64, key: u64, high: u64, low: u64) -> u64 {
    prefix::step_v6(&Maps::WITHOUT_CONTEXT, reference, key, high, low)
}

/// All of the above, and the packet's context to ask about sockets with.
pub struct Maps(pub *mut xdp_md);

impl Maps {
    /// For whoever does not ask about sockets.
    pub const WITHOUT_CONTEXT: Self = Self(core::ptr::null_mut());
}

impl Tables for Maps {
    #[inline(always)]
    fn settings(&self) -> Option<&Settings> {
        settings()
    }

    #[inline(always)]
    fn has_socket(&self, packet: &Packet) -> bool {
        sockets::holds(self.0, packet)
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
    fn step_v6(&self, reference: u64, key: u64, high: u64, low: u64) -> u64 {
        step_v6(reference, key, high, low)
    }

    #[inline(always)]
    fn source_set(&self, index: u32) -> Option<&SourceSet> {
        SOURCES.get(index)
    }

    #[inline(always)]
    fn aggregate_set(&self, index: u32) -> Option<&SourceSet> {
        AGGREGATES.get(index)
    }

    #[inline(always)]
    fn ports(&self, index: u32) -> Option<&Word> {
        PORTS.get(index)
    }

    #[inline(always)]
    fn destination(&self, index: u32) -> Option<&Destination> {
        DESTINATIONS.get(index)
    }

    #[inline(always)]
    fn service(&self, number: u32) -> Option<&Service> {
        SERVICES.get(number)
    }

    #[inline(always)]
    fn rule(&self, number: u32) -> Option<&Rule> {
        RULES.get(number)
    }

    #[inline(always)]
    fn signature_half(&self, number: u32) -> Option<&signature::Half> {
        SIGNATURES.get(number)
    }

    #[inline(always)]
    fn flow_line(&self, index: u32) -> Option<&Line> {
        FLOWS.get(index)
    }

    #[inline(always)]
    fn offered_line(&self, index: u32) -> Option<&Line> {
        OFFERED.get(index)
    }

    #[inline(always)]
    fn retransmission_line(&self, index: u32) -> Option<&Line> {
        RETRANSMISSIONS.get(index)
    }

    #[inline(always)]
    fn name_line(&self, index: u32) -> Option<&Line> {
        NAMES.get(index)
    }

    #[inline(always)]
    fn request_line(&self, index: u32) -> Option<&Line> {
        REQUESTS.get(index)
    }

    #[inline(always)]
    fn counted_line(&self, index: u32) -> Option<&Line> {
        COUNTED.get(index)
    }

    #[inline(always)]
    fn client_line(&self, index: u32) -> Option<&Line> {
        CLIENTS.get(index)
    }

    #[inline(always)]
    fn fragment_line(&self, index: u32) -> Option<&Line> {
        FRAGMENTS.get(index)
    }

    #[inline(always)]
    fn reason_counter(&self, reason: Reason) -> Option<&Counter> {
        REASON_COUNTS.get(reason as u32)
    }

    #[inline(always)]
    fn monitor_counter(&self, reason: Reason, known: bool) -> Option<&Counter> {
        MONITOR_COUNTS.get(reason.monitor_index(known))
    }

    #[inline(always)]
    fn rule_counter(&self, number: u32) -> Option<&Counter> {
        RULE_COUNTS.get(number)
    }

    #[inline(always)]
    fn signature_counter(&self, number: u32) -> Option<&Counter> {
        SIGNATURE_COUNTS.get(number)
    }

    #[inline(always)]
    fn service_counter(&self, number: u32) -> Option<&ServiceCounter> {
        SERVICE_COUNTS.get(number)
    }

    #[inline(always)]
    fn sample_meter(&self) -> Option<&Word> {
        SAMPLE_METER.get(0)
    }

    #[inline(always)]
    fn busy_source(&self, index: u32) -> Option<&BusySource> {
        BUSY_SOURCES.get(index)
    }
}
