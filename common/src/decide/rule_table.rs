//! Rules of services: rates beyond those that hold for every source.

use crate::{
    bucket,
    parse::Packet,
    prefix::{Address, Family},
    source::{self, Charge, Key},
    tables::{AGGREGATE_SETS, Tables},
    wire::{BucketSpec, Per, Rule, Settings, Terms, WAYS, Way, standing},
};

/// Where a rule counts a packet: a way of the source table, or of the table of source prefixes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Number of the set.
    pub set: u32,
    /// Number of the way.
    pub way: u32,
}

/// Finds where rule `number` counts a packet of the source `key`, and counts it there. `None` if the tables could not
/// be reached.
#[inline(always)]
pub(super) fn place<T: Tables>(
    tables: &T,
    settings: &Settings,
    number: u32,
    packet: &Packet,
    key: Key,
    now_ns: u64,
) -> Option<Place> {
    let terms = Terms::unpack(tables.rule(number)?.terms.load());
    let (set_number, key) = match terms.per {
        Per::Service => return Some(Place::default()),
        Per::Source => {
            let key = key.under(number);
            (key.set(settings, settings.source_mask.load()), key)
        }
        Per::Prefix => {
            let key = prefix(settings, packet.source, &terms).under(number);
            (key.set(settings, u64::from(AGGREGATE_SETS - 1)), key)
        }
    };
    let set = match terms.per {
        Per::Prefix => tables.aggregate_set(set_number)?,
        _ => tables.source_set(set_number)?,
    };
    let (way_number, was_there) = source::visit_number(set, key, standing::PART, now_ns);
    let cost = Charge { bytes: packet.length, syn: false };
    source::count(&set.ways[way_number as usize % WAYS], cost, !was_there);
    Some(Place { set: set_number, way: way_number })
}

/// Takes what a packet costs from the bucket at a place; says whether there was enough. `None` if the tables could not
/// be reached.
#[inline(always)]
pub(super) fn take<T: Tables>(
    tables: &T,
    rule: &Rule,
    place: Place,
    packet: &Packet,
    now_ns: u64,
) -> Option<bool> {
    let spec = BucketSpec::unpack(rule.bucket.load());
    let terms = Terms::unpack(rule.terms.load());
    let cost = if terms.bytes {
        ((u64::from(packet.length) * u64::from(spec.increment)) >> Terms::BYTE_SHIFT) as u32
    } else {
        spec.increment
    };
    let set = match terms.per {
        Per::Service => return Some(bucket::take_long(&rule.full_at, spec, cost, now_ns)),
        Per::Source => tables.source_set(place.set)?,
        Per::Prefix => tables.aggregate_set(place.set)?,
    };
    let way: &Way = &set.ways[place.way as usize % WAYS];
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
