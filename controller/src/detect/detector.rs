//! From samples and counts to signatures.

use std::collections::BTreeMap;

use floodwall_common::wire::{Reason, Verdict, knowledge, signature::HALF_WORDS};
use tracing::warn;

use super::{
    baseline::Baseline,
    conduct::{Conduct, LONG, Scene},
    deployed::{Deployed, Deployment, Held, Turn},
    event::Event,
    incident::{Attack, Incident},
    load::{Counts, Load, Standing},
    memory::{Memory, OtherVersion, Remembered},
    moment::Moment,
    picture::Pictures,
    recent::Recent,
    sample::Sample,
    search::{LEAST_EXCESS, Refused, Search},
};
use crate::{signature::Signature, tables::SharedTables};

/// How far back samples are searched, ns.
const RECENT: u64 = 500_000_000;
/// How long floodwall watches before it takes a segment for a stray, ns.
const LEARNING: u64 = 10_000_000_000;
/// How long what comes must be close to what is usual before an attack is over, ns.
const CALM_AFTER: u64 = 5_000_000_000;
/// How long an attack lasts before it is said that nothing is found against it, ns.
const NOTHING_AFTER: u64 = 2_000_000_000;
/// How long something unusual lasts that nothing is dropped of before it becomes usual, ns: an hour, but only half a
/// minute if it is not known yet what is.
const ACCEPTED_AFTER: u64 = 3_600_000_000_000;
const ACCEPTED_AFTER_IF_FRESH: u64 = 30_000_000_000;
/// A signature that matched something so lately still holds an attack off, ns.
const HOLDS: u64 = 5_000_000_000;
/// How long a signature that was withdrawn is not tried again, ns.
const REFUSED: u64 = 60_000_000_000;

/// Notices attacks, and deploys signatures against them.
#[derive(Debug, Default)]
pub struct Detector {
    loads: BTreeMap<u8, Load>,
    started_ns: Option<u64>,
    baseline: Baseline,
    pictures: Pictures,
    recent: Recent,
    deployment: Deployment,
    attack: Option<Attack>,
    incident: Incident,
    refused: Vec<Refused>,
    conduct: Conduct,
    changed: bool,
    /// It was said that enough is known.
    settled: bool,
    /// What passes is as usual, whatever comes.
    holds: bool,
}

impl Detector {
    /// Takes a sampled packet.
    pub fn sample(&mut self, sample: Sample) {
        self.loads.entry(sample.service()).or_default().sample(&sample);
        let knows = self.baseline.knows(sample.source);
        self.deployment.note(&sample, knows && !sample.answers);
        if !knows {
            self.conduct.note(&sample);
        }
        let passed = sample.reason.verdict() == Verdict::Pass;
        let no_doubt = self.attack.is_none() || knows || sample.answers;
        if passed && (no_doubt || self.baseline.is_fresh() && self.holds) {
            self.baseline.note(sample);
        }
        if passed || sample.reason == Reason::Signature {
            self.recent.push(sample);
        }
    }

    /// Acts on what came since the last call, [`TICK`](super::TICK) ago, for the services that there are.
    ///
    /// `grace` returns once no packet is judged any more by what was not in force when it was called.
    pub fn tick(
        &mut self,
        moment: Moment,
        counts: &[Counts],
        tables: &SharedTables,
        grace: &dyn Fn(),
    ) -> Vec<Event> {
        let mut events = Vec::new();
        let now_ns = moment.now_ns;
        self.recent.forget_before(now_ns.saturating_sub(LONG));
        let learning_until = *self.started_ns.get_or_insert(now_ns) + LEARNING;
        if now_ns >= learning_until {
            learn(tables, knowledge::CONNECTIONS, true);
        }
        let standings = self.weigh(moment, counts, tables);
        self.follow(moment, &standings, tables, &mut events);
        let Self { recent, baseline, deployment, conduct, .. } = self;
        let sampled = standings.iter().map(|(_, standing)| standing.sampled).fold(1.0, f64::min);
        let scene = Scene { now_ns, recent, baseline, deployment, sampled, tables };
        events.extend(conduct.name_accomplices(now_ns));
        if self.attack.is_none() {
            conduct.learn(&scene);
            self.baseline.settle(now_ns, tables);
            if !self.settled && !self.baseline.is_fresh() {
                self.settled = true;
                events.push(Event::Settled);
            }
        } else {
            if now_ns >= learning_until {
                let usual = standings.iter().map(|(_, standing)| standing.usually_passes).sum();
                let (told, loud) = conduct.name_the_loudest(&scene, usual);
                // What a few sources send by themselves is no pattern, and would hide that of the others.
                self.recent.forget(&loud);
                events.extend(told);
            }
            self.search(now_ns, &standings, &mut events);
        }
        for (number, signature, turn) in self.deployment.turn(now_ns) {
            if turn == Turn::Withdrawn {
                self.refused.push(Refused {
                    signature: signature.clone(),
                    until_ns: now_ns + REFUSED,
                    by_operator: false,
                });
            }
            self.changed = true;
            events.push(Event::Turned { number, signature, turn });
        }
        self.refused.retain(|refused| refused.until_ns > now_ns);
        if self.changed {
            self.deploy(tables, grace);
        }
        events
    }

    /// Has signatures that are found drop, or only count. Those of an operator are as they are.
    pub fn observe(&mut self, observe: bool, now_ns: u64) {
        self.changed |= self.deployment.observe(observe, now_ns);
    }

    /// Why a signature only counts, if it is not for an operator to say.
    pub fn held(&self, deployed: &Deployed) -> Option<Held> {
        self.deployment.held(deployed)
    }

    /// Signatures by number.
    pub fn signatures(&self) -> impl Iterator<Item = (usize, &Deployed)> {
        self.deployment.iter()
    }

    /// Whether there is an attack.
    pub fn is_attacked(&self) -> bool {
        self.attack.is_some()
    }

    /// Number of the last incident; 0 if there was none.
    pub fn incident(&self) -> u32 {
        self.incident.number
    }

    /// Waves that it has had so far.
    pub fn wave(&self) -> u32 {
        self.incident.wave
    }

    /// How many samples of usual packets there are to hold others against.
    pub fn baseline_len(&self) -> usize {
        self.baseline.len()
    }

    /// Whether these are so few that assumptions of what clients send stand in for them.
    pub fn is_fresh(&self) -> bool {
        self.baseline.is_fresh()
    }

    /// What is to be kept over a restart, of services that have a name.
    pub fn remember(&self, name: impl Fn(u8) -> Option<String>) -> Memory {
        let services = self.baseline.services().filter_map(|(service, packets)| {
            let habits = self.loads.get(&service)?.habits();
            Some((name(service)?, Remembered::new(habits, packets)))
        });
        Memory::new(services.collect())
    }

    /// Takes up what was kept, of services that there still are.
    ///
    /// # Errors
    ///
    /// If it was kept by a floodwall of another version.
    pub fn recall(
        &mut self,
        memory: Memory,
        number: impl Fn(&str) -> Option<u8>,
    ) -> Result<(), OtherVersion> {
        for (name, remembered) in memory.services()? {
            let Some(service) = number(&name) else { continue };
            if let Some(load) = Load::of(remembered.habits.clone()) {
                self.loads.insert(service, load);
            }
            self.baseline.recall(service, remembered.packets());
        }
        self.settled = !self.baseline.is_fresh();
        Ok(())
    }

    /// Deploys a signature that an operator wants, in force when this returns. Gives its number; `None` if there is no
    /// room for another.
    pub fn pin(
        &mut self,
        signature: Signature,
        enforced: bool,
        now_ns: u64,
        tables: &SharedTables,
        grace: &dyn Fn(),
    ) -> Option<usize> {
        let number = self.deployment.pin(signature, enforced, now_ns)?;
        self.deploy(tables, grace);
        Some(number)
    }

    /// Deploys a signature that another detector has, in force when this returns: one that was found there is enforced,
    /// rests and is taken back here as it would be there. Gives its number; `None` if there is no room for another.
    pub fn take_over(
        &mut self,
        signature: Signature,
        pinned: bool,
        enforced: bool,
        now_ns: u64,
        tables: &SharedTables,
    ) -> Option<usize> {
        let number = self.deployment.take_over(signature, pinned, enforced, now_ns)?;
        self.deploy(tables, &|| ());
        Some(number)
    }

    /// Takes a signature back, out of force when this returns. Neither it nor what resembles it is found again for a
    /// while.
    pub fn remove(
        &mut self,
        number: usize,
        now_ns: u64,
        tables: &SharedTables,
        grace: &dyn Fn(),
    ) -> Option<Deployed> {
        let removed = self.deployment.remove(number)?;
        self.refused.push(Refused {
            signature: removed.signature.clone(),
            until_ns: now_ns + REFUSED,
            by_operator: true,
        });
        self.deploy(tables, grace);
        Some(removed)
    }

    /// Holds what came for each service against what is usual, and has as much of it sampled as is wanted.
    fn weigh(&mut self, moment: Moment, counts: &[Counts], tables: &SharedTables) -> Vec<(u8, Standing)> {
        let is_there = |service: u8| counts.iter().any(|counts| counts.service == service);
        self.loads.retain(|service, _| is_there(*service));
        self.baseline.retain(is_there);
        let calm = self.attack.is_none();
        let standings = counts.iter().map(|counts| {
            let load = self.loads.entry(counts.service).or_default();
            let standing = load.take(*counts, calm, moment);
            let every = &tables.services[usize::from(counts.service)].sample_every;
            if every.load() != load.sample_every() {
                every.store(load.sample_every());
            }
            (counts.service, standing)
        });
        standings.collect()
    }

    /// Begins and ends attacks.
    fn follow(
        &mut self,
        moment: Moment,
        standings: &[(u8, Standing)],
        tables: &SharedTables,
        events: &mut Vec<Event>,
    ) {
        let now_ns = moment.now_ns;
        self.holds = standings.iter().all(|(_, standing)| !standing.too_much_passes);
        let excess = standings.iter().find(|(_, standing)| standing.all.excess);
        let back = standings.iter().all(|(_, standing)| standing.all.back);
        let is_held = self.deployment.holds_since(now_ns.saturating_sub(HOLDS));
        let patience = if self.baseline.is_fresh() { ACCEPTED_AFTER_IF_FRESH } else { ACCEPTED_AFTER };
        match (&mut self.attack, excess) {
            (None, Some((_, Standing { all, .. }))) => {
                self.attack = Some(Attack { since_ns: now_ns, last_unusual_ns: now_ns, told: false });
                self.baseline.settle(now_ns, tables);
                self.baseline.doubt();
                self.changed |= self.deployment.wake(now_ns);
                let Incident { number: incident, wave, .. } = self.incident.next(now_ns);
                events.push(Event::AttackBegan { incident, wave, rate: all.now, usual: all.usual });
                learn(tables, knowledge::CALM, false);
            }
            (None, None) => learn(tables, knowledge::CALM, true),
            (Some(attack), _) if !is_held && now_ns >= attack.since_ns + patience => {
                self.loads.values_mut().for_each(|load| load.accept(moment));
                events.push(Event::Accepted);
                self.end(now_ns, tables, events);
            }
            (Some(attack), _) if !back => attack.last_unusual_ns = now_ns,
            (Some(attack), _) if now_ns >= attack.last_unusual_ns + CALM_AFTER => {
                self.end(now_ns, tables, events);
            }
            (Some(_), _) => {}
        }
    }

    fn end(&mut self, now_ns: u64, tables: &SharedTables, events: &mut Vec<Event>) {
        self.attack = None;
        self.incident.ended_ns = now_ns;
        self.conduct.forget();
        self.pictures.clear();
        self.changed |= self.deployment.rest();
        events.push(Event::AttackEnded);
        learn(tables, knowledge::CALM, true);
    }

    /// Looks for what unusual packets have in common, service by service.
    fn search(&mut self, now_ns: u64, standings: &[(u8, Standing)], events: &mut Vec<Event>) {
        let strange = |sample: &&Sample| !sample.answers && !self.baseline.knows(sample.source);
        let lately = self.recent.since(now_ns.saturating_sub(RECENT));
        let unusual: Vec<&Sample> =
            lately.filter(strange).filter(|sample| !self.deployment.covers(sample)).collect();
        let mut findings = Vec::new();
        for (service, standing) in standings {
            let of_service = |sample: &&Sample| sample.service() == *service;
            let unusual: Vec<&Sample> = unusual.iter().copied().filter(of_service).collect();
            if (unusual.len() as f64) < LEAST_EXCESS {
                continue;
            }
            let search = Search {
                picture: self.pictures.of(&self.baseline, *service, &unusual),
                deployment: &self.deployment,
                refused: &self.refused,
                recent: &self.recent,
                service: (standings.len() > 1).then_some(*service),
                expected: standing.usually_passes * standing.sampled * RECENT as f64 / 1e9,
            };
            let found = search.find(&unusual);
            findings.extend(found.into_iter().map(|finding| (finding, unusual.len())));
        }
        for (finding, among) in findings {
            let harmless = finding.usual_share == 0.0;
            let Some(number) = self.deployment.try_out(finding.signature.clone(), harmless, now_ns) else {
                break;
            };
            self.changed = true;
            events.push(Event::Found {
                number,
                signature: finding.signature,
                covered: finding.covered as f64 / among as f64,
                usual_share: finding.usual_share,
            });
        }
        let is_held = self.holds || self.deployment.holds_since(now_ns.saturating_sub(HOLDS));
        if let Some(attack) = self.attack.as_mut().filter(|attack| !attack.told)
            && now_ns >= attack.since_ns + NOTHING_AFTER
            && !is_held
        {
            attack.told = true;
            events.push(Event::NothingFound);
        }
    }

    /// Puts the signatures in force: written beside those that are, and then all at once.
    fn deploy(&mut self, tables: &SharedTables, grace: &dyn Fn()) {
        self.changed = false;
        let settings = &tables.settings[0];
        let other = if settings.signatures.load() == 1 { 2 } else { 1 };
        let image = loop {
            match self.deployment.image() {
                Ok(image) => break image,
                Err(error) => {
                    warn!(%error, "the youngest signature is taken back");
                    self.deployment.drop_youngest();
                }
            }
        };
        grace();
        let start = (other as usize - 1) * HALF_WORDS as usize;
        image.write(&tables.signatures[start..start + HALF_WORDS as usize]);
        settings.signatures.store(if self.deployment.is_empty() { 0 } else { other });
    }
}

/// Sets or clears what the kernel program is told to know.
fn learn(tables: &SharedTables, what: u64, known: bool) {
    let knowledge = &tables.settings[0].knowledge;
    let now = knowledge.load();
    let wanted = if known { now | what } else { now & !what };
    if wanted != now {
        knowledge.store(wanted);
    }
}
