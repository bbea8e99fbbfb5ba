//! What the tables are made for, and what that costs.

use floodwall_common::{
    tables::{
        AGGREGATE_SETS, CLIENT_LINES, COUNTED_LINES, FRAGMENT_LINES, NAME_LINES, OFFERED_LINES,
        REQUEST_LINES, RETRANSMISSION_LINES,
    },
    wire::{
        BITMAP_WORDS, LINE_WORDS, Line, MAX_CLASSES, PORT_WORDS, ROOTS, SLOTS, Slot, SourceSet, WAYS, Word,
        signature,
    },
};
use serde::{Deserialize, Serialize};

/// Roots of both families in both halves.
pub(super) const PREFIX_ROOTS: u32 = 2 * ROOTS;
/// Words of the bitmap of IPv4 and the filter of IPv6 in both halves.
pub(super) const PREFIX_BITMAP_WORDS: u32 = 4 * BITMAP_WORDS;

const SPARE_LINES: u64 = 32_768;

/// What the tables are made for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// Most prefixes, of both lists and both families together.
    pub prefixes: u32,
    /// Sources that can be told apart at the same time.
    pub sources: u32,
    /// Flows that leave and can be told apart at the same time; half as many are told apart surely.
    pub flows: u32,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { prefixes: 1_250_000, sources: 1_000_000, flows: 1_000_000 }
    }
}

impl Capacity {
    /// Lines of the prefix table.
    pub const fn prefix_lines(&self) -> u32 {
        let twice = self.prefixes as u64 * 8 / 5;
        let sparse = if self.prefixes < SLOTS { self.prefixes } else { SLOTS } as u64 * 2;
        let lines = twice + sparse + SPARE_LINES + Slot::OVERRUN as u64;
        if lines > u32::MAX as u64 { u32::MAX } else { lines as u32 }
    }

    /// Sets of the source table, a power of two.
    pub const fn source_sets(&self) -> u32 {
        let sets = self.sources.div_ceil(WAYS as u32);
        if sets > 1 << 31 { 1 << 31 } else { sets.next_power_of_two() }
    }

    /// Lines of the table of flows, a power of two.
    pub const fn flow_lines(&self) -> u32 {
        let lines = self.flows.div_ceil(LINE_WORDS as u32);
        if lines > 1 << 31 { 1 << 31 } else { lines.next_power_of_two() }
    }

    /// What it costs, in bytes.
    pub const fn bytes(&self) -> Footprint {
        Footprint {
            prefix_roots: PREFIX_ROOTS as u64 * size_of::<Word>() as u64,
            prefix_bitmaps: PREFIX_BITMAP_WORDS as u64 * size_of::<Word>() as u64,
            prefix_lines: self.prefix_lines() as u64 * size_of::<Line>() as u64,
            sources: self.source_sets() as u64 * size_of::<SourceSet>() as u64,
            aggregates: AGGREGATE_SETS as u64 * size_of::<SourceSet>() as u64,
            ports: (MAX_CLASSES * PORT_WORDS) as u64 * size_of::<Word>() as u64,
            signatures: 2 * signature::HALF_WORDS as u64 * size_of::<Word>() as u64,
            memories: (self.flow_lines()
                + OFFERED_LINES
                + RETRANSMISSION_LINES
                + NAME_LINES
                + REQUEST_LINES
                + COUNTED_LINES
                + CLIENT_LINES
                + FRAGMENT_LINES) as u64
                * size_of::<Line>() as u64,
        }
    }
}

/// Memory of the shared tables, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// The roots of the prefix table.
    pub prefix_roots: u64,
    /// Its bitmaps.
    pub prefix_bitmaps: u64,
    /// Its nodes and tails.
    pub prefix_lines: u64,
    /// The source table.
    pub sources: u64,
    /// The table of source prefixes.
    pub aggregates: u64,
    /// Which service each port belongs to.
    pub ports: u64,
    /// The signatures, twice.
    pub signatures: u64,
    /// The tables of flows and of what is offered, and the memories of segments, of what was counted, and of fragments.
    pub memories: u64,
}

impl Footprint {
    /// All of it.
    pub const fn total(&self) -> u64 {
        self.prefix_roots
            + self.prefix_bitmaps
            + self.prefix_lines
            + self.sources
            + self.aggregates
            + self.ports
            + self.signatures
            + self.memories
    }
}
