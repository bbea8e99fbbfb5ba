//! Turns occurrences, snapshots and samples into incidents. It has no clock: every input carries its time.

use floodwall_api::{
    Incident, IncidentActor, IncidentPhase, IncidentSecond, IncidentService, IncidentSeverity,
};
use serde::{Deserialize, Serialize};

use crate::{
    attribution::Customers,
    event::IncidentEvent,
    evidence::{Evidence, Frame},
    input::{Occurrence, SampledPacket, Snapshot, Stage},
    open_incident::{Memory, OpenIncident},
    rates::Rates,
    vector,
};

/// An attack that begins within this time after another has ended is a wave of the same incident, ms.
pub const SAME_INCIDENT: u64 = 600_000;
/// How long after a wave rates are still recorded, ms.
const AFTERMATH: u64 = 60_000;
/// How long after a start of the daemon an attack from before has to be detected again to count as continuing, ms.
const DETECTED_AGAIN: u64 = 120_000;
/// The age of an incident at its first [`IncidentEvent::GoesOn`], ms. It doubles for each further one.
const FIRST_DOUBLING: u64 = 600_000;

/// An incident as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredIncident {
    /// The incident as it is reported.
    pub incident: Incident,
    #[serde(default)]
    memory: Memory,
}

/// What has changed since the previous call of [`Recorder::take_changes`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// Changed incidents as they are now.
    pub incidents: Vec<StoredIncident>,
    /// New rates, each with the number of the incident.
    pub seconds: Vec<(u64, IncidentSecond)>,
    /// New packets to be kept as evidence, each with the number of the incident.
    pub frames: Vec<(u64, Frame)>,
    /// Events, each with the incident at that time.
    pub events: Vec<(IncidentEvent, Incident)>,
}

/// The state of the incident at its latest event.
#[derive(Clone, Debug, PartialEq)]
struct LastReported {
    phase: IncidentPhase,
    severity: IncidentSeverity,
    waves: usize,
    vectors: String,
}

/// Turns input into incidents.
#[derive(Debug)]
pub struct Recorder {
    next_id: u64,
    open: Option<OpenIncident>,
    rates: Rates,
    evidence: Evidence,
    customers: Customers,
    reported: Option<LastReported>,
    changes: Changes,
    has_changed: bool,
}

impl Recorder {
    /// Continues the record of an earlier run of the daemon: the number of the next incident, and the open incidents.
    pub fn new(next_id: u64, open: Vec<StoredIncident>, now_ms: u64) -> Self {
        let mut recorder = Self {
            next_id,
            open: None,
            rates: Rates::default(),
            evidence: Evidence::default(),
            customers: Customers::default(),
            reported: None,
            changes: Changes::default(),
            has_changed: false,
        };
        open.into_iter().for_each(|kept| recorder.resume(kept, now_ms));
        recorder
    }

    fn resume(&mut self, StoredIncident { incident, memory }: StoredIncident, now_ms: u64) {
        let seen_ms = incident.seen_ms;
        let mut open = OpenIncident::resume(incident, memory);
        let is_recent = now_ms.saturating_sub(open.incident.until_ms().max(seen_ms)) < SAME_INCIDENT;
        if open.incident.is_attacked() {
            open.gap(seen_ms, now_ms);
            if is_recent {
                open.held_until = Some(now_ms + DETECTED_AGAIN);
                let text = "floodwall was started again; the record goes on".to_owned();
                open.line(now_ms, "task", IncidentActor::Automatic, text);
            } else {
                open.end_wave(seen_ms);
            }
        }
        open.settle();
        self.reported = Some(LastReported::of(&open.incident));
        self.has_changed = true;
        // Only one incident is open at a time.
        if let Some(earlier) = self.open.replace(open) {
            let end = earlier.incident.until_ms();
            self.close(earlier, end);
        }
        if !is_recent && let Some(open) = self.open.take() {
            let end = open.incident.until_ms();
            self.close(open, end);
        }
    }

    /// The open incident.
    pub fn open(&self) -> Option<&Incident> {
        self.open.as_ref().map(|open| &open.incident)
    }

    /// Records an occurrence.
    pub fn record(&mut self, time_ms: u64, occurrence: Occurrence) {
        if let Occurrence::AttackBegan { service, excess, text } = occurrence {
            return self.began(time_ms, service, vector::of_excess(excess), text);
        }
        let Some(open) = &mut self.open else { return };
        self.has_changed = true;
        let automatic = IncidentActor::Automatic;
        match occurrence {
            Occurrence::AttackBegan { .. } => {}
            Occurrence::AttackEnded { service, text } => {
                open.line(time_ms, "attack", IncidentActor::Outside, text);
                if open.attacked.remove(&service) && open.attacked.is_empty() {
                    open.end_wave(time_ms);
                }
            }
            Occurrence::NothingFound { text } => {
                open.line(time_ms, "attack", automatic, text);
                open.nothing_found(time_ms);
            }
            Occurrence::Signature { signature, stage, text } => {
                open.line(time_ms, "signature", automatic, text);
                if let Some(signature) = signature.filter(|_| stage != Stage::Gone) {
                    open.census.fingerprint(&signature, time_ms);
                    open.settle();
                }
            }
            Occurrence::Bans { bans, text } => open.bans(time_ms, bans, text),
            Occurrence::Command { who, text } => {
                open.line(time_ms, "command", IncidentActor::Operator(who), text);
            }
            Occurrence::Other { kind, suffers, text } => {
                open.line(time_ms, kind, automatic, text);
                if suffers && open.incident.is_attacked() {
                    open.suffers();
                }
            }
        }
        open.refresh();
    }

    fn began(&mut self, time_ms: u64, service: String, supposed: vector::Vector, text: String) {
        self.has_changed = true;
        let open = match &mut self.open {
            Some(open) => open,
            empty => {
                let (prelude, before) = self.rates.take_prelude();
                let id = self.next_id;
                self.next_id += 1;
                self.changes.seconds.extend(prelude.into_iter().map(|second| (id, second)));
                let frames = self.evidence.begin(time_ms);
                self.changes.frames.extend(frames.into_iter().map(|frame| (id, frame)));
                empty.insert(OpenIncident::new(id, key(time_ms), time_ms, before))
            }
        };
        open.line(time_ms, "attack", IncidentActor::Outside, text);
        open.census.suppose(supposed, time_ms);
        if open.held_until.take().is_none() && open.attacked.is_empty() {
            open.begin_wave(time_ms);
        }
        if !open.incident.services.iter().any(|known| known.service == service) {
            let of_it = IncidentService { service: service.clone(), ..IncidentService::default() };
            open.incident.services.push(of_it);
        }
        open.attacked.insert(service);
        open.settle();
    }

    /// Counts a sampled packet.
    pub fn sample(&mut self, packet: &SampledPacket) {
        match self.open.as_mut() {
            None => self.customers.calm(packet),
            Some(open) if open.incident.is_attacked() => {
                let since = self.customers.since(packet.source, open.incident.began_ms);
                open.census.count(packet, since);
            }
            // Between waves, a source may be a remainder of the attack and is not counted as a customer.
            Some(_) => {}
        }
    }

    /// Keeps a packet as evidence, if it is chosen.
    pub fn frame(&mut self, frame: Frame) {
        match self.open.as_ref().map(|open| &open.incident).filter(|incident| incident.is_attacked()) {
            None => self.evidence.calm(frame),
            Some(incident) => {
                let kept = self.evidence.during(frame, incident.began_ms);
                self.changes.frames.extend(kept.map(|frame| (incident.id, frame)));
            }
        }
    }

    /// Takes a snapshot of the counters, which is due once a second.
    pub fn snapshot(&mut self, snapshot: &Snapshot) {
        let growth = self.rates.advance(snapshot);
        let Some(open) = &mut self.open else {
            return growth.into_iter().for_each(|growth| self.rates.keep(growth.second));
        };
        let now_ms = snapshot.time_ms;
        let until_ms = open.incident.until_ms();
        if open.incident.is_attacked() || now_ms.saturating_sub(until_ms) <= AFTERMATH {
            if let Some(growth) = &growth {
                self.changes.seconds.push((open.incident.id, growth.second.clone()));
                if open.incident.is_attacked() {
                    open.count(snapshot, growth);
                    self.has_changed = true;
                }
            }
        } else if let Some(growth) = &growth {
            // The next wave also records the rates from before it.
            self.rates.keep(growth.second.clone());
        }
        if let Some(seen_ms) = open.held(now_ms, growth.as_ref()) {
            // The daemon did not run at the end of the attack, so the last known time stands for it.
            open.end_wave(seen_ms);
            self.has_changed = true;
        }
        if !open.incident.is_attacked()
            && now_ms.saturating_sub(open.incident.until_ms()) >= SAME_INCIDENT
            && let Some(open) = self.open.take()
        {
            let end = open.incident.until_ms();
            return self.close(open, end);
        }
        self.report(now_ms);
    }

    /// Closes an incident.
    fn close(&mut self, mut open: OpenIncident, end_ms: u64) {
        if open.incident.is_attacked() {
            open.end_wave(end_ms);
        }
        open.incident.ended_ms = Some(end_ms);
        open.turn(IncidentPhase::Resolved, end_ms + SAME_INCIDENT);
        open.settle();
        self.reported = None;
        self.has_changed = false;
        self.changes.events.push((IncidentEvent::Ended, open.incident.clone()));
        self.changes.incidents.retain(|kept| kept.incident.id != open.incident.id);
        self.changes.incidents.push(StoredIncident { incident: open.incident, memory: open.memory });
    }

    /// What has changed since the previous call.
    pub fn take_changes(&mut self) -> Changes {
        if std::mem::take(&mut self.has_changed)
            && let Some(open) = &self.open
        {
            let kept = StoredIncident { incident: open.incident.clone(), memory: open.memory.clone() };
            self.changes.incidents.push(kept);
        }
        std::mem::take(&mut self.changes)
    }

    /// Finds the events since the previous snapshot.
    fn report(&mut self, now_ms: u64) {
        let Some(open) = &mut self.open else { return };
        let now = LastReported::of(&open.incident);
        let mut events = Vec::new();
        match self.reported.replace(now.clone()) {
            None => events.push(IncidentEvent::Began),
            Some(before) => {
                if before.severity < now.severity {
                    events.push(IncidentEvent::NeedsHuman);
                }
                let same_else = LastReported { severity: now.severity, ..before };
                if same_else != now {
                    events.push(IncidentEvent::Changed);
                }
            }
        }
        let lasts = now_ms.saturating_sub(open.incident.began_ms);
        let next = FIRST_DOUBLING.saturating_mul(1 << open.memory.doublings.min(30));
        if open.incident.is_attacked() && lasts >= next {
            open.memory.doublings += 1;
            self.has_changed = true;
            events.push(IncidentEvent::GoesOn);
        }
        let incident = &open.incident;
        self.changes.events.extend(events.into_iter().map(|event| (event, incident.clone())));
    }
}

impl LastReported {
    fn of(incident: &Incident) -> Self {
        Self {
            phase: incident.phase,
            severity: incident.severity,
            waves: incident.waves.len(),
            vectors: incident.vectors_in_words(),
        }
    }
}

/// A key that distinguishes an incident from those of other hosts.
fn key(time_ms: u64) -> String {
    // If the system gives no random numbers, the time has to do.
    let drawn = getrandom::u64().unwrap_or(time_ms);
    format!("floodwall-{drawn:016x}")
}

#[cfg(test)]
mod tests;
