//! A signature that was deployed, and what it does with what it hits.

use floodwall_common::{features::ByteField, source::Key};

use crate::{
    alarm::Class,
    sample::Sample,
    signature::{Effect, Signature},
};

/// Hits on known sources that are put up with: so many, or this share of all.
const FEW_KNOWN: u64 = 3;
const KNOWN_SHARE: f64 = 0.02;
/// So many known sources are few enough to be forged by name.
const FEW_FORGED: usize = 3;

/// A signature that was deployed.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// Its number, which no other ever had since the start: see [`super::place_of`].
    pub number: usize,
    /// The signature.
    pub signature: Signature,
    /// An operator wants it as it is: it is neither enforced, withdrawn nor retired by itself.
    pub pinned: bool,
    /// It drops; else it only counts.
    pub enforced: bool,
    /// When it was deployed, ns.
    pub since_ns: u64,
    /// Sampled packets that matched it.
    pub hits: u64,
    /// Of these, from sources that were there in calm times.
    pub known_hits: u64,
    /// The first few of these sources.
    pub(super) known_sources: Vec<Key>,
    /// Of what matched, while it dropped, requests for a connection.
    pub requests: u64,
    /// Of the requests, those that came again, and were let in.
    pub again: u64,
    /// When it last matched, ns.
    pub last_hit_ns: u64,
    /// It hits nothing that is usual, as far as is known, and so can stay in force when an attack is over.
    pub harmless: bool,
    /// So many requests for a connection are known as usual that of these it hits hardly any.
    pub strange: bool,
    /// Requests that it hits are dropped however often they come.
    pub for_good: bool,
    /// It says of an attack no more than what class of packets it consists of: all of these are asked to come again.
    pub asks: Option<Asked>,
    /// When it began to drop, ns; later than any packet if it does not.
    pub enforced_ns: u64,
    /// It only counts until the next attack.
    pub rests: bool,
}

/// What is asked to come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The service that it comes for.
    pub service: u8,
    /// What it is.
    pub class: Class,
}

impl Deployed {
    /// Whether it may hit packets for a service.
    pub(crate) fn concerns(&self, service: u8) -> bool {
        self.signature
            .octets
            .get(&(ByteField::Service as usize))
            .is_none_or(|services| services.contains(service))
    }

    /// Notes that it hits a source that was there in calm times.
    pub(super) fn note_known(&mut self, sample: &Sample) {
        self.known_hits += 1;
        if self.known_sources.len() <= FEW_FORGED && !self.known_sources.contains(&sample.source) {
            self.known_sources.push(sample.source);
        }
    }

    /// Whether it hits too much of sources that were there in calm times. A flood of requests may be forged in their name, if they
    /// are a few, or if nothing that is usual looks like what it hits: these are dropped only once, and whether those ask again
    /// who are really there is counted.
    pub(super) fn is_harmful(&self) -> bool {
        let is_unlike_usual = self.harmless && self.strange;
        let are_forged = self.signature.hits_only_requests()
            && (self.known_sources.len() <= FEW_FORGED || is_unlike_usual);
        self.asks.is_none()
            && self.known_hits > FEW_KNOWN
            && self.known_hits as f64 > KNOWN_SHARE * self.hits as f64
            && !are_forged
    }

    /// What it does with what it hits. An operator's word holds for whatever it names.
    pub(super) fn effect(&self) -> Effect {
        match (self.enforced, self.pinned) {
            (false, _) => Effect::Count,
            (true, true) => Effect::Drop,
            (true, false) if self.for_good => Effect::DropFound,
            (true, false) if self.asks.is_some() => Effect::AskToRepeat,
            (true, false) => Effect::DropOnce,
        }
    }

    /// Counts only: whether it drops is decided by what it is seen to match.
    pub(super) fn new(signature: Signature, now_ns: u64) -> Self {
        Self {
            number: 0,
            signature,
            pinned: false,
            enforced: false,
            since_ns: now_ns,
            hits: 0,
            known_hits: 0,
            known_sources: Vec::new(),
            requests: 0,
            again: 0,
            last_hit_ns: now_ns,
            harmless: false,
            strange: false,
            for_good: false,
            asks: None,
            enforced_ns: u64::MAX,
            rests: false,
        }
    }
}
