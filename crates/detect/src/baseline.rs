//! What packets usually look like, service by service, and the sources they came from.
//!
//! Samples wait for a while before they count, so that the first moments of an attack, which nobody has noticed yet,
//! do not become part of what is usual.

use std::collections::{BTreeMap, VecDeque};

use floodwall_common::{
    features::{Features, Octet},
    source::Key,
};

use super::{
    reservoir::Reservoir,
    sample::Sample,
    sources::Sources,
    view::{KernelView, is_known},
};

/// How long a sample waits, ns.
const WAIT: u64 = 2_000_000_000;
/// How long a source would be a stranger in an attack, ns.
const STRANGE: u64 = 30_000_000_000;
/// Whoever is there that soon after the start was there before, ns.
const THERE_BEFORE: u64 = 10_000_000_000;
/// Samples without which a service's packets are no picture of what it usually gets.
const ENOUGH: usize = 2_000;

/// What a packet of calm times looked like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usual {
    /// Its header fields.
    pub(super) features: Features,
    /// Which flow it belongs to, as far as source and port tell.
    pub(super) flow: u64,
    /// Its source would have been a stranger, had there been an attack.
    pub(super) stranger: bool,
}

/// Samples of calm times.
#[derive(Debug, Default)]
pub(super) struct Baseline {
    services: BTreeMap<u8, Reservoir>,
    waiting: BTreeMap<u8, VecDeque<Sample>>,
    sources: Sources,
    first_ns: Option<u64>,
    version: u64,
}

impl Baseline {
    /// Notes a sample of calm times.
    pub(super) fn note(&mut self, sample: Sample) {
        self.waiting.entry(sample.service()).or_default().push_back(sample);
    }

    /// Lets those of a service that have waited long enough count: requests for connections only if these came to be, as
    /// others are no example of what clients send.
    pub(super) fn settle(&mut self, service: u8, now_ns: u64, view: &dyn KernelView) {
        let Some(mut waiting) = self.waiting.remove(&service) else { return };
        while let Some(sample) = waiting.pop_front_if(|sample| sample.time_ns + WAIT < now_ns) {
            if !sample.opens() || sample.known || is_known(view, sample.source) {
                self.keep(sample);
            }
        }
        if !waiting.is_empty() {
            self.waiting.insert(service, waiting);
        }
    }

    /// Forgets those of a service that still wait: an attack on it has begun.
    pub(super) fn doubt(&mut self, service: u8) {
        self.waiting.remove(&service);
    }

    fn keep(&mut self, sample: Sample) {
        self.version += 1;
        let started = *self.first_ns.get_or_insert(sample.time_ns);
        let first = self.sources.see(sample.source, sample.time_ns);
        let is_young = sample.time_ns < first + STRANGE && first > started + THERE_BEFORE;
        let stranger = if sample.opens() { !sample.known } else { is_young };
        let usual = Usual { features: sample.features, flow: sample.flow(), stranger };
        self.services.entry(sample.service()).or_default().keep(usual, sample.time_ns);
    }

    /// Forgets what is known of services that are no more.
    pub(super) fn retain(&mut self, is_there: impl Fn(u8) -> bool) {
        let before = self.services.len();
        self.services.retain(|service, _| is_there(*service));
        self.waiting.retain(|service, _| is_there(*service));
        self.version += u64::from(self.services.len() < before);
    }

    /// Takes up samples of a service that were kept over a restart.
    pub(super) fn recall(&mut self, service: u8, samples: Vec<Usual>) {
        let own = samples.into_iter().map(|mut usual| {
            usual.features.octets[Octet::Service as usize] = service;
            usual
        });
        self.services.insert(service, Reservoir::of(own.collect()));
        self.version += 1;
    }

    /// Samples by service.
    pub(super) fn services(&self) -> impl Iterator<Item = (u8, &[Usual])> {
        self.services.iter().map(|(service, reservoir)| (*service, reservoir.samples()))
    }

    /// How many samples there are.
    pub(super) fn len(&self) -> usize {
        self.services().map(|(_, samples)| samples.len()).sum()
    }

    /// Whether so little is known that assumptions have to stand in for it.
    pub(super) fn is_fresh(&self) -> bool {
        self.len() < ENOUGH
    }

    /// Samples of what a service usually gets; of all services if its own are too few.
    pub(super) fn examples(&self, service: u8) -> impl Iterator<Item = Usual> {
        let is_known = self.services.get(&service).is_some_and(|own| own.samples().len() >= ENOUGH);
        let such = self.services().filter(move |(number, _)| !is_known || *number == service);
        such.flat_map(|(_, samples)| samples).copied()
    }

    /// Another number whenever the samples are others.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Whether a source was there in calm times.
    pub(super) fn knows(&self, source: Key) -> bool {
        self.sources.contains(source)
    }
}
