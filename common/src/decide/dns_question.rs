//! Can a question that is about to be dropped be asked again over TCP? See [`crate::truncation`].

use super::{CONTINUE, PacketContext, Request, Step, found};
use crate::{
    client, dns_names,
    frame::Frame,
    parse::{Fragment, protocol},
    service,
    tables::Tables,
    traits::Traits,
    truncation,
    wire::{Reason, Settings, knowledge},
};

/// Whether the packet is a datagram for a name server of the host's.
#[inline(always)]
pub fn is_asked(context: &PacketContext) -> bool {
    let PacketContext { packet, port, traits, .. } = context;
    traits.meets(Traits::UDP)
        && packet.destination_port == dns_names::PORT
        && port.offered
        && packet.fragment as u8 == Fragment::Whole as u8
}

/// Whether a question whose name has been measured is to be answered with a truncated answer: it can be, and its server can be
/// asked over TCP. `None` if the tables could not be reached.
#[inline(always)]
pub(super) fn is_due<T: Tables, F: Frame>(
    tables: &T,
    settings: &Settings,
    frame: &F,
    context: &PacketContext,
) -> Option<bool> {
    let to = context.packet.destination;
    let over_tcp = service::port_at(tables, settings, to, protocol::TCP, dns_names::PORT)?.offered;
    let known = settings.knowledge.load() & knowledge::TRUNCATION != 0;
    Some(over_tcp & known && truncation::is_possible(frame, &context.packet, context.name_end))
}

/// Objects to a question that a signature hits which was found, and whose name has been measured: unless its client has
/// answered a challenge, or come over TCP, within the hour, or, where nothing tells it from an attack, is known at all. Where
/// all are asked to come again (`asks_all`), it passes if it can't be answered with
/// a truncated answer, as clients of DNS ask from a new port each time, also when they ask again.
#[inline(always)]
pub fn judge<T: Tables, F: Frame>(
    tables: &T,
    settings: &Settings,
    frame: &F,
    context: &mut PacketContext,
    number: u32,
    asks_all: bool,
) -> Step {
    let (source, now_ns) = (context.packet.source, context.time_ns);
    let proven = if asks_all {
        client::is_known(tables, settings, source, now_ns)
    } else {
        client::has_answered(tables, settings, source, now_ns)
    };
    if found(proven)? {
        context.request = Request::Again;
        return CONTINUE;
    }
    context.challenged = found(is_due(tables, settings, frame, context))?;
    if asks_all & !context.challenged {
        return CONTINUE;
    }
    if asks_all {
        context.request = Request::Asked;
    }
    context.object(settings, Reason::Signature, number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        client::Proof,
        decide::{
            decide_on,
            testing::{Memory, NOW, SOURCE, frame, udp},
        },
        frame::Captured,
        parse::Packet,
        wire::{
            Lockdown, Port,
            signature::{ONCE, REPEAT},
        },
    };

    /// What is enforced against questions.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Against {
        Nothing,
        /// A signature that was found.
        Found,
        /// One of an operator's.
        Operators,
        /// All are asked to come again.
        All,
        Lockdown,
    }

    fn server(against: Against, over_tcp: bool) -> Memory {
        let mut memory = Memory::new();
        memory.set().knowledge.store(knowledge::CHALLENGES | knowledge::TRUNCATION);
        let port = Port { service: 1, offered: true, carried: false };
        memory.assign(protocol::UDP, dns_names::PORT, port);
        if over_tcp {
            memory.assign(protocol::TCP, dns_names::PORT, port);
        }
        match against {
            Against::Nothing => {}
            Against::Lockdown => {
                let lockdown = Lockdown { by_operator: true, ..Lockdown::default() };
                memory.services[1].lockdown.store(lockdown.pack());
            }
            Against::Found | Against::Operators | Against::All => {
                memory.sign(protocol::UDP, true, false);
                memory.signatures[0][ONCE as usize].store(u64::from(against != Against::Operators));
                memory.signatures[0][REPEAT as usize].store(u64::from(against == Against::All));
            }
        }
        memory
    }

    fn question(flags: u8) -> Vec<u8> {
        let payload = [1, 2, flags, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'q', 0, 0, 1, 0, 1];
        let length = 42 + payload.len() as u32;
        let mut bytes = frame(&Packet { destination_port: dns_names::PORT, length, ..udp() });
        bytes[42..].copy_from_slice(&payload);
        bytes
    }

    fn judged(memory: &Memory, bytes: &[u8]) -> (Reason, bool) {
        memory.set().clock.store(NOW);
        let mut context = PacketContext::default();
        decide_on(memory, &Captured::whole(bytes), &mut context);
        (context.reason(), context.challenged)
    }

    #[test]
    fn questions_that_are_not_let_in_are_answered_with_a_truncated_answer() {
        for (against, expected) in [
            (Against::Nothing, (Reason::Clean, false)),
            (Against::Found, (Reason::Signature, true)),
            (Against::All, (Reason::Signature, true)),
            (Against::Lockdown, (Reason::Lockdown, true)),
            (Against::Operators, (Reason::Signature, false)),
        ] {
            let memory = server(against, true);
            assert_eq!(judged(&memory, &question(1)), expected, "{against:?}");
            assert_eq!(memory.service_counters[1].challenged.load(), u64::from(expected.1));
        }
    }

    #[test]
    fn who_has_proven_to_be_there_is_served_over_udp() {
        for proof in [Proof::Served, Proof::Challenged] {
            for against in [Against::Found, Against::All, Against::Lockdown] {
                let memory = server(against, true);
                client::note(&memory, memory.set(), SOURCE, proof, NOW).expect("the memory is there");
                // To have been served before exempts nobody from what tells an attack.
                let again = (proof, against) == (Proof::Served, Against::Found);
                let expected = if again { (Reason::Signature, true) } else { (Reason::Clean, false) };
                assert_eq!(judged(&memory, &question(1)), expected, "{proof:?}, {against:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_answered_so_is_judged_as_before() {
        let answer = question(0x81);
        for (against, expected) in [
            (Against::Found, Reason::Signature),
            (Against::All, Reason::Clean),
            (Against::Lockdown, Reason::Lockdown),
        ] {
            assert_eq!(judged(&server(against, true), &answer), (expected, false), "{against:?}");
            assert_eq!(judged(&server(against, false), &question(1)), (expected, false), "not over TCP");
            let memory = server(against, true);
            memory.set().knowledge.store(knowledge::CHALLENGES);
            assert_eq!(judged(&memory, &question(1)), (expected, false), "the kernel can't");
        }
    }

    #[test]
    fn what_is_only_monitored_is_not_answered() {
        for (against, reason) in [(Against::Found, Reason::Signature), (Against::Lockdown, Reason::Lockdown)]
        {
            let memory = server(against, true);
            memory.monitor(reason);
            assert_eq!(judged(&memory, &question(1)), (Reason::Clean, false), "{against:?}");
        }
    }
}
