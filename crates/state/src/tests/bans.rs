//! A ban as the kernel tells of it.

use floodwall_common::{
    tables::Tables as _,
    wire::{BanEvent, Reason},
};

use crate::Filter;

/// A source that the kernel says it has banned for 10 s.
pub(super) fn ban(filter: &Filter, last_byte: u8) -> BanEvent {
    let now = filter.tables.clock();
    BanEvent {
        time_ns: now,
        until_ns: now + 10_000_000_000,
        source: [u64::from(u32::from_be_bytes([203, 0, 113, last_byte])) << 32, 0],
        reason: Reason::SynRate as u32,
        number: u32::from(u8::MAX),
        service: 0,
        family: 4,
        known: 0,
        spare: [0; 2],
    }
}
