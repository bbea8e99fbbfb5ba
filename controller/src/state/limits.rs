//! Limits per source: defaults, what the tables can hold, and their way into force.

use floodwall_common::{tables::Tables as _, wire::BucketSpec};

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

/// Attempts to move a bucket that packets are changing at the same moment.
const CARRY_ATTEMPTS: u32 = 4;

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
        let words = [(&settings.packet_bucket, packets), (&settings.syn_bucket, syn)];
        let old = words.map(|(word, _)| BucketSpec::unpack(word.load()));
        let new = words.map(|(_, bucket)| bucket);
        if old != new {
            words.iter().for_each(|(word, bucket)| word.store(bucket.pack()));
            self.carry_over(old, new);
        }
        Ok(())
    }

    /// Sees to it that what each source has used up counts as many packets as before.
    ///
    /// Buckets are kept as times ([`floodwall_common::source`]), in which a packet of the old limit is not as long
    /// as one of the new: without this, a source that had sent a little might owe all of the new burst.
    fn carry_over(&self, old: [BucketSpec; 2], new: [BucketSpec; 2]) {
        let now = match self.tables.settings[0].clock.load() {
            0 => self.tables.clock(),
            told => told,
        };
        let now = (now >> BucketSpec::UNIT_SHIFT) as u32;
        let moved = |buckets: u64| {
            let packets = scaled(buckets as u32, old[0], new[0], now);
            let syns = scaled((buckets >> 32) as u32, old[1], new[1], now);
            u64::from(packets) | u64::from(syns) << 32
        };
        for way in self.tables.sources.iter().flat_map(|set| &set.ways) {
            // One that packets keep changing meanwhile is charged by the new limit already.
            for _ in 0..CARRY_ATTEMPTS {
                let buckets = way.buckets.load();
                if way.identity.load() == 0 || way.buckets.replace(buckets, moved(buckets)) {
                    break;
                }
            }
        }
    }
}

/// The time of a bucket from which as many packets are taken of the `new` limit as were of the `old` one.
fn scaled(full_at: u32, old: BucketSpec, new: BucketSpec, now: u32) -> u32 {
    if old == new || old.increment == 0 || new.increment == 0 {
        return full_at;
    }
    let ahead =
        full_at.wrapping_sub(now).cast_signed().max(0).cast_unsigned().min(old.tolerance + old.increment);
    let ahead = u64::from(ahead) * u64::from(new.increment) / u64::from(old.increment);
    // The lesser of the two fits, as one of them does.
    now.wrapping_add(ahead.min(u64::from(new.tolerance + new.increment)) as u32)
}
