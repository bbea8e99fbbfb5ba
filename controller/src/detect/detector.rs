//! From samples and counts to signatures.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::{Ipv4Addr, Ipv6Addr},
};

use floodwall_common::{
    features::{Features, Short},
    prefix::Family,
    source::{self, Key},
    wire::{History, Reason, Verdict, knowledge, signature::HALF_WORDS, standing},
};
use tracing::warn;

use super::{
    baseline::Baseline,
    deployed::{Deployed, Deployment, Turn},
    mine::{self, Terms},
    sample::Sample,
    usual::{Pulse, Usual},
};
use crate::{signature::Signature, tables::SharedTables};

/// Time between two calls of [`Detector::tick`], ns.
pub const TICK: u64 = 50_000_000;
/// How far back samples are searched, ns.
const RECENT: u64 = 500_000_000;
/// How far back sources are held against each other, ns.
const LONG: u64 = 3_000_000_000;
/// Most samples of that time.
const MOST_RECENT: usize = 16_000;
/// Flows that a signature has to cover: what a few long ones have in common is chance.
const LEAST_FLOWS: usize = 8;
/// Share of what is unusual that all signatures together have to cover. Where they cover less, it is no tool that sends
/// all of it, but a crowd.
const LEAST_TOGETHER: f64 = 0.6;
/// Share of what is unusual that a signature has to cover.
const LEAST_SHARE: f64 = 0.08;
/// How long floodwall watches before it takes a segment for a stray, ns.
const LEARNING: u64 = 10_000_000_000;
/// How long what comes must be close to what is usual before an attack is over, ns.
const CALM_AFTER: u64 = 5_000_000_000;
/// How long a signature that was withdrawn is not tried again, ns.
const REFUSED: u64 = 60_000_000_000;
/// How long a source is banned that makes up a good part of an attack by itself, ns.
const BAN: u64 = 60_000_000_000;
/// Segments of a stranger that signatures hit before it is taken for a part of the attack.
const CONVICTING_HITS: u32 = 3;
/// Most strangers whose hits are counted.
const MOST_ACCOMPLICES: usize = 200_000;
/// Share of what passes that such a source makes up.
const LOUD_SHARE: f64 = 0.25;
/// How many times as much it sends as anybody did in calm times.
const LOUD_TIMES: f64 = 2.0;

/// Packets so far, those of lists and of control aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub all: u64,
    /// Those that passed.
    pub passed: u64,
}

impl Counts {
    /// From packets by reason.
    pub fn of(totals: impl Iterator<Item = (Reason, u64)>) -> Self {
        let mut counts = Self::default();
        for (reason, packets) in totals {
            if matches!(reason, Reason::NotIp | Reason::Trusted | Reason::Control | Reason::Blocked) {
                continue;
            }
            counts.all += packets;
            if reason.verdict() == Verdict::Pass {
                counts.passed += packets;
            }
        }
        counts
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// More comes than usual.
    AttackBegan {
        /// Packets/s now.
        rate: f64,
        /// Packets/s usually.
        usual: f64,
    },
    /// What comes is close to what is usual again.
    AttackEnded,
    /// A signature is tried out.
    Found {
        /// Its number.
        number: usize,
        /// The signature.
        signature: Signature,
        /// Share of the unusual packets that it covers.
        covered: f64,
        /// Share of usual packets that it hits.
        usual_share: f64,
    },
    /// What became of a signature.
    Turned {
        /// Its number.
        number: usize,
        /// The signature.
        signature: Signature,
        /// What became of it.
        turn: Turn,
    },
    /// A source was banned that made up a good part of the attack.
    Banned {
        /// The source.
        source: Key,
        /// Packets/s that it sent.
        rate: f64,
    },
}

impl Event {
    /// As a line for a log.
    pub fn in_words(&self, tables: &SharedTables) -> String {
        match self {
            Self::AttackBegan { rate, usual } => {
                format!("attack: {rate:.0} packets/s, usually {usual:.0}")
            }
            Self::AttackEnded => "attack over".to_owned(),
            Self::Found { number, signature, covered, usual_share } => format!(
                "signature {number} found: {signature} ({:.0} % of what is unusual, {:.3} % of what is usual)",
                covered * 100.0,
                usual_share * 100.0
            ),
            Self::Turned { number, turn, .. } => format!("signature {number} {turn}"),
            Self::Banned { source, rate } => {
                format!("ban {}: {rate:.0} packets/s", address_in_words(*source, tables))
            }
        }
    }
}

/// The source that a key stands for.
fn address_in_words(source: Key, tables: &SharedTables) -> String {
    let settings = &tables.settings[0];
    let is_v6 = source::way_of(tables, settings, source)
        .is_some_and(|way| History::unpack(way.history.load()).standing & standing::IPV6 != 0);
    if is_v6 {
        let address = source.address(settings, Family::V6);
        return format!("{}/64", Ipv6Addr::from_bits(u128::from(address.high) << 64));
    }
    let address = source.address(settings, Family::V4);
    Ipv4Addr::from_bits((address.high >> 32) as u32).to_string()
}

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
    started_ns: Option<u64>,
    baseline: Baseline,
    recent: VecDeque<Sample>,
    deployment: Deployment,
    attack: Option<Attack>,
    refused: Vec<(Signature, u64)>,
    before: Counts,
    ticks: u64,
    /// Most packets that one source has sent in [`LONG`] in calm times.
    busiest: f64,
    changed: bool,
    /// Strangers that signatures have hit, and how often, while an attack lasts.
    accomplices: HashMap<Key, u32>,
    /// Those that are to be banned.
    convicted: Vec<Key>,
}

impl Detector {
    /// Takes a sampled packet.
    pub fn sample(&mut self, sample: Sample) {
        let knows = self.baseline.knows(sample.source);
        self.deployment.note(&sample, knows && !sample.answers);
        if sample.reason == Reason::Signature
            && sample.is_segment()
            && !knows
            && self.accomplices.len() < MOST_ACCOMPLICES
        {
            let hits = self.accomplices.entry(sample.source).or_default();
            *hits += 1;
            if *hits == CONVICTING_HITS {
                self.convicted.push(sample.source);
            }
        }
        let passed = sample.reason.verdict() == Verdict::Pass;
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
        self.before = counts;
        self.ticks += 1;
        while self.recent.front().is_some_and(|sample| sample.time_ns + LONG < now_ns) {
            self.recent.pop_front();
        }
        if now_ns >= *self.started_ns.get_or_insert(now_ns) + LEARNING {
            learn(tables, knowledge::CONNECTIONS, true);
        }
        let calm = self.attack.is_none();
        let pulse = self.usual.take(all, calm);
        let passing = self.passing.take(passed, calm);
        self.follow(now_ns, pulse, tables, &mut events);
        if self.attack.is_none() {
            self.baseline.settle(now_ns);
            self.busiest = self.busiest.max(self.most_of_one_source().map_or(0.0, |(_, count)| count as f64));
        } else if passing.excess {
            self.ban_the_loudest(now_ns, tables, &mut events);
            self.search(now_ns, passing, &mut events);
        }
        self.ban_accomplices(now_ns, tables);
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

    /// Begins and ends attacks.
    fn follow(&mut self, now_ns: u64, pulse: Pulse, tables: &SharedTables, events: &mut Vec<Event>) {
        match &mut self.attack {
            None if pulse.excess => {
                self.attack = Some(Attack { last_unusual_ns: now_ns });
                self.baseline.settle(now_ns);
                self.baseline.doubt();
                events.push(Event::AttackBegan { rate: pulse.now, usual: pulse.usual });
                learn(tables, knowledge::CALM, false);
            }
            Some(attack) if !pulse.back => attack.last_unusual_ns = now_ns,
            Some(attack) if now_ns >= attack.last_unusual_ns + CALM_AFTER => {
                self.attack = None;
                self.accomplices.clear();
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
        let (covered, unusual): (Vec<&Sample>, Vec<&Sample>) =
            self.recent.iter().filter(strange).partition(|sample| self.deployment.covers(sample));
        let features: Vec<Features> = unusual.iter().map(|sample| sample.features).collect();
        let usual: Vec<Features> = self.baseline.samples().iter().map(|sample| sample.features).collect();
        let terms = Terms {
            most_usual: 0.0005,
            most_alike: 0.01,
            least_covered: (features.len() as f64 * LEAST_SHARE).max(20.0) as usize,
            least_lift: 10.0,
            most_rules: 8,
        };
        let expected = passing.usual * RECENT as f64 / 1e9;
        let mut findings = mine::mine(&features, &usual, expected, &terms);
        findings.retain(|finding| {
            flows(&unusual, &finding.signature) >= LEAST_FLOWS
                && !self.refused.iter().any(|(refused, _)| *refused == finding.signature)
        });
        let found: usize = findings.iter().map(|finding| finding.covered).sum();
        let together = (covered.len() + found) as f64 / (covered.len() + unusual.len()).max(1) as f64;
        if together < LEAST_TOGETHER {
            return;
        }
        for finding in findings {
            let Some(number) = self.deployment.try_out(finding.signature.clone(), now_ns) else { break };
            self.changed = true;
            events.push(Event::Found {
                number,
                signature: finding.signature,
                covered: finding.covered as f64 / features.len().max(1) as f64,
                usual_share: finding.usual_share,
            });
        }
    }

    /// The source of most of the packets of [`LONG`] that nothing covers, of those that were not there in calm times
    /// if there is an attack; and how many they are.
    fn most_of_one_source(&self) -> Option<(Key, usize)> {
        let mut counts: HashMap<Key, usize> = HashMap::new();
        for sample in &self.recent {
            let stranger = self.attack.is_none() || !self.baseline.knows(sample.source);
            if !sample.answers && stranger && !self.deployment.covers(sample) {
                *counts.entry(sample.source).or_default() += 1;
            }
        }
        counts.into_iter().max_by_key(|(source, count)| (*count, source.0))
    }

    /// Bans a stranger that makes up a good part of what comes, and sends far more than anybody usually does.
    fn ban_the_loudest(&mut self, now_ns: u64, tables: &SharedTables, events: &mut Vec<Event>) {
        while let Some((source, count)) = self.most_of_one_source() {
            let share = count as f64 / self.recent.len().max(1) as f64;
            if share < LOUD_SHARE || (count as f64) < LOUD_TIMES * self.busiest {
                return;
            }
            self.recent.retain(|sample| sample.source != source);
            if let Some(way) = source::way_of(tables, &tables.settings[0], source) {
                source::ban(way, now_ns + BAN);
                events.push(Event::Banned { source, rate: count as f64 * 1e9 / LONG as f64 });
            }
        }
    }

    /// Bans strangers whose connections signatures hit time and again: what else they send is no better. One that the
    /// source table does not hold has sent nothing else.
    fn ban_accomplices(&mut self, now_ns: u64, tables: &SharedTables) {
        for source in self.convicted.drain(..) {
            if let Some(way) = source::way_of(tables, &tables.settings[0], source) {
                source::ban(way, now_ns + BAN);
            }
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

/// How many flows a signature covers.
fn flows(samples: &[&Sample], signature: &Signature) -> usize {
    let covered = samples.iter().filter(|sample| signature.matches(&sample.features));
    covered
        .map(|sample| (sample.source, sample.features.shorts[Short::SourcePort as usize]))
        .collect::<HashSet<_>>()
        .len()
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
