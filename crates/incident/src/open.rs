//! The incident that goes on.

use std::collections::BTreeSet;

use floodwall_api::{
    Incident, IncidentActor, IncidentHarm, IncidentLine, IncidentPhase, IncidentSeverity, IncidentSources,
    IncidentStrain, IncidentTraffic, IncidentTurn, IncidentWave,
};
use floodwall_units as units;
use serde::{Deserialize, Serialize};

use crate::{
    census::Census,
    rates::Came,
    told::{Look, OfService, Reading},
};

/// Lines of a timeline; more are counted.
const MOST_LINES: usize = 1_000;
/// Bans within so long are one line, ms.
const BANS_TOGETHER: u64 = 10_000;
/// Share of what came beyond the usual that is dropped where an attack is dealt with, and packets/s below which nothing
/// has to be.
const DEALT_WITH: f64 = 0.8;
const LITTLE: f64 = 50.0;
/// How long after something was dropped last an attack that an earlier run has seen is over, ms.
const STILL_DROPS: u64 = 30_000;
/// Looks of the last five that tell that it is, or is not.
const AGREE: u32 = 3;
const LOOKS: u32 = 0b1_1111;
/// Samples from which on it is known what an attack consists of.
const KNOWN: u64 = 200;

/// What is kept of an incident beside what is told of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// When nothing was found that could be dropped, unless something was later.
    nothing_found_ms: Option<u64>,
    /// Links that were full.
    full_links: BTreeSet<String>,
    /// The host has suffered.
    suffered: bool,
    /// Spans for which no daemon ran, Unix ms.
    gaps: Vec<(u64, u64)>,
    /// Doublings of its duration that were told.
    pub(crate) doublings: u32,
}

/// The incident that goes on.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) incident: Incident,
    pub(crate) memory: Memory,
    pub(crate) census: Census,
    /// Services that are attacked.
    pub(crate) attacked: BTreeSet<String>,
    /// An earlier run was killed in the midst of it: until when the attack has to be noticed again to go on, Unix ms.
    pub(crate) held_until: Option<u64>,
    /// When what is in force was last seen to drop since then, Unix ms.
    held_seen: Option<u64>,
    /// The last looks, the youngest lowest: whether most of what was too much was dropped.
    dealt_with: u32,
    looks: u32,
}

impl Open {
    /// One that begins.
    pub(crate) fn new(id: u64, key: String, time_ms: u64, before: Option<f64>) -> Self {
        let incident = Incident {
            id,
            key,
            phase: IncidentPhase::Investigating,
            turns: vec![IncidentTurn { phase: IncidentPhase::Investigating, time_ms }],
            severity: IncidentSeverity::Warning,
            began_ms: time_ms,
            ended_ms: None,
            seen_ms: time_ms,
            waves: Vec::new(),
            services: Vec::new(),
            vectors: Vec::new(),
            traffic: IncidentTraffic { before, ..IncidentTraffic::default() },
            sources: IncidentSources::default(),
            harm: IncidentHarm::default(),
            destinations: Vec::new(),
            strain: Vec::new(),
            warnings: Vec::new(),
            timeline: Vec::new(),
            left_out: 0,
        };
        Self::of(incident, Memory::default())
    }

    /// One that an earlier run has left open.
    pub(crate) fn resume(incident: Incident, memory: Memory) -> Self {
        let mut open = Self::of(incident, memory);
        let Incident { vectors, sources, harm, .. } = &open.incident;
        open.census.resume(vectors, sources, harm);
        open
    }

    fn of(incident: Incident, memory: Memory) -> Self {
        Self {
            incident,
            memory,
            census: Census::default(),
            attacked: BTreeSet::new(),
            held_until: None,
            held_seen: None,
            dealt_with: 0,
            looks: 0,
        }
    }

    /// A wave begins.
    pub(crate) fn begin_wave(&mut self, time_ms: u64) {
        let number = self.incident.waves.len() as u32 + 1;
        self.incident.waves.push(IncidentWave { number, began_ms: time_ms, ..IncidentWave::default() });
        self.looks = 0;
        self.dealt_with = 0;
        if number > 1 {
            self.turn(IncidentPhase::Identified, time_ms);
        }
    }

    /// The wave is over.
    pub(crate) fn end_wave(&mut self, time_ms: u64) {
        self.attacked.clear();
        (self.held_until, self.held_seen) = (None, None);
        if let Some(wave) = self.incident.waves.last_mut().filter(|wave| wave.ended_ms.is_none()) {
            wave.ended_ms = Some(time_ms.max(wave.began_ms));
        }
        self.turn(IncidentPhase::Monitoring, time_ms);
        self.settle();
    }

    /// A line of the timeline.
    pub(crate) fn line(&mut self, time_ms: u64, kind: &str, by: IncidentActor, text: String) {
        if self.incident.timeline.len() >= MOST_LINES {
            self.incident.left_out += 1;
            return;
        }
        self.incident.timeline.push(IncidentLine { time_ms, kind: kind.to_owned(), by, text, count: 1 });
    }

    /// Bans: many within a short time are one line.
    pub(crate) fn bans(&mut self, time_ms: u64, bans: u64, text: String) {
        const KIND: &str = "ban";
        if let Some(last) = self.incident.timeline.last_mut()
            && last.kind == KIND
            && time_ms.saturating_sub(last.time_ms) < BANS_TOGETHER
        {
            last.count += bans;
            last.text = format!("banned {} sources or prefixes", units::count(last.count));
            return;
        }
        self.line(time_ms, KIND, IncidentActor::Automatic, text);
        if let Some(last) = self.incident.timeline.last_mut().filter(|last| last.kind == KIND) {
            last.count = bans;
        }
    }

    /// Nothing was found that could be dropped.
    pub(crate) fn nothing_found(&mut self, time_ms: u64) {
        self.memory.nothing_found_ms.get_or_insert(time_ms);
        self.needs_human();
    }

    /// The host suffers.
    pub(crate) fn suffers(&mut self) {
        self.memory.suffered = true;
        self.needs_human();
    }

    /// No daemon ran for a while.
    pub(crate) fn gap(&mut self, from_ms: u64, to_ms: u64) {
        self.memory.gaps.push((from_ms, to_ms));
    }

    /// Looks whether an attack that an earlier run has seen goes on: as long as what is in force drops, it does, whoever
    /// notices it. If it does not, when it was seen last, Unix ms.
    pub(crate) fn held(&mut self, now_ms: u64, came: Option<&Came>) -> Option<u64> {
        let until = self.held_until?;
        let dropped =
            came.map_or(0.0, |came| came.second.dropped as f64 / f64::from(came.second.span.max(1)));
        if dropped >= LITTLE {
            self.held_until = Some(now_ms + STILL_DROPS);
            self.held_seen = Some(now_ms);
            return None;
        }
        let before = self.memory.gaps.last().map_or(self.incident.seen_ms, |(from, _)| *from);
        (now_ms > until).then(|| self.held_seen.unwrap_or(before))
    }

    fn needs_human(&mut self) {
        self.incident.severity = IncidentSeverity::Critical;
    }

    /// Takes note of what came since the last look, while a wave goes on.
    pub(crate) fn count(&mut self, look: &Look, came: &Came) {
        let Came { second, dropped_bytes, services } = came;
        let span = u64::from(second.span.max(1));
        let a_second = |count: u64| count / span;
        let traffic = &mut self.incident.traffic;
        traffic.seconds += span;
        traffic.packets += second.packets;
        traffic.bytes += second.bytes;
        traffic.dropped += second.dropped;
        traffic.dropped_bytes += dropped_bytes;
        traffic.peak_packets = traffic.peak_packets.max(a_second(second.packets));
        traffic.peak_bytes = traffic.peak_bytes.max(a_second(second.bytes));
        traffic.peak_dropped = traffic.peak_dropped.max(a_second(second.dropped));
        for (reason, packets) in &second.reasons {
            *traffic.reasons.entry(reason.clone()).or_default() += packets;
        }
        let before = traffic.before.unwrap_or_default();
        if let Some(wave) = self.incident.waves.last_mut() {
            wave.peak_packets = wave.peak_packets.max(a_second(second.packets));
            wave.peak_dropped = wave.peak_dropped.max(a_second(second.dropped));
        }
        for service in &mut self.incident.services {
            let OfService { packets, bytes, dropped } =
                services.get(&service.service).copied().unwrap_or_default();
            service.packets += packets;
            service.bytes += bytes;
            service.dropped += dropped;
        }
        for link in &look.full_links {
            if self.memory.full_links.insert(link.clone()) {
                let text = format!("packets are lost before they reach this host: {link}");
                self.line(look.time_ms, "health", IncidentActor::Outside, text);
            }
            self.needs_human();
        }
        look.readings.iter().for_each(|reading| self.strain(reading, look.time_ms));
        let excess = (second.packets as f64 / span as f64 - before).max(0.0);
        let dropped = a_second(second.dropped) as f64;
        let dealt_with = excess < LITTLE || dropped >= excess * DEALT_WITH;
        self.dealt_with = self.dealt_with << 1 | u32::from(dealt_with);
        self.looks += 1;
        self.incident.seen_ms = look.time_ms;
        self.settle();
        self.judge(look.time_ms);
    }

    fn strain(&mut self, reading: &Reading, time_ms: u64) {
        let Reading { what, value, text } = reading;
        let worst = IncidentStrain { what: what.clone(), worst: *value, text: text.clone(), time_ms };
        match self.incident.strain.iter_mut().find(|known| known.what == *what) {
            Some(known) if known.worst < *value => *known = worst,
            Some(_) => {}
            None => self.incident.strain.push(worst),
        }
    }

    /// Brings what is told up to what is known.
    pub(crate) fn settle(&mut self) {
        self.incident.vectors = self.census.vectors();
        let sources = self.census.sources();
        if sources.sampled > self.incident.sources.sampled || sources.sources > 0 {
            self.incident.sources = sources;
        }
        self.incident.harm = self.census.harm();
        let destinations = self.census.destinations();
        if !destinations.is_empty() {
            self.incident.destinations = destinations;
        }
        self.refresh();
    }

    /// The same, without looking through the samples: for what happens often.
    pub(crate) fn refresh(&mut self) {
        for service in &mut self.incident.services {
            service.attacked = self.attacked.contains(&service.service);
        }
        self.incident.warnings = self.warnings();
    }

    /// In which phase it is, by what is dropped.
    fn judge(&mut self, time_ms: u64) {
        if self.looks < AGREE {
            return;
        }
        let agree = (self.dealt_with & LOOKS).count_ones();
        let known = self.incident.vectors.iter().any(|vector| !vector.fingerprints.is_empty())
            || self.incident.sources.sampled >= KNOWN;
        if agree >= AGREE {
            self.memory.nothing_found_ms = None;
            self.turn(IncidentPhase::Monitoring, time_ms);
        } else if known && self.looks >= LOOKS.count_ones() {
            self.turn(IncidentPhase::Identified, time_ms);
        }
    }

    /// It comes to a phase, if it is not in it.
    pub(crate) fn turn(&mut self, phase: IncidentPhase, time_ms: u64) {
        if self.incident.phase != phase {
            self.incident.phase = phase;
            self.incident.turns.push(IncidentTurn { phase, time_ms });
        }
    }

    fn warnings(&self) -> Vec<String> {
        let Memory { nothing_found_ms, full_links, suffered, gaps, .. } = &self.memory;
        let mut warnings = Vec::new();
        for link in full_links {
            warnings.push(format!(
                "Packets were lost before they reached this host ({link}). Nothing on this host can help against that: \
                 whoever runs the network before it has to."
            ));
        }
        if let Some(time_ms) = nothing_found_ms {
            warnings.push(format!(
                "Nothing was found (at {}) that could be dropped without harm to customers: what comes passes, but for \
                 limits and rules.",
                units::time(*time_ms)
            ));
        }
        if *suffered {
            warnings.push("The host suffered, as its own signals told; see the timeline.".to_owned());
        }
        for (from, to) in gaps {
            warnings.push(format!(
                "Nothing was recorded from {} to {}: the daemon did not run. What was in force stayed in force.",
                units::time(*from),
                units::time(*to)
            ));
        }
        warnings
    }
}
