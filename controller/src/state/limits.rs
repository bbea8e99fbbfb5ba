//! Limits per source that hold whichever service packets are for, as the two rates that everybody changes first; and
//! their way into force.

use floodwall_common::wire::BucketSpec;

use super::{change::Change, filter::Filter, ledger::Transaction, refusal::Refusal};
use crate::{
    api::{Limit, LimitChange, Limits},
    policy::{Policy, Rate, Rule, defaults},
    store::Store,
};

/// The limits in a policy.
pub fn limits_of(policy: &Policy) -> Limits {
    let rules = policy.services.first().map_or(&[][..], |service| &service.rules);
    let limit = |name: &str| {
        let Rate { rate, burst } = rules.iter().find(|rule| rule.name == name)?.rate;
        Some(Limit { rate, burst })
    };
    Limits { packets: limit(defaults::SOURCE_PACKETS), syn: limit(defaults::SOURCE_SYN) }
}

/// The token bucket for a limit; no limit is a bucket that is never empty.
pub fn bucket(what: &str, limit: Option<Limit>) -> Result<BucketSpec, Refusal> {
    let Some(Limit { rate, burst }) = limit else { return Ok(BucketSpec::default()) };
    BucketSpec::new(rate, burst).ok_or_else(|| {
        Refusal::Invalid(format!(
            "{what} {rate}/s burst {burst}: a rate is 1 to {} per second, and a burst at least 1 and no more than {} \
             seconds of the rate",
            BucketSpec::MAX_RATE,
            BucketSpec::MAX_DRAIN_SECONDS
        ))
    })
}

/// The policy with these limits in place of its own, wherever a service has not been given others.
pub fn with_limits(policy: &Policy, limits: Limits) -> Policy {
    let mut changed = policy.clone();
    let Some(first) = policy.services.first() else { return changed };
    for (name, limit) in [(defaults::SOURCE_PACKETS, limits.packets), (defaults::SOURCE_SYN, limits.syn)] {
        let old = first.rules.iter().find(|rule| rule.name == name);
        let like = old.cloned().or_else(|| defaults::rules().into_iter().find(|rule| rule.name == name));
        let new = limit.zip(like).map(|(Limit { rate, burst }, rule)| {
            let limited = Rule { rate: Rate { rate, burst }, ..rule.clone() };
            // A limit that is as it was is nothing that was said.
            if limited == rule && old.is_some() { limited } else { limited.named_by_operator(None) }
        });
        for service in &mut changed.services {
            let place = service.rules.iter().position(|rule| rule.name == name);
            match (place, &new) {
                // A rule of the service's own.
                (Some(place), _) if service.rules.get(place) != old => {}
                (Some(place), Some(new)) => service.rules[place] = new.clone(),
                (Some(place), None) => drop(service.rules.remove(place)),
                (None, Some(new)) if old.is_none() => service.rules.insert(0, new.clone()),
                (None, _) => {}
            }
        }
    }
    changed
}

impl Filter {
    /// The limits in force.
    pub fn limits(&self) -> Limits {
        limits_of(&self.regime.lock().policy())
    }

    /// Which of them only count.
    pub fn limits_that_only_count(&self) -> Vec<String> {
        let policy = self.regime.lock().policy_as_it_holds();
        let named = [(defaults::SOURCE_PACKETS, "packets"), (defaults::SOURCE_SYN, "syn")];
        let rules = policy.services.first().map_or(&[][..], |service| &service.rules);
        let counts = |name: &str| rules.iter().any(|rule| rule.name == name && rule.monitor);
        named.into_iter().filter(|(rule, _)| counts(rule)).map(|(_, what)| what.to_owned()).collect()
    }

    /// Changes limits; they hold from the next packet on.
    pub fn set_limits(&self, change: LimitChange) -> Result<Limits, Refusal> {
        self.transact(SetLimits { change, limits: Limits::default() })
    }
}

/// Changes limits.
struct SetLimits {
    change: LimitChange,
    /// Those that hold then.
    limits: Limits,
}

impl Transaction for SetLimits {
    type Outcome = Limits;

    fn take(&mut self, filter: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        let old = filter.limits();
        let LimitChange { packets, syn } = &self.change;
        let limits = Limits { packets: packets.unwrap_or(old.packets), syn: syn.unwrap_or(old.syn) };
        for (what, limit) in [("packets", limits.packets), ("syn", limits.syn)] {
            bucket(what, limit)?;
        }
        self.limits = limits;
        Ok(vec![Change::Limit { limits }])
    }

    fn enforce(&mut self, filter: &Filter) -> Result<(), Refusal> {
        filter.regime.lock().limit(&filter.tables, self.limits)
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) -> Limits {
        self.limits
    }
}
