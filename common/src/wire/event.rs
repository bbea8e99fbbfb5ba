//! A drop, as told to the controller through the ring buffer.

use super::Word;

/// One dropped packet out of a bounded sample.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DropEvent {
    /// Kernel monotonic time, ns.
    pub time_ns: u64,
    /// Source address, most significant half first; an IPv4 address fills the top 32 bits.
    pub source: [u64; 2],
    /// Destination address, laid out as the source.
    pub destination: [u64; 2],
    /// [`Reason`](super::Reason) index.
    pub reason: u32,
    /// Interface the packet came in on.
    pub ifindex: u32,
    /// Bytes on the wire.
    pub length: u32,
    /// TCP or UDP source port; 0 where there is none.
    pub source_port: u16,
    /// TCP or UDP destination port, or ICMP type and code; 0 where there is none.
    pub destination_port: u16,
    /// 4 or 6; 0 if the packet was malformed before its addresses were known.
    pub family: u8,
    /// IP protocol number.
    pub protocol: u8,
    /// TCP flags as on the wire; 0 for other protocols.
    pub tcp_flags: u8,
    /// 0: whole packet, 1: first fragment, 2: later fragment.
    pub fragment: u8,
    /// Drops on this CPU since the previous event that were not told (saturating).
    pub untold: u32,
}

/// Bytes of a frame that a sample holds.
pub const SAMPLE_BYTES: usize = 128;

/// A packet out of a uniform sample, as shown to the controller through a ring buffer.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SampleEvent {
    /// Kernel monotonic time, ns.
    pub time_ns: u64,
    /// Bytes on the wire.
    pub length: u32,
    /// Interface the packet came in on.
    pub ifindex: u32,
    /// [`Reason`](super::Reason) index.
    pub reason: u32,
    /// Bytes of `bytes` that are of the frame.
    pub captured: u16,
    /// Whether the source is known, 0 or 1.
    pub known: u8,
    /// Whether the packet answers what the host has asked, 0 or 1.
    pub answers: u8,
    /// The frame's first bytes.
    pub bytes: [u8; SAMPLE_BYTES],
}

/// A ban, as told to the controller through a ring buffer.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BanEvent {
    /// Kernel monotonic time, ns.
    pub time_ns: u64,
    /// Until when it is banned, kernel monotonic time, ns.
    pub until_ns: u64,
    /// Address of the packet that crossed the limit, laid out as in [`DropEvent`].
    pub source: [u64; 2],
    /// [`Reason`](super::Reason) index: which limit it was. A prefix is not banned yet, a source is.
    pub reason: u32,
    /// Number of the rule, or all of the low byte's ones.
    pub number: u32,
    /// Number of the service that the packet was for.
    pub service: u32,
    /// 4 or 6.
    pub family: u8,
    /// Whether the source is known, 0 or 1.
    pub known: u8,
    /// Not used.
    pub spare: [u8; 2],
}

/// One CPU's budget of events: a token bucket by virtual scheduling.
#[repr(C)]
#[derive(Debug, Default)]
pub struct EventMeter {
    /// Time at which the bucket is full again, ns.
    pub full_at: Word,
    /// Drops since the last event.
    pub untold: Word,
}

const _: () = assert!(size_of::<DropEvent>() == 64 && align_of::<DropEvent>() == 8);
const _: () = assert!(size_of::<SampleEvent>() == 24 + SAMPLE_BYTES && align_of::<SampleEvent>() == 8);
const _: () = assert!(size_of::<BanEvent>() == 48 && align_of::<BanEvent>() == 8);
const _: () = assert!(size_of::<EventMeter>() == 16);
