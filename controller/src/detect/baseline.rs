//! What packets usually look like: a uniform sample of calm times, and the sources they came from.
//!
//! Samples wait for a while before they count, so that the first moments of an attack, which nobody has noticed yet,
//! do not become part of what is usual.

use std::collections::{HashMap, VecDeque};

use floodwall_common::{
    features::Features,
    source::{self, Key},
    wire::{History, standing},
};

use super::sample::Sample;
use crate::tables::SharedTables;

/// Samples that are kept.
const CAPACITY: usize = 20_000;
/// How long a sample waits, ns.
const WAIT: u64 = 2_000_000_000;
/// Sources that are remembered.
const SOURCES: usize = 200_000;
/// How long a source would be a stranger in an attack, ns.
const STRANGE: u64 = 30_000_000_000;
/// Whoever is there that soon after the start was there before, ns.
const THERE_BEFORE: u64 = 10_000_000_000;

/// What a packet of calm times looked like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Usual {
    /// Its header fields.
    pub(super) features: Features,
    /// Which flow it belongs to, as far as source and port tell.
    pub(super) flow: u64,
    /// Its source would have been a stranger, had there been an attack.
    pub(super) stranger: bool,
}

/// A sample of calm times.
#[derive(Debug, Default)]
pub(super) struct Baseline {
    samples: Vec<Usual>,
    strangers: usize,
    seen: u64,
    waiting: VecDeque<Sample>,
    /// When they were first seen, ns.
    sources: HashMap<Key, u64>,
    first_ns: Option<u64>,
    state: u64,
}

impl Baseline {
    /// Notes a sample of calm times.
    pub(super) fn note(&mut self, sample: Sample) {
        self.waiting.push_back(sample);
    }

    /// Lets those that have waited long enough count: requests for connections only if these came to be, as others are
    /// no example of what clients send.
    pub(super) fn settle(&mut self, now_ns: u64, tables: &SharedTables) {
        while self.waiting.front().is_some_and(|sample| sample.time_ns + WAIT < now_ns) {
            if let Some(sample) = self.waiting.pop_front()
                && (!sample.opens() || sample.known || is_known(tables, sample.source))
            {
                self.keep(sample);
            }
        }
    }

    /// Forgets those that still wait: an attack has begun.
    pub(super) fn doubt(&mut self) {
        self.waiting.clear();
    }

    fn keep(&mut self, sample: Sample) {
        self.seen += 1;
        let started = *self.first_ns.get_or_insert(sample.time_ns);
        let first = match self.sources.get(&sample.source) {
            Some(first) => *first,
            None if self.sources.len() < SOURCES => {
                self.sources.insert(sample.source, sample.time_ns);
                sample.time_ns
            }
            None => sample.time_ns,
        };
        let is_young = sample.time_ns < first + STRANGE && first > started + THERE_BEFORE;
        let stranger = if sample.opens() { !sample.known } else { is_young };
        let usual = Usual { features: sample.features, flow: sample.flow(), stranger };
        self.strangers += usize::from(stranger);
        if self.samples.len() < CAPACITY {
            self.samples.push(usual);
        } else {
            // Whichever goes, the older ones become fewer.
            let place = self.random() as usize % CAPACITY;
            self.strangers -= usize::from(self.samples[place].stranger);
            self.samples[place] = usual;
        }
    }

    /// A number that is random enough to choose by, and the same in each replay (xorshift, Marsaglia 2003).
    fn random(&mut self) -> u64 {
        self.state ^= self.seen.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    /// The samples, in no order.
    pub(super) fn samples(&self) -> &[Usual] {
        &self.samples
    }

    /// How many of them came from sources that would be strangers in an attack, and are `such`.
    pub(super) fn strangers(&self, such: impl Fn(&Features) -> bool) -> usize {
        self.samples.iter().filter(|usual| usual.stranger && such(&usual.features)).count()
    }

    /// Share of them that came from sources which would be strangers in an attack.
    pub(super) fn share_of_strangers(&self) -> f64 {
        self.strangers as f64 / self.samples.len().max(1) as f64
    }

    /// Whether a source was there in calm times.
    pub(super) fn knows(&self, source: Key) -> bool {
        self.sources.contains_key(&source)
    }
}

/// Whether the kernel program knows a source.
fn is_known(tables: &SharedTables, source: Key) -> bool {
    source::way_of(tables, &tables.settings[0], source)
        .is_some_and(|way| History::unpack(way.history.load()).standing & standing::KNOWN != 0)
}
