//! Do the headers match a signature?
//!
//! A request for a connection that one hits which was found, and not named by an operator, is dropped only once; and where
//! nothing but that tells a flood, other packets pass once they are repeated: see [`second_try`](super::second_try). Where requests can be
//! [challenged](crate::challenge), that is done as they are dropped, and one of who has answered a challenge passes at once.
//! Questions for a name server are answered with a [truncated answer](crate::truncation) in place of that.

use super::{CONTINUE, OutOfLine, PacketContext, Request, Step, challenge, dns_question, found, known};
use crate::{
    signature,
    tables::Tables,
    traits::Traits,
    wire::{Counter, Reason, Settings, SourceSet},
};

/// Counts the signatures that the packet matches, and objects if one of them is enforced. What answers the host is held
/// against none.
#[inline(always)]
pub(super) fn judge<T: Tables, O: OutOfLine>(
    tables: &T,
    settings: &Settings,
    parts: &O,
    context: &mut PacketContext,
    sources: &SourceSet,
) -> Step {
    if context.judgement.answers || settings.signatures.load() == 0 {
        return CONTINUE;
    }
    if found(signature::spare_known(tables, settings.signatures.load() as u32))? != 0 {
        // It arrives while the packet is held against them.
        sources.prefetch();
    }
    parts.read_features(context);
    let half = settings.signatures.load() as u32;
    if half == 0 {
        return CONTINUE;
    }
    let mut matches =
        found(signature::matches(tables, half, settings.lapsed(context.time_ns), &context.features))?;
    if matches.new_sources != 0 && known::is_known(sources, context.key) {
        matches = matches.of_known();
    }
    if matches.watched != 0 {
        let number = signature::first(matches.watched);
        count(found(tables.signature_counter(number))?, context);
        context.judgement.would(Reason::Signature, number);
    }
    if matches.enforced == 0 {
        return CONTINUE;
    }
    let number = signature::first(matches.enforced);
    count(found(tables.signature_counter(number))?, context);
    let monitored = settings.monitored.load() & Reason::Signature.bit() != 0;
    let is_found = matches.enforced & !(matches.once | matches.repeat) == 0 && !monitored;
    if is_found && dns_question::is_asked(context) {
        return parts.judge_question(context, number, matches.enforced & !matches.repeat == 0);
    }
    let lenient = if context.traits.meets(Traits::SYN) {
        matches.once
    } else if context.traits.meets(Traits::TCP) {
        0
    } else {
        matches.repeat
    };
    if matches.enforced & !lenient == 0 && !monitored {
        parts.ask_again(context)?;
        if context.request as u8 == Request::Again as u8 {
            return CONTINUE;
        }
        if matches.enforced & !matches.repeat == 0 {
            context.request = Request::Asked;
        }
        context.challenged = challenge::is_due(settings, context);
    }
    context.object(settings, Reason::Signature, number)
}

#[inline(always)]
fn count(counter: &Counter, context: &PacketContext) {
    counter.packets.add_local(1);
    counter.bytes.add_local(u64::from(context.packet.length));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::testing::{Memory, counted, syn, tcp, udp},
        decide::{DECIDED, Direct, End},
        frame::Captured,
        parse::{Packet, protocol, tcp_flag},
        source::make_known,
        wire::signature::{ONCE, REPEAT},
    };

    fn judged(memory: &Memory, packet: Packet) -> (Step, PacketContext) {
        let mut context = memory.classified(packet);
        let step = judge_context(memory, &mut context);
        (step, context)
    }

    fn judge_context(memory: &Memory, context: &mut PacketContext) -> Step {
        let sources = memory.set_of(context);
        let frame = Captured::whole(&[]);
        judge(memory, memory.set(), &Direct(memory, &frame), context, sources)
    }

    #[test]
    fn what_matches_is_counted_and_dropped() {
        let mut memory = Memory::new();
        memory.sign(protocol::TCP, true, false);
        let (step, context) = judged(&memory, syn());
        assert_eq!((step, context.reason(), context.judgement.number), (DECIDED, Reason::Signature, 0));
        assert_eq!(judged(&memory, udp()).0, CONTINUE, "matches nothing");
        assert_eq!(counted(&memory.signature_counters[0]), (1, 60));
    }

    #[test]
    fn a_signature_that_is_watched_only_notes() {
        let mut memory = Memory::new();
        memory.sign(protocol::TCP, false, false);
        let (step, context) = judged(&memory, syn());
        assert_eq!((step, context.judgement.would), (CONTINUE, Reason::Signature));
        assert_eq!(context.judgement.would_number, 0);
        assert_eq!(counted(&memory.signature_counters[0]), (1, 60));
    }

    #[test]
    fn signatures_that_are_monitored_only_note() {
        let mut memory = Memory::new();
        memory.sign(protocol::TCP, true, false);
        memory.monitor(Reason::Signature);
        let (step, context) = judged(&memory, syn());
        assert_eq!((step, context.judgement.would), (CONTINUE, Reason::Signature));
    }

    #[test]
    fn some_spare_sources_that_are_known() {
        for (new_sources, expected) in [(true, CONTINUE), (false, DECIDED)] {
            let mut memory = Memory::new();
            memory.sign(protocol::TCP, true, new_sources);
            assert_eq!(judged(&memory, syn()).0, DECIDED, "a new source");
            assert_eq!(memory.sources_entered(), 0, "nobody is entered for being asked after");
            make_known(memory.entered(syn()).1.way);
            assert_eq!(judged(&memory, syn()).0, expected);
        }
    }

    #[test]
    fn where_all_are_asked_to_repeat_datagrams_pass_that_go_on() {
        let after = |memory: &Memory, packet: Packet, milliseconds: u64| {
            let mut context = memory.classified(packet);
            context.time_ns += milliseconds * 1_000_000;
            (judge_context(memory, &mut context), context.request)
        };
        let memory = |protocol| {
            let mut memory = Memory::new();
            memory.sign(protocol, true, false);
            memory.signatures[0][ONCE as usize].store(1);
            memory
        };
        let found = memory(protocol::UDP);
        for milliseconds in [0, 1_000, 2_000] {
            assert_eq!(
                after(&found, udp(), milliseconds),
                (DECIDED, Request::Other),
                "what was found tells them"
            );
        }
        let asks = memory(protocol::UDP);
        asks.signatures[0][REPEAT as usize].store(1);
        let other = Packet { source_port: 1, ..udp() };
        for (packet, milliseconds, expected) in [
            (udp(), 0, (DECIDED, Request::Asked)),
            (udp(), 400, (DECIDED, Request::Asked)),
            (udp(), 900, (CONTINUE, Request::Again)),
            (udp(), 910, (CONTINUE, Request::Again)),
            (udp(), 30_000, (CONTINUE, Request::Again)),
            (other, 30_000, (DECIDED, Request::Asked)),
        ] {
            assert_eq!(after(&asks, packet, milliseconds), expected, "{packet:?} after {milliseconds} ms");
        }
        let asks = memory(protocol::TCP);
        asks.signatures[0][REPEAT as usize].store(1);
        assert_eq!(after(&asks, syn(), 0), (DECIDED, Request::Asked));
        assert_eq!(after(&asks, syn(), 1_000), (CONTINUE, Request::Again));
        assert_eq!(
            after(&asks, tcp(tcp_flag::ACK), 1_000),
            (DECIDED, Request::Other),
            "nobody is asked for these"
        );
    }

    #[test]
    fn a_request_is_dropped_once_by_what_was_found() {
        let after = |memory: &Memory, packet: Packet, milliseconds: u64| {
            let mut context = memory.classified(packet);
            context.time_ns += milliseconds * 1_000_000;
            (judge_context(memory, &mut context), context.request)
        };
        let mut memory = Memory::new();
        memory.sign(protocol::TCP, true, false);
        for milliseconds in [0, 1_000, 3_000] {
            assert_eq!(after(&memory, syn(), milliseconds), (DECIDED, Request::Other), "an operator's");
        }
        memory.signatures[0][ONCE as usize].store(1);
        let other = Packet { source_port: 1, ..syn() };
        for (packet, milliseconds, expected) in [
            (syn(), 0, (DECIDED, Request::Noted)),
            (syn(), 200, (DECIDED, Request::Noted)),
            (syn(), 1_100, (CONTINUE, Request::Again)),
            (other, 1_000, (DECIDED, Request::Noted)),
            (tcp(tcp_flag::ACK), 1_000, (DECIDED, Request::Other)),
            (syn(), 3_000, (CONTINUE, Request::Again)),
            (syn(), 20_000, (DECIDED, Request::Noted)),
        ] {
            assert_eq!(after(&memory, packet, milliseconds), expected, "{packet:?} after {milliseconds} ms");
        }
        assert_eq!(counted(&memory.signature_counters[0]).0, 10, "all are hits");
        memory.monitor(Reason::Signature);
        assert_eq!(after(&memory, other, 2_100), (CONTINUE, Request::Other));
    }

    #[test]
    fn what_answers_the_host_is_held_against_none() {
        let mut memory = Memory::new();
        memory.sign(protocol::TCP, true, false);
        let mut context = memory.classified(syn());
        context.judgement.answers = true;
        assert_eq!(judge_context(&memory, &mut context), CONTINUE);
    }

    #[test]
    fn without_signatures_there_is_nothing_to_reach() {
        let memory = Memory::new();
        assert_eq!(judged(&memory, syn()).0, CONTINUE);
        memory.set().signatures.store(2);
        assert_eq!(judged(&memory, syn()).0, Step::Break(End::Fault), "the second half is not there");
    }
}
