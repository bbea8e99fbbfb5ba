//! From samples and counts to signatures.

use std::collections::VecDeque;

use floodwall_common::{
    source::Key,
    wire::{Reason, Verdict, knowledge, signature::HALF_WORDS},
};
use tracing::warn;

use super::{
    baseline::Baseline,
    conduct::{Conduct, LONG, Scene},
    deployed::{Deployed, Deployment, Turn},
    event::{Counts, Event},
    kind::Kind,
    sample::Sample,
    search::Search,
    usual::{Pulse, Usual},
};
use crate::{signature::Signature, tables::SharedTables};

/// Time between two calls of [`Detector::tick`], ns.
pub const TICK: u64 = 50_000_000;
/// How far back samples are searched, ns.
const RECENT: u64 = 500_000_000;
/// Most samples of that time.
const MOST_RECENT: usize = 16_000;
/// Packets/s of a kind that are always usual.
const KIND_FLOOR: f64 = 30.0;
/// Share of the packets that is taken to be sampled at least.
const LEAST_SAMPLED: f64 = 1e-6;
/// How fast the share of sampled packets is followed: by this part of the difference each tick.
const SAMPLED_FOLLOWS: f64 = 0.3;
/// How long floodwall watches before it takes a segment for a stray, ns.
const LEARNING: u64 = 10_000_000_000;
/// How long what comes must be close to what is usual before an attack is over, ns.
const CALM_AFTER: u64 = 5_000_000_000;
/// How long a signature that was withdrawn is not tried again, ns.
const REFUSED: u64 = 60_000_000_000;

/// An attack that goes on.
#[derive(Clone, Copy, Debug)]
struct Attack {
    /// When what comes was last unusual, ns.
    last_unusual_ns: u64,
}

/// Notices attacks, and deploys signatures against them.
#[derive(Debug, Default)]
pub struct Detector {
    /// All that comes.
    usual: Usual,
    /// What passes.
    passing: Usual,
    /// What of each kind comes, but no segments, and how much of it was sampled since the last tick.
    kinds: [Usual; 3],
    came: [f64; 3],
    started_ns: Option<u64>,
    baseline: Baseline,
    recent: VecDeque<Sample>,
    deployment: Deployment,
    attack: Option<Attack>,
    refused: Vec<(Signature, u64)>,
    before: Counts,
    conduct: Conduct,
    changed: bool,
    /// Share of the packets that is sampled, lately.
    sampled: f64,
    samples: u64,
}

impl Detector {
    /// Takes a sampled packet.
    pub fn sample(&mut self, sample: Sample) {
        self.samples += 1;
        let knows = self.baseline.knows(sample.source);
        self.deployment.note(&sample, knows && !sample.answers);
        if !knows {
            self.conduct.note(&sample);
        }
        let passed = sample.reason.verdict() == Verdict::Pass;
        if !sample.answers
            && let Some(came) = self.came.get_mut(Kind::of(&sample.features) as usize)
        {
            *came += 1.0;
        }
        if passed && (self.attack.is_none() || knows || sample.answers) {
            self.baseline.note(sample);
        }
        if passed || sample.reason == Reason::Signature {
            self.recent.push_back(sample);
            if self.recent.len() > MOST_RECENT {
                self.recent.pop_front();
            }
        }
    }

    /// Acts on what came since the last call, [`TICK`] ago.
    ///
    /// `grace` returns once no packet is judged any more by what was not in force when it was called.
    pub fn tick(
        &mut self,
        now_ns: u64,
        counts: Counts,
        tables: &SharedTables,
        grace: &dyn Fn(),
    ) -> Vec<Event> {
        let mut events = Vec::new();
        let per_second = 1e9 / TICK as f64;
        let all = counts.all.saturating_sub(self.before.all) as f64 * per_second;
        let passed = counts.passed.saturating_sub(self.before.passed) as f64 * per_second;
        let packets = counts.all.saturating_sub(self.before.all);
        if packets > 0 {
            let share = (std::mem::take(&mut self.samples) as f64 / packets as f64).min(1.0);
            self.sampled +=
                (share - self.sampled) * if self.started_ns.is_none() { 1.0 } else { SAMPLED_FOLLOWS };
        }
        self.before = counts;
        while self.recent.front().is_some_and(|sample| sample.time_ns + LONG < now_ns) {
            self.recent.pop_front();
        }
        if now_ns >= *self.started_ns.get_or_insert(now_ns) + LEARNING {
            learn(tables, knowledge::CONNECTIONS, true);
        }
        let calm = self.attack.is_none();
        let pulse = self.usual.take(all, calm);
        let scale = per_second / self.sampled.max(LEAST_SAMPLED);
        let pulse = self.kinds.iter_mut().zip(&mut self.came).fold(pulse, |pulse, (usual, came)| {
            let of_kind = usual.take_above(std::mem::take(came) * scale, calm, KIND_FLOOR);
            Pulse { excess: pulse.excess || of_kind.lasting, back: pulse.back && of_kind.back, ..pulse }
        });
        let passing = self.passing.take(passed, calm);
        self.follow(now_ns, pulse, tables, &mut events);
        if self.attack.is_none() {
            self.baseline.settle(now_ns, tables);
            let mut conduct = std::mem::take(&mut self.conduct);
            conduct.learn(&self.scene(now_ns, tables));
            self.conduct = conduct;
        } else {
            if now_ns >= self.started_ns.unwrap_or(now_ns) + LEARNING {
                let banned = self.conduct.ban_the_loudest(&self.scene(now_ns, tables), passing.usual);
                self.recent.retain(|sample| !is_among(&banned, sample.source));
                events.extend(banned);
            }
            self.search(now_ns, passing, &mut events);
        }
        let mut conduct = std::mem::take(&mut self.conduct);
        conduct.ban_accomplices(&self.scene(now_ns, tables));
        self.conduct = conduct;
        for (number, signature, turn) in self.deployment.turn(now_ns) {
            if turn == Turn::Withdrawn {
                self.refused.push((signature.clone(), now_ns + REFUSED));
            }
            self.changed = true;
            events.push(Event::Turned { number, signature, turn });
        }
        self.refused.retain(|(_, until)| *until > now_ns);
        if self.changed {
            self.deploy(tables, grace);
        }
        events
    }

    /// Signatures by number.
    pub fn signatures(&self) -> impl Iterator<Item = (usize, &Deployed)> {
        self.deployment.iter()
    }

    /// Whether there is an attack.
    pub fn is_attacked(&self) -> bool {
        self.attack.is_some()
    }

    /// How many samples of usual packets there are to hold others against.
    pub fn baseline_len(&self) -> usize {
        self.baseline.samples().len()
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

    /// Takes a signature back, out of force when this returns. It is not found again for a while.
    pub fn remove(
        &mut self,
        number: usize,
        now_ns: u64,
        tables: &SharedTables,
        grace: &dyn Fn(),
    ) -> Option<Deployed> {
        let removed = self.deployment.remove(number)?;
        self.refused.push((removed.signature.clone(), now_ns + REFUSED));
        self.deploy(tables, grace);
        Some(removed)
    }

    fn scene<'a>(&'a self, now_ns: u64, tables: &'a SharedTables) -> Scene<'a> {
        let Self { recent, baseline, deployment, sampled, .. } = self;
        Scene { now_ns, recent, baseline, deployment, sampled: *sampled, tables }
    }

    /// Begins and ends attacks.
    fn follow(&mut self, now_ns: u64, pulse: Pulse, tables: &SharedTables, events: &mut Vec<Event>) {
        match &mut self.attack {
            None if pulse.excess => {
                self.attack = Some(Attack { last_unusual_ns: now_ns });
                self.baseline.settle(now_ns, tables);
                self.baseline.doubt();
                self.changed |= self.deployment.wake(now_ns);
                events.push(Event::AttackBegan { rate: pulse.now, usual: pulse.usual });
                learn(tables, knowledge::CALM, false);
            }
            Some(attack) if !pulse.back => attack.last_unusual_ns = now_ns,
            Some(attack) if now_ns >= attack.last_unusual_ns + CALM_AFTER => {
                self.attack = None;
                self.conduct.forget();
                self.changed |= self.deployment.rest();
                events.push(Event::AttackEnded);
                learn(tables, knowledge::CALM, true);
            }
            None => learn(tables, knowledge::CALM, true),
            Some(_) => {}
        }
    }

    /// Looks for what unusual packets have in common.
    fn search(&mut self, now_ns: u64, passing: Pulse, events: &mut Vec<Event>) {
        let strange = |sample: &&Sample| {
            sample.time_ns + RECENT >= now_ns && !sample.answers && !self.baseline.knows(sample.source)
        };
        let unusual: Vec<&Sample> =
            self.recent.iter().filter(strange).filter(|sample| !self.deployment.covers(sample)).collect();
        let search = Search {
            baseline: &self.baseline,
            deployment: &self.deployment,
            refused: &self.refused,
            expected: passing.usual * self.sampled * RECENT as f64 / 1e9,
        };
        let findings = search.find(&unusual);
        let all = unusual.len();
        for finding in findings {
            let Some(number) =
                self.deployment.try_out(finding.signature.clone(), finding.usual_share == 0.0, now_ns)
            else {
                break;
            };
            self.changed = true;
            events.push(Event::Found {
                number,
                signature: finding.signature,
                covered: finding.covered as f64 / all as f64,
                usual_share: finding.usual_share,
            });
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

/// Whether a source is among those that were banned just now.
fn is_among(banned: &[Event], source: Key) -> bool {
    banned.iter().any(|event| matches!(event, Event::Banned { source: banned, .. } if *banned == source))
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
