//! Limits per source that hold whichever service packets are for, as the two rates that everybody changes first.

use floodwall_common::wire::BucketSpec;
use serde::{Deserialize, Serialize};

use super::{
    defaults,
    model::{DEFAULT_SERVICE, Policy, RuleId},
    overrides::Override,
    rule::{Per, Rate, RuleMode},
    subject::Subject,
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

/// The limits in a policy: those of the default service.
pub fn limits_of(policy: &Policy) -> Limits {
    let limit = |of| Some(policy.service(DEFAULT_SERVICE)?.rule_about(Per::Source, of)?.rate);
    Limits { packets: limit(Subject::PACKETS), syn: limit(Subject::SYN) }
}

/// Whether a rule is one of the default service that holds for every service which has not been given another.
pub(crate) fn is_shared(id: &RuleId) -> bool {
    id.service == DEFAULT_SERVICE
        && [defaults::SOURCE_PACKETS, defaults::SOURCE_SYN].contains(&id.rule.as_str())
}

impl Limits {
    /// The same in words about rules, as versions before this one have kept them.
    pub fn as_said(self) -> [(RuleId, Override); 2] {
        let Self { packets, syn } = self;
        [(defaults::SOURCE_PACKETS, Subject::PACKETS, packets), (defaults::SOURCE_SYN, Subject::SYN, syn)]
            .map(|(name, of, rate)| {
                let mode = if rate.is_none() { Some(RuleMode::Off) } else { None };
                (
                    RuleId::new(DEFAULT_SERVICE, name),
                    Override { per: Per::Source, of, rate, then: None, mode },
                )
            })
    }
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
