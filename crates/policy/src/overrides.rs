//! What was said of a rule since the configuration was read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    model::{Policy, RuleId},
    rule::{Author, Per, PrefixLengths, Rate, Rule, RuleMode, Spares, Then},
    subject::Subject,
};

/// What was said of a rule, in place of what is configured; or a rule that is not configured at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Whose packets it counts together.
    pub per: Per,
    /// Which it counts.
    pub of: Subject,
    /// How many may come; `None`: as configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// What becomes of the rest; `None`: as configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Then>,
    /// Whether it does what it says; `None`: as configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<RuleMode>,
}

impl Override {
    /// Changes the policy. What is about a service or rule that is not there any more changes nothing.
    pub fn apply(&self, id: &RuleId, policy: &mut Policy) {
        let Self { per, of, rate, then, mode } = self;
        let Some(service) = policy.services.iter_mut().find(|service| service.name == id.service) else {
            return;
        };
        let place = service.rules.iter().position(|rule| rule.name == id.rule);
        if *mode == Some(RuleMode::Off) {
            service.rules.retain(|rule| rule.name != id.rule);
            return;
        }
        let old = place.and_then(|place| service.rules.get(place)).cloned();
        let Some(rate) = rate.or(old.as_ref().map(|rule| rule.rate)) else { return };
        let new = old.unwrap_or_else(|| Rule {
            name: id.rule.clone(),
            per: *per,
            of: *of,
            rate,
            then: Then::Limit,
            monitor: false,
            author: Author::Operator,
            spares: Spares::Nobody,
            prefix: PrefixLengths::default(),
            ceiling: None,
            when: None,
        });
        let new = Rule { rate, then: then.unwrap_or(new.then), ..new }.named_by_operator(*mode);
        match place.and_then(|place| service.rules.get_mut(place)) {
            Some(rule) => *rule = new,
            None => service.rules.push(new),
        }
    }

    /// What holds after `later` was said, too.
    pub fn then(self, later: Self) -> Self {
        Self {
            rate: later.rate.or(self.rate),
            then: later.then.or(self.then),
            mode: later.mode.or(self.mode.filter(|mode| *mode != RuleMode::Off)),
            ..later
        }
    }
}

/// A policy as it is after all that was said.
pub fn overridden(policy: &Policy, overrides: &BTreeMap<RuleId, Override>) -> Policy {
    let mut changed = policy.clone();
    overrides.iter().for_each(|(id, said)| said.apply(id, &mut changed));
    changed
}
