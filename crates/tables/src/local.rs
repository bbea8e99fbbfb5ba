//! What the kernel program keeps for each CPU, for a host that runs the decisions itself, as one CPU.

use std::io;

use floodwall_common::{
    busy::BUSY_SLOTS,
    wire::{
        BusySource, Counter, MAX_RULES, MAX_SERVICES, MONITOR_COUNTERS, Reason, ServiceCounter, Word,
        signature,
    },
};

use super::memory::Region;

/// Counters and budgets of one CPU.
#[derive(Debug)]
pub struct LocalTables {
    /// By [`Reason`].
    pub reasons: Region<Counter>,
    /// By [`Reason::monitor_index`].
    pub monitors: Region<Counter>,
    /// By rule.
    pub rules: Region<Counter>,
    /// By signature.
    pub signatures: Region<Counter>,
    /// By service.
    pub services: Region<ServiceCounter>,
    /// One element.
    pub sample_meter: Region<Word>,
    /// By [`slot`](floodwall_common::busy::slot).
    pub busy_sources: Region<BusySource>,
}

impl LocalTables {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            reasons: Region::in_memory(Reason::COUNT as usize)?,
            monitors: Region::in_memory(MONITOR_COUNTERS as usize)?,
            rules: Region::in_memory(MAX_RULES as usize)?,
            signatures: Region::in_memory(signature::MAX_SIGNATURES as usize)?,
            services: Region::in_memory(MAX_SERVICES as usize)?,
            sample_meter: Region::in_memory(1)?,
            busy_sources: Region::in_memory(BUSY_SLOTS as usize)?,
        })
    }
}
