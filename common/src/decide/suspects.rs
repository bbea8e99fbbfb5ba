//! Suspects: packets that claim to belong to something. What has left from here is asked whether that is so; of the
//! others a few pass, since what is known of the host may be incomplete.

use super::{CONTINUE, NONE, PacketContext, Step, found};
use crate::{
    entry::Event,
    flow::{self, Flow},
    memo,
    offered::{self, Offer},
    parse::protocol,
    retransmission::{self, Wait},
    tables::{RETRANSMISSION_LINES, Tables},
    token_bucket,
    traits::Traits,
    wire::{BucketSpec, Reason, Service, Settings, Suspicion, Unproven, families, knowledge},
};

/// Segments/s that pass as they come again, all services together: that many sessions older than the filter are taken up
/// again, and of a flood that sends everything twice no more pass.
const RETRANSMISSIONS: BucketSpec = match BucketSpec::new(100, 200) {
    Some(spec) => spec,
    None => BucketSpec::UNTOUCHED,
};

/// Clients' own ports are above (Linux, `ip_local_port_range`), and services below.
const EPHEMERAL: u16 = 32_768;

/// Objects to a suspect, TCP or UDP, if nothing that has left from here speaks for it, and there are too many of its kind
/// that come for its service. The context says whether it belongs to something, or comes for what is offered.
#[inline(always)]
pub fn judge<T: Tables>(
    tables: &T,
    settings: &Settings,
    context: &mut PacketContext,
    suspicion: Suspicion,
) -> Step {
    let known = settings.knowledge.load();
    let flows = known & knowledge::FLOWS != 0;
    let now_ns = context.time_ns;
    context.belongs = false;
    let is_stray = suspicion as u32 == Suspicion::OutOfState as u32;
    // Of connections, requests that pass are noted as well where nothing else is.
    if flows || is_stray {
        if is_stray && flows {
            // In a flood of segments this memory is asked as well: its line arrives with that of the flow.
            let hash = Flow::answered_by(&context.packet).hash(settings);
            found(tables.retransmission_line(memo::line(hash, RETRANSMISSION_LINES)))?[0].load();
        }
        if found(flow::answers(tables, settings, &context.packet, now_ns))? {
            context.belongs = true;
            return CONTINUE;
        }
        let packet = &context.packet;
        let offer = Offer::new(packet.protocol, packet.destination, packet.destination_port);
        if flows
            && !is_stray
            && !context.traits.meets(Traits::SYN_ACK)
            && found(offered::is(tables, settings, offer, now_ns))?
        {
            context.port.offered = true;
            return CONTINUE;
        }
    }
    if known & knowledge::SOCKETS != 0 && !context.port.carried && tables.has_socket(&context.packet) {
        context.belongs = true;
        return note_asked(tables, settings, context);
    }
    if !is_stray && sees_nothing(known) {
        return judge_unprovable(tables, settings, context);
    }
    // Of those that send nothing by here, nothing can be proven.
    let provable = !context.port.carried
        || flows && found(offered::sends(tables, settings, context.packet.destination, now_ns))?;
    if !provable {
        return note_asked(tables, settings, context);
    }
    let service = found(tables.service(context.judgement.service))?;
    let reason = if is_stray {
        Reason::OutOfState
    } else {
        context.judgement.unsolicited = true;
        Reason::Unsolicited
    };
    // Connections that are older than the filter have to show themselves first.
    if !is_stray || known & knowledge::CONNECTIONS != 0 {
        let datagram = suspicion as u32 == Suspicion::Udp as u32;
        context.judgement.unproven = if datagram { Unproven::Unasked } else { Unproven::Segment };
    }
    // Who was refused a connection, and goes on as if it had one, has none that anybody has forgotten.
    let is_refused = is_stray && context.refused;
    if is_refused
        || !is_one_of_few(settings, service, suspicion, now_ns) && !is_seen_again(tables, settings, context)?
    {
        object(settings, context, reason)?;
    }
    note_asked(tables, settings, context)
}

/// Objects to what nothing that has left speaks for. In a family of which not all that leaves is seen, that only counts.
#[inline(always)]
pub(super) fn object(settings: &Settings, context: &mut PacketContext, reason: Reason) -> Step {
    if settings.unprovable.load() & families::bit(context.packet.source.family) != 0 {
        context.judgement.would(reason, NONE);
        return CONTINUE;
    }
    context.object(settings, reason, NONE)
}

/// Says in the context whether the packet belongs to a flow in which both ends speak.
#[inline(always)]
pub fn ask_flow<T: Tables>(tables: &T, settings: &Settings, context: &mut PacketContext) -> Step {
    context.belongs = settings.knowledge.load() & knowledge::FLOWS != 0
        && found(flow::is_mutual(tables, settings, &context.packet, context.time_ns))?;
    CONTINUE
}

/// Whether nothing is known of what the host asks, as in a capture of what comes in alone.
#[inline(always)]
pub const fn sees_nothing(known: u64) -> bool {
    known & (knowledge::FLOWS | knowledge::SOCKETS) == 0
}

/// Judges a suspect where nothing is known of what the host asks, so that it can't be proven that it answers nothing. Nothing
/// is held against it, but that it answers a request for a connection once more, where such are not few: nobody does, unless
/// the first answer was lost.
#[inline(always)]
fn judge_unprovable<T: Tables>(tables: &T, settings: &Settings, context: &mut PacketContext) -> Step {
    let answers_request = context.traits.meets(Traits::SYN_ACK);
    context.unprovable = true;
    if answers_request || context.traits.meets(Traits::UDP) {
        context.stands_alone = !goes_on(tables, settings, context)?;
    }
    if answers_request && !context.stands_alone {
        let service = found(tables.service(context.judgement.service))?;
        context.judgement.unproven = Unproven::Segment;
        context.judgement.unsolicited = true;
        object_to_many(settings, service, context, Suspicion::Tcp, Reason::Unsolicited)?;
    }
    note_asked(tables, settings, context)
}

/// Whether a suspect goes on with what came before: with its flow; or, if it is a datagram from where services are, with whatever
/// that service has sent here, as each question may have been asked from another port.
#[inline(always)]
fn goes_on<T: Tables>(tables: &T, settings: &Settings, context: &PacketContext) -> Step<bool> {
    let flow = Flow::answered_by(&context.packet);
    let is_of_a_service = context.traits.meets(Traits::UDP) && flow.remote_port < EPHEMERAL;
    let flow = Flow { local_port: if is_of_a_service { 0 } else { flow.local_port }, ..flow };
    let noted = found(flow::note(tables, settings, flow.hash(settings), Event::Ask, context.time_ns))?;
    Step::Continue(noted.before.is_some())
}

/// Notes a datagram that passes: what answers it is no flow of the host's own, and shows that something is offered.
#[inline(always)]
fn note_asked<T: Tables>(tables: &T, settings: &Settings, context: &PacketContext) -> Step {
    if context.packet.protocol == protocol::UDP && settings.knowledge.load() & knowledge::FLOWS != 0 {
        let hash = Flow::answered_by(&context.packet).hash(settings);
        found(flow::note(tables, settings, hash, Event::Ask, context.time_ns))?;
    }
    CONTINUE
}

/// Whether it is a retransmission, as it seems, and there are not too many. Reflectors send their SYN-ACKs again as well,
/// and nobody sends an RST again.
#[inline(always)]
fn is_seen_again<T: Tables>(tables: &T, settings: &Settings, context: &PacketContext) -> Step<bool> {
    if settings.knowledge.load() & knowledge::FLOWS == 0
        || !context.traits.meets(Traits::SEGMENT.and(Traits::SYN))
    {
        return Step::Continue(false);
    }
    let hash = Flow::answered_by(&context.packet).hash(settings);
    let line = found(tables.retransmission_line(memo::line(hash, RETRANSMISSION_LINES)))?;
    let again = retransmission::again(line, hash, Wait::OF_SEGMENTS, context.time_ns)
        && token_bucket::take_long(
            &settings.retransmissions,
            RETRANSMISSIONS,
            RETRANSMISSIONS.increment,
            context.time_ns,
        );
    Step::Continue(again)
}

/// Whether suspects of this kind that come for a service are few.
#[inline(always)]
pub(super) fn is_one_of_few(
    settings: &Settings,
    service: &Service,
    suspicion: Suspicion,
    now_ns: u64,
) -> bool {
    let spec = BucketSpec::unpack(settings.suspect_bucket.load());
    token_bucket::take_or_shut(&service.suspects[suspicion as usize], spec, now_ns)
}

/// Objects to a suspect of which nothing can be asked for `reason`, if there are too many of its kind that come for its
/// service.
#[inline(always)]
pub(super) fn object_to_many(
    settings: &Settings,
    service: &Service,
    context: &mut PacketContext,
    suspicion: Suspicion,
    reason: Reason,
) -> Step {
    if is_one_of_few(settings, service, suspicion, context.time_ns) {
        return CONTINUE;
    }
    context.object(settings, reason, NONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::DECIDED,
        decide::testing::{Memory, NOW, SECOND, SOURCE, SOURCE6, tcp, udp},
        parse::{Packet, tcp_flag},
    };

    #[test]
    fn a_few_of_each_kind_pass_and_then_none_until_there_are_few_again() {
        let memory = Memory::new();
        memory.tolerate(3);
        let judged = |suspicion, seconds| {
            let mut context = memory.context(udp());
            context.time_ns = NOW + seconds * SECOND;
            object_to_many(memory.set(), &memory.services[0], &mut context, suspicion, Reason::Unsolicited)
        };
        let of_udp = [0; 5].map(|seconds| judged(Suspicion::Udp, seconds));
        assert_eq!(of_udp, [CONTINUE, CONTINUE, CONTINUE, DECIDED, DECIDED]);
        assert_eq!(judged(Suspicion::Tcp, 0), CONTINUE, "these are few");
        assert_eq!(judged(Suspicion::Udp, 10), CONTINUE);
    }

    #[test]
    fn a_reason_that_is_monitored_only_notes() {
        let memory = Memory::new();
        memory.tolerate(0);
        memory.monitor(Reason::OutOfState);
        let mut context = memory.context(udp());
        assert_eq!(
            object_to_many(
                memory.set(),
                &memory.services[0],
                &mut context,
                Suspicion::OutOfState,
                Reason::OutOfState
            ),
            CONTINUE
        );
        assert_eq!(context.judgement.would, Reason::OutOfState);
    }

    #[test]
    fn in_a_family_of_which_not_all_is_seen_only_the_other_one_is_objected_to() {
        let memory = Memory::new();
        let judged = |source| {
            let mut context = memory.context(Packet { source, ..udp() });
            let step = object(memory.set(), &mut context, Reason::Unsolicited);
            (step, context.judgement.would)
        };
        let (drops, counts) = ((DECIDED, Reason::Clean), (CONTINUE, Reason::Unsolicited));
        for (unprovable, v4, v6) in [
            (0, drops, drops),
            (families::V4, counts, drops),
            (families::V6, drops, counts),
            (families::BOTH, counts, counts),
        ] {
            memory.set().unprovable.store(unprovable);
            assert_eq!((judged(SOURCE), judged(SOURCE6)), (v4, v6), "{unprovable:#b}");
        }
    }

    /// What becomes of packets of which nothing can be proven, one after the other: the verdict, and whether each stands alone.
    fn unprovable(packets: &[Packet]) -> Vec<(Step, bool)> {
        let memory = Memory::new();
        memory.tolerate(0);
        memory.set().knowledge.store(knowledge::PORTS);
        let judged = |packet: &Packet| {
            let mut context = memory.classified(*packet);
            let suspicion = if packet.protocol == protocol::UDP { Suspicion::Udp } else { Suspicion::Tcp };
            let step = judge(&memory, memory.set(), &mut context, suspicion);
            assert!(context.unprovable);
            (step, context.stands_alone)
        };
        packets.iter().map(judged).collect()
    }

    #[test]
    fn where_what_leaves_is_seen_two_forged_packets_prove_nothing_of_an_address_that_sends_nothing() {
        let memory = Memory::new();
        memory.tolerate(0);
        memory.set().knowledge.store(knowledge::PORTS | knowledge::FLOWS | knowledge::ANSWERS);
        for packet in [tcp(tcp_flag::SYN | tcp_flag::ACK), tcp(tcp_flag::ACK), udp(), udp()] {
            let suspicion = if packet.protocol == protocol::UDP { Suspicion::Udp } else { Suspicion::Tcp };
            let mut context = memory.classified(packet);
            context.port.carried = true;
            assert_eq!(judge(&memory, memory.set(), &mut context, suspicion), CONTINUE);
            assert!(!context.unprovable && !context.stands_alone && !context.judgement.answers);
        }
    }

    #[test]
    fn a_datagram_goes_on_with_its_flow_or_with_what_its_service_has_sent() {
        let from_to = |source_port, destination_port| Packet { source_port, destination_port, ..udp() };
        for (packets, alone) in [
            ([from_to(40_000, 9_000), from_to(40_000, 9_000)], [true, false]),
            ([from_to(40_000, 9_000), from_to(40_000, 9_001)], [true, true]),
            ([from_to(53, 9_000), from_to(53, 9_001)], [true, false]),
            ([from_to(53, 9_000), from_to(54, 9_000)], [true, true]),
        ] {
            let judged = unprovable(&packets);
            assert_eq!(
                judged,
                alone.map(|alone| (CONTINUE, alone)),
                "{packets:?}: nothing is held against it"
            );
        }
    }

    #[test]
    fn nobody_answers_a_request_time_and_again() {
        let answer = tcp(tcp_flag::SYN | tcp_flag::ACK);
        let other = Packet { source_port: 999, ..answer };
        let expected = [(CONTINUE, true), (DECIDED, false), (CONTINUE, true)];
        assert_eq!(unprovable(&[answer, answer, other]), expected);
    }

    #[test]
    fn without_a_limit_all_pass() {
        let memory = Memory::new();
        let passes = |_| {
            object_to_many(
                memory.set(),
                &memory.services[0],
                &mut memory.context(udp()),
                Suspicion::Udp,
                Reason::Unsolicited,
            )
        };
        assert!((0..1_000).map(passes).all(|step| step == CONTINUE));
    }
}
