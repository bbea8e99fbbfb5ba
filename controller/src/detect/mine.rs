//! Finds what an attack's packets have in common and others do not.
//!
//! Rules are learnt one at a time, each as a conjunction of conditions on fields: from all packets on, the condition
//! is added that tells most (FOIL's information gain: Quinlan, "Learning logical definitions from relations", Machine
//! Learning 1990), until next to nothing of what is usual is hit; then the packets that the rule covers are taken
//! away, and the rest is looked at again (separate and conquer, as in RIPPER: Cohen, "Fast effective rule induction",
//! ICML 1995). A rule that is found is closed: whatever else all covered packets share becomes a condition, too, as
//! that costs nothing of what it covers and spares whoever is only similar.

use std::cmp::Reverse;

use floodwall_common::features::{Features, Octet, Short};

use super::{
    baseline::Usual,
    condition::{Condition, candidates, exceptions, ranked},
};
use crate::signature::{Ranges, Signature};

/// What a rule has to reach.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// Share of the usual packets that it may hit.
    pub(super) most_usual: f64,
    /// Share of the usual packets of the same kind (protocol and flags, whatever the port) that it may hit.
    pub(super) most_alike: f64,
    /// Packets that it has to cover.
    pub(super) least_covered: usize,
    /// How many times more often it has to hit now than usually.
    pub(super) least_lift: f64,
    /// Rules that are looked for.
    pub(super) most_rules: usize,
}

/// A rule that was found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    /// The rule.
    pub(super) signature: Signature,
    /// Packets of the attack that it covers, of those that were not covered by an earlier one.
    pub(super) covered: usize,
    /// Share of the usual packets that it hits.
    pub(super) usual_share: f64,
}

/// Most conditions that are added before a rule is closed.
const MOST_CONDITIONS: usize = 8;
/// Looks for rules that cover `now` and spare `usual`. `expected` is how many of `now` are usual ones. All of
/// both match `start`, to which conditions are added.
pub(super) fn mine(
    now: &[Features],
    usual: &[Usual],
    expected: f64,
    start: &Signature,
    terms: &Terms,
) -> Vec<Finding> {
    let mut left: Vec<&Features> = now.iter().collect();
    let mut findings = Vec::new();
    while findings.len() < terms.most_rules && left.len() >= terms.least_covered {
        let Some(signature) = one_rule(&left, usual, expected, start, terms) else { break };
        let before = left.len();
        left.retain(|features| !signature.matches(features));
        let covered = before - left.len();
        if covered < terms.least_covered {
            break;
        }
        let hits = usual.iter().filter(|usual| signature.matches(&usual.features)).count();
        findings.push(Finding { signature, covered, usual_share: hits as f64 / usual.len().max(1) as f64 });
    }
    findings
}

fn one_rule(
    now: &[&Features],
    usual: &[Usual],
    expected: f64,
    start: &Signature,
    terms: &Terms,
) -> Option<Signature> {
    let mut signature = start.clone();
    let mut positive: Vec<&Features> = now.to_vec();
    let mut spared = Spared::new(usual);
    // One usual packet stands for so many of those that came now.
    let scale = expected / usual.len().max(1) as f64;
    for _ in 0..MOST_CONDITIONS {
        if !signature.is_empty() && spared.are_few_enough(&signature, terms) {
            break;
        }
        let (condition, unseen) = best_condition(&positive, &spared, scale, &signature, terms.least_covered)?;
        positive.retain(|features| condition.holds(features));
        spared.narrow(&condition);
        spared.unseen = unseen
            .map_or(spared.unseen, |unseen| Some(spared.unseen.map_or(unseen, |least| unseen.min(least))));
        condition.narrow(&mut signature);
    }
    close(&mut signature, &positive, &mut spared);
    let often = positive.len() as f64 / (spared.hits() * scale + 0.5);
    (spared.are_few_enough(&signature, terms) && often >= terms.least_lift).then_some(signature)
}

/// Usual packets, and those that a rule hits so far.
struct Spared<'a> {
    all: &'a [Usual],
    /// Those that it hits.
    hit: Vec<&'a Usual>,
    /// Those that it would hit if it did not ask for a port or a service.
    hit_elsewhere: Vec<&'a Usual>,
    /// How many it is likely to hit that happen not to be among them: where it asks for what was never seen.
    unseen: Option<f64>,
}

/// Usual packets of one kind and for one port that say enough of this port's clients by themselves.
const ENOUGH_OF_A_PORT: usize = 150;

impl<'a> Spared<'a> {
    fn new(all: &'a [Usual]) -> Self {
        Self { all, hit: all.iter().collect(), hit_elsewhere: all.iter().collect(), unseen: None }
    }

    fn hits(&self) -> f64 {
        self.hit.len() as f64 + self.unseen.unwrap_or(0.0)
    }

    fn narrow(&mut self, condition: &Condition) {
        self.hit.retain(|usual| condition.holds(&usual.features));
        if !condition.is_place() {
            self.hit_elsewhere.retain(|usual| condition.holds(&usual.features));
        }
    }

    /// Whether a rule spares what is usual: in all, and among packets of its kind. Of a port that hardly anybody uses
    /// little is known: the clients of others then stand in for its own.
    fn are_few_enough(&self, signature: &Signature, terms: &Terms) -> bool {
        if self.hits() > terms.most_usual * self.all.len() as f64 {
            return false;
        }
        let of_kind = |features: &&Features| {
            [Octet::Protocol, Octet::Flags].iter().all(|field| {
                let field = *field as usize;
                signature.octets.get(&field).is_none_or(|set| set.contains(features.octets[field]))
            })
        };
        let port = Short::DestinationPort as usize;
        let (mut alike, mut alike_here) = (0, 0);
        for features in self.all.iter().map(|usual| &usual.features).filter(of_kind) {
            alike += 1;
            let here = signature.shorts.get(&port).is_none_or(|ports| ports.contains(features.shorts[port]));
            alike_here += usize::from(here);
        }
        if alike_here >= ENOUGH_OF_A_PORT {
            self.hits() <= terms.most_alike * alike_here as f64
        } else {
            self.hit_elsewhere.len() as f64 <= (terms.most_alike * alike as f64).max(1.0)
        }
    }
}

/// How much a usual packet that is hit elsewhere counts, beside one that is hit.
const ELSEWHERE: f64 = 0.2;

/// The condition that tells most, if there is one that tells anything; and how many usual packets it is likely to hit
/// that happen not to be among those that are known.
fn best_condition(
    positive: &[&Features],
    spared: &Spared<'_>,
    scale: f64,
    so_far: &Signature,
    least: usize,
) -> Option<(Condition, Option<f64>)> {
    let count = |condition: &Condition, packets: &[&Usual]| {
        packets.iter().filter(|usual| condition.holds(&usual.features)).count()
    };
    let elsewhere = |condition: &Condition| {
        let place = condition.is_place();
        if place { spared.hit_elsewhere.len() } else { count(condition, &spared.hit_elsewhere) }
    };
    // Usual packets weigh as if there were at least a tenth as many as others, however small the share of them.
    let all = spared.hit.len() as f64 + ELSEWHERE * spared.hit_elsewhere.len() as f64;
    let weight = scale.max(0.1 * positive.len() as f64 / all.max(1.0));
    let purity = |p: f64, n: f64| (p / (p + n * weight + 0.5)).log2();
    let before = purity(positive.len() as f64, all);
    let plain = candidates(positive, so_far).into_iter().map(|condition| (condition, None));
    let excepting =
        exceptions(&spared.hit, so_far).into_iter().map(|(condition, unseen)| (condition, Some(unseen)));
    let mut worth_a_try = Vec::new();
    for (place, (condition, unseen)) in plain.chain(excepting).enumerate() {
        let p = positive.iter().filter(|features| condition.holds(features)).count();
        if p >= least {
            worth_a_try.push((p, place, condition, unseen));
        }
    }
    // Those that hold most can tell most. Usual packets are many: they are counted as long as there may be few enough.
    worth_a_try.sort_unstable_by_key(|(p, place, ..)| (Reverse(*p), *place));
    let mut best: Option<(f64, usize, Condition, Option<f64>)> = None;
    for (p, place, condition, unseen) in worth_a_try {
        let gain = |n: f64| p as f64 * (purity(p as f64, n + unseen.unwrap_or(0.0)) - before);
        // Of those that tell as much, the first one counts.
        let tells_most = |gain: f64| match &best {
            Some((most, first, ..)) => gain > *most || gain == *most && place < *first,
            None => gain > 1e-6,
        };
        if !tells_most(gain(0.0)) {
            continue;
        }
        let hit = count(&condition, &spared.hit) as f64;
        if !tells_most(gain(hit)) {
            continue;
        }
        let gain = gain(hit + ELSEWHERE * elsewhere(&condition) as f64);
        if tells_most(gain) {
            best = Some((gain, place, condition, unseen));
        }
    }
    best.map(|(_, _, condition, unseen)| (condition, unseen))
}

/// Fields that a rule is closed over: those that a tool sets and keeps.
const CLOSED_OCTETS: [Octet; 5] =
    [Octet::Protocol, Octet::Flags, Octet::Form, Octet::Oddity, Octet::TcpHeader];
const CLOSED_SHORTS: [Short; 5] =
    [Short::DestinationPort, Short::Length, Short::Window, Short::Options, Short::SegmentSize];
/// Packets that have to be alike before that is believed to be no chance.
const ENOUGH_TO_CLOSE: usize = 60;

/// Adds what all covered packets share.
fn close(signature: &mut Signature, covered: &[&Features], spared: &mut Spared<'_>) {
    if covered.len() < ENOUGH_TO_CLOSE {
        return;
    }
    for field in CLOSED_OCTETS.map(|octet| octet as usize) {
        let ranked = ranked(covered.iter().map(|features| u16::from(features.octets[field])));
        if let (true, [(value, _)]) =
            (signature.octets.get(&field).is_none_or(|set| set.len() > 1), &ranked[..])
        {
            let condition = Condition::Octet(field, [*value as u8].into_iter().collect());
            spared.narrow(&condition);
            condition.narrow(signature);
        }
    }
    for field in CLOSED_SHORTS.map(|short| short as usize) {
        let ranked = ranked(covered.iter().map(|features| features.shorts[field]));
        if let (false, [(value, _)]) = (signature.shorts.contains_key(&field), &ranked[..]) {
            let condition = Condition::Short(field, Ranges::one(*value, *value));
            spared.narrow(&condition);
            condition.narrow(signature);
        }
    }
}
