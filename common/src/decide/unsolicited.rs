//! Does the packet claim to answer something that the host never asked, or come for a port where nothing listens? An ICMP
//! error is an answer, too.
//!
//! Here it is told which packets are suspects; [`suspects::judge`] holds only these against what the host has asked, so that the
//! cost stays bounded. Where nothing is known of that, it is noted what goes on with something.

use super::{CONTINUE, OutOfLine, PacketContext, Step, suspects};
use crate::{
    parse::Fragment,
    traits::Traits,
    wire::{Settings, Suspicion, knowledge},
};

/// Objects to what nobody asked for, if that is too much; notes what answers the host.
#[inline(always)]
pub(super) fn judge<O: OutOfLine>(settings: &Settings, parts: &O, context: &mut PacketContext) -> Step {
    let known = settings.knowledge.load();
    context.unprovable = suspects::sees_nothing(known);
    if context.unprovable {
        return judge_unprovable(parts, context, known & knowledge::PORTS != 0);
    }
    if known & knowledge::PORTS == 0 {
        return CONTINUE;
    }
    match suspicion(context) {
        None if context.packet.is_echo_reply() => parts.judge_echo_reply(context)?,
        None => return CONTINUE,
        Some(Suspicion::Error) => parts.judge_icmp_error(context)?,
        Some(suspicion) => parts.judge_suspect(context, suspicion)?,
    }
    context.judgement.answers = context.belongs;
    CONTINUE
}

/// Where nothing is known of what the host asks, it is asked of answers to requests for connections, and of datagrams to where
/// nothing is offered, what they go on with.
#[inline(always)]
fn judge_unprovable<O: OutOfLine>(parts: &O, context: &mut PacketContext, knows_ports: bool) -> Step {
    match suspicion(context) {
        Some(Suspicion::Tcp) if context.traits.meets(Traits::SYN_ACK) => {
            parts.judge_suspect(context, Suspicion::Tcp)
        }
        Some(Suspicion::Udp) if knows_ports => parts.judge_suspect(context, Suspicion::Udp),
        _ => CONTINUE,
    }
}

/// What is to be said against the packet, if the host has not asked for it. A later fragment has no port, and is
/// judged by the first one.
#[inline(always)]
fn suspicion(context: &PacketContext) -> Option<Suspicion> {
    let PacketContext { packet, port, traits, .. } = context;
    let is_later = packet.fragment as u8 == Fragment::Later as u8;
    if !is_later && packet.is_icmp_error() {
        return Some(Suspicion::Error);
    }
    if is_later || port.offered && !traits.meets(Traits::SYN_ACK) {
        return None;
    }
    if traits.meets(Traits::UDP) {
        Some(Suspicion::Udp)
    } else if traits.meets(Traits::TCP) {
        Some(Suspicion::Tcp)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::testing::{Memory, NOW, syn, tcp, udp},
        decide::{DECIDED, Direct, End},
        flow::{self, Flow},
        frame::Captured,
        parse::{Packet, protocol, tcp_flag},
        wire::{Port, Reason},
    };

    /// Knows what listens and what the host asked, and lets no suspect pass.
    fn strict() -> Memory {
        let memory = Memory::new();
        memory.tolerate(0);
        memory.set().knowledge.store(knowledge::PORTS | knowledge::FLOWS);
        memory
    }

    fn judged(memory: &Memory, packet: Packet) -> (Step, PacketContext) {
        let mut context = memory.classified(packet);
        let parts = Direct(memory, &Captured::whole(&[]));
        (judge(memory.set(), &parts, &mut context), context)
    }

    #[test]
    fn what_nobody_asked_for_is_dropped() {
        for packet in [syn(), tcp(tcp_flag::ACK), udp()] {
            let (step, context) = judged(&strict(), packet);
            assert_eq!((step, context.reason()), (DECIDED, Reason::Unsolicited), "{packet:?}");
            assert!(context.judgement.unsolicited && !context.judgement.answers);
        }
        let gre = Packet { protocol: 47, ..udp() };
        assert_eq!(judged(&strict(), gre).0, CONTINUE, "nobody knows what the host asks by it");
    }

    #[test]
    fn a_few_pass_and_are_noted() {
        let memory = strict();
        memory.tolerate(1);
        let (step, context) = judged(&memory, udp());
        assert_eq!((step, context.reason(), context.judgement.unsolicited), (CONTINUE, Reason::Clean, true));
        assert_eq!(judged(&memory, udp()).0, DECIDED);
    }

    #[test]
    fn what_is_offered_may_be_asked_for_but_not_answered() {
        let mut memory = strict();
        memory.assign(protocol::TCP, 80, Port { service: 1, offered: true, carried: false });
        assert_eq!(judged(&memory, syn()).0, CONTINUE);
        let (step, context) = judged(&memory, tcp(tcp_flag::SYN | tcp_flag::ACK));
        assert_eq!((step, context.reason()), (DECIDED, Reason::Unsolicited));
    }

    #[test]
    fn an_answer_passes_and_is_noted_as_one() {
        let memory = strict();
        flow::adopt(&memory, memory.set(), &Flow::answered_by(&udp()), NOW);
        let (step, context) = judged(&memory, udp());
        assert_eq!((step, context.judgement.answers, context.judgement.unsolicited), (CONTINUE, true, false));
        let other = Packet { source_port: 54, ..udp() };
        assert_eq!(judged(&memory, other).0, DECIDED, "of another flow");
    }

    #[test]
    fn the_hosts_sockets_are_asked_where_they_can_be() {
        let memory = strict();
        memory.socket.set(true);
        assert_eq!(judged(&memory, udp()).0, DECIDED, "nobody said that they can be asked");
        memory.set().knowledge.store(knowledge::PORTS | knowledge::SOCKETS);
        let (step, context) = judged(&memory, udp());
        assert_eq!((step, context.judgement.answers), (CONTINUE, true));
    }

    #[test]
    fn where_too_little_is_known_nothing_is_unsolicited() {
        for known in [0, knowledge::PORTS, knowledge::FLOWS | knowledge::SOCKETS] {
            let memory = strict();
            memory.set().knowledge.store(known);
            let (step, context) = judged(&memory, udp());
            assert_eq!((step, context.judgement.unsolicited), (CONTINUE, false), "{known:#b}");
        }
    }

    #[test]
    fn a_later_fragment_is_not_judged_by_a_port_that_it_does_not_have() {
        assert_eq!(judged(&strict(), Packet { fragment: Fragment::Later, ..udp() }).0, CONTINUE);
    }

    #[test]
    fn a_memory_that_is_out_of_reach_is_a_fault() {
        let memory = Memory { flows: Vec::new(), ..strict() };
        assert_eq!(judged(&memory, udp()).0, Step::Break(End::Fault));
    }
}
