//! A policy in the tables that packets are judged by.
//!
//! First it becomes an [`Image`]: what the tables are to hold, which is checked to be possible. Then the image is
//! [installed](install): only what differs is written, and in an order in which no packet finds a service before its
//! rules, or a rule before its rate.

mod destinations;
mod image;
mod install;
mod numbers;
mod pages;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use floodwall_common::wire::{Lockdown, Reason, families};

use self::{image::Image, numbers::Numbers};
use super::{
    facts::HostFacts,
    model::{Policy, RuleId},
    rule::{Author, Rule},
};
use floodwall_tables::SharedTables;

/// One packet in so many of a service is sampled, until somebody knows better.
pub const SAMPLE_EVERY: u64 = 1;

/// What a policy is enforced in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Situation {
    /// What is known of the host.
    pub facts: HostFacts,
    /// Rules whose [condition](super::When) holds; those of others only count.
    pub active: BTreeSet<RuleId>,
    /// Rules that only count, since they have gone beyond their [ceiling](super::Ceiling).
    pub stayed: BTreeSet<RuleId>,
    /// Only what the operator has named is in force: lists, rules and signatures. Everything else counts.
    pub observe: bool,
    /// Services that are closed to all but known clients, by name.
    pub closed: BTreeMap<String, Lockdown>,
}

impl Situation {
    /// Whether a rule only counts since nobody has named it.
    pub fn holds_back(&self, rule: &Rule) -> bool {
        self.observe && rule.author == Author::Default
    }

    /// Reasons that only count, whatever the policy says: bits by [`Reason`].
    pub fn monitored(&self) -> u64 {
        let nowhere = self.facts.unprovable() == families::BOTH;
        let of_host = if nowhere { bits(&HELD_AGAINST_SOCKETS) } else { 0 };
        of_host | if self.observe { bits(&UNNAMED) } else { 0 }
    }
}

/// The checks that hold packets against the host's own sockets.
const HELD_AGAINST_SOCKETS: [Reason; 2] = [Reason::Unsolicited, Reason::OutOfState];
/// What drops packets without an operator having named it.
const UNNAMED: [Reason; 6] = [
    Reason::Malformed,
    Reason::Unsolicited,
    Reason::OutOfState,
    Reason::Fragment,
    Reason::Fruitless,
    Reason::NewName,
];

fn bits(reasons: &[Reason]) -> u64 {
    reasons.iter().fold(0, |bits, reason| bits | reason.bit())
}

/// Why a policy cannot be enforced.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// A service is wrong.
    #[error("service {service}: {message}")]
    Service {
        /// Its name.
        service: String,
        /// What is wrong, and what can be done.
        message: String,
    },
    /// The whole is too much.
    #[error("{0}")]
    Whole(String),
}

/// Where in the tables things are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Numbers of the services, by name.
    pub services: BTreeMap<String, u8>,
    /// Numbers of the rules. Those that hold for every source together, beside the rules, have none: see
    /// [`Self::shared`].
    pub rules: BTreeMap<RuleId, u8>,
    /// Rules that are enforced by the limits that hold for every source, whichever service its packets are for.
    pub shared: BTreeSet<RuleId>,
}

impl Placement {
    /// The rule with a number.
    pub fn rule(&self, number: u8) -> Option<&RuleId> {
        self.rules.iter().find(|(_, of)| **of == number).map(|(id, _)| id)
    }

    /// The service with a number.
    pub fn service(&self, number: u8) -> Option<&str> {
        self.services.iter().find(|(_, of)| **of == number).map(|(name, _)| name.as_str())
    }
}

/// What is in force, and where.
#[derive(Debug, Default)]
pub struct Enforcement {
    numbers: Numbers,
    placement: Placement,
}

impl Enforcement {
    /// Says whether a policy could be enforced, whatever the host is.
    pub fn check(policy: &Policy) -> Result<(), Unfit> {
        let numbers = Numbers::default().assigned(policy)?;
        Image::of(policy, &Situation::default(), &numbers).map(drop)
    }

    /// Brings a policy into force, in place of the one before. Nothing is changed if it cannot be.
    pub fn enforce(
        &mut self,
        tables: &SharedTables,
        policy: &Policy,
        situation: &Situation,
    ) -> Result<&Placement, Unfit> {
        let numbers = self.numbers.assigned(policy)?;
        let image = Image::of(policy, situation, &numbers)?;
        install::install(&image, tables);
        self.placement = numbers.placement(policy);
        self.numbers = numbers;
        Ok(&self.placement)
    }

    /// Where things are.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }
}
