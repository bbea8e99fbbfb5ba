//! Which packets the controller gets to see.
//!
//! One in so many of a service's packets, dropped ones included, within a budget for each CPU that holds whatever
//! comes.

use crate::{
    tables::Tables,
    wire::{ServiceCounter, Settings},
};

/// Samples that may be taken at once after a quiet time.
const BURST: u64 = 32;

/// Whether this packet is to be sampled. `None` if the tables could not be reached.
#[inline(always)]
pub(super) fn is_due<T: Tables>(
    tables: &T,
    settings: &Settings,
    service: u32,
    counter: &ServiceCounter,
    now_ns: u64,
) -> Option<bool> {
    let left = counter.until_sample.load();
    if left > 1 {
        counter.until_sample.store(left - 1);
        return Some(false);
    }
    let every = tables.service(service)?.sample_every.load();
    counter.until_sample.store(every);
    let interval = settings.sample_interval.load();
    if every == 0 || interval == 0 {
        return Some(false);
    }
    let full_at = tables.sample_meter()?;
    let at = full_at.load();
    let at = if at > now_ns { at } else { now_ns };
    if at > now_ns + BURST * interval {
        return Some(false);
    }
    full_at.store(at + interval);
    counter.samples.add_local(1);
    Some(true)
}
