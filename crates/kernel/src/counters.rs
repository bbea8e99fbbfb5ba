//! Counters, summed over CPUs.

use anyhow::Context as _;
use aya::{
    Pod,
    maps::{MapData, PerCpuArray, PerCpuValues},
};
use floodwall_common::wire::{MAX_RULES, Reason, ServiceCounter, UnprovenTotals, signature::MAX_SIGNATURES};
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

/// What a reason would have dropped since the maps were made, were it not monitored: packets, and bytes on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MonitoredTotals {
    /// Of known sources.
    pub known: (u64, u64),
    /// Of others, and of packets whose source could not be read.
    pub unknown: (u64, u64),
}

impl MonitoredTotals {
    /// Of both.
    pub const fn all(self) -> (u64, u64) {
        (self.known.0 + self.unknown.0, self.known.1 + self.unknown.1)
    }
}

/// What came for one service since the maps were made: a [`ServiceCounter`](floodwall_common::wire::ServiceCounter) by
/// value, summed over CPUs.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceTotals {
    /// Packets.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
    /// Packets that were dropped.
    pub dropped: u64,
    /// Requests for a TCP connection.
    pub syns: u64,
    /// Sources that were not in the source table.
    pub new_sources: u64,
    /// Packets for a port where nothing listens, and that answer nothing the host asked, as far as is known.
    pub unsolicited: u64,
    /// Packets sampled.
    pub samples: u64,
    /// Of no meaning in a sum.
    until_sample: u64,
    /// Requests for a TCP connection that were answered with a challenge, and questions of DNS that were with a truncated
    /// answer.
    pub challenged: u64,
    /// Challenges that were answered.
    pub proven: u64,
    /// Packets that did not get in, as the service is closed to all but known clients.
    pub locked_out: u64,
    /// Packets of others that got in on trial.
    pub admitted: u64,
    /// Sources of either, once a second each.
    pub knocking: u64,
    /// What had not proven itself.
    pub unproven: UnprovenTotals,
}

const _: () = assert!(size_of::<ServiceTotals>() == size_of::<ServiceCounter>());

// SAFETY: integers without padding; every bit pattern is valid.
unsafe impl Pod for ServiceTotals {}

impl ServiceTotals {
    /// What one CPU has counted.
    pub fn of(counter: &ServiceCounter) -> Self {
        Self {
            packets: counter.packets.load(),
            bytes: counter.bytes.load(),
            dropped: counter.dropped.load(),
            syns: counter.syns.load(),
            new_sources: counter.new_sources.load(),
            unsolicited: counter.unsolicited.load(),
            samples: counter.samples.load(),
            until_sample: 0,
            challenged: counter.challenged.load(),
            proven: counter.proven.load(),
            locked_out: counter.locked_out.load(),
            admitted: counter.admitted.load(),
            knocking: counter.knocking.load(),
            unproven: UnprovenTotals::of(&counter.unproven),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            packets: self.packets.wrapping_add(other.packets),
            bytes: self.bytes.wrapping_add(other.bytes),
            dropped: self.dropped.wrapping_add(other.dropped),
            syns: self.syns.wrapping_add(other.syns),
            new_sources: self.new_sources.wrapping_add(other.new_sources),
            unsolicited: self.unsolicited.wrapping_add(other.unsolicited),
            samples: self.samples.wrapping_add(other.samples),
            until_sample: 0,
            challenged: self.challenged.wrapping_add(other.challenged),
            proven: self.proven.wrapping_add(other.proven),
            locked_out: self.locked_out.wrapping_add(other.locked_out),
            admitted: self.admitted.wrapping_add(other.admitted),
            knocking: self.knocking.wrapping_add(other.knocking),
            unproven: self.unproven.plus(other.unproven),
        }
    }
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
    signatures: Mutex<PerCpuArray<MapData, Sample>>,
    monitored: PerCpuArray<MapData, Sample>,
    rules: Mutex<PerCpuArray<MapData, Sample>>,
    services: PerCpuArray<MapData, ServiceTotals>,
}

impl Counters {
    pub(super) fn new(
        reasons: aya::maps::Map,
        signatures: aya::maps::Map,
        monitored: aya::maps::Map,
        rules: aya::maps::Map,
        services: aya::maps::Map,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            reasons: PerCpuArray::try_from(reasons).context("opening the counters")?,
            signatures: Mutex::new(
                PerCpuArray::try_from(signatures).context("opening the counters of signatures")?,
            ),
            monitored: PerCpuArray::try_from(monitored)
                .context("opening the counters of what is monitored")?,
            rules: Mutex::new(PerCpuArray::try_from(rules).context("opening the counters of rules")?),
            services: PerCpuArray::try_from(services).context("opening the counters of services")?,
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

    /// What a reason would have dropped, were it not monitored.
    pub(super) fn read_monitored(&self, reason: Reason) -> anyhow::Result<MonitoredTotals> {
        let of = |known| sum(&self.monitored, reason.monitor_index(known));
        Ok(MonitoredTotals { known: of(true)?, unknown: of(false)? })
    }

    /// Packets and bytes over the rates of rules, by number.
    pub(super) fn read_rules(&self) -> anyhow::Result<Vec<(u64, u64)>> {
        let rules = self.rules.lock();
        (0..MAX_RULES).map(|number| sum(&rules, number)).collect()
    }

    /// Forgets what was counted of a rule.
    pub(super) fn clear_rule(&self, number: u8) -> anyhow::Result<()> {
        clear(&mut self.rules.lock(), number.into()).context("clearing the counters of a rule")
    }

    /// Forgets what was counted of the signature with a bit.
    pub(super) fn clear_signature(&self, place: u32) -> anyhow::Result<()> {
        clear(&mut self.signatures.lock(), place).context("clearing the counters of a signature")
    }

    /// What came for a service.
    pub(super) fn read_service(&self, number: u8) -> anyhow::Result<ServiceTotals> {
        let values = self.services.get(&u32::from(number), 0).context("reading the counters of a service")?;
        Ok(values.iter().fold(ServiceTotals::default(), |sum, totals| sum.plus(*totals)))
    }

    /// Packets and bytes by signature, by the bit that stands for it.
    pub(super) fn read_signatures(&self) -> anyhow::Result<Vec<(u64, u64)>> {
        let signatures = self.signatures.lock();
        (0..MAX_SIGNATURES).map(|place| sum(&signatures, place)).collect()
    }
}

/// Sets a counter to nothing on all CPUs.
fn clear(map: &mut PerCpuArray<MapData, Sample>, index: u32) -> anyhow::Result<()> {
    let cpus = map.get(&index, 0).context("reading the counters")?.len();
    let nothing =
        PerCpuValues::try_from(vec![Sample { packets: 0, bytes: 0 }; cpus]).context("counting the CPUs")?;
    map.set(index, nothing, 0).context("writing the counters")
}

/// Packets and bytes over all CPUs.
fn sum(map: &PerCpuArray<MapData, Sample>, index: u32) -> anyhow::Result<(u64, u64)> {
    let values = map.get(&index, 0).context("reading the counters")?;
    Ok(values.iter().fold((0, 0), |(packets, bytes), sample| {
        (sample.packets.wrapping_add(packets), sample.bytes.wrapping_add(bytes))
    }))
}
