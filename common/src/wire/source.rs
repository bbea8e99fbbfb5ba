//! The source table: an array of sets, each of them two cache lines.

use super::Word;

/// Sources that a set can hold.
pub const WAYS: usize = 4;

/// What is known of one source. Empty while `identity` is 0.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Way {
    /// Tag (low half, never 0) and stamp (high half): the time the source was last seen, in ticks of
    /// 2²⁴ ns; with the top bit set, the time until which it is banned.
    pub identity: Word,
    /// Packets (low half) and SYNs (high half) since the source was entered; both stop at their maximum.
    pub counts: Word,
    /// Bytes since the source was entered.
    pub bytes: Word,
    /// Times at which the packet bucket (low half) and the SYN bucket (high half) are full again, in units
    /// of 64 ns modulo 2³².
    pub buckets: Word,
}

/// The sources that share a hash.
#[repr(C, align(128))]
#[derive(Debug, Default)]
pub struct SourceSet {
    /// In no order.
    pub ways: [Way; WAYS],
}

const _: () = assert!(size_of::<Way>() == 32);
const _: () = assert!(size_of::<SourceSet>() == 128);
