//! The rules in force: what the configuration says, what was said since, and the situation that it is enforced in.

use super::{limits::with_limits, refusal::Refusal};
use crate::{
    api::Limits,
    policy::{Enforcement, Policy, Situation, Unfit},
    tables::SharedTables,
};

/// The rules in force.
#[derive(Debug)]
pub(super) struct Regime {
    /// As configured.
    configured: Policy,
    /// Limits per source that were set since.
    limits: Option<Limits>,
    situation: Situation,
    enforcement: Enforcement,
}

impl From<Unfit> for Refusal {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Service { .. } | Unfit::Whole(_) => Self::Invalid(unfit.to_string()),
            Unfit::Machine(_) => Self::Internal(unfit.to_string()),
        }
    }
}

impl Regime {
    pub(super) fn new(configured: Policy, limits: Option<Limits>) -> Self {
        Self { configured, limits, situation: Situation::default(), enforcement: Enforcement::default() }
    }

    /// What is wanted now.
    pub(super) fn policy(&self) -> Policy {
        match self.limits {
            Some(limits) => with_limits(&self.configured, limits),
            None => self.configured.clone(),
        }
    }

    /// Brings what is wanted into force.
    pub(super) fn enforce(&mut self, tables: &SharedTables) -> Result<(), Refusal> {
        let policy = self.policy();
        self.enforcement.enforce(tables, &policy, &self.situation)?;
        Ok(())
    }

    /// Sets the limits per source; they hold from the next packet on.
    pub(super) fn set_limits(
        &mut self,
        tables: &SharedTables,
        limits: Option<Limits>,
    ) -> Result<(), Refusal> {
        let before = std::mem::replace(&mut self.limits, limits);
        let outcome = self.enforce(tables);
        if outcome.is_err() {
            self.limits = before;
        }
        outcome
    }
}
