//! Whom one would ban for its conduct in an attack: new sources that send or ask for far more than anybody usually does, and
//! those that signatures hit time and again.
//!
//! Nobody is banned: an address is not proof of who has sent a packet, and a busy client looks no different. It is told,
//! within a budget, who would be, and why.

use std::{collections::BTreeMap, fmt};

use floodwall_common::{source::Key, wire::Reason};
use foldhash::{HashMap, HashSet};

use super::{
    TICK, baseline::Baseline, deployment::Deployment, event::Event, incident::Attack, recent::Recent,
    sample::Sample, search::flows, view::KernelView,
};
use crate::signature::Signature;

/// How far back sources are held against each other, ns.
pub(super) const LONG: u64 = 3_000_000_000;
/// How long a source is not told of again, ns.
const TOLD: u64 = 60_000_000_000;
/// Sources that are told of in that time at most; more are counted.
const MOST_TOLD: usize = 20;
/// Segments of a new source that signatures hit before it is taken for a part of the attack.
const CONVICTING_HITS: u32 = 2;
/// So many if what is hit are requests for connections: others may have forged these.
const CONVICTING_OPENINGS: u32 = 6;
/// Most new sources whose hits are counted.
const MAX_OFFENDERS: usize = 200_000;
/// Share of what passes that such a source makes up.
const LOUD_SHARE: f64 = 0.25;
/// How much it sends, beside all that usually comes.
const LOUD_RATE: f64 = 0.3;
/// Requests for connections in [`LONG`] that nobody is banned for, and how many times as many as anybody usually asks
/// for somebody is.
const MIN_OFFENDING_RATE: f64 = 12.0;
const OFFENDING_FACTOR: f64 = 2.0;
/// TCP flows that a single source may have: who downloads or uploads much has few.
const BULK_FLOWS: usize = 8;
/// How many times as much it sends as anybody did in calm times.
const LOUD_TIMES: f64 = 2.0;
/// How much of what was is left after a tick: a half after two hours.
const FADES: f64 = 1.0 - std::f64::consts::LN_2 * TICK as f64 / 7_200e9;
/// Share of its packets that are full, or carry nothing, as those of a transfer are.
const BULK_SHARE: f64 = 0.8;

/// What is known of a moment.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    /// When it is, ns.
    pub(super) now_ns: u64,
    /// Samples of [`LONG`] before it.
    pub(super) recent: &'a Recent,
    /// Who and what is usual.
    pub(super) baseline: &'a Baseline,
    /// What is in force.
    pub(super) deployment: &'a Deployment,
    /// Services that are attacked; none in calm times.
    pub(super) attacks: &'a BTreeMap<u8, Attack>,
    /// Share of the packets that is sampled.
    pub(super) sampled: f64,
    /// What the kernel program knows.
    pub(super) view: &'a dyn KernelView,
}

impl Scene<'_> {
    /// Packets/s that so many samples of [`LONG`] stand for.
    fn rate(&self, samples: usize) -> f64 {
        samples as f64 / self.sampled.max(f64::MIN_POSITIVE) * 1e9 / LONG as f64
    }

    /// Sources by how many packets they sent that nothing covers, the busiest first; none if no source has sent `least`,
    /// as those that are covered need not be told apart then.
    fn by_packets(&self, least: f64, such: impl Fn(Key) -> bool) -> Vec<(Key, usize)> {
        let busy = self.recent.asked().at_least(least).map(|(source, _)| source);
        let busy: HashSet<Key> = busy.filter(|source| such(*source)).collect();
        if busy.is_empty() {
            return Vec::new();
        }
        let asked = self.recent.iter().filter(|sample| self.is_at_issue(sample) && !sample.answers);
        let asked = asked.filter(|sample| busy.contains(&sample.source));
        let mut counts: HashMap<Key, usize> = HashMap::default();
        for sample in asked.filter(|sample| !self.deployment.covers(sample)) {
            *counts.entry(sample.source).or_default() += 1;
        }
        ranked(counts.into_iter())
    }

    /// Whether a packet is for a service that is attacked, or none is.
    fn is_at_issue(&self, sample: &Sample) -> bool {
        self.attacks.is_empty() || self.attacks.contains_key(&sample.service())
    }

    /// Sources that asked for at least so many connections, and for how many, the busiest first.
    fn by_openings(&self, least: f64) -> Vec<(Key, usize)> {
        ranked(self.recent.openings().at_least(least))
    }

    /// Whether a source sends or fetches much over few connections that it has asked for.
    fn is_bulk(&self, source: Key) -> bool {
        let sent: Vec<&Sample> = self.recent.iter().filter(|sample| sample.source == source).collect();
        let segments = sent.iter().filter(|sample| sample.is_segment() && !sample.is_small()).count();
        let asked = self.view.history(source).is_some_and(|history| history.syns > 0);
        asked
            && segments as f64 >= BULK_SHARE * sent.len() as f64
            && flows(&sent, &Signature::default()) <= BULK_FLOWS
    }
}

/// What a source has done that it would be banned for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cause {
    /// It sends so many packets/s, and makes up a good part of what comes.
    Loud(f64),
    /// It asks for so many connections a second.
    Pushy(f64),
    /// Signatures have hit its packets, and it keeps on sending.
    Hit,
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loud(rate) => {
                write!(formatter, "it sends {rate:.0} packets/s, a good part of what comes in this attack")
            }
            Self::Pushy(rate) => {
                write!(formatter, "it asks for {rate:.0} connections/s, far more than anybody usually does")
            }
            Self::Hit => formatter.write_str("signatures hit its packets time and again"),
        }
    }
}

fn ranked(counts: impl Iterator<Item = (Key, usize)>) -> Vec<(Key, usize)> {
    let mut ranked: Vec<_> = counts.collect();
    ranked.sort_unstable_by_key(|(source, count)| (std::cmp::Reverse(*count), source.0));
    ranked
}

/// What sources do at most in calm times, and what new sources have done in this attack.
#[derive(Debug, Default)]
pub(super) struct Conduct {
    /// Most sampled packets of one source in [`LONG`], as they slowly fade from memory.
    busiest: f64,
    /// Most connections that one source has asked for in [`LONG`].
    most_openings: f64,
    /// New sources that signatures have hit, and how often.
    offenders: HashMap<Key, u32>,
    /// Those that would be banned for it.
    convicted: Vec<Key>,
    /// Who was told of lately, and until when that holds, ns.
    told: HashMap<Key, u64>,
    /// Sources that would have been told of, had the budget allowed it.
    untold: u64,
}

impl Conduct {
    /// Notes what became of a new source's packet.
    pub(super) fn note(&mut self, sample: &Sample) {
        if sample.reason != Reason::Signature || self.offenders.len() >= MAX_OFFENDERS {
            return;
        }
        let hits = self.offenders.entry(sample.source).or_default();
        *hits += 1;
        if *hits >= if sample.opens() { CONVICTING_OPENINGS } else { CONVICTING_HITS } {
            *hits = 0;
            self.convicted.push(sample.source);
        }
    }

    /// Learns from calm times what sources do at most.
    pub(super) fn learn(&mut self, scene: &Scene<'_>) {
        self.busiest *= FADES;
        let busiest = scene.by_packets(self.busiest, |_| true);
        self.busiest = self.busiest.max(busiest.first().map_or(0.0, |(_, count)| *count as f64));
        let most_openings = scene.recent.openings().most() as f64;
        self.most_openings = (self.most_openings * FADES).max(most_openings);
    }

    /// An attack is over.
    pub(super) fn forget(&mut self) {
        self.offenders.clear();
    }

    /// Tells of a source that would be banned, unless that was done lately, or too many were told of.
    fn tell(&mut self, source: Key, cause: Cause, now_ns: u64, events: &mut Vec<Event>) {
        self.told.retain(|_, until_ns| *until_ns > now_ns);
        if self.told.contains_key(&source) {
            return;
        }
        if self.told.len() >= MOST_TOLD {
            self.untold += 1;
            return;
        }
        self.told.insert(source, now_ns + TOLD);
        events.push(Event::WouldBan { source, cause, others: std::mem::take(&mut self.untold) });
    }

    /// Whom one would ban: new sources that make up a good part of what comes and send far more than anybody usually does,
    /// beside `usual` packets/s of all; and those that ask for far more connections. Tells of them, and names them all.
    pub(super) fn name_the_loudest(&mut self, scene: &Scene<'_>, usual: f64) -> (Vec<Event>, Vec<Key>) {
        let is_new = |source| !scene.baseline.knows(source);
        let mut left = scene.recent.iter().filter(|sample| scene.is_at_issue(sample)).count();
        let (mut events, mut loud) = (Vec::new(), Vec::new());
        // Who has sent less than this is not loud, however many of the others are banned.
        let least = LOUD_TIMES * self.busiest;
        for (source, count) in scene.by_packets(least, is_new) {
            let rate = scene.rate(count);
            let is_loud = count as f64 >= LOUD_SHARE * left as f64
                && count as f64 >= LOUD_TIMES * self.busiest
                && rate >= LOUD_RATE * usual;
            if !is_loud {
                break;
            }
            if !scene.is_bulk(source) {
                left -= count;
                loud.push(source);
                self.tell(source, Cause::Loud(rate), scene.now_ns, &mut events);
            }
        }
        let most = MIN_OFFENDING_RATE.max(OFFENDING_FACTOR * self.most_openings);
        for (source, count) in scene.by_openings(most) {
            if is_new(source) && !loud.contains(&source) {
                loud.push(source);
                self.tell(source, Cause::Pushy(scene.rate(count)), scene.now_ns, &mut events);
            }
        }
        (events, loud)
    }

    /// Names new sources whose packets signatures hit time and again: what else they send is no better.
    pub(super) fn name_accomplices(&mut self, now_ns: u64) -> Vec<Event> {
        let mut events = Vec::new();
        for source in std::mem::take(&mut self.convicted) {
            self.tell(source, Cause::Hit, now_ns, &mut events);
        }
        events
    }
}
