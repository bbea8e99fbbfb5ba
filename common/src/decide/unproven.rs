//! Has the packet proven itself? What has not is counted, whatever becomes of it: see [`crate::unproven`].
//!
//! Suspects of which nothing was proven are marked where they are judged, later fragments likewise; here is the rest. A
//! packet of a known source, or of a flow that the host has opened, costs a comparison.

use super::{CONTINUE, OutOfLine, PacketContext, Request, Step, found, source::Source};
use crate::{
    entry::{Event, State},
    flow::{self, Flow},
    fruitless_sources,
    source::{self, Key},
    tables::Tables,
    traits::Traits,
    unproven,
    wire::{History, Reason, ServiceCounter, Settings, Unproven, Verdict, knowledge, standing},
};

/// Marks what has not proven itself, once it is known whose it is.
#[inline(always)]
pub(super) fn mark(settings: &Settings, context: &mut PacketContext, source: Source<'_>) {
    let traits = context.traits;
    if traits.meets(Traits::TCP) {
        mark_tcp(settings, context, source);
    } else if !context.known
        && !context.judgement.answers
        && context.judgement.unproven as u8 == Unproven::No as u8
    {
        context.judgement.unproven = kind(context);
    }
}

/// As what it counts that has not proven itself, of anything but TCP.
#[inline(always)]
fn kind(context: &PacketContext) -> Unproven {
    let traits = context.traits;
    if context.stands_alone {
        Unproven::Unasked
    } else if traits.meets(Traits::UDP) && !traits.meets(Traits::FRAGMENT) {
        Unproven::Datagram
    } else {
        Unproven::Other
    }
}

/// Of TCP, where what leaves is not seen: a handshake is taken for answered as its request passes, and for completed as
/// the same flow goes on. A SYN-ACK is taken for the answer to a request of the host's, with which a flow begins likewise.
#[inline(always)]
fn mark_tcp(settings: &Settings, context: &mut PacketContext, source: Source<'_>) {
    if settings.knowledge.load() & knowledge::ANSWERS != 0 && !context.unprovable
        || context.judgement.unproven as u8 != Unproven::No as u8
    {
        return;
    }
    if begins(context) {
        context.judgement.unproven = Unproven::Opening;
    } else if source.history.standing >= standing::OPENING && context.traits.meets(Traits::SEGMENT) {
        context.judgement.unproven = Unproven::Completing;
    }
}

/// Whether a connection begins with it: a request, or, where what leaves is not seen, what answers one.
#[inline(always)]
fn begins(context: &PacketContext) -> bool {
    let answers = context.stands_alone && context.traits.meets(Traits::SYN_ACK);
    context.traits.meets(Traits::SYN) || answers
}

/// Counts the packet to its service.
#[inline(always)]
pub(super) fn count<O: OutOfLine>(parts: &O, context: &mut PacketContext, counter: &ServiceCounter) -> Step {
    if context.request as u8 == Request::Asked as u8 {
        return count_asked(parts, context, counter);
    }
    let judgement = &context.judgement;
    let signed = judgement.reason as u32 == Reason::Signature as u32;
    // Of requests, those that a limit has dropped say nothing: a known source may ask for much.
    let dropped = judgement.reason.verdict() as u8 == Verdict::Drop as u8;
    let limited = dropped && judgement.unproven as u8 == Unproven::Opening as u8;
    if (limited || judgement.unproven as u8 == Unproven::No as u8) && !signed {
        return CONTINUE;
    }
    if signed {
        counter.unproven.signed.add_local(1);
        if begins(context) {
            counter.unproven.signed_openings.add_local(1);
            if judgement.unproven as u8 == Unproven::No as u8 {
                counter.unproven.openings.add_local(1);
            }
        }
        return CONTINUE;
    }
    parts.count_unproven(context)
}

/// Counts one of those that all are asked to repeat, as what it is: that these are dropped says nothing of them.
#[inline(always)]
fn count_asked<O: OutOfLine>(parts: &O, context: &mut PacketContext, counter: &ServiceCounter) -> Step {
    if context.traits.meets(Traits::SYN) {
        counter.unproven.openings.add_local(1);
        counter.unproven.signed_openings.add_local(1);
        return CONTINUE;
    }
    context.judgement.unproven = kind(context);
    parts.count_unproven(context)
}

/// Counts a packet that was marked.
#[inline(always)]
pub fn count_marked<T: Tables>(tables: &T, settings: &Settings, context: &PacketContext) -> Step {
    let PacketContext { judgement, packet, key, time_ns, .. } = context;
    let service = judgement.service;
    match judgement.unproven {
        Unproven::No => {}
        Unproven::Opening => {
            let passed = judgement.reason.verdict() as u8 == Verdict::Pass as u8;
            let hash = Flow::answered_by(packet).hash(settings);
            // One that comes again asks for the same connection. What answers one was noted before.
            if passed
                && context.traits.meets(Traits::SYN)
                && found(flow::note(tables, settings, hash, Event::Ask, *time_ns))?.was(State::Asked)
            {
                return CONTINUE;
            }
            found(tables.service_counter(service))?.unproven.openings.add_local(1);
            if passed {
                note_opening(tables, settings, *key)?;
            }
        }
        Unproven::Completing => {
            let hash = Flow::answered_by(packet).hash(settings);
            let state = found(flow::recall(tables, settings, packet.protocol, hash, *time_ns))?;
            if state.is_some_and(|state| state as u64 == State::Asked as u64) {
                found(flow::note(tables, settings, hash, Event::Confirm, *time_ns))?;
                // What goes on with an answer is no client.
                if context.port.offered || settings.knowledge.load() & knowledge::PORTS == 0 {
                    found(fruitless_sources::complete(tables, settings, *key, service, *time_ns))?;
                } else {
                    found(tables.service_counter(service))?.unproven.completed.add_local(1);
                }
                note_completion(tables, settings, *key)?;
            }
        }
        kind => {
            found(unproven::count(tables, settings, service, *key, kind, *time_ns))?;
            if context.stands_alone && kind as u8 == Unproven::Unasked as u8 {
                // Somebody here may have asked, who is not known to have done so.
                found(unproven::count(tables, settings, service, *key, Unproven::Datagram, *time_ns))?;
            }
            if context.acquainted {
                unproven::count_acquainted(found(tables.service_counter(service))?, kind);
            }
        }
    }
    CONTINUE
}

/// Notes that a source has asked for one more connection. Should another CPU write at the same moment, its packets are
/// looked at for longer.
#[inline(always)]
fn note_opening<T: Tables>(tables: &T, settings: &Settings, key: Key) -> Step {
    let Some(way) = source::way_of(tables, settings, key) else { return CONTINUE };
    let word = way.history.load();
    let history = History::unpack(word);
    let more = u16::from(history.openings() < standing::MOST_OPENING);
    let standing = history.standing + more * standing::OPENING;
    way.history.replace(word, History { standing, ..history }.pack());
    CONTINUE
}

/// Notes that it has completed one. Once there are as many open as are counted, they are not counted down any more.
#[inline(always)]
fn note_completion<T: Tables>(tables: &T, settings: &Settings, key: Key) -> Step {
    let Some(way) = source::way_of(tables, settings, key) else { return CONTINUE };
    let all = History::unpack(way.history.load()).openings() == standing::MOST_OPENING;
    source::complete(way, u16::from(!all));
    CONTINUE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::{
            decide_on,
            testing::{Memory, NOW, SECOND, frame, syn, tcp, udp},
        },
        frame::Captured,
        parse::{Packet, protocol, tcp_flag},
        prefix::Address,
        wire::{
            Port, UnprovenCounter, Word,
            signature::{ONCE, REPEAT},
        },
    };

    /// A web server and a name server, of which the ports are known, and what leaves is noted.
    fn server(answers: bool) -> Memory {
        let mut memory = Memory::new();
        let known = knowledge::PORTS | knowledge::FLOWS | knowledge::CONNECTIONS;
        memory.set().knowledge.store(known | if answers { knowledge::ANSWERS } else { 0 });
        memory.assign(protocol::TCP, 80, Port { service: 1, offered: true, carried: false });
        memory.assign(protocol::UDP, 40_000, Port { service: 2, offered: true, carried: false });
        memory
    }

    fn from(number: u32, packet: Packet) -> Packet {
        Packet { source: Address::v4(0xc633_6400 | number), ..packet }
    }

    fn judge(memory: &Memory, packet: &Packet, after: u64) {
        memory.set().clock.store(NOW + after);
        let bytes = frame(packet);
        decide_on(memory, &Captured::whole(&bytes), &mut PacketContext::default());
    }

    fn of(memory: &Memory, service: usize) -> &UnprovenCounter {
        &memory.service_counters[service].unproven
    }

    fn all(counter: &UnprovenCounter) -> Vec<u64> {
        let [sources, packets] =
            [&counter.sources, &counter.packets].map(|words| words.iter().map(Word::load));
        [counter.openings.load(), counter.completed.load()]
            .into_iter()
            .chain(sources)
            .chain(packets)
            .collect()
    }

    #[test]
    fn a_handshake_of_which_only_one_side_is_seen_is_completed_as_the_flow_goes_on() {
        let memory = server(false);
        for second in [0, 1] {
            for port in 1_000..1_009 {
                judge(&memory, &Packet { source_port: port, ..syn() }, second * SECOND);
            }
        }
        let counts = || (of(&memory, 1).openings.load(), of(&memory, 1).completed.load());
        assert_eq!(counts(), (9, 0), "one that comes again is the same");
        for port in 1_000..1_005 {
            for _ in 0..3 {
                judge(&memory, &Packet { source_port: port, ..tcp(tcp_flag::ACK) }, 2 * SECOND);
            }
        }
        assert_eq!(counts(), (9, 5));
        assert_eq!(all(of(&memory, 1))[2..], [0; 8]);
    }

    /// A host of which nothing is known but its ports.
    fn unseen() -> Memory {
        let memory = server(false);
        memory.set().knowledge.store(knowledge::PORTS);
        memory
    }

    #[test]
    fn answers_to_requests_that_are_not_seen_count_until_something_follows() {
        let memory = unseen();
        let answer =
            |number| from(number, Packet { destination_port: 40_000, ..tcp(tcp_flag::SYN | tcp_flag::ACK) });
        (0..9).for_each(|number| judge(&memory, &answer(number), 0));
        (0..5).for_each(|number| {
            judge(&memory, &Packet { tcp_flags: tcp_flag::ACK, ..answer(number) }, SECOND);
        });
        let counter = of(&memory, 0);
        assert_eq!((counter.openings.load(), counter.completed.load()), (9, 5));
        judge(&memory, &answer(8), SECOND);
        assert_eq!((counter.openings.load(), all(counter)[2]), (9, 1), "one that comes again is a segment");
    }

    #[test]
    fn who_sends_only_datagrams_that_go_on_with_nothing_never_becomes_known() {
        for (ports, unasked, unknown) in [(1, 1, 3), (100, 5, 5)] {
            let memory = unseen();
            for second in 0..5 {
                let (source_port, destination_port) = (40_001, 50_000 + second as u16 % ports);
                judge(&memory, &Packet { source_port, destination_port, ..udp() }, second << 30);
            }
            let counts = all(of(&memory, 0));
            assert_eq!((counts[4], counts[3]), (unasked, unknown), "to {ports} ports");
        }
    }

    #[test]
    fn where_what_leaves_is_seen_only_requests_that_a_signature_dropped_are_counted_here() {
        let mut memory = server(true);
        judge(&memory, &syn(), 0);
        let hash = Flow::answered_by(&syn()).hash(memory.set());
        flow::note(&memory, memory.set(), hash, Event::Open, NOW).expect("the table is there");
        judge(&memory, &tcp(tcp_flag::ACK), 0);
        assert_eq!(all(of(&memory, 1)), [0; 10]);
        memory.set().syn_bucket.store(crate::decide::testing::bucket(10, 3).pack());
        for _ in 0..5 {
            judge(&memory, &syn(), 0);
        }
        assert_eq!(of(&memory, 1).openings.load(), 0, "a limit drops what a known source may ask for");
        memory.sign(protocol::TCP, true, false);
        judge(&memory, &syn(), 0);
        assert_eq!(of(&memory, 1).openings.load(), 1);
    }

    #[test]
    fn what_is_only_asked_to_come_again_counts_as_if_it_had_passed() {
        for (protocol, packet) in [(protocol::TCP, syn()), (protocol::UDP, udp()), (protocol::ICMP, icmp())] {
            let mut memory = server(true);
            memory.sign(protocol, true, false);
            memory.signatures[0][ONCE as usize].store(1);
            memory.signatures[0][REPEAT as usize].store(1);
            for number in 0..5 {
                judge(&memory, &from(number, packet), 0);
            }
            let services = [1, 2, 0].map(|service| of(&memory, service));
            let sum =
                |word: fn(&UnprovenCounter) -> u64| services.iter().map(|counter| word(counter)).sum::<u64>();
            assert_eq!(sum(|counter| counter.signed.load()), 0, "{packet:?}");
            let openings =
                [sum(|counter| counter.openings.load()), sum(|counter| counter.signed_openings.load())];
            let unproven = [Unproven::Datagram, Unproven::Other].map(|kind| {
                let place = kind.place().expect("these are counted");
                services.iter().map(|counter| counter.sources[place].load()).sum::<u64>()
            });
            let expected = match protocol {
                protocol::TCP => ([5, 5], [0, 0]),
                protocol::UDP => ([0, 0], [5, 0]),
                _ => ([0, 0], [0, 5]),
            };
            assert_eq!((openings, unproven), expected, "{packet:?}");
        }
    }

    fn icmp() -> Packet {
        Packet { protocol: protocol::ICMP, source_port: 0, destination_port: 8 << 8, ..udp() }
    }

    #[test]
    fn each_kind_counts_sources_and_packets() {
        let memory = server(true);
        for number in 0..5 {
            for _ in 0..3 {
                judge(&memory, &from(number, tcp(tcp_flag::ACK)), 0);
                judge(&memory, &from(number, Packet { destination_port: 81, ..syn() }), 0);
                judge(&memory, &from(50 + number, udp()), 0);
                judge(&memory, &from(number, Packet { destination_port: 40_001, ..udp() }), 0);
                judge(&memory, &from(100 + number, Packet { protocol: 47, ..tcp(0) }), 0);
            }
        }
        assert_eq!(all(of(&memory, 1))[2], 5);
        assert_eq!(all(of(&memory, 1))[6], 15);
        assert_eq!(all(of(&memory, 2)), [0, 0, 0, 5, 0, 0, 0, 15, 0, 0]);
        let rest = all(of(&memory, 0));
        assert_eq!((rest[2], rest[4], rest[5], rest[6], rest[8], rest[9]), (5, 5, 5, 15, 15, 15));
    }

    #[test]
    fn a_known_source_and_what_answers_the_host_are_not_counted() {
        let memory = server(true);
        let question = Packet { destination_port: 50_000, ..udp() };
        let hash = Flow::answered_by(&question).hash(memory.set());
        flow::note(&memory, memory.set(), hash, Event::Open, NOW).expect("the table is there");
        judge(&memory, &question, 0);
        judge(&memory, &from(9, udp()), 0);
        judge(&memory, &from(9, udp()), 5 * SECOND);
        judge(&memory, &from(9, udp()), 6 * SECOND);
        assert_eq!(all(of(&memory, 0)), [0; 10]);
        assert_eq!(of(&memory, 2).packets[1].load(), 2, "until it is known");
    }
}
