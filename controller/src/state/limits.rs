//! Limits per source: defaults, what the tables can hold, and their way into force.

use floodwall_common::wire::BucketSpec;

use super::{change::Change, filter::Filter, refusal::Refusal};
use crate::api::{Limit, LimitChange, Limits};

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

impl Filter {
    /// The limits in force.
    pub fn limits(&self) -> Limits {
        self.books.lock().records.limits().unwrap_or(self.default_limits)
    }

    /// Changes limits; they hold from the next packet on.
    pub fn set_limits(&self, change: LimitChange) -> Result<Limits, Refusal> {
        let mut books = self.books.lock();
        let old = books.records.limits().unwrap_or(self.default_limits);
        let limits =
            Limits { packets: change.packets.unwrap_or(old.packets), syn: change.syn.unwrap_or(old.syn) };
        self.enforce_limits(limits)?;
        if let Err(error) = books.keep(&[Change::Limit { limits }]) {
            self.enforce_limits(old)?;
            return Err(error.into());
        }
        Ok(limits)
    }

    pub(super) fn enforce_limits(&self, Limits { packets, syn }: Limits) -> Result<(), Refusal> {
        let checked = |what, limit: Option<Limit>| bucket(what, limit);
        let (packets, syn) = (checked("packets", packets)?, checked("syn", syn)?);
        let settings = &self.tables.settings[0];
        settings.packet_bucket.store(packets.pack());
        settings.syn_bucket.store(syn.pack());
        Ok(())
    }
}
