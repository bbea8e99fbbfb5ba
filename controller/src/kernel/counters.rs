//! Counters, summed over CPUs.

use anyhow::Context as _;
use aya::{
    Pod,
    maps::{MapData, PerCpuArray, PerCpuValues},
};
use floodwall_common::wire::{MAX_RULES, Reason, signature::MAX_SIGNATURES};
use parking_lot::Mutex;

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

/// Counter maps.
pub(super) struct Counters {
    reasons: PerCpuArray<MapData, Sample>,
    signatures: PerCpuArray<MapData, Sample>,
    monitored: PerCpuArray<MapData, Sample>,
    rules: Mutex<PerCpuArray<MapData, Sample>>,
}

impl Counters {
    pub(super) fn new(
        reasons: aya::maps::Map,
        signatures: aya::maps::Map,
        monitored: aya::maps::Map,
        rules: aya::maps::Map,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            reasons: PerCpuArray::try_from(reasons).context("opening the counters")?,
            signatures: PerCpuArray::try_from(signatures).context("opening the counters of signatures")?,
            monitored: PerCpuArray::try_from(monitored)
                .context("opening the counters of what is monitored")?,
            rules: Mutex::new(PerCpuArray::try_from(rules).context("opening the counters of rules")?),
        })
    }

    /// By reason.
    pub(super) fn read(&self) -> anyhow::Result<Vec<ReasonTotals>> {
        Reason::ALL
            .into_iter()
            .map(|reason| {
                let (packets, bytes) = sum(&self.reasons, reason as u32)?;
                Ok(ReasonTotals { reason, packets, bytes })
            })
            .collect()
    }

    /// Packets and bytes that a reason would have dropped, were it not monitored.
    pub(super) fn read_monitored(&self, reason: Reason) -> anyhow::Result<(u64, u64)> {
        sum(&self.monitored, reason as u32)
    }

    /// Packets and bytes over the rates of rules, by number.
    pub(super) fn read_rules(&self) -> anyhow::Result<Vec<(u64, u64)>> {
        let rules = self.rules.lock();
        (0..MAX_RULES).map(|number| sum(&rules, number)).collect()
    }

    /// Forgets what was counted of a rule.
    pub(super) fn clear_rule(&self, number: u8) -> anyhow::Result<()> {
        let mut rules = self.rules.lock();
        let cpus = rules.get(&u32::from(number), 0).context("reading the counters of a rule")?.len();
        let nothing = PerCpuValues::try_from(vec![Sample { packets: 0, bytes: 0 }; cpus])
            .context("counting the CPUs")?;
        rules.set(u32::from(number), nothing, 0).context("clearing the counters of a rule")
    }

    /// Packets and bytes by signature.
    pub(super) fn read_signatures(&self) -> anyhow::Result<Vec<(u64, u64)>> {
        (0..MAX_SIGNATURES).map(|number| sum(&self.signatures, number)).collect()
    }
}

/// Packets and bytes over all CPUs.
fn sum(map: &PerCpuArray<MapData, Sample>, index: u32) -> anyhow::Result<(u64, u64)> {
    let values = map.get(&index, 0).context("reading the counters")?;
    Ok(values.iter().fold((0, 0), |(packets, bytes), sample| {
        (sample.packets.wrapping_add(packets), sample.bytes.wrapping_add(bytes))
    }))
}
