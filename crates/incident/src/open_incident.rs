//! The open incident.

use std::collections::BTreeSet;

use floodwall_api::{
    Incident, IncidentActor, IncidentHarm, IncidentLine, IncidentPhase, IncidentSeverity, IncidentSources,
    IncidentStrain, IncidentTraffic, IncidentTurn, IncidentWave,
};
use floodwall_units as units;
use serde::{Deserialize, Serialize};

use crate::{
    census::Census,
    input::{Reading, ServiceCounts, Snapshot},
    rates::Growth,
};

/// Most lines of a timeline; further ones are only counted.
const MAX_LINES: usize = 1_000;
/// Bans within this time share a line, ms.
const BANS_TOGETHER: u64 = 10_000;
/// An attack is under control if at least this share of the excess traffic is dropped, or if the excess is less than this,
/// packets/s.
const CONTROLLED_SHARE: f64 = 0.8;
const LITTLE: f64 = 50.0;
/// An attack from an earlier run of the daemon continues until nothing was dropped for this time, ms.
const STILL_DROPS: u64 = 30_000;
/// The attack is under control if at least `AGREE` of the latest snapshots say so. `LOOKS` is the mask of these.
const AGREE: u32 = 3;
const LOOKS: u32 = 0b1_1111;
/// Samples from which on the kind of an attack counts as identified.
const IDENTIFIED: u64 = 200;

/// What is stored of an incident in addition to what is reported.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// When detection found nothing to drop; reset once the attack is under control. Unix time in ms.
    nothing_found_ms: Option<u64>,
    /// Links that were full.
    full_links: BTreeSet<String>,
    /// Whether the host has suffered.
    suffered: bool,
    /// Times during which no daemon ran, Unix time in ms.
    gaps: Vec<(u64, u64)>,
    /// How many [`IncidentEvent::GoesOn`](crate::IncidentEvent::GoesOn) there were.
    pub(crate) doublings: u32,
}

/// The open incident.
#[derive(Clone, Debug)]
pub(crate) struct OpenIncident {
    pub(crate) incident: Incident,
    pub(crate) memory: Memory,
    pub(crate) census: Census,
    /// Services that are attacked now.
    pub(crate) attacked: BTreeSet<String>,
    /// If the daemon was restarted during the attack: until when it has to be detected again to count as continuing, Unix time
    /// in ms.
    pub(crate) held_until: Option<u64>,
    /// When packets were last seen to be dropped since the restart, Unix time in ms.
    held_seen: Option<u64>,
    /// For each of the latest snapshots a bit, the latest lowest: whether the attack was under control.
    controlled: u32,
    /// Snapshots in this wave.
    looks: u32,
}

impl OpenIncident {
    /// Begins an incident. `before` is the rate before it, packets/s.
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

    /// Continues an incident that an earlier run of the daemon has left open.
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
            controlled: 0,
            looks: 0,
        }
    }

    /// Begins a wave.
    pub(crate) fn begin_wave(&mut self, time_ms: u64) {
        let number = self.incident.waves.len() as u32 + 1;
        self.incident.waves.push(IncidentWave { number, began_ms: time_ms, ..IncidentWave::default() });
        self.looks = 0;
        self.controlled = 0;
        if number > 1 {
            self.turn(IncidentPhase::Identified, time_ms);
        }
    }

    /// Ends the wave.
    pub(crate) fn end_wave(&mut self, time_ms: u64) {
        self.attacked.clear();
        (self.held_until, self.held_seen) = (None, None);
        if let Some(wave) = self.incident.waves.last_mut().filter(|wave| wave.ended_ms.is_none()) {
            wave.ended_ms = Some(time_ms.max(wave.began_ms));
        }
        self.turn(IncidentPhase::Monitoring, time_ms);
        self.settle();
    }

    /// Adds a line to the timeline.
    pub(crate) fn line(&mut self, time_ms: u64, kind: &str, by: IncidentActor, text: String) {
        if self.incident.timeline.len() >= MAX_LINES {
            self.incident.left_out += 1;
            return;
        }
        self.incident.timeline.push(IncidentLine { time_ms, kind: kind.to_owned(), by, text, count: 1 });
    }

    /// Adds bans to the timeline. Many within a short time share a line.
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

    /// Records that detection has found nothing to drop.
    pub(crate) fn nothing_found(&mut self, time_ms: u64) {
        self.memory.nothing_found_ms.get_or_insert(time_ms);
        self.needs_human();
    }

    /// Records that the host suffers.
    pub(crate) fn suffers(&mut self) {
        self.memory.suffered = true;
        self.needs_human();
    }

    /// Records that no daemon ran during a time.
    pub(crate) fn gap(&mut self, from_ms: u64, to_ms: u64) {
        self.memory.gaps.push((from_ms, to_ms));
    }

    /// Decides whether an attack from an earlier run of the daemon continues, which it does as long as packets are dropped.
    /// Returns when it was last seen if it does not, Unix time in ms.
    pub(crate) fn held(&mut self, now_ms: u64, growth: Option<&Growth>) -> Option<u64> {
        let until = self.held_until?;
        let dropped =
            growth.map_or(0.0, |growth| growth.second.dropped as f64 / f64::from(growth.second.span.max(1)));
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

    /// Adds the traffic since the previous snapshot, during a wave.
    pub(crate) fn count(&mut self, snapshot: &Snapshot, growth: &Growth) {
        let Growth { second, dropped_bytes, services } = growth;
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
            let ServiceCounts { packets, bytes, dropped } =
                services.get(&service.service).copied().unwrap_or_default();
            service.packets += packets;
            service.bytes += bytes;
            service.dropped += dropped;
        }
        for link in &snapshot.full_links {
            if self.memory.full_links.insert(link.clone()) {
                let text = format!("packets are lost before they reach this host: {link}");
                self.line(snapshot.time_ms, "health", IncidentActor::Outside, text);
            }
            self.needs_human();
        }
        snapshot.readings.iter().for_each(|reading| self.strain(reading, snapshot.time_ms));
        let excess = (second.packets as f64 / span as f64 - before).max(0.0);
        let dropped = a_second(second.dropped) as f64;
        let is_controlled = excess < LITTLE || dropped >= excess * CONTROLLED_SHARE;
        self.controlled = self.controlled << 1 | u32::from(is_controlled);
        self.looks += 1;
        self.incident.seen_ms = snapshot.time_ms;
        for text in self.census.take_told(snapshot.time_ms) {
            self.line(snapshot.time_ms, "newcomer", IncidentActor::Outside, text);
        }
        self.settle();
        self.judge(snapshot.time_ms);
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

    /// Updates what is reported from the samples.
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

    /// Updates what is reported without the samples, which is cheap enough for every occurrence.
    pub(crate) fn refresh(&mut self) {
        for service in &mut self.incident.services {
            service.attacked = self.attacked.contains(&service.service);
        }
        self.incident.warnings = self.warnings();
    }

    /// Decides on the phase by what is dropped.
    fn judge(&mut self, time_ms: u64) {
        if self.looks < AGREE {
            return;
        }
        let agree = (self.controlled & LOOKS).count_ones();
        let known = self.incident.vectors.iter().any(|vector| !vector.fingerprints.is_empty())
            || self.incident.sources.sampled >= IDENTIFIED;
        if agree >= AGREE {
            self.memory.nothing_found_ms = None;
            self.turn(IncidentPhase::Monitoring, time_ms);
        } else if known && self.looks >= LOOKS.count_ones() {
            self.turn(IncidentPhase::Identified, time_ms);
        }
    }

    /// Enters a phase, unless it is in it already.
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
