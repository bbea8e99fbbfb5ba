//! Does the packet answer a challenge? See [`crate::challenge`].

use super::{CONTINUE, OutOfLine, PacketContext, Step, found};
use crate::{
    challenge,
    client::{self, Proof},
    frame::{Frame, Header},
    source,
    tables::Tables,
    traits::Traits,
    wire::{Reason, Service, Settings, knowledge, standing},
};

/// Whether the packet asks for a connection, and can be challenged.
#[inline(always)]
pub(super) fn is_due(settings: &Settings, context: &PacketContext) -> bool {
    context.traits.meets(Traits::SYN)
        && settings.knowledge.load() & knowledge::CHALLENGES != 0
        && challenge::is_possible(&context.packet)
}

/// Hears answers, where there may be some.
#[inline(always)]
pub(super) fn listen<O: OutOfLine>(
    settings: &Settings,
    parts: &O,
    context: &mut PacketContext,
    service: &Service,
) -> Step {
    let asks = settings.signatures.load() | service.lockdown.load() != 0;
    if context.traits.meets(Traits::RST) && asks && settings.knowledge.load() & knowledge::CHALLENGES != 0 {
        return parts.hear_answer(context);
    }
    CONTINUE
}

/// Passes an RST that answers a challenge, which the host has never heard of, and notes that its sender is there.
#[inline(always)]
pub fn hear<T: Tables, F: Frame>(
    tables: &T,
    settings: &Settings,
    frame: &F,
    context: &mut PacketContext,
) -> Step {
    let PacketContext { packet, time_ns, key, .. } = context;
    let Some(header) = frame.header::<20>(packet.transport) else { return CONTINUE };
    if !challenge::is_answer(settings, packet, header.be32(4), *time_ns) {
        return CONTINUE;
    }
    found(client::note(tables, settings, packet.source, Proof::Challenged, *time_ns))?;
    if let Some(way) = source::way_of(tables, settings, *key) {
        source::mark(way, standing::PROVEN);
    }
    found(tables.service_counter(context.judgement.service))?.proven.add_local(1);
    context.judgement.pass(Reason::Clean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::{
            decide_on,
            testing::{Memory, NOW, SECOND, frame, syn, tcp},
        },
        frame::Captured,
        parse::{Packet, protocol, tcp_flag},
        wire::{Port, signature::ONCE},
    };

    /// A web server, attacked by requests that a found signature matches.
    fn attacked(challenges: bool) -> Memory {
        let mut memory = Memory::new();
        memory.set().knowledge.store(if challenges { knowledge::CHALLENGES } else { 0 });
        memory.set().challenge_key[0].store(0x0123_4567_89ab_cdef);
        memory.assign(protocol::TCP, 80, Port { service: 1, offered: true, carried: false });
        memory.sign(protocol::TCP, true, false);
        memory.signatures[0][ONCE as usize].store(1);
        memory.signatures[0][crate::wire::signature::REPEAT as usize].store(1);
        memory
    }

    fn decided(memory: &Memory, bytes: &[u8], milliseconds: u64) -> PacketContext {
        memory.set().clock.store(NOW + milliseconds * 1_000_000);
        let mut context = PacketContext::default();
        decide_on(memory, &Captured::whole(bytes), &mut context);
        context
    }

    /// The client's answer to what challenges this request.
    fn answer(memory: &Memory, request: &Packet, error: u32) -> Vec<u8> {
        let [number, _] = challenge::numbers(memory.set(), request, memory.set().clock.load());
        let mut bytes = frame(&Packet { tcp_flags: tcp_flag::RST, ..*request });
        bytes[38..42].copy_from_slice(&number.wrapping_add(error).to_be_bytes());
        bytes
    }

    #[test]
    fn who_answers_is_let_in_at_once_and_with_all_that_it_asks_for() {
        let memory = attacked(true);
        let asked = decided(&memory, &frame(&syn()), 0);
        assert_eq!((asked.reason(), asked.challenged), (Reason::Signature, true));
        let context = decided(&memory, &answer(&memory, &asked.packet, 0), 5);
        assert_eq!(context.reason(), Reason::Clean);
        for request in [syn(), Packet { source_port: 7, ..syn() }] {
            let context = decided(&memory, &frame(&request), 15);
            assert_eq!((context.reason(), context.challenged), (Reason::Clean, false));
        }
        let counter = &memory.service_counters[1];
        assert_eq!((counter.challenged.load(), counter.proven.load()), (1, 1));
        let later = decided(&memory, &frame(&syn()), 3_700 * 1_000);
        assert!(later.challenged, "an hour later it is asked again");
    }

    #[test]
    fn a_wrong_number_proves_nothing() {
        let memory = attacked(true);
        let asked = decided(&memory, &frame(&syn()), 0);
        decided(&memory, &answer(&memory, &asked.packet, 1), 5);
        assert!(decided(&memory, &frame(&syn()), 15).challenged);
        assert_eq!(memory.service_counters[1].proven.load(), 0);
    }

    #[test]
    fn who_is_kept_from_answering_gets_in_by_asking_again() {
        for challenges in [true, false] {
            let memory = attacked(challenges);
            let first = decided(&memory, &frame(&syn()), 0);
            assert_eq!((first.reason(), first.challenged), (Reason::Signature, challenges));
            assert_eq!(decided(&memory, &frame(&syn()), 1_000).reason(), Reason::Clean);
        }
    }

    #[test]
    fn in_peace_nobody_is_asked_and_no_rst_is_looked_at() {
        let memory = attacked(true);
        memory.set().signatures.store(0);
        let asked = decided(&memory, &frame(&syn()), 0);
        assert_eq!((asked.reason(), asked.challenged), (Reason::Clean, false));
        decided(&memory, &answer(&memory, &asked.packet, 0), 5);
        assert_eq!(memory.service_counters[1].proven.load(), 0);
    }

    #[test]
    fn what_is_only_monitored_challenges_nobody() {
        let memory = attacked(true);
        memory.monitor(Reason::Signature);
        let context = decided(&memory, &frame(&syn()), SECOND);
        assert_eq!((context.judgement.would, context.challenged), (Reason::Signature, false));
    }

    #[test]
    fn only_requests_are_challenged() {
        let memory = attacked(true);
        let context = decided(&memory, &frame(&tcp(tcp_flag::ACK)), 0);
        assert_eq!((context.reason(), context.challenged), (Reason::Signature, false));
    }
}
