//! Finds what an attack's packets have in common and others do not.
//!
//! Signatures are learnt one at a time, each as a conjunction of conditions on fields: from all packets on, the condition
//! is added that tells most (FOIL's information gain: Quinlan, "Learning logical definitions from relations", Machine
//! Learning 1990), until next to nothing of what is usual is hit; then the packets that the signature covers are taken
//! away, and the rest is looked at again (separate and conquer, as in RIPPER: Cohen, "Fast effective rule induction",
//! ICML 1995). A signature that is found is closed: whatever else all covered packets share becomes a condition, too, as
//! that costs nothing of what it covers and spares whoever is only similar.

use std::cmp::Reverse;

use floodwall_common::features::{ByteField, WordField};

use super::{
    columns::{Columns, Field, Group},
    condition::{Candidate, Condition, candidates, exceptions},
    examples::Examples,
};
use crate::signature::{Ranges, Signature, TooBroad};

/// What a signature has to reach.
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
    /// Signatures that are looked for.
    pub(super) most_signatures: usize,
}

/// A signature that was found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    /// The signature.
    pub(super) signature: Signature,
    /// Packets of the attack that it covers, of those that were not covered by an earlier one.
    pub(super) covered: usize,
    /// Share of the usual packets that it hits.
    pub(super) usual_share: f64,
}

/// Most conditions that are added before a signature is closed.
const MOST_CONDITIONS: usize = 8;
/// Fields that a signature is closed over: those that a tool sets and keeps.
const CLOSED_OCTETS: [ByteField; 5] =
    [ByteField::Protocol, ByteField::Flags, ByteField::Form, ByteField::Anomaly, ByteField::TcpHeader];
const CLOSED_SHORTS: [WordField; 5] = [
    WordField::DestinationPort,
    WordField::Length,
    WordField::Window,
    WordField::Options,
    WordField::SegmentSize,
];
/// Packets that have to be alike before that is believed to be no chance.
const ENOUGH_TO_CLOSE: usize = 60;

/// Share of what a signature for all services covers that has to come from one port, for the signature to be bound to it.
const LEAST_SETTLED: f64 = 0.5;

/// Looks for signatures that cover `now` and spare `usual`. `expected` is how many of `now` are usual ones. All of
/// both match `start`, to which conditions are added.
pub(super) fn mine(
    now: &Columns,
    usual: &Examples,
    expected: f64,
    start: &Signature,
    terms: &Terms,
) -> Vec<Finding> {
    let mut left = now.all();
    let mut findings = Vec::new();
    while findings.len() < terms.most_signatures && left.len() >= terms.least_covered {
        let Some(draft) = Draft::of(&left, usual, expected, start, terms) else { break };
        let covered = draft.covered.len();
        if covered < terms.least_covered {
            break;
        }
        left.without(&draft.covered);
        let usual_share = draft.spared.hit.len() as f64 / usual.len().max(1) as f64;
        findings.push(Finding { signature: draft.signature, covered, usual_share });
    }
    findings
}

/// A signature that is being learnt, and what it would hit.
struct Draft<'a> {
    signature: Signature,
    /// Packets of the attack.
    covered: Group<'a>,
    spared: Spared<'a>,
}

impl<'a> Draft<'a> {
    /// The signature that tells most of `now`, if it is good enough.
    fn of(
        now: &Group<'a>,
        usual: &'a Examples,
        expected: f64,
        start: &Signature,
        terms: &Terms,
    ) -> Option<Self> {
        let mut draft = Self { signature: start.clone(), covered: now.clone(), spared: Spared::new(usual) };
        // One usual packet stands for so many of those that came now.
        let scale = expected / usual.len().max(1) as f64;
        for _ in 0..MOST_CONDITIONS {
            // However few usual packets it comes to hit: what it covers only gets less.
            if lift(draft.covered.len(), 0.0) < terms.least_lift {
                return None;
            }
            if !draft.signature.is_empty() && draft.spared.are_few_enough(&draft.signature, terms) {
                break;
            }
            let (condition, unseen) = draft.best_condition(scale, terms.least_covered)?;
            draft.narrow(condition);
            let spared = &mut draft.spared;
            spared.unseen = unseen.map_or(spared.unseen, |unseen| {
                Some(spared.unseen.map_or(unseen, |least| unseen.min(least)))
            });
        }
        draft.close();
        let lift = lift(draft.covered.len(), draft.spared.hits() * scale);
        (draft.spared.are_few_enough(&draft.signature, terms) && lift >= terms.least_lift).then_some(draft)
    }

    fn narrow(&mut self, condition: Condition) {
        self.covered.narrow(&condition);
        self.spared.narrow(&condition);
        condition.narrow(&mut self.signature);
    }

    /// The condition that tells most, if there is one that tells anything; and how many usual packets it is likely to hit
    /// that happen not to be among those that are known.
    fn best_condition(&self, scale: f64, least: usize) -> Option<(Condition, Option<f64>)> {
        let Self { signature: so_far, covered: positive, spared } = self;
        // Usual packets weigh as if there were at least a tenth as many as others, however small the share of them.
        let all = spared.hit.len() as f64 + ELSEWHERE * spared.hit_elsewhere().len() as f64;
        let weight = scale.max(0.1 * positive.len() as f64 / all.max(1.0));
        let purity = |p: f64, n: f64| (p / (p + n * weight + 0.5)).log2();
        let before = purity(positive.len() as f64, all);
        let plain = candidates(positive, so_far, least).into_iter();
        let excepting = exceptions(positive, &spared.hit, so_far, least);
        let mut worth_a_try: Vec<(usize, Candidate)> = plain.chain(excepting).enumerate().collect();
        // Those that hold most can tell most. Usual packets are counted as long as there may be few enough.
        worth_a_try.sort_unstable_by_key(|(place, candidate)| (Reverse(candidate.met), *place));
        let mut best: Option<(f64, usize, Condition, Option<f64>)> = None;
        for (place, Candidate { condition, met, excepts }) in worth_a_try {
            let gain = |n: f64| met as f64 * (purity(met as f64, n) - before);
            // Of those that tell as much, the first one counts.
            let tells_most = |gain: f64| match &best {
                Some((most, first, ..)) => gain > *most || gain == *most && place < *first,
                None => gain > 1e-6,
            };
            if !tells_most(gain(0.0)) {
                continue;
            }
            // Those that are hit have none of the values that are left by an exception.
            let hit = if excepts { 0.0 } else { spared.hit.count(&condition) as f64 };
            if !tells_most(gain(hit)) {
                continue;
            }
            let hit = hit + ELSEWHERE * spared.count_elsewhere(&condition) as f64;
            if !tells_most(gain(hit)) {
                continue;
            }
            let unseen = excepts.then(|| spared.all.unseen(&spared.hit, condition.field()));
            let gain = gain(hit + unseen.unwrap_or(0.0));
            if tells_most(gain) {
                best = Some((gain, place, condition, unseen));
            }
        }
        best.map(|(_, _, condition, unseen)| (condition, unseen))
    }

    /// Adds what all covered packets share, and what it takes for a signature that may be enforced.
    fn close(&mut self) {
        // One for packets of any protocol would never be enforced: it is for those of the commonest, and others are looked
        // for apart.
        if self.signature.too_broad() == Some(TooBroad::NoProtocol) {
            let protocols = self.covered.tally(Field::ByteField(ByteField::Protocol as usize)).common(1);
            if let Some((protocol, _)) = protocols.first() {
                let only = [*protocol as u8].into_iter().collect();
                self.narrow(Condition::ByteField(ByteField::Protocol as usize, only));
            }
        }
        self.share();
        if self.settle() {
            self.share();
        }
    }

    /// Adds what all covered packets share.
    fn share(&mut self) {
        // Of one that would be too broad to be enforced, whatever narrows it is welcome.
        if self.covered.len() < ENOUGH_TO_CLOSE && self.signature.too_broad().is_none() {
            return;
        }
        for field in CLOSED_OCTETS.map(|octet| octet as usize) {
            let is_open = self.signature.octets.get(&field).is_none_or(|set| set.len() > 1);
            if let (true, Some(value)) = (is_open, self.covered.tally(Field::ByteField(field)).only()) {
                self.narrow(Condition::ByteField(field, [value as u8].into_iter().collect()));
            }
        }
        for field in CLOSED_SHORTS.map(|short| short as usize) {
            let is_open = !self.signature.shorts.contains_key(&field);
            if let (true, Some(value)) = (is_open, self.covered.tally(Field::WordField(field)).only()) {
                self.narrow(Condition::WordField(field, Ranges::one(value, value)));
            }
        }
    }

    /// Binds one that hits all services to the port that most of what it covers comes from, as what is reflected does;
    /// what is left is looked for apart. Whether there is such a port. One for new sources is left as it is: nothing tells
    /// these from a rush of customers.
    fn settle(&mut self) -> bool {
        if self.signature.too_broad() != Some(TooBroad::Everywhere) {
            return false;
        }
        let field = WordField::SourcePort as usize;
        let ports = self.covered.tally(Field::WordField(field)).common(1);
        let least = LEAST_SETTLED * self.covered.len() as f64;
        let Some((port, _)) = ports.first().filter(|(_, count)| *count as f64 >= least) else {
            return false;
        };
        self.narrow(Condition::WordField(field, Ranges::one(*port, *port)));
        true
    }
}

/// How many times more often a signature hits now than usually; where it hits nothing usual, that is taken for half a packet.
fn lift(covered: usize, usual: f64) -> f64 {
    covered as f64 / (usual + 0.5)
}

/// Usual packets, and those that a signature hits so far.
struct Spared<'a> {
    all: &'a Examples,
    /// Those that it hits.
    hit: Group<'a>,
    /// Those that it would hit if it did not ask for a port or a service; `None` as long as it asks for neither.
    elsewhere: Option<Group<'a>>,
    /// How many it is likely to hit that happen not to be among them: where it asks for what was never seen.
    unseen: Option<f64>,
}

/// Usual packets of one kind and for one port that say enough of this port's clients by themselves.
const ENOUGH_OF_A_PORT: usize = 150;
/// How much a usual packet that is hit elsewhere counts, beside one that is hit.
const ELSEWHERE: f64 = 0.2;

impl<'a> Spared<'a> {
    fn new(all: &'a Examples) -> Self {
        Self { all, hit: all.all(), elsewhere: None, unseen: None }
    }

    fn hits(&self) -> f64 {
        self.hit.len() as f64 + self.unseen.unwrap_or(0.0)
    }

    fn hit_elsewhere(&self) -> &Group<'a> {
        self.elsewhere.as_ref().unwrap_or(&self.hit)
    }

    /// How many of those that are hit elsewhere a condition would leave.
    fn count_elsewhere(&self, condition: &Condition) -> usize {
        let elsewhere = self.hit_elsewhere();
        if condition.is_place() { elsewhere.len() } else { elsewhere.count(condition) }
    }

    fn narrow(&mut self, condition: &Condition) {
        if condition.is_place() {
            self.elsewhere.get_or_insert_with(|| self.hit.clone());
        } else if let Some(elsewhere) = &mut self.elsewhere {
            elsewhere.narrow_again(condition);
        }
        self.hit.narrow_again(condition);
    }

    /// Whether a signature spares what is usual: in all, and among packets of its kind. Of a port that hardly anybody uses
    /// little is known: the clients of others then stand in for its own.
    fn are_few_enough(&self, signature: &Signature, terms: &Terms) -> bool {
        if self.hits() > terms.most_usual * self.all.len() as f64 {
            return false;
        }
        let (alike, alike_here) = self.all.alike(signature);
        if alike_here >= ENOUGH_OF_A_PORT {
            self.hits() <= terms.most_alike * alike_here as f64
        } else {
            self.hit_elsewhere().len() as f64 <= (terms.most_alike * alike as f64).max(1.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use floodwall_common::{features::Features, parse::protocol};

    use super::*;

    #[test]
    fn a_rule_covers_so_many_packets_that_it_can_hit_often_enough() {
        let packet = |flags| {
            let mut features = Features::default();
            features.octets[ByteField::Flags as usize] = flags;
            features
        };
        let (attack, client) = (packet(2), packet(16));
        let now = Columns::of([attack; 40].iter());
        let usual = Examples::of([client; 500].iter().map(|features| (features, 1)));
        let found = |least_lift: f64| {
            let terms =
                Terms { most_usual: 0.0, most_alike: 1.0, least_covered: 20, least_lift, most_signatures: 1 };
            mine(&now, &usual, 40.0, &Signature::default(), &terms)
        };
        let finding = found(80.0).pop().expect("40 packets, and half of one usually");
        assert_eq!((finding.covered, finding.usual_share), (40, 0.0));
        assert!(finding.signature.matches(&attack) && !finding.signature.matches(&client));
        assert_eq!(found(80.1), []);
    }

    #[test]
    fn a_rule_for_all_services_is_bound_to_the_port_that_most_come_from() {
        let packet = |from: u16, to: u16, length: u16| {
            let mut features = Features::default();
            features.octets[ByteField::Protocol as usize] = protocol::UDP;
            features.shorts[WordField::SourcePort as usize] = from;
            features.shorts[WordField::DestinationPort as usize] = to;
            features.shorts[WordField::Length as usize] = length;
            features
        };
        let customers: Vec<_> = (0..500).map(|n| packet(10_000 + n, 20_000 + n % 7, 100 + n)).collect();
        let usual = Examples::of(customers.iter().map(|features| (features, 1)));
        let terms = Terms {
            most_usual: 0.0,
            most_alike: 1.0,
            least_covered: 20,
            least_lift: 10.0,
            most_signatures: 1,
        };
        let found = |share: u16| {
            let reflected = (0..100).map(|n| if n < share { 4500 } else { 30_000 + n });
            let attack: Vec<_> = reflected.zip(0..).map(|(from, n)| packet(from, 40_000 + n, 1000)).collect();
            let now = Columns::of(attack.iter());
            let mut start = Signature::default();
            start.octets.insert(ByteField::Protocol as usize, [protocol::UDP].into_iter().collect());
            mine(&now, &usual, 100.0, &start, &terms).pop().expect("one signature")
        };
        let most = found(90);
        assert_eq!((most.signature.too_broad(), most.covered), (None, 90));
        assert_eq!(
            most.signature.shorts.get(&(WordField::SourcePort as usize)),
            Some(&Ranges::one(4500, 4500))
        );
        // Where no port is that of most, it stays what it is: listed, and not enforced.
        assert_eq!(found(30).signature.too_broad(), Some(TooBroad::Everywhere));
    }
}
