//! Limits per source: defaults, and what the tables can hold.

use floodwall_common::wire::BucketSpec;

use super::filter::Refusal;
use crate::api::{Limit, Limits};

/// The limits of a fresh install.
///
/// Packets: a browser that downloads at 1 Gbit/s acknowledges some 20,000 times a second with offloads off; an
/// address behind which more is sent, for longer than a burst, is no client of an ordinary service. SYN: a
/// page opens some dozens of connections, a busy NAT a hundred a second.
pub const DEFAULT_LIMITS: Limits = Limits {
    packets: Some(Limit { rate: 20_000, burst: 40_000 }),
    syn: Some(Limit { rate: 100, burst: 400 }),
};

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
