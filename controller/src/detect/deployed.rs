//! Signatures in force.

use std::fmt;

use floodwall_common::wire::signature::MAX_SIGNATURES;

use super::sample::Sample;
use crate::signature::{Image, ImageError, Signature};

/// A signature that was deployed.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// The signature.
    pub signature: Signature,
    /// It drops; else it only counts.
    pub enforced: bool,
    /// When it was deployed, ns.
    pub since_ns: u64,
    /// Sampled packets that matched it.
    pub hits: u64,
    /// Of these, from sources that were there in calm times.
    pub known_hits: u64,
    /// When it last matched, ns.
    pub last_hit_ns: u64,
    /// It hits nothing that is usual, as far as is known, and so can stay in force when an attack is over.
    pub harmless: bool,
    /// It only counts until the next attack.
    pub rests: bool,
}

/// How long a signature only counts before it drops, ns.
const TRIAL: u64 = 50_000_000;
/// How long a signature stays that matches nothing, ns.
const QUIET: u64 = 300_000_000_000;
/// Hits on known sources that are put up with: so many, or this share of all.
const FEW_KNOWN: u64 = 3;
const KNOWN_SHARE: f64 = 0.02;

/// What became of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It drops from now on.
    Enforced,
    /// It hit sources that were there before, and was taken back.
    Withdrawn,
    /// It matched nothing for a long time, and was taken back.
    Retired,
}

impl fmt::Display for Turn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Enforced => "enforced",
            Self::Withdrawn => "withdrawn, as it hits sources that were there before",
            Self::Retired => "retired, as it matches nothing any more",
        })
    }
}

/// All of them, by their bit.
#[derive(Debug)]
pub struct Deployment {
    slots: Vec<Option<Deployed>>,
}

impl Default for Deployment {
    fn default() -> Self {
        Self { slots: vec![None; MAX_SIGNATURES as usize] }
    }
}

impl Deployment {
    /// Signatures by number.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Deployed)> {
        self.slots.iter().enumerate().filter_map(|(number, slot)| Some((number, slot.as_ref()?)))
    }

    /// Deploys a signature, for now to count only. Returns its number; `None` if there is no room for another.
    pub fn add(&mut self, signature: Signature, harmless: bool, now_ns: u64) -> Option<usize> {
        let free = self.slots.iter().position(Option::is_none)?;
        self.slots[free] = Some(Deployed {
            signature,
            enforced: false,
            since_ns: now_ns,
            hits: 0,
            known_hits: 0,
            last_hit_ns: now_ns,
            harmless,
            rests: false,
        });
        Some(free)
    }

    /// Notes which signatures a sample matches.
    pub fn note(&mut self, sample: &Sample, source_is_known: bool) {
        for deployed in self.slots.iter_mut().flatten() {
            if sample.matches(&deployed.signature) {
                deployed.hits += 1;
                deployed.known_hits += u64::from(source_is_known);
                deployed.last_hit_ns = sample.time_ns;
            }
        }
    }

    /// An attack is over: those that hit a little of what is usual only count, until the next. Says whether there are.
    pub fn rest(&mut self) -> bool {
        let mut any = false;
        for deployed in self.slots.iter_mut().flatten().filter(|deployed| !deployed.harmless) {
            any |= deployed.enforced;
            (deployed.rests, deployed.enforced) = (true, false);
        }
        any
    }

    /// An attack has begun: those that rest are tried again. Says whether there are.
    pub fn wake(&mut self, now_ns: u64) -> bool {
        let mut any = false;
        for deployed in self.slots.iter_mut().flatten().filter(|deployed| deployed.rests) {
            (deployed.rests, deployed.since_ns, any) = (false, now_ns, true);
        }
        any
    }

    /// Whether one that drops matches a sample.
    pub fn drops(&self, sample: &Sample) -> bool {
        self.iter().any(|(_, deployed)| deployed.enforced && sample.matches(&deployed.signature))
    }

    /// Whether any matches a sample.
    pub fn covers(&self, sample: &Sample) -> bool {
        self.iter().any(|(_, deployed)| sample.matches(&deployed.signature))
    }

    /// Enforces what has stood its trial, and takes back what has not, or is not needed any more.
    pub fn turn(&mut self, now_ns: u64) -> Vec<(usize, Signature, Turn)> {
        let mut turns = Vec::new();
        for (number, slot) in self.slots.iter_mut().enumerate() {
            let Some(deployed) = slot else { continue };
            let harmful = deployed.known_hits > FEW_KNOWN
                && deployed.known_hits as f64 > KNOWN_SHARE * deployed.hits as f64;
            let turn = if harmful {
                Turn::Withdrawn
            } else if !deployed.enforced && !deployed.rests && now_ns >= deployed.since_ns + TRIAL {
                deployed.enforced = true;
                Turn::Enforced
            } else if now_ns >= deployed.last_hit_ns + QUIET {
                Turn::Retired
            } else {
                continue;
            };
            turns.push((number, deployed.signature.clone(), turn));
            if turn != Turn::Enforced {
                *slot = None;
            }
        }
        turns
    }

    /// As the kernel program wants them.
    ///
    /// # Errors
    ///
    /// If their ranges are too many.
    pub fn image(&self) -> Result<Image, ImageError> {
        let listed: Vec<_> = self
            .slots
            .iter()
            .map(|slot| slot.as_ref().map(|deployed| (&deployed.signature, deployed.enforced)))
            .collect();
        Image::new(&listed)
    }

    /// Takes the youngest back.
    pub fn drop_youngest(&mut self) {
        let youngest = self.iter().max_by_key(|(_, deployed)| deployed.since_ns).map(|(number, _)| number);
        if let Some(number) = youngest {
            self.slots[number] = None;
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slots.iter().all(Option::is_none)
    }
}
