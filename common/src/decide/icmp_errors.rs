//! ICMP errors: does the packet that one is about belong to a flow of the host's?
//!
//! Unreachable destinations, packets that are too big or have been under way for too long: connections live by these, and
//! they come from routers that nobody has ever heard of. What speaks for one is the packet that it quotes, which must have
//! left from here. Whoever forges errors does not know what did, unless it was sent to them: so even of what is known not
//! everything passes.

use super::{CONTINUE, PacketContext, Step, found, known, suspects};
use crate::{
    flow::{self, Flow},
    offered::{self, Offer},
    parse::{Packet, Quoted, protocol},
    service,
    source::{self, Key},
    tables::Tables,
    token_bucket,
    traits::Traits,
    wire::{BucketSpec, Reason, Settings, Suspicion, Unproven, knowledge},
};

/// Errors/s about known flows that are taken for what they say, all services together: as many as Linux itself sends
/// (icmp_msgs_per_sec). Who has a connection to the host, and forges errors about it, gets no more through.
const KNOWN: BucketSpec = match BucketSpec::new(1_000, 2_000) {
    Some(spec) => spec,
    None => BucketSpec::UNTOUCHED,
};

/// Objects to an error whose quotation has been read, if it is about a packet of a flow that nothing speaks for, and too many
/// of these come for its service. The context says whether it belongs to one.
#[inline(always)]
pub fn judge<T: Tables>(tables: &T, settings: &Settings, context: &mut PacketContext) -> Step {
    context.belongs = false;
    match context.quotation {
        Quoted::Flow => context.belongs = is_of_the_hosts(tables, settings, context)?,
        // Of what has no ports it is not noted what leaves.
        Quoted::Other => return CONTINUE,
        Quoted::Unclear => {}
    }
    context.belongs =
        context.belongs && token_bucket::take_long(&settings.errors, KNOWN, KNOWN.increment, context.time_ns);
    if context.belongs {
        // What limits hold ICMP to is for what speaks of nothing: of these a router may send many at once.
        context.traits = context.traits.without(Traits::ICMP);
        return CONTINUE;
    }
    let flows = settings.knowledge.load() & knowledge::FLOWS != 0;
    let to = context.packet.destination;
    if context.port.carried && !(flows && found(offered::sends(tables, settings, to, context.time_ns))?) {
        return CONTINUE;
    }
    context.judgement.unsolicited = true;
    context.judgement.unproven = Unproven::Other;
    let service = found(tables.service(context.judgement.service))?;
    if suspects::is_one_of_few(settings, service, Suspicion::Error, context.time_ns) {
        return CONTINUE;
    }
    suspects::object(settings, context, Reason::Unsolicited)
}

/// Whether the packet which an error quotes has left from here, as far as is known. It must have been sent by whoever the
/// error is for.
#[inline(always)]
fn is_of_the_hosts<T: Tables>(tables: &T, settings: &Settings, context: &PacketContext) -> Step<bool> {
    let answer = &context.quoted;
    let (sender, receiver) = (&answer.destination, &context.packet.destination);
    if sender.high ^ receiver.high | sender.low ^ receiver.low != 0 {
        return Step::Continue(false);
    }
    let (known, now_ns) = (settings.knowledge.load(), context.time_ns);
    let flows = known & knowledge::FLOWS != 0;
    if flows {
        // One that was only asked for is one, too: what it asked for has passed, and may have been answered.
        let hash = Flow::answered_by(answer).hash(settings);
        if found(flow::recall(tables, settings, answer.protocol, hash, now_ns))?.is_some() {
            return Step::Continue(true);
        }
    }
    let datagram = answer.protocol == protocol::UDP;
    if datagram && is_offered(tables, settings, answer, now_ns)? {
        // Of what a service of datagrams sends nothing is noted: but whom it has answered before is known.
        let key = Key::of(settings, answer.source);
        let sources = found(source::set_of(tables, settings, key))?;
        return Step::Continue(known::is_known(sources, key));
    }
    let sockets = known & knowledge::SOCKETS != 0 && !context.port.carried;
    Step::Continue(sockets && tables.has_socket(answer))
}

/// Whether something is offered where the quoted datagram came from.
#[inline(always)]
fn is_offered<T: Tables>(tables: &T, settings: &Settings, answer: &Packet, now_ns: u64) -> Step<bool> {
    let Packet { destination, destination_port, .. } = *answer;
    let port = found(service::port_at(tables, settings, destination, protocol::UDP, destination_port))?;
    if port.offered || settings.knowledge.load() & knowledge::FLOWS == 0 {
        return Step::Continue(port.offered);
    }
    found(offered::is(tables, settings, Offer::new(protocol::UDP, destination, destination_port), now_ns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::{
            decide_on,
            testing::{HOST, Memory, NOW, SECOND, bucket, frame, limit_per_source, tcp, udp},
        },
        entry::Event,
        frame::Captured,
        parse::tcp_flag,
        prefix::Address,
        wire::Port,
    };

    /// A router on the way, which nobody knows.
    const ROUTER: Address = Address::v4(0x0808_0401);

    /// Knows what listens and what the host has sent, and lets no error pass that is about something else.
    fn strict() -> Memory {
        let memory = Memory::new();
        memory.tolerate(0);
        memory.set().knowledge.store(knowledge::PORTS | knowledge::FLOWS);
        memory
    }

    /// What the host has sent, if this comes in as an answer to it.
    fn sent(answer: &Packet) -> Packet {
        Packet {
            source: answer.destination,
            destination: answer.source,
            source_port: answer.destination_port,
            destination_port: answer.source_port,
            ..*answer
        }
    }

    /// An error about a packet.
    fn about(packet: &Packet) -> Vec<u8> {
        let outer = Packet { source: ROUTER, protocol: protocol::ICMP, length: 70, tcp_flags: 0, ..udp() };
        let mut bytes = frame(&outer);
        bytes[34] = 3;
        bytes[35] = 4;
        bytes[42..70].copy_from_slice(&frame(packet)[14..42]);
        bytes
    }

    fn judged(memory: &Memory, bytes: &[u8]) -> PacketContext {
        let mut context = PacketContext::default();
        decide_on(memory, &Captured::whole(bytes), &mut context);
        context
    }

    fn is_dropped(memory: &Memory, bytes: &[u8]) -> bool {
        let context = judged(memory, bytes);
        assert_ne!(context.judgement.answers, context.judgement.unsolicited, "{:?}", context.judgement);
        context.reason() == Reason::Unsolicited
    }

    fn note(memory: &Memory, answer: &Packet, event: Event) {
        let hash = Flow::answered_by(answer).hash(memory.set());
        flow::note(memory, memory.set(), hash, event, NOW).expect("the table is there");
    }

    #[test]
    fn an_error_about_a_flow_of_the_hosts_passes_and_is_counted_as_proven() {
        for (answer, event) in [
            (tcp(tcp_flag::ACK), Event::Open),
            (tcp(tcp_flag::ACK), Event::Confirm),
            (udp(), Event::Open),
            (udp(), Event::Ask),
        ] {
            let memory = strict();
            let error = about(&sent(&answer));
            assert!(is_dropped(&memory, &error), "nothing was sent yet: {event:?}");
            note(&memory, &answer, event);
            for _ in 0..100 {
                let context = judged(&memory, &error);
                assert_eq!((context.reason(), context.judgement.answers), (Reason::Clean, true), "{event:?}");
                assert_eq!(context.judgement.unproven, Unproven::No, "{event:?}");
            }
            let other = Packet { source_port: answer.source_port + 1, ..answer };
            assert!(is_dropped(&memory, &about(&sent(&other))), "another flow: {event:?}");
        }
    }

    #[test]
    fn who_has_a_connection_cannot_flood_by_errors_about_it() {
        let memory = strict();
        note(&memory, &tcp(tcp_flag::ACK), Event::Confirm);
        let error = about(&sent(&tcp(tcp_flag::ACK)));
        let passed = |millisecond: u64| {
            memory.set().clock.store(NOW + millisecond * SECOND / 1_000);
            (0..100).filter(|_| !is_dropped(&memory, &error)).count()
        };
        let passed: usize = (0..1_000).map(passed).sum();
        assert!((2_900..3_100).contains(&passed), "{passed} of 100000 in a second");
    }

    #[test]
    fn rules_about_icmp_are_for_other_errors() {
        let memory = Memory::new();
        memory.set().knowledge.store(knowledge::PORTS | knowledge::FLOWS);
        memory.rule(bucket(1, 1), limit_per_source(Traits::ICMP.bits()));
        let error = about(&sent(&udp()));
        let dropped = |_| judged(&memory, &error).reason() == Reason::SourceRate;
        assert_eq!((0..10).filter(|number| dropped(*number)).count(), 9);
        note(&memory, &udp(), Event::Open);
        assert_eq!((0..10).filter(|number| dropped(*number)).count(), 0);
    }

    #[test]
    fn an_error_confirms_nothing_and_keeps_nothing_known() {
        let memory = strict();
        note(&memory, &udp(), Event::Open);
        let before: Vec<u64> = memory.flows.iter().flatten().map(crate::wire::Word::load).collect();
        memory.set().clock.store(NOW + 30 * SECOND);
        assert!(!is_dropped(&memory, &about(&sent(&udp()))));
        let after: Vec<u64> = memory.flows.iter().flatten().map(crate::wire::Word::load).collect();
        assert_eq!(before, after);
        memory.set().clock.store(NOW + 200 * SECOND);
        assert!(is_dropped(&memory, &about(&sent(&udp()))), "its life is over");
    }

    #[test]
    fn who_sent_the_packet_is_who_is_told() {
        let memory = strict();
        let answer = Packet { destination: Address::v4(0xc000_020b), ..udp() };
        note(&memory, &answer, Event::Open);
        assert!(is_dropped(&memory, &about(&sent(&answer))), "it was another host of the same network");
    }

    #[test]
    fn others_pass_while_they_are_few_and_do_not_take_what_other_suspects_have() {
        let memory = strict();
        let error = about(&sent(&udp()));
        memory.tolerate(3);
        let passed = |seconds| {
            memory.set().clock.store(NOW + seconds * SECOND);
            (0..10).filter(|_| !is_dropped(&memory, &error)).count()
        };
        assert_eq!((passed(0), passed(60)), (3, 3));
        for suspicion in [Suspicion::Tcp, Suspicion::Udp, Suspicion::OutOfState, Suspicion::Fragment] {
            assert_eq!(memory.services[0].suspects[suspicion as usize].load(), NOW >> 6, "{suspicion:?}");
        }
        memory.monitor(Reason::Unsolicited);
        let context = judged(&memory, &error);
        assert_eq!((context.reason(), context.judgement.would), (Reason::Clean, Reason::Unsolicited));
    }

    #[test]
    fn what_is_cut_short_is_held_to_be_about_nothing() {
        let memory = strict();
        note(&memory, &udp(), Event::Open);
        let error = about(&sent(&udp()));
        assert!(!is_dropped(&memory, &error));
        for length in 42..66 {
            let mut cut = error[..length].to_vec();
            cut[16..18].copy_from_slice(&(length as u16 - 14).to_be_bytes());
            assert!(is_dropped(&memory, &cut), "{length} bytes");
            // What stands behind the packet in its frame is not of it.
            cut.extend(&error[length..]);
            assert!(is_dropped(&memory, &cut), "{length} bytes and padding");
        }
    }

    #[test]
    fn of_what_has_no_ports_nothing_is_held_against_an_error() {
        let memory = strict();
        let echo = Packet { protocol: protocol::ICMP, length: 60, ..sent(&udp()) };
        for _ in 0..10 {
            let context = judged(&memory, &about(&echo));
            assert_eq!((context.reason(), context.judgement.unsolicited), (Reason::Clean, false));
            assert_eq!(context.judgement.unproven, Unproven::Other);
        }
    }

    #[test]
    fn of_what_a_service_of_datagrams_sent_it_is_asked_whom_it_has_answered() {
        let mut memory = strict();
        memory.socket.set(true);
        memory.set().knowledge.store(knowledge::PORTS | knowledge::FLOWS | knowledge::SOCKETS);
        memory.assign(protocol::UDP, 40_000, Port { service: 0, offered: true, carried: false });
        let error = about(&sent(&udp()));
        assert!(is_dropped(&memory, &error), "a socket that waits for everybody proves nothing");
        source::make_known(memory.entered(udp()).1.way);
        assert!(!is_dropped(&memory, &error));
        let memory = strict();
        offered::note(&memory, memory.set(), Offer::new(protocol::UDP, HOST, 40_000), false, NOW);
        source::make_known(memory.entered(udp()).1.way);
        assert!(!is_dropped(&memory, &error), "offered, as what leaves has shown");
        let other = Packet { source: Address::v4(0xcb00_7108), ..udp() };
        assert!(is_dropped(&memory, &about(&sent(&other))), "whom it has never answered");
    }

    #[test]
    fn the_hosts_sockets_know_connections_that_are_older() {
        let memory = strict();
        let error = about(&sent(&tcp(tcp_flag::ACK)));
        memory.socket.set(true);
        assert!(is_dropped(&memory, &error), "nobody said that they can be asked");
        memory.set().knowledge.store(knowledge::PORTS | knowledge::SOCKETS);
        assert!(!is_dropped(&memory, &error));
    }

    #[test]
    fn of_who_sends_nothing_by_here_nothing_is_held_against_an_error() {
        let mut memory = strict();
        memory.assign(protocol::ICMP, 0, Port { service: 0, offered: true, carried: true });
        let error = about(&sent(&udp()));
        let context = judged(&memory, &error);
        assert_eq!((context.reason(), context.judgement.unsolicited), (Reason::Clean, false));
        offered::note_sender(&memory, memory.set(), HOST, NOW).expect("the table is there");
        assert!(is_dropped(&memory, &error));
    }

    #[test]
    fn a_known_error_is_held_to_the_limits_of_its_source() {
        let memory = strict();
        note(&memory, &udp(), Event::Open);
        memory.set().packet_bucket.store(bucket(10, 4).pack());
        let error = about(&sent(&udp()));
        let reasons = [0; 6].map(|_| judged(&memory, &error).reason());
        assert_eq!(reasons[..4], [Reason::Clean; 4]);
        assert_eq!(reasons[4..], [Reason::PacketRate; 2]);
    }

    #[test]
    fn where_too_little_is_known_no_error_is_unsolicited() {
        for known in [0, knowledge::PORTS, knowledge::FLOWS | knowledge::SOCKETS] {
            let memory = strict();
            memory.set().knowledge.store(known);
            let context = judged(&memory, &about(&sent(&udp())));
            assert_eq!((context.reason(), context.judgement.unsolicited), (Reason::Clean, false));
        }
    }

    #[test]
    fn a_memory_that_is_out_of_reach_is_a_fault() {
        let memory = Memory { flows: Vec::new(), ..strict() };
        assert_eq!(judged(&memory, &about(&sent(&udp()))).reason(), Reason::Fault);
    }
}
