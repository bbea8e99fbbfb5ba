//! Does the source ask for one more connection that comes to nothing? See [`crate::fruitless_sources`].

use super::{CONTINUE, NONE, OutOfLine, PacketContext, Step, found, source::Source};
use crate::{
    client::{self, Proof},
    dns_names,
    flow::Flow,
    frame::{Frame, Header},
    fruitless_sources::{self, Carries, Progress},
    parse::Packet,
    source,
    tables::Tables,
    traits::Traits,
    unproven::{self, Once},
    wire::{Reason, Settings, standing},
};

/// Follows the connections of sources of which none has borne fruit so far. A packet of any other costs a comparison.
#[inline(always)]
pub(super) fn judge<O: OutOfLine>(parts: &O, context: &mut PacketContext, source: Source<'_>) -> Step {
    // One branch: each would double the ways that the verifier has to walk from here.
    let standing = source.history.standing;
    let asks =
        u8::from(context.traits.meets(Traits::SYN)) & u8::from(fruitless_sources::is_suspect(standing));
    let goes_on =
        u8::from(context.traits.meets(Traits::SEGMENT)) & u8::from(fruitless_sources::is_followed(standing));
    if (asks | goes_on) & u8::from(context.port.offered) != 0 {
        return parts.follow_connection(context);
    }
    CONTINUE
}

/// Notes that a source's connection bears fruit; counts a request of one whose connections come to nothing. Objects to requests
/// of these, of those that come time and again, and to what is overdue, while their service refuses such.
#[inline(always)]
pub fn follow<T: Tables, F: Frame>(
    tables: &T,
    settings: &Settings,
    frame: &F,
    context: &mut PacketContext,
) -> Step {
    let (key, time_ns, service) = (context.key, context.time_ns, context.judgement.service);
    if context.traits.meets(Traits::SYN) {
        if !context.returns {
            if !found(fruitless_sources::connects_time_and_again(tables, settings, key, service, time_ns))? {
                return CONTINUE;
            }
            count(tables, settings, context)?;
        }
        if context.refused {
            return context.object(settings, Reason::Fruitless, NONE);
        }
        return CONTINUE;
    }
    let packet = &context.packet;
    let flow = Flow::answered_by(packet).hash(settings);
    let carries = what_it_carries(frame, packet);
    match found(fruitless_sources::progress(tables, flow, packet.acknowledged, carries, time_ns))? {
        Progress::Begins => CONTINUE,
        Progress::Fruitful => note_fruit(tables, settings, context),
        Progress::Overdue => {
            if !context.refused
                || !found(fruitless_sources::connects_time_and_again(
                    tables, settings, key, service, time_ns,
                ))?
            {
                return CONTINUE;
            }
            // Who keeps connections open asks for none, and the flood goes on.
            count(tables, settings, context)?;
            context.object(settings, Reason::Fruitless, NONE)
        }
    }
}

/// Counts what comes of a source whose connections come to nothing, once a source and second.
#[inline(always)]
fn count<T: Tables>(tables: &T, settings: &Settings, context: &PacketContext) -> Step {
    let PacketContext { key, time_ns, .. } = *context;
    let service = context.judgement.service;
    let first = found(unproven::first_this_second(tables, settings, service, key, Once::Fruitless, time_ns))?;
    found(tables.service_counter(service))?.unproven.fruitless.add_local(first);
    CONTINUE
}

/// Notes that one of its source's connections bears fruit.
#[inline(always)]
fn note_fruit<T: Tables>(tables: &T, settings: &Settings, context: &PacketContext) -> Step {
    let Some(way) = source::way_of(tables, settings, context.key) else { return CONTINUE };
    source::mark(way, standing::FRUITFUL);
    // During an attack it proves no more than that somebody is there: a name server's clients are asked for no more.
    let asks_names = context.packet.destination_port == dns_names::PORT;
    if !context.is_attacked(settings) {
        found(client::note(tables, settings, context.packet.source, Proof::Served, context.time_ns))?;
    } else if asks_names {
        found(client::note(tables, settings, context.packet.source, Proof::Challenged, context.time_ns))?;
    }
    CONTINUE
}

/// What a TCP segment carries; where that can't be read, it is taken for data.
#[inline(always)]
fn what_it_carries<F: Frame>(frame: &F, packet: &Packet) -> Carries {
    let Some(header) = frame.header::<20>(packet.transport) else { return Carries::Data };
    let start = packet.transport.wrapping_add(u32::from(header.u8(12) >> 4) * 4) & OFFSET_MASK;
    let length = packet.end.saturating_sub(start);
    Carries::of(length, frame.header::<2>(start).map_or(0, |first| first.be16(0)))
}

/// Offsets stay far below this; said so that the verifier knows, too.
const OFFSET_MASK: u32 = 0x1_ffff;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::{
            decide_on,
            testing::{Memory, NOW, SECOND, frame, syn, tcp},
        },
        frame::Captured,
        parse::{protocol, tcp_flag},
        wire::{Port, knowledge},
    };

    /// A web server that sees only what comes in, and takes requests for answered.
    fn server(refuses: bool) -> Memory {
        let mut memory = Memory::new();
        memory.set().knowledge.store(knowledge::PORTS | knowledge::FLOWS);
        memory.set().refuses_fruitless.store(u64::from(refuses) << 1);
        memory.assign(protocol::TCP, 80, Port { service: 1, offered: true, carried: false });
        memory
    }

    fn reason(memory: &Memory, packet: Packet, second: u64) -> Reason {
        memory.set().clock.store(NOW + second * SECOND);
        let mut context = PacketContext::default();
        decide_on(memory, &Captured::whole(&frame(&packet)), &mut context);
        context.reason()
    }

    /// Has a source connect at a second, and acknowledge so much of what the host sends; tells what became of its request.
    fn connect(memory: &Memory, second: u64, acknowledges: u32) -> Reason {
        let port = 5_000 + second as u16;
        let asked = reason(memory, Packet { source_port: port, ..syn() }, second);
        if asked == Reason::Clean {
            for (acknowledged, more) in [(0, 0), (0, 40), (acknowledges, 0)] {
                let ack = tcp(tcp_flag::ACK);
                let acknowledged = 9_001 + acknowledged;
                let ack = Packet { source_port: port, acknowledged, length: 54 + more, ..ack };
                assert_eq!(reason(memory, ack, second), Reason::Clean);
            }
        }
        asked
    }

    fn counted(memory: &Memory) -> u64 {
        memory.service_counters[1].unproven.fruitless.load()
    }

    #[test]
    fn a_third_connection_that_comes_to_nothing_is_counted_and_refused_once_that_is_said() {
        for (refuses, expected) in [(true, Reason::Fruitless), (false, Reason::Clean)] {
            let memory = server(refuses);
            assert_eq!([0, 3].map(|second| connect(&memory, second, 0)), [Reason::Clean; 2]);
            assert_eq!(counted(&memory), 0);
            assert_eq!(connect(&memory, 6, 0), expected);
            assert_eq!(counted(&memory), 1);
            let open =
                Packet { source_port: 5_003, acknowledged: 9_001, ..tcp(tcp_flag::ACK | tcp_flag::PSH) };
            assert_eq!(reason(&memory, open, 6), Reason::Clean, "what is open goes on");
            let other = Packet { source: crate::decide::testing::HOST, ..syn() };
            assert_eq!(reason(&memory, other, 6), Reason::Clean, "another source");
            assert_eq!(connect(&memory, 80, 0), Reason::Clean, "a minute later it may try again");
        }
    }

    #[test]
    fn what_is_overdue_is_dropped_of_those_that_are_refused_until_it_is_answered() {
        for (refuses, expected) in [(true, Reason::Fruitless), (false, Reason::Clean)] {
            let memory = server(refuses);
            [0, 3].into_iter().for_each(|second| assert_eq!(connect(&memory, second, 0), Reason::Clean));
            let more = |second, acknowledged, length| {
                let more = Packet { source_port: 5_003, acknowledged, length, ..tcp(tcp_flag::ACK) };
                reason(&memory, more, second)
            };
            assert_eq!(more(5, 9_001, 60), Reason::Clean, "it has just begun");
            assert_eq!(more(20, 9_001, 60), expected);
            assert_eq!(counted(&memory), u64::from(refuses));
            assert_eq!(more(20, 9_301, 54), Reason::Clean, "it was answered");
            assert_eq!(more(21, 9_301, 60), Reason::Clean);
        }
    }

    #[test]
    fn who_goes_on_with_a_connection_that_was_refused_is_not_one_of_few() {
        let memory = server(true);
        memory.tolerate(10);
        memory.set().knowledge.store(knowledge::PORTS | knowledge::FLOWS | knowledge::CONNECTIONS);
        [0, 3].into_iter().for_each(|second| assert_eq!(connect(&memory, second, 0), Reason::Clean));
        assert_eq!(connect(&memory, 6, 0), Reason::Fruitless);
        let ack = Packet { source_port: 5_006, acknowledged: 9_001, ..tcp(tcp_flag::ACK) };
        assert_eq!([6, 7, 9].map(|second| reason(&memory, ack, second)), [Reason::OutOfState; 3]);
    }

    #[test]
    fn who_is_marked_is_refused_though_its_connections_bear_fruit() {
        for (marked, expected) in [(true, Reason::Fruitless), (false, Reason::Clean)] {
            let memory = server(false);
            memory.set().attacked.store(1 << 1);
            assert_eq!(connect(&memory, 0, 300), Reason::Clean);
            let (context, _) = memory.entered(syn());
            let way = source::way_of(&memory, memory.set(), context.key).expect("it was entered");
            source::mark(way, if marked { standing::RETURNS } else { 0 });
            assert_eq!(connect(&memory, 3, 300), expected);
            let open = Packet { source_port: 5_000, acknowledged: 9_301, ..tcp(tcp_flag::ACK) };
            assert_eq!(reason(&memory, open, 3), Reason::Clean, "what is open goes on");
            source::unmark(way, standing::RETURNS);
            assert_eq!(connect(&memory, 6, 300), Reason::Clean);
        }
    }

    #[test]
    fn who_was_served_once_is_never_refused() {
        let memory = server(true);
        assert_eq!(connect(&memory, 0, 300), Reason::Clean);
        assert!((1..20).all(|second| connect(&memory, second, 0) == Reason::Clean));
        assert_eq!(counted(&memory), 0);
    }

    #[test]
    fn requests_at_once_are_one_attempt() {
        let memory = server(true);
        let at_once = |port: u16| {
            let request = Packet { source_port: port, ..syn() };
            let ack = Packet { source_port: port, acknowledged: 9_001, ..tcp(tcp_flag::ACK) };
            [request, ack].map(|packet| reason(&memory, packet, 0))
        };
        assert!((6_000..6_020).all(|port| at_once(port) == [Reason::Clean; 2]));
    }

    #[test]
    fn what_is_monitored_passes() {
        let memory = server(true);
        memory.monitor(Reason::Fruitless);
        assert!((0..5).all(|number| connect(&memory, 3 * number, 0) == Reason::Clean));
        assert_eq!(counted(&memory), 3);
    }
}
