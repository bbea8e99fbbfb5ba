//! Is the source over a limit with what it has really sent? Only then may it be banned for it.
//!
//! Whose address a packet names is no proof of who has sent it, and a ban outlasts the packet. So each limit that bans has a
//! second bucket of the same rate and burst, in a way of the source table of its own, which only packets are charged to that
//! nobody else can have sent: segments of connections in which both ends speak, and requests for connections of sources
//! that complete what they ask for. Datagrams, pings and the like prove nothing. What is over the limit is dropped, whoever
//! has sent it; who is over it with these alone is banned.

use super::{CONTINUE, DECIDED, End, OutOfLine, PacketContext, Step, found, rules};
use crate::{
    branchless::nonzero,
    flow, source,
    tables::{AGGREGATE_SETS, Tables},
    token_bucket,
    traits::Traits,
    wire::{BucketSpec, History, Per, Settings, Terms, WAYS, Word, knowledge, standing},
};

/// The limits that hold for every source, beside the numbers of rules; what sets the ways of these buckets apart from those
/// that rules count in.
const PACKETS: u32 = 0x100;
const SYNS: u32 = 0x101;
const PROVEN: u32 = 0x200;

/// Charges the packet to those limits that hold for every source, ban, and are taken from for it; says whether the source is
/// over one of them with what it has really sent.
#[inline(always)]
pub(super) fn of_sources<O: OutOfLine>(
    settings: &Settings,
    parts: &O,
    context: &mut PacketContext,
    [packets, syns]: [BucketSpec; 2],
) -> Step<bool> {
    let is_charged = |bucket: BucketSpec, ban: &Word| nonzero(bucket.increment.into()) & nonzero(ban.load());
    let limits = [is_charged(packets, &settings.packet_ban), is_charged(syns, &settings.syn_ban)];
    if limits[0] | limits[1] == 0 {
        return Step::Continue(false);
    }
    let mut offends = false;
    for (limit, charged) in [PACKETS, SYNS].into_iter().zip(limits) {
        // What is written to the context out of line would not be seen to have changed here.
        match if charged != 0 { parts.charge_offence(context, limit) } else { CONTINUE } {
            Step::Break(End::Fault) => return Step::Break(End::Fault),
            step => offends |= step.is_break(),
        }
    }
    Step::Continue(offends)
}

/// Charges the packet to a rule, or to a [limit that holds for every source](of_sources); objects if the source is over it
/// with what it has really sent.
#[inline(always)]
pub fn charge<T: Tables>(tables: &T, settings: &Settings, context: &mut PacketContext, limit: u32) -> Step {
    context.offends = is_proven(tables, settings, context)? && is_over(tables, settings, context, limit)?;
    if context.offends { DECIDED } else { CONTINUE }
}

/// Takes what the packet costs from the second bucket of a limit; says whether there was not enough.
#[inline(always)]
fn is_over<T: Tables>(tables: &T, settings: &Settings, context: &PacketContext, limit: u32) -> Step<bool> {
    let PacketContext { packet, key, time_ns, .. } = context;
    let mut key = *key;
    let mut is_prefix = false;
    let (spec, cost) = if limit == PACKETS || limit == SYNS {
        let bucket = if limit == PACKETS { &settings.packet_bucket } else { &settings.syn_bucket };
        let spec = BucketSpec::unpack(bucket.load());
        (spec, spec.cost(context.dither()))
    } else {
        let rule = found(tables.rule(limit))?;
        let (spec, terms) = (BucketSpec::unpack(rule.bucket.load()), Terms::unpack(rule.terms.load()));
        if terms.per as u8 == Per::Prefix as u8 {
            is_prefix = true;
            key = rules::prefix(settings, packet.source, &terms);
        }
        (spec, rules::cost(&terms, spec, packet, context.dither()))
    };
    let key = key.under(PROVEN | limit);
    let set = if is_prefix {
        found(tables.aggregate_set(key.set(settings, u64::from(AGGREGATE_SETS - 1))))?
    } else {
        found(tables.source_set(key.set(settings, settings.source_mask.load())))?
    };
    let (number, _) = source::visit_number(set, key, standing::PART, *time_ns);
    Step::Continue(!token_bucket::take(&set.ways[number as usize % WAYS].buckets, spec, cost, *time_ns))
}

/// Whether nobody but the source can have sent the packet. Where what leaves is not seen, that can be told of none; a replay
/// has nothing but what came in, and takes the source's word.
#[inline(always)]
fn is_proven<T: Tables>(tables: &T, settings: &Settings, context: &PacketContext) -> Step<bool> {
    let sees_answers = settings.knowledge.load() & knowledge::ANSWERS != 0;
    if !context.traits.meets(Traits::TCP) || !sees_answers && !context.virtual_time {
        return Step::Continue(false);
    }
    if sees_answers && !context.traits.meets(Traits::SYN) {
        return Step::Continue(found(flow::is_mutual(tables, settings, &context.packet, context.time_ns))?);
    }
    let Some(way) = source::way_of(tables, settings, context.key) else { return Step::Continue(false) };
    Step::Continue(History::unpack(way.history.load()).completes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::testing::{Memory, NOW, SECOND, SOURCE6, bucket, syn, tcp, udp},
        entry::Event,
        flow::Flow,
        parse::{Packet, tcp_flag},
        source::mark,
        wire::{Spares, Then},
    };

    const SEES: u64 = knowledge::FLOWS | knowledge::ANSWERS;

    fn memory(known: u64) -> Memory {
        let memory = Memory::new();
        memory.set().knowledge.store(known);
        memory.set().packet_bucket.store(bucket(1, 10).pack());
        memory.set().syn_bucket.store(bucket(1, 5).pack());
        memory
    }

    /// After how many packets of the same kind the source offends; none, if it does not within a hundred.
    fn offends_after(memory: &Memory, packet: Packet, limit: u32) -> Option<usize> {
        (0..100).find(|_| {
            let (mut context, _) = memory.entered(packet);
            charge(memory, memory.set(), &mut context, limit) == DECIDED
        })
    }

    fn confirm(memory: &Memory, packet: &Packet, at_ns: u64) {
        let hash = Flow::answered_by(packet).hash(memory.set());
        flow::note(memory, memory.set(), hash, Event::Confirm, at_ns).expect("the table is there");
    }

    #[test]
    fn segments_offend_in_connections_in_which_both_ends_speak() {
        let segment = tcp(tcp_flag::ACK);
        for (known, confirmed, expected) in [
            (SEES, Some(NOW), Some(10)),
            (SEES, Some(NOW - 10 * SECOND), None),
            (SEES, None, None),
            (knowledge::FLOWS, Some(NOW), None),
        ] {
            let memory = memory(known);
            if let Some(at_ns) = confirmed {
                confirm(&memory, &segment, at_ns);
            }
            assert_eq!(offends_after(&memory, segment, PACKETS), expected, "{known:#x} {confirmed:?}");
        }
    }

    #[test]
    fn requests_offend_of_who_completes_them() {
        for source in [syn().source, SOURCE6] {
            for (bits, openings, expected) in [
                (standing::PROVEN, 0, Some(5)),
                (standing::PROVEN, 15, Some(5)),
                (standing::PROVEN, 16, None),
                (0, 0, None),
            ] {
                let memory = memory(SEES);
                let request = Packet { source, ..syn() };
                let (context, _) = memory.entered(request);
                let way = source::way_of(&memory, memory.set(), context.key).expect("it was entered");
                mark(way, bits | (openings * standing::OPENING));
                assert_eq!(offends_after(&memory, request, SYNS), expected, "{bits:#x} {openings}");
            }
        }
    }

    #[test]
    fn what_is_asked_in_the_name_of_another_is_no_offence_of_its() {
        let memory = memory(SEES);
        confirm(&memory, &tcp(tcp_flag::ACK), NOW);
        let forged = Packet { source_port: 666, ..tcp(tcp_flag::ACK) };
        assert_eq!(offends_after(&memory, forged, PACKETS), None);
        assert_eq!(offends_after(&memory, udp(), PACKETS), None, "datagrams prove nothing");
        assert_eq!(offends_after(&memory, tcp(tcp_flag::ACK), PACKETS), Some(10), "and cost it nothing");
    }

    #[test]
    fn a_rule_counts_what_it_is_about() {
        for (per, bytes) in [(Per::Source, false), (Per::Prefix, false), (Per::Source, true)] {
            let memory = memory(SEES);
            let spec = if bytes { Terms::byte_bucket(6_000, 600) } else { Some(bucket(1, 10)) };
            let terms = Terms {
                traits: Traits::SYN.bits(),
                per,
                then: Then::Ban,
                monitor: false,
                lapses: false,
                spares: Spares::Nobody,
                bytes,
                v4_length: 24,
                v6_length: 48,
            };
            memory.rule(spec.expect("valid"), terms);
            memory.prove(syn());
            let after = offends_after(&memory, syn(), 0);
            assert!(after.is_some_and(|after| (10..=11).contains(&after)), "{per:?} {bytes}: {after:?}");
        }
    }
}
