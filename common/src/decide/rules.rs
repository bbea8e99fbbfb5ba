//! Is the packet within the rules of its service: rates beyond those that hold for every source?

use super::{CONTINUE, OutOfLine, PacketContext, Step, bans, found};
use crate::{
    bucket,
    parse::Packet,
    prefix::{Address, Family},
    source::{self, Charge, Key},
    tables::{AGGREGATE_SETS, Tables},
    traits::Traits,
    wire::{
        BucketSpec, Per, RULES_PER_SERVICE, Reason, Rule, Service, Settings, Terms, Then, WAYS, Way, standing,
    },
};

/// Where a rule counts a packet: a way of the source table, or of the table of source prefixes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Number of the set.
    pub set: u32,
    /// Number of the way.
    pub way: u32,
}

/// Holds the packet against the rules of its service, in their order, up to the first that decides.
#[inline(always)]
pub(super) fn judge<T: Tables, O: OutOfLine>(
    tables: &T,
    parts: &O,
    context: &mut PacketContext,
    service: &Service,
) -> Step {
    if !context.traits.meets(Traits::from_bits(service.traits.load() as u32)) {
        return CONTINUE;
    }
    let rules = service.rules.load();
    for position in 0..RULES_PER_SERVICE {
        let number = (rules >> (8 * position)) as u32 & 0xff;
        if number == 0 {
            break;
        }
        let rule = found(tables.rule(number - 1))?;
        if concerns(rule, context) {
            parts.place_rule(context, number - 1)?;
            parts.apply_rule(context, number - 1)?;
        }
    }
    CONTINUE
}

/// Whether a rule is about such packets.
#[inline(always)]
fn concerns(rule: &Rule, context: &PacketContext) -> bool {
    let terms = Terms::unpack(rule.terms.load());
    context.traits.meets(Traits::from_bits(terms.traits)) && !(terms.strangers && context.known)
}

/// Finds where rule `number`, which is about such packets, counts the packet, and counts it there.
#[inline(always)]
pub fn place<T: Tables>(tables: &T, settings: &Settings, context: &mut PacketContext, number: u32) -> Step {
    let PacketContext { packet, key, time_ns: now_ns, .. } = context;
    let terms = Terms::unpack(found(tables.rule(number))?.terms.load());
    let (set_number, key) = match terms.per {
        Per::Service => {
            context.place = Place::default();
            return CONTINUE;
        }
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
        Per::Prefix => found(tables.aggregate_set(set_number))?,
        _ => found(tables.source_set(set_number))?,
    };
    let (way_number, was_there) = source::visit_number(set, key, standing::PART, *now_ns);
    let cost = Charge { bytes: packet.length, syn: false };
    source::count(&set.ways[way_number as usize % WAYS], cost, !was_there);
    context.place = Place { set: set_number, way: way_number };
    CONTINUE
}

/// Charges the packet to rule `number`, which is about such packets, where [`place`] has found that it counts it;
/// objects if the packet is over the rule's rate.
#[inline(always)]
pub fn apply<T: Tables>(tables: &T, settings: &Settings, context: &mut PacketContext, number: u32) -> Step {
    let PacketContext { packet, judgement, place, time_ns: now_ns, .. } = context;
    let rule = found(tables.rule(number))?;
    let terms = Terms::unpack(rule.terms.load());
    if is_within(tables, rule, *place, packet, *now_ns)? {
        return CONTINUE;
    }
    let counter = found(tables.rule_counter(number))?;
    counter.packets.add_local(1);
    counter.bytes.add_local(u64::from(packet.length));
    let reason = match terms.per {
        Per::Source => Reason::SourceRate,
        Per::Prefix => Reason::PrefixRate,
        Per::Service => Reason::ServiceRate,
    };
    if terms.monitor || terms.then as u8 == Then::Alert as u8 {
        judgement.would(reason, number);
        return CONTINUE;
    }
    let step = judgement.object(settings, reason, number);
    if step.is_break() && terms.then as u8 == Then::Ban as u8 {
        let ban_ns = rule.ban.load();
        if reason as u32 != Reason::SourceRate as u32 {
            bans::request(context, ban_ns);
        } else if let Some(way) = source::way_of(tables, settings, context.key) {
            bans::impose(context, way, ban_ns);
        }
    }
    step
}

/// Takes what a packet costs from the bucket at a place; says whether there was enough.
#[inline(always)]
fn is_within<T: Tables>(tables: &T, rule: &Rule, place: Place, packet: &Packet, now_ns: u64) -> Step<bool> {
    let spec = BucketSpec::unpack(rule.bucket.load());
    let terms = Terms::unpack(rule.terms.load());
    let cost = if terms.bytes {
        ((u64::from(packet.length) * u64::from(spec.increment)) >> Terms::BYTE_SHIFT) as u32
    } else {
        spec.increment
    };
    let set = match terms.per {
        Per::Service => return Step::Continue(bucket::take_long(&rule.full_at, spec, cost, now_ns)),
        Per::Source => found(tables.source_set(place.set))?,
        Per::Prefix => found(tables.aggregate_set(place.set))?,
    };
    let way: &Way = &set.ways[place.way as usize % WAYS];
    Step::Continue(bucket::take(&way.buckets, spec, cost, now_ns))
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
