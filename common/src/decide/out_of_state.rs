//! Is it a TCP segment of no connection that was asked for? Here it is told which segments are suspects;
//! [`suspects::judge`](super::suspects::judge) holds these against what is known.

use super::{CONTINUE, OutOfLine, PacketContext, Step, source::Source};
use crate::{
    fruitless_sources, source,
    traits::Traits,
    wire::{Settings, Suspicion, Unproven, knowledge},
};

/// Objects to such segments, if they are too many. Whoever sends one that belongs to a connection takes part in a conversation;
/// that one passes as one of few says nothing of its source.
#[inline(always)]
pub(super) fn judge<O: OutOfLine>(
    settings: &Settings,
    parts: &O,
    context: &mut PacketContext,
    source: Source<'_>,
) -> Step {
    let standing = source.history.standing;
    let service = context.judgement.service;
    context.refused = fruitless_sources::is_refused(
        standing,
        settings.refuses_fruitless(service),
        settings.is_attacked(service),
    );
    context.returns = fruitless_sources::returns(standing);
    if !is_out_of_state(settings, context) {
        return CONTINUE;
    }
    // One that was open before floodwall was there, and can be asked about nowhere, belongs to a connection.
    let belongs = settings.knowledge.load() & (knowledge::CONNECTIONS | knowledge::SOCKETS) == 0 || {
        parts.judge_suspect(context, Suspicion::OutOfState)?;
        context.belongs
    };
    // Who asks for connections becomes known by these. Of whom nothing can be proven, as what leaves is not seen, that is enough
    // in calm times.
    let is_stray = context.judgement.unproven as u8 != Unproven::No as u8;
    if source.history.syns == 0 && (belongs || !is_stray && !context.is_attacked(settings)) {
        source::make_known(source.way);
    }
    CONTINUE
}

/// Whether a source that is not known sends a segment of a connection, to a port where something listens: one that it has
/// never asked for, or of which it has to be asked. Of known sources those are asked as well that may have been refused the
/// connection, see [`crate::fruitless_sources`].
#[inline(always)]
fn is_out_of_state(settings: &Settings, context: &PacketContext) -> bool {
    settings.knowledge.load() & knowledge::PORTS != 0
        && context.port.offered
        && u8::from(!context.known) | u8::from(context.refused) != 0
        && context.traits.meets(Traits::SEGMENT.and(Traits::RST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::testing::{Memory, syn, tcp, udp},
        decide::{DECIDED, Direct, known, rates},
        entry::Event,
        flow::{self, Flow},
        frame::Captured,
        parse::{Packet, protocol, tcp_flag},
        wire::{Port, Reason, standing},
    };

    fn parts(memory: &Memory) -> impl OutOfLine {
        Direct(memory, NO_FRAME)
    }

    const NO_FRAME: &Captured<'static> = &Captured::NONE;

    const KNOWS: u64 = knowledge::PORTS | knowledge::CONNECTIONS;

    /// A web server that knows all of its connections, and lets no suspect pass.
    fn server(also: u64) -> Memory {
        let mut memory = Memory::new();
        memory.tolerate(0);
        memory.set().knowledge.store(KNOWS | also);
        memory.assign(protocol::TCP, 80, Port { service: 0, offered: true, carried: false });
        memory
    }

    /// What becomes of a packet, and whether its source is known thereafter.
    fn judged(memory: &Memory, packet: Packet) -> (Step, Reason, bool) {
        let (mut context, source) = memory.entered(packet);
        known::recognise(&mut context, source);
        let step = judge(memory.set(), &parts(memory), &mut context, source);
        if step == CONTINUE {
            // Counts the SYNs.
            let _ = rates::judge(memory.set(), &parts(memory), &mut context, source, &memory.services[0]);
        }
        let history = crate::wire::History::unpack(source.way.history.load());
        (step, context.reason(), history.standing & standing::KNOWN != 0)
    }

    #[test]
    fn a_segment_of_no_connection_is_dropped() {
        for flags in [tcp_flag::ACK, tcp_flag::RST, tcp_flag::FIN | tcp_flag::ACK, 0] {
            assert_eq!(judged(&server(0), tcp(flags)), (DECIDED, Reason::OutOfState, false), "{flags:#x}");
        }
        let memory = server(0);
        assert_eq!(judged(&memory, syn()), (CONTINUE, Reason::Clean, false));
        note(&memory, tcp(0), Event::Ask);
        assert_eq!(judged(&memory, tcp(tcp_flag::ACK)), (CONTINUE, Reason::Clean, false), "it was asked for");
        let other = Packet { source_port: 999, ..tcp(tcp_flag::ACK) };
        assert_eq!(judged(&memory, other), (DECIDED, Reason::OutOfState, false), "and this was not");
    }

    #[test]
    fn where_answers_are_seen_what_was_not_answered_is_no_connection() {
        let memory = server(knowledge::FLOWS | knowledge::ANSWERS);
        assert_eq!(judged(&memory, syn()).0, CONTINUE);
        note(&memory, tcp(0), Event::Ask);
        assert_eq!(judged(&memory, tcp(tcp_flag::ACK)).0, DECIDED);
        note(&memory, tcp(0), Event::Open);
        assert_eq!(judged(&memory, tcp(tcp_flag::ACK)), (CONTINUE, Reason::Clean, false));
    }

    fn note(memory: &Memory, packet: Packet, event: Event) {
        let hash = Flow::answered_by(&packet).hash(memory.set());
        flow::note(memory, memory.set(), hash, event, crate::decide::testing::NOW)
            .expect("the table is there");
    }

    #[test]
    fn only_tcp_to_where_something_listens_is_meant() {
        let memory = server(0);
        assert_eq!(judged(&memory, udp()).0, CONTINUE);
        assert_eq!(judged(&memory, Packet { destination_port: 81, ..tcp(tcp_flag::ACK) }).0, CONTINUE);
        memory.set().knowledge.store(0);
        assert_eq!(judged(&memory, tcp(tcp_flag::ACK)).0, CONTINUE, "nobody knows what listens");
    }

    #[test]
    fn a_known_source_may_go_on() {
        let memory = server(0);
        source::make_known(memory.entered(syn()).1.way);
        assert_eq!(judged(&memory, tcp(tcp_flag::ACK)).0, CONTINUE);
    }

    #[test]
    fn a_known_source_is_asked_whose_requests_may_have_been_refused() {
        for (bits, refuses, expected) in [
            (0, 1, CONTINUE),
            (standing::PROVEN, 0, CONTINUE),
            (standing::PROVEN, 1, DECIDED),
            (standing::PROVEN | standing::FRUITFUL, 1, CONTINUE),
        ] {
            let memory = server(0);
            memory.set().refuses_fruitless.store(refuses);
            source::mark(memory.entered(syn()).1.way, standing::KNOWN | bits);
            assert_eq!(judged(&memory, tcp(tcp_flag::ACK)).0, expected, "{bits:#x} {refuses}");
        }
    }

    #[test]
    fn a_few_pass_and_make_nobody_known() {
        let memory = server(0);
        memory.tolerate(1);
        assert_eq!(judged(&memory, tcp(tcp_flag::ACK)), (CONTINUE, Reason::Clean, false));
        assert_eq!(judged(&memory, tcp(tcp_flag::ACK)), (DECIDED, Reason::OutOfState, false));
    }

    #[test]
    fn where_nothing_can_be_proven_going_on_makes_known_in_calm_times() {
        for (attacked, known) in [(1 << 1, true), (1, false)] {
            let mut memory = server(knowledge::FLOWS);
            memory.assign(protocol::TCP, 80, Port { service: 0, offered: true, carried: true });
            memory.set().attacked.store(attacked);
            assert_eq!(judged(&memory, tcp(tcp_flag::ACK)), (CONTINUE, Reason::Clean, known));
        }
    }

    #[test]
    fn a_connection_that_was_open_before_makes_known() {
        let memory = server(0);
        memory.set().knowledge.store(knowledge::PORTS);
        assert_eq!(judged(&memory, tcp(tcp_flag::ACK)), (CONTINUE, Reason::Clean, true));
        let memory = server(knowledge::SOCKETS);
        assert_eq!(judged(&memory, tcp(tcp_flag::ACK)).0, DECIDED, "the host has none");
        memory.socket.set(true);
        assert_eq!(judged(&memory, tcp(tcp_flag::ACK)), (CONTINUE, Reason::Clean, true));
    }

    #[test]
    fn what_is_monitored_is_noted_and_makes_nobody_known() {
        let memory = server(0);
        memory.monitor(Reason::OutOfState);
        let (mut context, source) = memory.entered(tcp(tcp_flag::ACK));
        assert_eq!(judge(memory.set(), &parts(&memory), &mut context, source), CONTINUE);
        assert_eq!(context.judgement.would, Reason::OutOfState);
        assert!(!judged(&memory, tcp(tcp_flag::ACK)).2);
    }
}
