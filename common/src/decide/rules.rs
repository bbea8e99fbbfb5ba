//! Is the packet within the rates of its service's rules?

use super::{PacketContext, rule_table};
use crate::{
    source,
    tables::Tables,
    traits::Traits,
    wire::{Per, Reason, Settings, Terms, Then},
};

/// Whether rule `number` is about such packets.
#[inline(always)]
pub fn concerns<T: Tables>(tables: &T, context: &PacketContext, number: u32) -> Option<bool> {
    let terms = Terms::unpack(tables.rule(number)?.terms.load());
    Some(context.traits.meets(Traits::from_bits(terms.traits)) && !(terms.strangers && context.known))
}

/// Finds where rule `number`, which is about such packets, counts the packet.
#[inline(always)]
pub fn place<T: Tables>(
    tables: &T,
    settings: &Settings,
    context: &mut PacketContext,
    number: u32,
) -> Option<()> {
    context.place =
        rule_table::place(tables, settings, number, &context.packet, context.key, context.time_ns)?;
    Some(())
}

/// Says whether rule `number`, which is about such packets, has decided.
#[inline(always)]
pub fn judge<T: Tables>(
    tables: &T,
    settings: &Settings,
    context: &mut PacketContext,
    number: u32,
) -> Option<bool> {
    let PacketContext { packet, judgement, key, place, time_ns: now_ns, .. } = context;
    let rule = tables.rule(number)?;
    let terms = Terms::unpack(rule.terms.load());
    if rule_table::take(tables, rule, *place, packet, *now_ns)? {
        return Some(false);
    }
    let counter = tables.rule_counter(number)?;
    counter.packets.add_local(1);
    counter.bytes.add_local(u64::from(packet.length));
    let reason = match terms.per {
        Per::Source => Reason::SourceRate,
        Per::Prefix => Reason::PrefixRate,
        Per::Service => Reason::ServiceRate,
    };
    if terms.monitor || terms.then as u8 == Then::Alert as u8 {
        judgement.would(reason, number);
        return Some(false);
    }
    if !judgement.object(settings, reason, number) {
        return Some(false);
    }
    let ban_ns = rule.ban.load();
    if terms.then as u8 == Then::Ban as u8 && ban_ns != 0 {
        let until_ns = *now_ns + ban_ns;
        // A prefix is not banned here: the controller is told, and lists it.
        let banned = reason as u32 != Reason::SourceRate as u32
            || source::way_of(tables, settings, *key).is_some_and(|way| source::ban(way, until_ns));
        if banned {
            judgement.banned_until = until_ns;
        }
    }
    Some(true)
}
