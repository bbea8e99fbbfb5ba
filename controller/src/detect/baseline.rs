//! What packets usually look like: a uniform sample of calm times, and the sources they came from.
//!
//! Samples wait for a while before they count, so that the first moments of an attack, which nobody has noticed yet,
//! do not become part of what is usual.

use std::collections::{HashMap, VecDeque};

use floodwall_common::source::Key;

use super::sample::Sample;

/// Samples that are kept.
const CAPACITY: usize = 20_000;
/// How long a sample waits, ns.
const WAIT: u64 = 2_000_000_000;
/// Sources that are remembered.
const SOURCES: usize = 200_000;

/// A sample of calm times.
#[derive(Debug, Default)]
pub struct Baseline {
    samples: Vec<Sample>,
    seen: u64,
    waiting: VecDeque<Sample>,
    sources: HashMap<Key, u64>,
    state: u64,
}

impl Baseline {
    /// Notes a sample of calm times.
    pub fn note(&mut self, sample: Sample) {
        self.waiting.push_back(sample);
    }

    /// Lets those that have waited long enough count.
    pub fn settle(&mut self, now_ns: u64) {
        while self.waiting.front().is_some_and(|sample| sample.time_ns + WAIT < now_ns) {
            if let Some(sample) = self.waiting.pop_front() {
                self.keep(sample);
            }
        }
    }

    /// Forgets those that still wait: an attack has begun.
    pub fn doubt(&mut self) {
        self.waiting.clear();
    }

    fn keep(&mut self, sample: Sample) {
        self.seen += 1;
        if self.sources.len() < SOURCES || self.sources.contains_key(&sample.source) {
            self.sources.insert(sample.source, sample.time_ns);
        }
        if self.samples.len() < CAPACITY {
            self.samples.push(sample);
        } else {
            // Whichever goes, the older ones become fewer.
            let place = self.random() as usize % CAPACITY;
            self.samples[place] = sample;
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
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Whether a source was there in calm times.
    pub fn knows(&self, source: Key) -> bool {
        self.sources.contains_key(&source)
    }
}
