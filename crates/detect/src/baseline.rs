//! What packets usually look like, service by service, and the sources they came from.
//!
//! Only packets of flows that have [proven](super::proof) themselves are kept.

use std::collections::BTreeMap;

use floodwall_common::{
    features::{ByteField, Features},
    source::Key,
};

use super::{reservoir::Reservoir, sample::Sample, sources::Sources, unproven::Unproven};

/// How long a source would be a new source in an attack, ns.
const STRANGE: u64 = 30_000_000_000;
/// Whoever is there that soon after the start was there before, ns.
const THERE_BEFORE: u64 = 10_000_000_000;
/// Samples, a few of a flow, without which a service's packets are no reference of what it usually gets.
const ENOUGH: usize = 1_200;

/// What a packet that has proven itself looked like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usual {
    /// Its header fields.
    pub(super) features: Features,
    /// Which flow it belongs to, as far as source and port tell.
    pub(super) flow: u64,
    /// Its source would have been a new source, had there been an attack.
    pub(super) from_new_source: bool,
}

/// Samples of what usually comes.
#[derive(Debug, Default)]
pub(super) struct Baseline {
    services: BTreeMap<u8, Reservoir>,
    /// How many samples of each service, so far, were no answers to what the host has asked.
    asked: BTreeMap<u8, usize>,
    unproven: Unproven,
    sources: Sources,
    first_ns: Option<u64>,
    version: u64,
}

impl Baseline {
    /// Notes that a source was there, with a flow that has proven itself.
    pub(super) fn meet(&mut self, source: Key, now_ns: u64) {
        self.sources.see(source, now_ns);
    }

    /// Keeps a packet of a flow that has proven itself.
    pub(super) fn keep(&mut self, sample: Sample) {
        self.version += 1;
        let started = *self.first_ns.get_or_insert(sample.time_ns);
        let first = self.sources.see(sample.source, sample.time_ns);
        let is_young = sample.time_ns < first + STRANGE && first > started + THERE_BEFORE;
        let from_new_source = if sample.opens() { !sample.known } else { is_young };
        let usual = Usual { features: sample.features, flow: sample.flow(), from_new_source };
        *self.asked.entry(sample.service()).or_default() += usize::from(!sample.answers);
        self.services.entry(sample.service()).or_default().keep(usual, sample.time_ns);
    }

    /// Takes a packet that has passed in calm times, and has not proven itself.
    pub(super) fn note_unproven(&mut self, sample: &Sample) {
        self.unproven.take(sample);
    }

    /// Keeps what has not proven itself and came long enough ago.
    pub(super) fn settle(&mut self, now_ns: u64) {
        self.version += u64::from(self.unproven.settle(now_ns));
    }

    /// An attack on a service begins.
    pub(super) fn doubt(&mut self, service: u8) {
        self.unproven.doubt(service);
    }

    /// Forgets what is known of services that are no more.
    pub(super) fn retain(&mut self, is_there: impl Fn(u8) -> bool) {
        let before = self.services.len();
        self.services.retain(|service, _| is_there(*service));
        self.asked.retain(|service, _| is_there(*service));
        self.unproven.retain(&is_there);
        self.version += u64::from(self.services.len() < before);
    }

    /// Takes up samples of a service that were kept over a restart.
    pub(super) fn recall(&mut self, service: u8, samples: Vec<Usual>) {
        let own = samples.into_iter().map(|mut usual| {
            usual.features.octets[ByteField::Service as usize] = service;
            usual
        });
        let reservoir = Reservoir::of(own.collect());
        self.asked.insert(service, reservoir.samples().len());
        self.services.insert(service, reservoir);
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

    /// Whether so little is known that assumptions have to stand in for it. What answers the host says nothing of those
    /// who ask something of it.
    pub(super) fn is_fresh(&self) -> bool {
        self.asked.values().sum::<usize>() < ENOUGH
    }

    /// Samples of what a service usually gets; of all services if its own are too few. What came for it and has not proven
    /// itself is among them.
    pub(super) fn examples(&self, service: u8) -> impl Iterator<Item = Usual> {
        let is_known = self.asked.get(&service).is_some_and(|asked| *asked >= ENOUGH);
        let such = self.services().filter(move |(number, _)| !is_known || *number == service);
        such.flat_map(|(_, samples)| samples).copied().chain(self.unproven.of(service))
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

#[cfg(test)]
mod tests {
    use floodwall_common::parse::protocol;

    use super::*;

    fn sample(number: u64, answers: bool) -> Sample {
        Sample { known: true, answers, ..Sample::made_up(protocol::TCP, number, number * 1_000_000) }
    }

    #[test]
    fn answers_say_nothing_of_who_asks() {
        let mut baseline = Baseline::default();
        (0..5_000).for_each(|number| baseline.keep(sample(number, true)));
        assert!(baseline.is_fresh());
        (0..1_200).for_each(|number| baseline.keep(sample(number, false)));
        assert!(!baseline.is_fresh());
        assert_eq!(baseline.examples(0).count(), 6_200);
        baseline.retain(|_| false);
        assert!(baseline.is_fresh());
    }
}
