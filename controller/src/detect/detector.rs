//! From samples and counts to signatures.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    net::{Ipv4Addr, Ipv6Addr},
};

use floodwall_common::{
    features::{Features, Octet, Short},
    parse::{protocol, tcp_flag},
    prefix::Family,
    source::{self, Key},
    wire::{History, Reason, Verdict, knowledge, signature::HALF_WORDS, standing},
};
use tracing::warn;

use super::{
    baseline::{self, Baseline},
    deployed::{Deployment, Turn},
    mine::{self, Finding, Terms},
    sample::{self, Sample},
    usual::{Pulse, Usual},
};
use crate::{signature::{ByteSet, Signature}, tables::SharedTables};

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
/// Share of the packets that so many flows may make up.
const MOST_OF_FEW: f64 = 0.6;
/// Share of what is unusual that all signatures together have to cover. Where they cover less, it is no tool that sends
/// all of it, but a crowd.
const LEAST_TOGETHER: f64 = 0.6;
/// Packets/s of a kind that are always usual.
const KIND_FLOOR: f64 = 30.0;
/// Share of the packets that is taken to be sampled at least.
const LEAST_SAMPLED: f64 = 1e-6;
/// How fast the share of sampled packets is followed: by this part of the difference each tick.
const SAMPLED_FOLLOWS: f64 = 0.3;
/// Sampled packets of [`RECENT`] beyond what is expected of strangers, below which nothing is looked for.
const LEAST_EXCESS: f64 = 20.0;
/// And as a share of all that is usually expected.
const EXCESS_SHARE: f64 = 0.3;
/// Packets that a signature has to cover.
const LEAST_COVERED: f64 = 20.0;
/// How many times more often it has to hit than usually.
const LEAST_LIFT: f64 = 10.0;
/// Signatures that are looked for at once.
const MOST_RULES: usize = 8;
/// Usual packets without which nothing is looked for, and of these from strangers.
const ENOUGH_USUAL: usize = 2_000;
const ENOUGH_STRANGERS: usize = 50;
/// How many times more often than usually a signature has to hit that spares known sources: more than a crowd grows.
const LEAST_STRANGER_LIFT: f64 = 100.0;
/// Segments that come with a request for a connection, beside those that usually do, beyond which it is a crowd.
const MOST_FOLLOWED: f64 = 0.25;
/// And at most so many: that many come in the shortest of conversations.
const MOST_FOLLOWING: f64 = 2.0;
/// Share of all usual packets that a signature may hit, and of those of its kind.
const MOST_USUAL: f64 = 0.0005;
const MOST_ALIKE: f64 = 0.01;
/// Share of all usual packets that signatures may hit together which spare known sources, and how many of these are
/// looked for at once.
const MOST_STRANGERS: f64 = 0.002;
/// Requests for connections weigh more: whose request is dropped, all of whose connection is lost.
const MOST_OPENINGS: f64 = 0.0015;
const STRANGER_RULES: usize = 4;
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
const CONVICTING_HITS: u32 = 2;
/// So many if what is hit are requests for connections: others may have forged these.
const CONVICTING_OPENINGS: u32 = 6;
/// Most strangers whose hits are counted.
const MOST_ACCOMPLICES: usize = 200_000;
/// Share of what passes that such a source makes up.
const LOUD_SHARE: f64 = 0.25;
/// How much it sends, beside all that usually comes.
const LOUD_RATE: f64 = 0.3;
/// Requests for connections in [`LONG`] that nobody is banned for, and how many times as many as anybody usually asks
/// for somebody is.
const LEAST_PUSHY: usize = 12;
const PUSHY_TIMES: usize = 2;
/// TCP flows that a single source may have: who downloads or uploads much has few.
const BULK_FLOWS: usize = 8;
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

/// What strangers' packets are good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Asks for a TCP connection.
    Opening,
    /// UDP.
    Datagram,
    /// All else.
    Other,
    /// Belongs to a TCP connection, or says so.
    Segment,
}

impl Kind {
    fn of(features: &Features) -> Self {
        match features.octets[Octet::Protocol as usize] {
            protocol::TCP if sample::opens(features) => Self::Opening,
            protocol::TCP => Self::Segment,
            protocol::UDP => Self::Datagram,
            _ => Self::Other,
        }
    }
}

impl Kind {
    /// Hits this kind, and no other.
    fn signature(self) -> Signature {
        let protocols: ByteSet = match self {
            Self::Opening | Self::Segment => [protocol::TCP].into_iter().collect(),
            Self::Datagram => [protocol::UDP].into_iter().collect(),
            Self::Other => (0..=u8::MAX).filter(|number| ![protocol::TCP, protocol::UDP].contains(number)).collect(),
        };
        let mut octets = BTreeMap::from([(Octet::Protocol as usize, protocols)]);
        if self == Self::Opening {
            let opens = |flags: &u8| flags & (tcp_flag::SYN | tcp_flag::ACK) == tcp_flag::SYN;
            octets.insert(Octet::Flags as usize, (0..=u8::MAX).filter(opens).collect());
        }
        Signature { octets, ..Signature::default() }
    }
}

/// Whom signatures may hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tier {
    /// Whoever sends what they match.
    Anybody,
    /// Those who were not there in calm times, with packets of one kind.
    Strangers(Kind),
}

impl Tier {
    /// What all packets match that it is about.
    fn start(self) -> Signature {
        match self {
            Self::Anybody => Signature::default(),
            Self::Strangers(kind) => kind.signature(),
        }
    }

    /// Whether a usual packet is one that such a signature could hit.
    fn counts(self, usual: &baseline::Usual) -> bool {
        match self {
            Self::Anybody => true,
            Self::Strangers(kind) => usual.stranger && Kind::of(&usual.features) == kind,
        }
    }
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
    /// Most packets that one source has sent in [`LONG`] in calm times.
    busiest: f64,
    /// Most connections that one source has asked for in [`LONG`] in calm times.
    most_openings: usize,
    changed: bool,
    /// Share of the packets that is sampled, lately.
    sampled: f64,
    samples: u64,
    /// Strangers that signatures have hit, and how often, while an attack lasts.
    accomplices: HashMap<Key, u32>,
    /// Those that are to be banned.
    convicted: Vec<Key>,
}

impl Detector {
    /// Takes a sampled packet.
    pub fn sample(&mut self, sample: Sample) {
        self.samples += 1;
        let knows = self.baseline.knows(sample.source);
        self.deployment.note(&sample, knows && !sample.answers);
        if sample.reason == Reason::Signature
            && !knows
            && self.accomplices.len() < MOST_ACCOMPLICES
        {
            let hits = self.accomplices.entry(sample.source).or_default();
            *hits += 1;
            let convicting = if sample.opens() { CONVICTING_OPENINGS } else { CONVICTING_HITS };
            if *hits >= convicting {
                *hits = 0;
                self.convicted.push(sample.source);
            }
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
            self.sampled += (share - self.sampled) * if self.started_ns.is_none() { 1.0 } else { SAMPLED_FOLLOWS };
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
            self.busiest = self.busiest.max(self.most_of_one_source(tables).map_or(0.0, |(_, count)| count as f64));
            let most = self.openings_by_source().into_iter().map(|(_, count)| count).max().unwrap_or(0);
            self.most_openings = self.most_openings.max(most);
        } else {
            if now_ns >= self.started_ns.unwrap_or(now_ns) + LEARNING {
                self.ban_the_loudest(now_ns, passing, tables, &mut events);
                self.ban_the_pushiest(now_ns, tables, &mut events);
            }
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
                self.accomplices.clear();
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
        let unusual: Vec<&Sample> = self.recent.iter().filter(strange).filter(|sample| !self.deployment.covers(sample)).collect();
        let expected = passing.usual * self.sampled * RECENT as f64 / 1e9;
        let too_many = unusual.len() as f64 - expected * self.baseline.share_of_strangers();
        if too_many < LEAST_EXCESS {
            return;
        }
        let mut findings = Vec::new();
        if too_many >= EXCESS_SHARE * expected {
            findings = self.look_for(&unusual, expected, Tier::Anybody);
        }
        if !are_enough(&findings, too_many) {
            findings = self.look_among_strangers(&unusual, expected);
        }
        let all = unusual.len();
        for finding in findings {
            let Some(number) = self.deployment.add(finding.signature.clone(), finding.usual_share == 0.0, now_ns) else { break };
            self.changed = true;
            events.push(Event::Found {
                number,
                signature: finding.signature,
                covered: finding.covered as f64 / all as f64,
                usual_share: finding.usual_share,
            });
        }
    }

    /// Looks for signatures of strangers, kind by kind, of those kinds that no crowd explains.
    fn look_among_strangers(&self, unusual: &[&Sample], expected: f64) -> Vec<Finding> {
        let mut all = Vec::new();
        for kind in [Kind::Opening, Kind::Datagram, Kind::Other] {
            let of_kind: Vec<&Sample> =
                unusual.iter().copied().filter(|sample| Kind::of(&sample.features) == kind).collect();
            let usual = |kind| self.baseline.strangers(|features| Kind::of(features) == kind) as f64;
            let scale = expected / self.baseline.samples().len().max(1) as f64;
            let too_many = of_kind.len() as f64 - usual(kind) * scale;
            if too_many < LEAST_EXCESS {
                continue;
            }
            // Who opens a connection goes on: of a crowd, as many segments come with each request as usual.
            if kind == Kind::Opening {
                let segments = unusual.iter().filter(|sample| Kind::of(&sample.features) == Kind::Segment).count() as f64;
                let usually = usual(Kind::Segment) / usual(Kind::Opening).max(1.0);
                if segments / of_kind.len() as f64 > (usually * MOST_FOLLOWED).min(MOST_FOLLOWING) {
                    continue;
                }
            }
            let findings = self.look_for(&of_kind, expected, Tier::Strangers(kind));
            if are_enough(&findings, too_many) {
                all.extend(findings);
            }
        }
        all
    }

    /// Looks for signatures of unusual packets. Those that spare known sources may hit more of what is usual, as long
    /// as all of these together hit little of it.
    fn look_for(&self, unusual: &[&Sample], expected: f64, tier: Tier) -> Vec<Finding> {
        let features: Vec<Features> = unusual.iter().map(|sample| sample.features).collect();
        let all = self.baseline.samples();
        let strangers = tier != Tier::Anybody;
        let usual: Vec<baseline::Usual> = all.iter().filter(|usual| tier.counts(usual)).copied().collect();
        if all.len() < ENOUGH_USUAL || strangers && self.baseline.strangers(|_| true) < ENOUGH_STRANGERS {
            return Vec::new();
        }
        let part = usual.len() as f64 / all.len().max(1) as f64;
        let mut terms = Terms {
            most_usual: MOST_USUAL,
            most_alike: MOST_ALIKE,
            least_covered: (features.len() as f64 * LEAST_SHARE).max(LEAST_COVERED) as usize,
            least_lift: LEAST_LIFT,
            most_rules: MOST_RULES,
        };
        if strangers {
            let others = self.deployment.iter().map(|(_, deployed)| &deployed.signature).filter(|other| other.strangers);
            let spent: usize =
                others.map(|other| usual.iter().filter(|usual| other.matches(&usual.features)).count()).sum();
            let most = if tier == Tier::Strangers(Kind::Opening) { MOST_OPENINGS } else { MOST_STRANGERS };
            let left = (most - spent as f64 / all.len().max(1) as f64).max(0.0);
            terms = Terms {
                most_usual: (left / part.max(f64::MIN_POSITIVE)).min(1.0),
                most_alike: 1.0,
                least_lift: LEAST_STRANGER_LIFT,
                most_rules: STRANGER_RULES,
                ..terms
            };
        }
        let mut left = if strangers { terms.most_usual * part } else { f64::INFINITY };
        let mut findings = mine::mine(&features, &usual, expected * part, &tier.start(), &terms);
        findings.retain_mut(|finding| {
            finding.signature.strangers = strangers;
            finding.usual_share *= part;
            left -= finding.usual_share;
            left >= 0.0
                && is_spread(unusual, &finding.signature)
                && !self.refused.iter().any(|(refused, _)| *refused == finding.signature)
        });
        findings
    }

    /// The source of most of the packets of [`LONG`] that nothing covers, of those that were not there in calm times
    /// if there is an attack; and how many they are.
    fn most_of_one_source(&self, tables: &SharedTables) -> Option<(Key, usize)> {
        let mut counts: HashMap<Key, usize> = HashMap::new();
        for sample in &self.recent {
            let stranger = self.attack.is_none() || !self.baseline.knows(sample.source);
            if !sample.answers && stranger && !self.deployment.covers(sample) {
                *counts.entry(sample.source).or_default() += 1;
            }
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_unstable_by_key(|(source, count)| (std::cmp::Reverse(*count), source.0));
        counts.into_iter().find(|(source, _)| self.attack.is_none() || !self.is_bulk(*source, tables))
    }

    /// Whether a source sends or fetches much over few connections that it has asked for.
    fn is_bulk(&self, source: Key, tables: &SharedTables) -> bool {
        let sent: Vec<&Sample> = self.recent.iter().filter(|sample| sample.source == source).collect();
        let segments = sent.iter().filter(|sample| sample.is_segment() && !sample.is_small()).count();
        let asked = source::way_of(tables, &tables.settings[0], source)
            .is_some_and(|way| History::unpack(way.history.load()).syns > 0);
        asked && segments * 10 >= sent.len() * 8 && flows(&sent, &Signature::default()) <= BULK_FLOWS
    }

    /// Bans a stranger that makes up a good part of what comes, and sends far more than anybody usually does.
    fn ban_the_loudest(&mut self, now_ns: u64, passing: Pulse, tables: &SharedTables, events: &mut Vec<Event>) {
        while let Some((source, count)) = self.most_of_one_source(tables) {
            let share = count as f64 / self.recent.len().max(1) as f64;
            let rate = count as f64 / self.sampled * 1e9 / LONG as f64;
            if share < LOUD_SHARE || (count as f64) < LOUD_TIMES * self.busiest || rate < LOUD_RATE * passing.usual {
                return;
            }
            self.recent.retain(|sample| sample.source != source);
            if let Some(way) = source::way_of(tables, &tables.settings[0], source) {
                source::ban(way, now_ns + BAN);
                events.push(Event::Banned { source, rate });
            }
        }
    }

    /// How many connections each source has asked for in [`LONG`].
    fn openings_by_source(&self) -> HashMap<Key, usize> {
        let mut counts = HashMap::new();
        for sample in self.recent.iter().filter(|sample| sample.opens()) {
            *counts.entry(sample.source).or_default() += 1;
        }
        counts
    }

    /// Bans strangers that ask for far more connections than anybody usually does.
    fn ban_the_pushiest(&mut self, now_ns: u64, tables: &SharedTables, events: &mut Vec<Event>) {
        let most = LEAST_PUSHY.max(PUSHY_TIMES * self.most_openings);
        let pushy = self.openings_by_source().into_iter();
        let mut pushy: Vec<_> =
            pushy.filter(|(source, count)| *count >= most && !self.baseline.knows(*source)).collect();
        pushy.sort_unstable_by_key(|(source, _)| source.0);
        for (source, count) in pushy {
            self.recent.retain(|sample| sample.source != source);
            if let Some(way) = source::way_of(tables, &tables.settings[0], source) {
                source::ban(way, now_ns + BAN);
                events.push(Event::Banned { source, rate: count as f64 / self.sampled * 1e9 / LONG as f64 });
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

/// Whether findings cover so much of what is too much that it is no crowd.
fn are_enough(findings: &[Finding], too_many: f64) -> bool {
    let found: usize = findings.iter().map(|finding| finding.covered).sum();
    found as f64 >= LEAST_TOGETHER * too_many && found > 0
}

/// Whether a signature covers many flows, and not mainly a few that much is sent over.
fn is_spread(samples: &[&Sample], signature: &Signature) -> bool {
    let mut flows: HashMap<_, usize> = HashMap::new();
    for sample in samples.iter().filter(|sample| signature.matches(&sample.features)) {
        *flows.entry((sample.source, sample.features.shorts[Short::SourcePort as usize])).or_default() += 1;
    }
    let mut sizes: Vec<usize> = flows.into_values().collect();
    sizes.sort_unstable_by_key(|size| std::cmp::Reverse(*size));
    let (all, few): (usize, usize) = (sizes.iter().sum(), sizes.iter().take(LEAST_FLOWS).sum());
    sizes.len() >= LEAST_FLOWS && (few as f64) < MOST_OF_FEW * all as f64
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
