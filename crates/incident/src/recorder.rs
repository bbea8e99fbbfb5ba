//! Makes incidents of what is told and counted. It does nothing by itself: it is told the time with everything.

use floodwall_api::{
    Incident, IncidentActor, IncidentPhase, IncidentSecond, IncidentService, IncidentSeverity,
};
use serde::{Deserialize, Serialize};

use crate::{
    evidence::{Evidence, Frame},
    open::{Memory, Open},
    rates::Rates,
    told::{Look, Sampled, Stage, Told},
    vector,
    who::Customers,
};

/// An attack that begins so soon after another has ended is a wave of the same incident, ms.
pub const SAME_INCIDENT: u64 = 600_000;
/// How long after a wave its rates are still recorded, ms.
const AFTERMATH: u64 = 60_000;
/// How long after a start an attack that was under way has to be noticed again to go on, ms.
const NOTICED_AGAIN: u64 = 120_000;
/// How long an incident goes on until that is told for the first time, ms; twice as long each time.
const FIRST_DOUBLING: u64 = 600_000;

/// An incident as it is written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// What is told of it.
    pub incident: Incident,
    #[serde(default)]
    memory: Memory,
}

/// What has become of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It has begun.
    Began,
    /// It has come to another phase, a wave has begun, or more is known of what it consists of.
    Changed,
    /// It goes on, twice as long as when that was told before.
    GoesOn,
    /// It needs a human.
    NeedsHuman,
    /// It is over.
    Ended,
}

/// What has changed since that was asked before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// Incidents as they are now.
    pub incidents: Vec<Kept>,
    /// Rates by number of the incident.
    pub seconds: Vec<(u64, IncidentSecond)>,
    /// Packets that are kept as evidence, by number of the incident.
    pub frames: Vec<(u64, Frame)>,
    /// What has become of them.
    pub news: Vec<(News, Incident)>,
}

/// What was told of the incident last.
#[derive(Clone, Debug, PartialEq)]
struct LastTold {
    phase: IncidentPhase,
    severity: IncidentSeverity,
    waves: usize,
    vectors: String,
}

/// Makes incidents.
#[derive(Debug)]
pub struct Recorder {
    next_id: u64,
    open: Option<Open>,
    rates: Rates,
    evidence: Evidence,
    customers: Customers,
    told: Option<LastTold>,
    changes: Changes,
    has_changed: bool,
}

impl Recorder {
    /// Goes on from what an earlier run has written down: incidents that it has left open, and the number of the next.
    pub fn new(next_id: u64, open: Vec<Kept>, now_ms: u64) -> Self {
        let mut recorder = Self {
            next_id,
            open: None,
            rates: Rates::default(),
            evidence: Evidence::default(),
            customers: Customers::default(),
            told: None,
            changes: Changes::default(),
            has_changed: false,
        };
        open.into_iter().for_each(|kept| recorder.resume(kept, now_ms));
        recorder
    }

    fn resume(&mut self, Kept { incident, memory }: Kept, now_ms: u64) {
        let seen_ms = incident.seen_ms;
        let mut open = Open::resume(incident, memory);
        let is_recent = now_ms.saturating_sub(open.incident.until_ms().max(seen_ms)) < SAME_INCIDENT;
        if open.incident.is_attacked() {
            open.gap(seen_ms, now_ms);
            if is_recent {
                open.held_until = Some(now_ms + NOTICED_AGAIN);
                let text = "floodwall was started again; the record goes on".to_owned();
                open.line(now_ms, "task", IncidentActor::Automatic, text);
            } else {
                open.end_wave(seen_ms);
            }
        }
        open.settle();
        self.told = Some(LastTold::of(&open.incident));
        self.has_changed = true;
        // There is one at a time.
        if let Some(earlier) = self.open.replace(open) {
            let end = earlier.incident.until_ms();
            self.close(earlier, end);
        }
        if !is_recent && let Some(open) = self.open.take() {
            let end = open.incident.until_ms();
            self.close(open, end);
        }
    }

    /// The incident that goes on, or may still go on.
    pub fn open(&self) -> Option<&Incident> {
        self.open.as_ref().map(|open| &open.incident)
    }

    /// Hears of what has happened.
    pub fn hear(&mut self, time_ms: u64, told: Told) {
        if let Told::AttackBegan { service, excess, text } = told {
            return self.began(time_ms, service, vector::of_excess(excess), text);
        }
        let Some(open) = &mut self.open else { return };
        self.has_changed = true;
        let automatic = IncidentActor::Automatic;
        match told {
            Told::AttackBegan { .. } => {}
            Told::AttackEnded { service, text } => {
                open.line(time_ms, "attack", IncidentActor::Outside, text);
                if open.attacked.remove(&service) && open.attacked.is_empty() {
                    open.end_wave(time_ms);
                }
            }
            Told::NothingFound { text } => {
                open.line(time_ms, "attack", automatic, text);
                open.nothing_found(time_ms);
            }
            Told::Signature { signature, stage, text } => {
                open.line(time_ms, "signature", automatic, text);
                if let Some(signature) = signature.filter(|_| stage != Stage::Gone) {
                    open.census.fingerprint(&signature, time_ms);
                    open.settle();
                }
            }
            Told::Bans { bans, text } => open.bans(time_ms, bans, text),
            Told::Command { who, text } => open.line(time_ms, "command", IncidentActor::Operator(who), text),
            Told::Other { kind, suffers, text } => {
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
                empty.insert(Open::new(id, key(time_ms), time_ms, before))
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

    /// Looks at a sampled packet.
    pub fn sampled(&mut self, packet: &Sampled) {
        match self.open.as_mut() {
            None => self.customers.calm(packet),
            Some(open) if open.incident.is_attacked() => {
                open.census.count(packet, self.customers.has(packet.source));
            }
            // Whoever comes between waves may be one that is left of the attack.
            Some(_) => {}
        }
    }

    /// Looks at a packet that may be evidence.
    pub fn frame(&mut self, frame: Frame) {
        match self.open.as_ref().map(|open| &open.incident).filter(|incident| incident.is_attacked()) {
            None => self.evidence.calm(frame),
            Some(incident) => {
                let kept = self.evidence.during(frame, incident.began_ms);
                self.changes.frames.extend(kept.map(|frame| (incident.id, frame)));
            }
        }
    }

    /// Looks at the counters; to be done once a second.
    pub fn look(&mut self, look: &Look) {
        let came = self.rates.look(look);
        let Some(open) = &mut self.open else {
            return came.into_iter().for_each(|came| self.rates.keep(came.second));
        };
        let now_ms = look.time_ms;
        let until_ms = open.incident.until_ms();
        if open.incident.is_attacked() || now_ms.saturating_sub(until_ms) <= AFTERMATH {
            if let Some(came) = &came {
                self.changes.seconds.push((open.incident.id, came.second.clone()));
                if open.incident.is_attacked() {
                    open.count(look, came);
                    self.has_changed = true;
                }
            }
        } else if let Some(came) = &came {
            // What was before a next wave is of interest, too.
            self.rates.keep(came.second.clone());
        }
        if let Some(seen_ms) = open.held(now_ms, came.as_ref()) {
            // What was seen last is all that is known of its end.
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
        self.tell(now_ms);
    }

    /// It is over, since then.
    fn close(&mut self, mut open: Open, end_ms: u64) {
        if open.incident.is_attacked() {
            open.end_wave(end_ms);
        }
        open.incident.ended_ms = Some(end_ms);
        open.turn(IncidentPhase::Resolved, end_ms + SAME_INCIDENT);
        open.settle();
        self.told = None;
        self.has_changed = false;
        self.changes.news.push((News::Ended, open.incident.clone()));
        self.changes.incidents.retain(|kept| kept.incident.id != open.incident.id);
        self.changes.incidents.push(Kept { incident: open.incident, memory: open.memory });
    }

    /// What has changed since this was called before.
    pub fn take_changes(&mut self) -> Changes {
        if std::mem::take(&mut self.has_changed)
            && let Some(open) = &self.open
        {
            let kept = Kept { incident: open.incident.clone(), memory: open.memory.clone() };
            self.changes.incidents.push(kept);
        }
        std::mem::take(&mut self.changes)
    }

    /// Finds what is to be told of the incident.
    fn tell(&mut self, now_ms: u64) {
        let Some(open) = &mut self.open else { return };
        let now = LastTold::of(&open.incident);
        let mut news = Vec::new();
        match self.told.replace(now.clone()) {
            None => news.push(News::Began),
            Some(before) => {
                if before.severity < now.severity {
                    news.push(News::NeedsHuman);
                }
                let same_else = LastTold { severity: now.severity, ..before };
                if same_else != now {
                    news.push(News::Changed);
                }
            }
        }
        let lasts = now_ms.saturating_sub(open.incident.began_ms);
        let next = FIRST_DOUBLING.saturating_mul(1 << open.memory.doublings.min(30));
        if open.incident.is_attacked() && lasts >= next {
            open.memory.doublings += 1;
            self.has_changed = true;
            news.push(News::GoesOn);
        }
        let incident = &open.incident;
        self.changes.news.extend(news.into_iter().map(|news| (news, incident.clone())));
    }
}

impl LastTold {
    fn of(incident: &Incident) -> Self {
        Self {
            phase: incident.phase,
            severity: incident.severity,
            waves: incident.waves.len(),
            vectors: incident.vectors_in_words(),
        }
    }
}

/// Tells an incident from those of other hosts.
fn key(time_ms: u64) -> String {
    // Without randomness the time has to do.
    let drawn = getrandom::u64().unwrap_or(time_ms);
    format!("floodwall-{drawn:016x}")
}

#[cfg(test)]
mod tests;
