//! Finds what an attack's packets have in common and others do not.
//!
//! Rules are learnt one at a time, each as a conjunction of conditions on fields: from all packets on, the condition
//! is added that tells most (FOIL's information gain: Quinlan, "Learning logical definitions from relations", Machine
//! Learning 1990), until next to nothing of what is usual is hit; then the packets that the rule covers are taken
//! away, and the rest is looked at again (separate and conquer, as in RIPPER: Cohen, "Fast effective rule induction",
//! ICML 1995). A rule that is found is closed: whatever else all covered packets share becomes a condition, too, as
//! that costs nothing of what it covers and spares whoever is only similar.

use std::collections::HashMap;

use floodwall_common::features::{Features, Octet, Short};

use crate::signature::{ByteSet, Ranges, Signature};

/// What a rule has to reach.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Share of the usual packets that it may hit.
    pub most_usual: f64,
    /// Share of the usual packets of the same kind (protocol and flags, whatever the port) that it may hit.
    pub most_alike: f64,
    /// Packets that it has to cover.
    pub least_covered: usize,
    /// How many times more often it has to hit now than usually.
    pub least_lift: f64,
    /// Rules that are looked for.
    pub most_rules: usize,
}

/// A rule that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The rule.
    pub signature: Signature,
    /// Packets of the attack that it covers, of those that were not covered by an earlier one.
    pub covered: usize,
    /// Share of the usual packets that it hits.
    pub usual_share: f64,
}

/// One condition.
#[derive(Clone, Debug)]
enum Condition {
    Octet(usize, ByteSet),
    Short(usize, Ranges),
}

impl Condition {
    /// Whether it is about where a packet goes, and not about the packet itself.
    fn is_place(&self) -> bool {
        match self {
            Self::Octet(field, _) => *field == Octet::Service as usize,
            Self::Short(field, _) => *field == Short::DestinationPort as usize,
        }
    }

    fn holds(&self, features: &Features) -> bool {
        match self {
            Self::Octet(field, set) => set.contains(features.octets[*field]),
            Self::Short(field, ranges) => ranges.contains(features.shorts[*field]),
        }
    }

    fn narrow(self, signature: &mut Signature) {
        match self {
            Self::Octet(field, set) => {
                signature.octets.insert(field, set);
            }
            Self::Short(field, ranges) => {
                signature.shorts.insert(field, ranges);
            }
        }
    }
}

/// Most conditions that are added before a rule is closed.
const MOST_CONDITIONS: usize = 8;
/// Values of a field that are common enough to be a condition of their own: a share of the packets in question.
const COMMON: f64 = 0.05;
/// Share of the packets in question that a set or a range of values has to hold.
const NEARLY_ALL: f64 = 0.985;
/// Most values of such a set.
const MOST_VALUES: usize = 12;
/// Ports that clients draw from begin here at the latest: as source ports they tell connections apart, not attacks.
const EPHEMERAL: u16 = 32_768;

/// Looks for rules that cover `now` and spare `usual`. `expected` is how many of `now` are usual ones.
pub fn mine(now: &[Features], usual: &[Features], expected: f64, terms: &Terms) -> Vec<Finding> {
    let mut left: Vec<&Features> = now.iter().collect();
    let mut findings = Vec::new();
    while findings.len() < terms.most_rules && left.len() >= terms.least_covered {
        let Some(signature) = one_rule(&left, usual, expected, terms) else { break };
        let before = left.len();
        left.retain(|features| !signature.matches(features));
        let covered = before - left.len();
        if covered < terms.least_covered {
            break;
        }
        let hits = usual.iter().filter(|features| signature.matches(features)).count();
        findings.push(Finding { signature, covered, usual_share: hits as f64 / usual.len().max(1) as f64 });
    }
    findings
}

fn one_rule(now: &[&Features], usual: &[Features], expected: f64, terms: &Terms) -> Option<Signature> {
    let mut signature = Signature::default();
    let mut positive: Vec<&Features> = now.to_vec();
    let mut spared = Spared::new(usual);
    // One usual packet stands for so many of those that came now.
    let scale = expected / usual.len().max(1) as f64;
    for _ in 0..MOST_CONDITIONS {
        if !signature.is_empty() && spared.are_few_enough(&signature, terms) {
            break;
        }
        let condition = best_condition(&positive, &spared, scale, &signature, terms.least_covered)?;
        positive.retain(|features| condition.holds(features));
        spared.narrow(&condition);
        condition.narrow(&mut signature);
    }
    close(&mut signature, &positive, &mut spared);
    let often = positive.len() as f64 / (spared.hit.len() as f64 * scale + 0.5);
    (spared.are_few_enough(&signature, terms) && often >= terms.least_lift).then_some(signature)
}

/// Usual packets, and those that a rule hits so far.
struct Spared<'a> {
    all: &'a [Features],
    /// Those that it hits.
    hit: Vec<&'a Features>,
    /// Those that it would hit if it did not ask for a port or a service.
    hit_elsewhere: Vec<&'a Features>,
}

/// Usual packets of one kind and for one port that say enough of this port's clients by themselves.
const ENOUGH_OF_A_PORT: usize = 150;

impl<'a> Spared<'a> {
    fn new(all: &'a [Features]) -> Self {
        Self { all, hit: all.iter().collect(), hit_elsewhere: all.iter().collect() }
    }

    fn narrow(&mut self, condition: &Condition) {
        self.hit.retain(|features| condition.holds(features));
        if !condition.is_place() {
            self.hit_elsewhere.retain(|features| condition.holds(features));
        }
    }

    /// Whether a rule spares what is usual: in all, and among packets of its kind. Of a port that hardly anybody uses
    /// little is known: the clients of others then stand in for its own.
    fn are_few_enough(&self, signature: &Signature, terms: &Terms) -> bool {
        if self.hit.len() as f64 > terms.most_usual * self.all.len() as f64 {
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
        for features in self.all.iter().filter(of_kind) {
            alike += 1;
            let here = signature.shorts.get(&port).is_none_or(|ports| ports.contains(features.shorts[port]));
            alike_here += usize::from(here);
        }
        if alike_here >= ENOUGH_OF_A_PORT {
            self.hit.len() as f64 <= terms.most_alike * alike_here as f64
        } else {
            self.hit_elsewhere.len() as f64 <= (terms.most_alike * alike as f64).max(1.0)
        }
    }
}

/// How much a usual packet that is hit elsewhere counts, beside one that is hit.
const ELSEWHERE: f64 = 0.2;

/// The condition that tells most, if there is one that tells anything.
fn best_condition(
    positive: &[&Features],
    spared: &Spared<'_>,
    scale: f64,
    so_far: &Signature,
    least: usize,
) -> Option<Condition> {
    let negatives = |condition: Option<&Condition>| {
        let count = |packets: &[&Features]| {
            packets
                .iter()
                .filter(|features| condition.is_none_or(|condition| condition.holds(features)))
                .count()
        };
        let elsewhere = match condition {
            Some(condition) if condition.is_place() => spared.hit_elsewhere.len(),
            _ => count(&spared.hit_elsewhere),
        };
        count(&spared.hit) as f64 + ELSEWHERE * elsewhere as f64
    };
    // Usual packets weigh as if there were at least a tenth as many as others, however small the share of them.
    let all = negatives(None);
    let weight = scale.max(0.1 * positive.len() as f64 / all.max(1.0));
    let purity = |p: f64, n: f64| (p / (p + n * weight + 0.5)).log2();
    let before = purity(positive.len() as f64, all);
    let mut best: Option<(f64, Condition)> = None;
    for condition in candidates(positive, so_far) {
        let p = positive.iter().filter(|features| condition.holds(features)).count();
        if p < least {
            continue;
        }
        let gain = p as f64 * (purity(p as f64, negatives(Some(&condition))) - before);
        if gain > best.as_ref().map_or(1e-6, |(most, _)| *most) {
            best = Some((gain, condition));
        }
    }
    best.map(|(_, condition)| condition)
}

/// Conditions that a good share of the packets meet.
fn candidates(positive: &[&Features], so_far: &Signature) -> Vec<Condition> {
    let least = ((positive.len() as f64 * COMMON) as usize).max(2);
    let mut conditions = Vec::new();
    for field in 0..Octet::COUNT {
        if so_far.octets.contains_key(&field) {
            continue;
        }
        let ranked = ranked(positive.iter().map(|features| u16::from(features.octets[field])));
        let common = ranked.iter().take_while(|(_, count)| *count >= least);
        conditions
            .extend(common.map(|(value, _)| Condition::Octet(field, [*value as u8].into_iter().collect())));
        if let Some(values) = few_values(&ranked, positive.len()) {
            conditions.push(Condition::Octet(field, values.iter().map(|value| *value as u8).collect()));
        }
    }
    for field in 0..Short::COUNT {
        if so_far.shorts.contains_key(&field) {
            continue;
        }
        let mut ranked = ranked(positive.iter().map(|features| features.shorts[field]));
        if field == Short::SourcePort as usize {
            ranked.retain(|(port, _)| *port < EPHEMERAL);
        }
        let common = ranked.iter().take_while(|(_, count)| *count >= least);
        conditions.extend(common.map(|(value, _)| Condition::Short(field, Ranges::one(*value, *value))));
        if let Some(values) = few_values(&ranked, positive.len()) {
            conditions.push(Condition::Short(field, values.iter().map(|value| (*value, *value)).collect()));
        }
        if field != Short::SourcePort as usize {
            let (first, last) = hull(positive.iter().map(|features| features.shorts[field]));
            conditions.push(Condition::Short(field, Ranges::one(first, last)));
        }
    }
    conditions
}

/// Values and how often each is there, the most common first.
fn ranked(values: impl Iterator<Item = u16>) -> Vec<(u16, usize)> {
    let mut counts: HashMap<u16, usize> = HashMap::new();
    values.for_each(|value| *counts.entry(value).or_default() += 1);
    let mut ranked: Vec<_> = counts.into_iter().collect();
    ranked.sort_unstable_by_key(|(value, count)| (std::cmp::Reverse(*count), *value));
    ranked
}

/// The few values that nearly all have, if there are such: more than one, each seen several times.
fn few_values(ranked: &[(u16, usize)], of: usize) -> Option<Vec<u16>> {
    let several: Vec<_> = ranked.iter().take(MOST_VALUES).take_while(|(_, count)| *count >= 3).collect();
    let held: usize = several.iter().map(|(_, count)| count).sum();
    let enough = held as f64 >= NEARLY_ALL * of as f64;
    (enough && several.len() > 1).then(|| several.into_iter().map(|(value, _)| *value).collect())
}

/// The range that nearly all values lie in, with a little room on both sides.
fn hull(values: impl Iterator<Item = u16>) -> (u16, u16) {
    let mut values: Vec<u16> = values.collect();
    values.sort_unstable();
    let outside = (values.len() as f64 * (1.0 - NEARLY_ALL) / 2.0) as usize;
    let (first, last) = (values[outside], values[values.len() - 1 - outside]);
    let room = (last - first) / 16;
    (first.saturating_sub(room), last.saturating_add(room))
}

/// Fields that a rule is closed over: those that a tool sets and keeps.
const CLOSED_OCTETS: [Octet; 6] =
    [Octet::Protocol, Octet::Service, Octet::Flags, Octet::Form, Octet::Oddity, Octet::TcpHeader];
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
        if let (false, [(value, _)]) = (signature.octets.contains_key(&field), &ranked[..]) {
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
