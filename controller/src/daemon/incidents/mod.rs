//! Feeds the recorder of incidents with events from the bus, with the counters each second, and with sampled packets, and
//! passes its results to the archive and the notifier.

mod host;
mod occurrence;
mod sample;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use floodwall_common::{
    frame::Captured,
    parse::{self, Parsed},
    tables::Tables as _,
    wire::{Reason, Verdict},
};
use floodwall_incident::{
    Archive, Changes, Frame, PacketHistory, ReasonCounts, Recorder, ServiceCounts, Snapshot,
};
use floodwall_notify::Notifier;
use floodwall_origin::Origins;
use floodwall_units::unix;
use tracing::{error, warn};

pub(super) use self::sample::Tap;
use self::{
    host::of_host,
    occurrence::occurrence,
    sample::{frame, sampled},
};
use super::{periodically::every, protection::Protection};
use crate::{
    event::{AttackEvent, Bus, Event, Heard, What},
    server::Dataplane as _,
    state::Filter,
    tables::Prefix,
};

/// How often the counters are read.
const INTERVAL: Duration = Duration::from_secs(1);

/// The recorder, its inputs and its outputs.
pub(super) struct Incidents {
    pub(super) recorder: Recorder,
    pub(super) archive: Archive,
    pub(super) notifier: Arc<Notifier>,
    pub(super) tap: Arc<Tap>,
    pub(super) filter: Arc<Filter>,
    pub(super) protection: Arc<Protection>,
    pub(super) origins: Arc<Origins>,
    pub(super) past: Arc<PacketHistory>,
}

/// Records until the bus is closed.
pub(super) async fn record(incidents: Arc<tokio::sync::Mutex<Incidents>>, bus: Bus) {
    let mut incidents = incidents.lock().await;
    let mut happens = bus.subscribe();
    let mut tick = every(INTERVAL);
    loop {
        tokio::select! {
            heard = happens.next() => match heard {
                Some(Heard::Event(event)) => incidents.hear(event),
                Some(Heard::Missed(missed)) => warn!(missed, "events are missing from the record of incidents"),
                None => return,
            },
            _ = tick.tick() => incidents.look(),
        }
    }
}

impl Incidents {
    fn hear(&mut self, Event { time_ms, what }: Event) {
        let begins = matches!(what, What::Attack(AttackEvent::Began { .. }));
        let Some(told) = occurrence(what) else { return };
        self.recorder.record(time_ms, told);
        if begins {
            // The beginning of an attack is written at once.
            self.pass_on();
        }
    }

    fn look(&mut self) {
        let now = unix::time(SystemTime::now());
        let tables = self.filter.tables();
        let offset = now.saturating_sub(Duration::from_nanos(tables.clock()));
        for event in self.tap.drain() {
            let time_ms = (offset + Duration::from_nanos(event.time_ns)).as_millis() as u64;
            if let Some(packet) = sampled(&event, time_ms, &self.origins) {
                self.recorder.sample(&packet);
                self.past.note(&packet);
            }
            if let Some(frame) = frame(&event, offset) {
                self.recorder.frame(frame);
            }
        }
        match self.counted(now.as_millis() as u64) {
            Ok(look) => self.recorder.snapshot(&look),
            Err(error) => {
                error!(error = format!("{error:#}"), "the counters could not be read for the record");
            }
        }
        self.pass_on();
        if let Some(incident) = self.recorder.open() {
            self.notifier.update(incident);
        }
    }

    /// Takes over the incident that an earlier run of the daemon has left open, and reports one that has ended since.
    pub(super) fn resume(&mut self) {
        if let Some(incident) = self.recorder.open() {
            self.notifier.resume(incident);
        }
        let changes = self.recorder.take_changes();
        changes.events.iter().for_each(|(_, incident)| self.notifier.resume(incident));
        self.tell(changes);
    }

    fn pass_on(&mut self) {
        let changes = self.recorder.take_changes();
        self.tell(changes);
    }

    fn tell(&self, mut changes: Changes) {
        for (_, frame) in &mut changes.frames {
            frame.by = self.decider(frame);
        }
        self.notifier.tell(&changes.events);
        self.archive.put(changes);
    }

    /// What has decided on a packet: the prefix of a list or a ban, or a signature that drops everything it matches.
    fn decider(&self, frame: &Frame) -> Option<String> {
        if frame.reason == Reason::Signature.name() {
            return self.filter.signature_that_drops(&Captured::cut(&frame.bytes, frame.length));
        }
        let is_banned = frame.reason == Reason::Banned.name();
        let is_listed = [Reason::Blocked, Reason::Trusted].iter().any(|reason| reason.name() == frame.reason);
        if !is_banned && !is_listed {
            return None;
        }
        let Parsed::Packet(packet) = parse::parse(&Captured::cut(&frame.bytes, frame.length)) else {
            return None;
        };
        if is_listed {
            return self.filter.test(packet.source.into()).prefix;
        }
        Prefix::around(packet.source, packet.source.family.source_bits())
            .ok()
            .map(|prefix| prefix.to_string())
    }

    fn counted(&self, time_ms: u64) -> anyhow::Result<Snapshot> {
        let reasons = self.protection.totals()?.into_iter().map(|totals| {
            let drops = totals.reason.verdict() == Verdict::Drop;
            (totals.reason.name(), ReasonCounts { packets: totals.packets, bytes: totals.bytes, drops })
        });
        let mut services = BTreeMap::new();
        for (number, totals) in self.protection.services()? {
            if let Some(name) = self.filter.service_name(number) {
                let (packets, bytes, dropped) = (totals.packets, totals.bytes, totals.dropped);
                services.insert(name, ServiceCounts { packets, bytes, dropped });
            }
        }
        let machine = self.protection.machine();
        let health = self.protection.health();
        Ok(Snapshot { time_ms, reasons: reasons.collect(), services, ..of_host(&machine, health.as_ref()) })
    }
}

#[cfg(test)]
mod corpus;
