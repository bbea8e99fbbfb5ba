//! Rules of services: rates beyond those that hold for every source.

use crate::{
    bucket,
    parse::Packet,
    prefix::{Address, Family},
    source::{self, Charge, Key},
    tables::{AGGREGATE_SETS, Tables},
    wire::{BucketSpec, Per, Rule, Settings, Terms, standing},
};

/// Takes what a packet of the source `key` costs from the bucket that rule `number` counts it in; says whether there
/// was enough. `None` if the tables could not be reached.
#[inline(always)]
pub fn take<T: Tables>(
    tables: &T,
    settings: &Settings,
    number: u32,
    rule: &Rule,
    packet: &Packet,
    key: Key,
    now_ns: u64,
) -> Option<bool> {
    let spec = BucketSpec::unpack(rule.bucket.load());
    let terms = Terms::unpack(rule.terms.load());
    let cost = if terms.bytes {
        (u64::from(packet.length) * u64::from(spec.increment) >> Terms::BYTE_SHIFT) as u32
    } else {
        spec.increment
    };
    let set = match terms.per {
        Per::Service => return Some(bucket::take_long(&rule.full_at, spec, cost, now_ns)),
        Per::Source => source::set_of(tables, settings, key.under(number))?,
        Per::Prefix => {
            let key = prefix(settings, packet.source, &terms).under(number);
            tables.aggregate_set(key.set(settings, u64::from(AGGREGATE_SETS - 1)))?
        }
    };
    let key = match terms.per {
        Per::Prefix => prefix(settings, packet.source, &terms),
        _ => key,
    };
    let (way, _) = source::visit(set, key.under(number), standing::PART, now_ns);
    source::count(way, Charge { bytes: packet.length, syn: false });
    Some(bucket::take(&way.buckets, spec, cost, now_ns))
}

/// The key of the prefix that a rule counts an address in.
#[inline(always)]
fn prefix(settings: &Settings, address: Address, terms: &Terms) -> Key {
    let length = match address.family {
        Family::V4 => terms.v4_length,
        Family::V6 => terms.v6_length,
    };
    // A prefix of length 0 would want a shift by 64; it is all sources, which is what one of length 1 nearly is.
    let host_bits = 64 - u32::from(length.clamp(1, 64));
    Key::of(settings, Address { high: address.high >> host_bits << host_bits, ..address })
}
