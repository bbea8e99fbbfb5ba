//! Limits per source that hold whichever service packets are for, as the two rates that everybody changes first.

use floodwall_common::wire::BucketSpec;
use serde::{Deserialize, Serialize};

use super::{
    defaults,
    model::Policy,
    rule::{Rate, Rule},
};

/// The limits of every source; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Packets/s.
    pub packets: Option<Rate>,
    /// TCP connection requests/s.
    pub syn: Option<Rate>,
}

/// The limits in a policy.
pub fn limits_of(policy: &Policy) -> Limits {
    let rules = policy.services.first().map_or(&[][..], |service| &service.rules);
    let limit = |name: &str| Some(rules.iter().find(|rule| rule.name == name)?.rate);
    Limits { packets: limit(defaults::SOURCE_PACKETS), syn: limit(defaults::SOURCE_SYN) }
}

/// The token bucket for a limit; no limit is a bucket that is never empty.
pub fn bucket(what: &str, limit: Option<Rate>) -> Result<BucketSpec, String> {
    let Some(Rate { rate, burst }) = limit else { return Ok(BucketSpec::default()) };
    BucketSpec::new(rate, burst).ok_or_else(|| {
        format!(
            "{what} {rate}/s burst {burst}: a rate is 1 to {} per second, and a burst at least 1 and no more than {} \
             seconds of the rate",
            BucketSpec::MAX_RATE,
            BucketSpec::MAX_DRAIN_SECONDS
        )
    })
}

/// The policy with these limits in place of its own, wherever a service has not been given others.
pub fn with_limits(policy: &Policy, limits: Limits) -> Policy {
    let mut changed = policy.clone();
    let Some(first) = policy.services.first() else { return changed };
    for (name, limit) in [(defaults::SOURCE_PACKETS, limits.packets), (defaults::SOURCE_SYN, limits.syn)] {
        let old = first.rules.iter().find(|rule| rule.name == name);
        let like = old.cloned().or_else(|| defaults::rules().into_iter().find(|rule| rule.name == name));
        let new = limit.zip(like).map(|(rate, rule)| {
            let limited = Rule { rate, ..rule.clone() };
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
