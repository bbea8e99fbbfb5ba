//! Counters by reason, summed over CPUs.

use anyhow::Context as _;
use aya::{
    Pod,
    maps::{MapData, PerCpuArray},
};
use floodwall_common::wire::Reason;

/// What left with one reason since the maps were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonTotals {
    /// The reason.
    pub reason: Reason,
    /// Packets.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
}

/// A [`Counter`](floodwall_common::wire::Counter) by value.
#[repr(C)]
#[derive(Clone, Copy)]
struct Sample {
    packets: u64,
    bytes: u64,
}

// SAFETY: two integers without padding; every bit pattern is valid.
unsafe impl Pod for Sample {}

/// The counter map.
pub(super) struct Counters(PerCpuArray<MapData, Sample>);

impl Counters {
    pub(super) fn new(map: aya::maps::Map) -> anyhow::Result<Self> {
        Ok(Self(PerCpuArray::try_from(map).context("opening the counters")?))
    }

    pub(super) fn read(&self) -> anyhow::Result<Vec<ReasonTotals>> {
        Reason::ALL
            .into_iter()
            .map(|reason| {
                let values = self.0.get(&(reason as u32), 0).context("reading the counters")?;
                let (packets, bytes) = values.iter().fold((0, 0), |(packets, bytes), sample| {
                    (sample.packets.wrapping_add(packets), sample.bytes.wrapping_add(bytes))
                });
                Ok(ReasonTotals { reason, packets, bytes })
            })
            .collect()
    }
}
