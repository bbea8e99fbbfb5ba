//! Is the packet within the rules of its service: rates beyond those that hold for every source?

use super::{CONTINUE, End, OutOfLine, PacketContext, Step, bans, found};
use crate::{
    parse::Packet,
    prefix::{Address, Family},
    source::{self, Key},
    tables::{AGGREGATE_SETS, Tables},
    token_bucket,
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
    settings: &Settings,
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
        if concerns(settings, rule, context) {
            parts.place_rule(context, number - 1)?;
            // Of the answer, only a fault counts here: what it says stands in the context, for the function that asks next.
            let bans = Terms::unpack(rule.terms.load()).then as u8 == Then::Ban as u8;
            if bans && parts.charge_offence(context, number - 1) == Step::Break(End::Fault) {
                return Step::Break(End::Fault);
            }
            parts.apply_rule(context, number - 1)?;
        }
    }
    CONTINUE
}

/// Whether a rule is about such packets. What answers somebody here may come as often as what a known source sends.
#[inline(always)]
fn concerns(settings: &Settings, rule: &Rule, context: &PacketContext) -> bool {
    let terms = Terms::unpack(rule.terms.load());
    context.traits.meets(Traits::from_bits(terms.traits))
        && !terms.spares.spares(context.known, context.is_trusted(settings) | context.judgement.answers)
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
    source::count(&set.ways[way_number as usize % WAYS], packet.length, !was_there);
    context.place = Place { set: set_number, way: way_number };
    CONTINUE
}

/// Charges the packet to rule `number`, which is about such packets, where [`place`] has found that it counts it;
/// objects if the packet is over the rule's rate.
#[inline(always)]
pub fn apply<T: Tables>(tables: &T, settings: &Settings, context: &mut PacketContext, number: u32) -> Step {
    let PacketContext { packet, place, time_ns: now_ns, .. } = &*context;
    let rule = found(tables.rule(number))?;
    let terms = Terms::unpack(rule.terms.load());
    let cost = cost(&terms, BucketSpec::unpack(rule.bucket.load()), packet, context.dither());
    let is_within = is_within(tables, rule, *place, cost, *now_ns)?;
    if is_within {
        return CONTINUE;
    }
    let counter = found(tables.rule_counter(number))?;
    counter.packets.add_local(1);
    counter.bytes.add_local(u64::from(context.packet.length));
    let reason = match terms.per {
        Per::Source => Reason::SourceRate,
        Per::Prefix => Reason::PrefixRate,
        Per::Service => Reason::ServiceRate,
    };
    let only_counts = terms.monitor || terms.lapses && settings.lapsed(context.time_ns);
    if only_counts || terms.then as u8 == Then::Alert as u8 {
        context.judgement.would(reason, number);
        return CONTINUE;
    }
    let step = context.object(settings, reason, number);
    if step.is_break() && terms.then as u8 == Then::Ban as u8 && context.offends {
        let ban_ns = rule.ban.load();
        if reason as u32 != Reason::SourceRate as u32 {
            bans::request(context, ban_ns);
        } else if let Some(way) = source::way_of(tables, settings, context.key) {
            bans::impose(context, way, ban_ns);
        }
    }
    step
}

/// Takes so much from the bucket at a place; says whether there was enough.
#[inline(always)]
fn is_within<T: Tables>(tables: &T, rule: &Rule, place: Place, cost: u32, now_ns: u64) -> Step<bool> {
    let spec = BucketSpec::unpack(rule.bucket.load());
    let terms = Terms::unpack(rule.terms.load());
    let set = match terms.per {
        Per::Service => return Step::Continue(token_bucket::take_long(&rule.full_at, spec, cost, now_ns)),
        Per::Source => found(tables.source_set(place.set))?,
        Per::Prefix => found(tables.aggregate_set(place.set))?,
    };
    let way: &Way = &set.ways[place.way as usize % WAYS];
    Step::Continue(token_bucket::take(&way.buckets, spec, cost, now_ns))
}

/// What a packet costs by a rule, in units of its bucket. Fractions of one are rounded up as often as they say, by a number below
/// 2¹⁶ that is another one each time.
#[inline(always)]
pub(super) fn cost(terms: &Terms, spec: BucketSpec, packet: &Packet, dither: u32) -> u32 {
    if terms.bytes {
        let fine = u64::from(packet.length) * u64::from(spec.increment);
        ((fine + u64::from(dither)) >> Terms::BYTE_SHIFT) as u32
    } else {
        spec.cost(dither)
    }
}

/// The key of the prefix that a rule counts an address in.
#[inline(always)]
pub(super) fn prefix(settings: &Settings, address: Address, terms: &Terms) -> Key {
    let length = match address.family {
        Family::V4 => terms.v4_length,
        Family::V6 => terms.v6_length,
    };
    // A prefix of length 0 would want a shift by 64; it is all sources, which is what one of length 1 nearly is.
    let host_bits = 64 - u32::from(length.clamp(1, 64));
    Key::of(settings, Address { high: address.high >> host_bits << host_bits, ..address })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::testing::{
            Memory, NOW, SECOND, SOURCE, SOURCE6, bucket, counted, limit_per_source, syn, udp,
        },
        decide::{DECIDED, Direct, End},
        frame::Captured,
        wire::{Port, Spares},
    };

    const TERMS: Terms = limit_per_source(Traits::SYN.bits());

    fn judged(memory: &Memory, packet: Packet) -> (Step, PacketContext) {
        let (mut context, _) = memory.entered(packet);
        let step = judge_context(memory, &mut context);
        (step, context)
    }

    fn judge_context(memory: &Memory, context: &mut PacketContext) -> Step {
        let frame = Captured::whole(&[]);
        judge(memory, memory.set(), &Direct(memory, &frame), context, &memory.services[0])
    }

    fn from(source: Address) -> Packet {
        Packet { source, ..syn() }
    }

    /// Another one of the same prefix, and one of another.
    fn near_and_far(address: Address) -> [Address; 2] {
        let bit = if address == SOURCE { 1 << 32 } else { 1 << 10 };
        [Address { high: address.high ^ bit, ..address }, Address { high: address.high ^ 1 << 45, ..address }]
    }

    #[test]
    fn a_rule_counts_per_source_prefix_or_service() {
        for (per, reason, near, far) in [
            (Per::Source, Reason::SourceRate, CONTINUE, CONTINUE),
            (Per::Prefix, Reason::PrefixRate, DECIDED, CONTINUE),
            (Per::Service, Reason::ServiceRate, DECIDED, DECIDED),
        ] {
            for source in [SOURCE, SOURCE6] {
                let memory = Memory::new();
                memory.rule(bucket(1, 2), Terms { per, ..TERMS });
                let first = [(); 2].map(|()| judged(&memory, from(source)).0);
                assert_eq!(first, [CONTINUE; 2], "the burst, per {per:?}");
                let (step, context) = judged(&memory, from(source));
                assert_eq!((step, context.reason(), context.judgement.number), (DECIDED, reason, 0));
                assert_eq!(counted(&memory.rule_counters[0]), (1, 60));
                let [beside, elsewhere] = near_and_far(source);
                assert_eq!(judged(&memory, from(beside)).0, near, "per {per:?}");
                assert_eq!(judged(&memory, from(elsewhere)).0, far, "per {per:?}");
            }
        }
    }

    #[test]
    fn a_rule_is_about_some_packets_and_may_spare_the_known() {
        let memory = Memory::new();
        let known = |memory: &Memory| {
            let (mut context, _) = memory.entered(syn());
            context.known = true;
            judge_context(memory, &mut context)
        };
        for (spares, in_peace, attacked) in [
            (Spares::Nobody, DECIDED, DECIDED),
            (Spares::KnownInPeace, CONTINUE, DECIDED),
            (Spares::Known, CONTINUE, CONTINUE),
        ] {
            memory.rule(bucket(1, 1), Terms { spares, ..TERMS });
            memory.set().attacked.store(0);
            let (mut context, source) = memory.entered(syn());
            source.way.buckets.store(0);
            let _ = judge_context(&memory, &mut context);
            assert_eq!(judged(&memory, syn()).0, DECIDED, "a new source, {spares:?}");
            assert_eq!(judged(&memory, udp()).0, CONTINUE);
            assert_eq!(known(&memory), in_peace, "{spares:?}");
            memory.set().attacked.store(1);
            assert_eq!(known(&memory), attacked, "{spares:?}");
        }
    }

    #[test]
    fn rules_are_asked_in_their_order() {
        let decides = |rules| {
            let memory = Memory::new();
            for number in [0, 6] {
                memory.rules[number].bucket.store(bucket(1, 1).pack());
                memory.rules[number].terms.store(TERMS.pack());
            }
            memory.services[0].rules.store(rules);
            memory.services[0].traits.store(u64::from(TERMS.traits));
            assert_eq!(judged(&memory, syn()).0, CONTINUE);
            judged(&memory, syn()).1.judgement.number
        };
        assert_eq!(decides(0x0107), 6);
        assert_eq!(decides(0x0701), 0);
        assert_eq!(decides(0x07_00_01), 0, "0 ends the list");
    }

    #[test]
    fn bytes_are_counted_where_a_rule_says_so() {
        let memory = Memory::new();
        let bytes = Terms::byte_bucket(1_000, 120).unwrap();
        memory.rule(bytes, Terms { bytes: true, per: Per::Service, ..TERMS });
        let steps = [(); 4].map(|()| judged(&memory, syn()).0);
        assert_eq!(steps, [CONTINUE, CONTINUE, CONTINUE, DECIDED], "60 bytes each; the last may go beyond");
    }

    #[test]
    fn some_only_alert_or_observe() {
        let alerts = Terms { then: Then::Alert, ..TERMS };
        let observes = Terms { monitor: true, then: Then::Ban, ..TERMS };
        for terms in [alerts, observes] {
            let memory = Memory::new();
            memory.rule(bucket(1, 1), terms).ban.store(SECOND);
            assert_eq!(judged(&memory, syn()).0, CONTINUE);
            let (step, context) = judged(&memory, syn());
            assert_eq!((step, context.judgement.would), (CONTINUE, Reason::SourceRate));
            assert_eq!((context.judgement.would_number, context.judgement.banned_until), (0, 0));
            assert_eq!(counted(&memory.rule_counters[0]), (1, 60));
        }
    }

    #[test]
    fn a_source_is_banned_and_the_controller_is_asked_to_ban_others() {
        for (per, banned) in [(Per::Source, true), (Per::Prefix, false), (Per::Service, false)] {
            let memory = Memory::new();
            memory.rule(bucket(1, 1), Terms { per, then: Then::Ban, ..TERMS }).ban.store(10 * SECOND);
            memory.prove(syn());
            assert_eq!(judged(&memory, syn()).1.judgement.banned_until, 0);
            let (step, context) = judged(&memory, syn());
            assert_eq!((step, context.judgement.banned_until), (DECIDED, NOW + 10 * SECOND));
            let source = memory.entered(syn()).1;
            assert_eq!(source::is_banned(source.way, NOW), banned, "per {per:?}");
        }
    }

    #[test]
    fn rules_of_another_service_are_not_asked() {
        let mut memory = Memory::new();
        memory.rule(bucket(1, 1), TERMS);
        memory.assign(crate::parse::protocol::TCP, 80, Port { service: 1, offered: false, carried: false });
        let frame = Captured::whole(&[]);
        for _ in 0..3 {
            let (mut context, _) = memory.entered(syn());
            let service = &memory.services[context.judgement.service as usize];
            assert_eq!(
                judge(&memory, memory.set(), &Direct(&memory, &frame), &mut context, service),
                CONTINUE
            );
        }
    }

    #[test]
    fn a_rule_that_is_not_there_is_a_fault() {
        let memory = Memory { rules: Vec::new(), ..Memory::new() };
        memory.services[0].rules.store(1);
        memory.services[0].traits.store(1);
        assert_eq!(judged(&memory, syn()).0, Step::Break(End::Fault));
    }
}
