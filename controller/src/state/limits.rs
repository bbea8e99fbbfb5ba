//! Limits per source that hold whichever service packets are for, as the two rates that everybody changes first; and
//! their way into force.

use super::{filter::Filter, ledger::Transaction, refusal::Refusal};
use crate::{
    api::{Limit, LimitChange, Limits},
    policy::{self, Rate, bucket, defaults, limits_of},
    records::Change,
    store::Store,
};

fn as_told(policy::Limits { packets, syn }: policy::Limits) -> Limits {
    let limit = |rate: Option<Rate>| rate.map(|Rate { rate, burst }| Limit { rate, burst });
    Limits { packets: limit(packets), syn: limit(syn) }
}

impl Filter {
    /// The limits in force.
    pub fn limits(&self) -> Limits {
        as_told(limits_of(&self.regime.lock().policy()))
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
        self.transact(SetLimits { change, limits: policy::Limits::default() })
    }
}

/// Changes limits.
struct SetLimits {
    change: LimitChange,
    /// Those that hold then.
    limits: policy::Limits,
}

impl Transaction for SetLimits {
    type Outcome = Limits;

    fn take(&mut self, filter: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        let old = limits_of(&filter.regime.lock().policy());
        let wanted = |limit: Option<Option<Limit>>| {
            limit.map(|limit| limit.map(|Limit { rate, burst }| Rate { rate, burst }))
        };
        let LimitChange { packets, syn } = self.change;
        let limits = policy::Limits {
            packets: wanted(packets).unwrap_or(old.packets),
            syn: wanted(syn).unwrap_or(old.syn),
        };
        for (what, limit) in [("packets", limits.packets), ("syn", limits.syn)] {
            bucket(what, limit).map_err(Refusal::Invalid)?;
        }
        self.limits = limits;
        Ok(vec![Change::Limit { limits }])
    }

    fn enforce(&mut self, filter: &Filter) -> Result<(), Refusal> {
        filter.regime.lock().limit(&filter.tables, self.limits)
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) -> Limits {
        as_told(self.limits)
    }
}
