//! From samples and counts to signatures.

mod asking;
mod keeping;
mod refusing;

use std::collections::{BTreeMap, BTreeSet};

use floodwall_common::{
    source::was_there_at,
    wire::{Reason, Verdict, knowledge},
};
use tracing::warn;

use refusing::Refusals;

use super::{
    action::{self, Action},
    alarm::Level,
    baseline::Baseline,
    deployment::{Deployed, Deployment, Held, Turn},
    event::Event,
    incident::{Attack, Incident, Incidents},
    moment::{Moment, TICK},
    proof::Proof,
    recent::Recent,
    reference_set::ReferenceSets,
    repetition::Repetition,
    sample::Sample,
    search::{LEAST_EXCESS, Refused, Search},
    service_load::{Counts, Load, Standing},
    view::KernelView,
    would_ban::{Conduct, LONG, Scene},
};

/// How far back samples are searched, ns.
const RECENT: u64 = 500_000_000;
/// How long floodwall watches before it takes a segment for a segment out of state, ns.
const LEARNING: u64 = 10_000_000_000;
/// How long an attack lasts before it is said that nothing is found against it, ns.
const NOTHING_AFTER: u64 = 2_000_000_000;
/// How long something unusual lasts that nothing is dropped of, and that does not grow any more, before it becomes usual:
/// an hour, ns.
const ACCEPTED_AFTER: u64 = 3_600_000_000_000;
/// A signature that matched something so lately still holds an attack off, ns.
const HOLDS: u64 = 5_000_000_000;
/// How long a signature that was withdrawn is not tried again, ns.
const REFUSED: u64 = 60_000_000_000;

/// Notices attacks, and deploys signatures against them.
#[derive(Debug, Default)]
pub struct Detector {
    loads: BTreeMap<u8, Load>,
    started_ns: Option<u64>,
    proof: Proof,
    /// What a sample teaches; empty but for a moment.
    lessons: Vec<Sample>,
    baseline: Baseline,
    references: ReferenceSets,
    recent: Recent,
    deployment: Deployment,
    repetition: Repetition,
    /// Attacks that go on, by the service that they are aimed at: each is a matter of its own.
    attacks: BTreeMap<u8, Attack>,
    incidents: Incidents,
    refused: Vec<Refused>,
    conduct: Conduct,
    /// The signatures in force are not those of [`Self::deployment`].
    changed: bool,
    /// What is to be done, in order.
    actions: Vec<Action>,
    /// It was said that enough is known.
    settled: bool,
    /// Services of which far more passes than usual.
    flooded: BTreeSet<u8>,
    /// Services that are watched: see [`Level::Watch`].
    watched: BTreeSet<u8>,
    /// Services that refuse new connections to sources whose connections come to nothing.
    refusing: BTreeSet<u8>,
    /// New sources that are refused connections, since they come time and again.
    returning: Refusals,
    /// Services for which questions for new names are limited.
    limiting: BTreeSet<u8>,
}

impl Detector {
    /// Takes a sampled packet.
    pub fn sample(&mut self, sample: Sample) {
        let service = sample.service();
        self.loads.entry(service).or_default().sample(&sample);
        let knows = self.baseline.knows(sample.source);
        self.deployment.note(&sample, knows && !sample.answers);
        // Of what is only asked to come again, nothing is known.
        if !knows && (self.deployment.covers(&sample) || !self.deployment.asks(&sample)) {
            self.conduct.note(&sample);
        }
        let passed = sample.reason.verdict() == Verdict::Pass;
        // In an attack, and in what may become one, only who had proven itself before it teaches.
        let doubted = self.attacks.contains_key(&service) || self.watched.contains(&service);
        if passed && (!doubted || knows || sample.answers) {
            self.learn(&sample);
            if !doubted && !knows {
                self.baseline.note_unproven(&sample);
            }
        }
        if passed || sample.reason == Reason::Signature {
            self.recent.push(sample);
        }
    }

    /// Learns from a packet that has passed, if its flow has proven itself.
    fn learn(&mut self, sample: &Sample) {
        if self.proof.take(sample, &mut self.lessons) {
            self.baseline.meet(sample.source, sample.time_ns);
        }
        self.lessons.drain(..).for_each(|lesson| self.baseline.keep(lesson));
    }

    /// Looks at what came since the last call, [`TICK`](super::TICK) ago, for the services that there are. What is to
    /// be done about it stands in [`Self::take_actions`].
    pub fn tick(&mut self, moment: Moment, counts: &[Counts], view: &dyn KernelView) -> Vec<Event> {
        let mut events = Vec::new();
        let now_ns = moment.now_ns;
        self.recent.forget_before(now_ns.saturating_sub(LONG));
        let learning_until = *self.started_ns.get_or_insert(now_ns) + LEARNING;
        if now_ns >= learning_until {
            self.know(knowledge::CONNECTIONS, true);
        }
        self.baseline.settle(now_ns);
        let standings = self.weigh(moment, counts);
        self.follow(moment, &standings, &mut events);
        self.refuse(&standings, now_ns, view, &mut events);
        self.limit_names(&standings, &mut events);
        events.extend(self.conduct.name_accomplices(now_ns));
        let sampled = standings.iter().map(|(_, standing)| standing.sampled).fold(1.0, f64::min);
        self.note_old(now_ns, view);
        let Self { recent, baseline, deployment, conduct, attacks, .. } = self;
        let scene = Scene { now_ns, recent, baseline, deployment, attacks, sampled, view };
        if attacks.is_empty() {
            conduct.learn(&scene);
            if !self.settled && !baseline.is_fresh() {
                self.settled = true;
                events.push(Event::Settled);
            }
        } else {
            if now_ns >= learning_until {
                let attacked = standings.iter().filter(|(service, _)| attacks.contains_key(service));
                let usual = attacked.map(|(_, standing)| standing.usually_passes).sum();
                let (told, loud) = conduct.name_the_loudest(&scene, usual);
                // What a few sources send by themselves is no pattern, and would hide that of the others.
                self.recent.forget(&loud);
                events.extend(told);
            }
            self.search(now_ns, &standings, view, &mut events);
            self.ask_to_repeat(now_ns, &standings, &mut events);
        }
        for (number, signature, turn) in self.deployment.turn(now_ns) {
            if matches!(turn, Turn::Withdrawn | Turn::ComesAgain) {
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
            self.deploy();
        }
        events
    }

    /// What is to be done since this was last asked, in order.
    #[must_use]
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Bits that signatures were given since this was last asked: what the counters of these tell is of others.
    pub fn take_fresh(&mut self) -> Vec<usize> {
        self.deployment.take_fresh()
    }

    /// Has the signatures that it knows put in force in place of whatever is: what another detector has found before a
    /// restart is known to nobody any more, and could not be taken back.
    pub fn restart(&mut self) {
        self.deploy();
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

    /// Services that are attacked.
    pub fn attacked(&self) -> impl Iterator<Item = u8> {
        self.attacks.keys().copied()
    }

    /// Services that are watched: far more connections are completed than usual.
    pub fn watched(&self) -> impl Iterator<Item = u8> {
        self.watched.iter().copied()
    }

    /// Number of the last incident; 0 if there was none.
    pub fn incident(&self) -> u32 {
        self.incidents.last().number
    }

    /// Waves that it has had so far.
    pub fn wave(&self) -> u32 {
        self.incidents.last().wave
    }

    /// How many samples of usual packets there are to hold others against.
    pub fn baseline_len(&self) -> usize {
        self.baseline.len()
    }

    /// Whether these are so few that assumptions of what clients send stand in for them.
    pub fn is_fresh(&self) -> bool {
        self.baseline.is_fresh()
    }

    /// Holds what came for each service against what is usual, and has as much of it sampled as is wanted.
    fn weigh(&mut self, moment: Moment, counts: &[Counts]) -> Vec<(u8, Standing)> {
        let is_there = |service: u8| counts.iter().any(|counts| counts.service == service);
        self.loads.retain(|service, _| is_there(*service));
        self.baseline.retain(is_there);
        self.attacks.retain(|service, _| is_there(*service));
        self.refusing.retain(|service| is_there(*service));
        self.limiting.retain(|service| is_there(*service));
        self.returning.retain(is_there);
        let Self { loads, actions, attacks, .. } = self;
        let standings = counts.iter().map(|counts| {
            let calm = !attacks.contains_key(&counts.service);
            let load = loads.entry(counts.service).or_default();
            let standing = load.take(*counts, calm, moment);
            actions.push(Action::Sample { service: counts.service, every: load.sample_every() });
            (counts.service, standing)
        });
        standings.collect()
    }

    /// Begins and ends attacks, service by service.
    fn follow(&mut self, moment: Moment, standings: &[(u8, Standing)], events: &mut Vec<Event>) {
        let now_ns = moment.now_ns;
        let such = |is: fn(&Standing) -> bool| {
            let such = standings.iter().filter(move |(_, standing)| is(standing));
            such.map(|(service, _)| *service).collect()
        };
        self.flooded = such(|standing| standing.too_much_passes);
        self.watched = such(|standing| standing.level >= Level::Watch);
        for (service, standing) in standings {
            let service = *service;
            let is_held = self.deployment.holds_since(service, now_ns.saturating_sub(HOLDS));
            match (self.attacks.get_mut(&service), standing.begins) {
                (None, Some(cause)) => {
                    self.attacks.insert(service, Attack::new(now_ns));
                    self.baseline.doubt(service);
                    self.changed |= self.deployment.wake(service, now_ns);
                    let Incident { number: incident, wave, .. } = self.incidents.next(service, now_ns);
                    events.push(Event::AttackBegan { service, incident, wave, cause });
                    self.actions.push(Action::Attacked { service, attacked: true });
                }
                (None, None) => self.actions.push(Action::Attacked { service, attacked: false }),
                (Some(_), _) if standing.level != Level::Alarm => self.end(service, now_ns, events),
                (Some(attack), _) => {
                    attack.measure(standing.lately, now_ns);
                    if !is_held && !attack.grows && now_ns >= attack.since_ns + ACCEPTED_AFTER {
                        self.loads.entry(service).or_default().accept();
                        events.push(Event::Accepted { service });
                        self.end(service, now_ns, events);
                    }
                }
            }
        }
    }

    /// Has services let few questions for new names pass, while there are too many.
    fn limit_names(&mut self, standings: &[(u8, Standing)], events: &mut Vec<Event>) {
        let observed = self.deployment.is_observing();
        for (service, Standing { names: limits, .. }) in standings {
            let (service, limits) = (*service, *limits);
            let changed = if limits { self.limiting.insert(service) } else { self.limiting.remove(&service) };
            if changed {
                events.push(Event::LimitsNames { service, limits, observed });
            }
            self.actions.push(Action::LimitNames { service, limit: limits });
        }
    }

    fn end(&mut self, service: u8, now_ns: u64, events: &mut Vec<Event>) {
        self.attacks.remove(&service);
        self.incidents.end(service, now_ns);
        self.repetition.end(service);
        self.changed |= !self.deployment.ask_no_more(|asked| asked.service == service).is_empty();
        let attacks = &self.attacks;
        self.changed |= self.deployment.rest(|service| attacks.contains_key(&service));
        if self.attacks.is_empty() {
            self.conduct.forget();
            self.references.clear();
        }
        events.push(Event::AttackEnded { service });
        self.actions.push(Action::Attacked { service, attacked: false });
    }

    /// Looks for what unusual packets have in common, service by service.
    fn search(
        &mut self,
        now_ns: u64,
        standings: &[(u8, Standing)],
        view: &dyn KernelView,
        events: &mut Vec<Event>,
    ) {
        // A forged request may be in the name of a source that was there before: there it is the packet that is strange.
        let forged: BTreeSet<u8> = standings
            .iter()
            .filter(|(service, standing)| self.forges_known(*service, standing, now_ns))
            .map(|(service, _)| *service)
            .collect();
        let strange = |sample: &&Sample| {
            let may_be_forged = sample.opens() && forged.contains(&sample.service());
            let is_known = || self.baseline.knows(sample.source) || self.is_old(sample, view);
            !sample.answers && (may_be_forged || !is_known())
        };
        let lately = self.recent.since(now_ns.saturating_sub(RECENT));
        let unusual: Vec<&Sample> =
            lately.filter(strange).filter(|sample| !self.deployment.covers(sample)).collect();
        let mut findings = Vec::new();
        for (service, standing) in standings.iter().filter(|(service, _)| self.attacks.contains_key(service))
        {
            let of_service = |sample: &&Sample| sample.service() == *service;
            let unusual: Vec<&Sample> = unusual.iter().copied().filter(of_service).collect();
            if (unusual.len() as f64) < LEAST_EXCESS {
                continue;
            }
            let search = Search {
                reference: self.references.of(&self.baseline, *service, &unusual),
                deployment: &self.deployment,
                refused: &self.refused,
                recent: &self.recent,
                service: (standings.len() > 1).then_some(*service),
                expected: standing.usually_passes * standing.sampled * RECENT as f64 / 1e9,
            };
            let found = search.find(&unusual);
            let openings = (!search.reference.is_assumed).then(|| search.reference.openings());
            findings.extend(found.into_iter().map(|finding| (finding, unusual.len(), openings)));
        }
        for (finding, among, openings) in findings {
            let Some(number) = self.deployment.try_out(&finding, openings, now_ns) else { break };
            self.changed = true;
            events.push(Event::Found {
                number,
                signature: finding.signature,
                covered: finding.covered as f64 / among as f64,
                usual_share: finding.usual_share,
            });
        }
        for (service, attack) in &mut self.attacks {
            let is_held = !self.flooded.contains(service)
                || self.deployment.holds_since(*service, now_ns.saturating_sub(HOLDS));
            if !attack.told && now_ns >= attack.since_ns + NOTHING_AFTER && !is_held {
                attack.told = true;
                events.push(Event::NothingFound { service: *service });
            }
        }
    }

    /// Holds signatures to account for what they drop of sources that were there long before the attack.
    fn note_old(&mut self, now_ns: u64, view: &dyn KernelView) {
        if self.attacks.is_empty() {
            return;
        }
        let dropped = |sample: &&Sample| {
            sample.reason == Reason::Signature
                && !self.baseline.knows(sample.source)
                && self.is_old(sample, view)
        };
        let old: Vec<Sample> =
            self.recent.since(now_ns - TICK.min(now_ns)).filter(dropped).copied().collect();
        old.iter().for_each(|sample| self.deployment.note_known(sample));
    }

    /// Whether a source took part in conversations for a while before the attack on the service began, as far as the kernel
    /// program knows.
    fn is_old(&self, sample: &Sample, view: &dyn KernelView) -> bool {
        let Some(attack) = self.attacks.get(&sample.service()).filter(|_| sample.known) else { return false };
        view.history(sample.source).is_some_and(|history| was_there_at(history.entered, attack.since_ns))
    }

    /// Has the signatures put in force.
    fn deploy(&mut self) {
        self.changed = false;
        let image = loop {
            match self.deployment.image() {
                Ok(image) => break image,
                Err(error) => {
                    warn!(%error, "the youngest signature is taken back");
                    self.deployment.drop_youngest();
                }
            }
        };
        let is_empty = self.deployment.is_empty();
        self.actions.push(Action::Deploy(action::Deployment { image, is_empty }));
    }

    /// Has the kernel program know something, or not any more.
    fn know(&mut self, what: u64, known: bool) {
        self.actions.push(Action::Know { what, known });
    }
}
