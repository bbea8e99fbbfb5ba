//! Does the source ask for one more connection that comes to nothing? See [`crate::fruitless`].

use super::{CONTINUE, NONE, OutOfLine, PacketContext, Step, found, source::Source};
use crate::{
    client::{self, Proof},
    dns_names,
    flow::Flow,
    frame::{Frame, Header},
    fruitless::{self, Carries},
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
    let asks = u8::from(context.traits.meets(Traits::SYN)) & u8::from(fruitless::is_suspect(standing));
    let goes_on =
        u8::from(context.traits.meets(Traits::SEGMENT)) & u8::from(fruitless::is_followed(standing));
    if (asks | goes_on) & u8::from(context.port.offered) != 0 {
        return parts.follow_connection(context);
    }
    CONTINUE
}

/// Notes that a source's connection bears fruit; counts a request of one whose connections come to nothing, and objects to
/// it while its service refuses these.
#[inline(always)]
pub fn follow<T: Tables, F: Frame>(
    tables: &T,
    settings: &Settings,
    frame: &F,
    context: &mut PacketContext,
) -> Step {
    let (key, time_ns, service) = (context.key, context.time_ns, context.judgement.service);
    if context.traits.meets(Traits::SYN) {
        if !found(fruitless::connects_time_and_again(tables, settings, key, service, time_ns))? {
            return CONTINUE;
        }
        let first =
            found(unproven::first_this_second(tables, settings, service, key, Once::Fruitless, time_ns))?;
        found(tables.service_counter(service))?.unproven.fruitless.add_local(first);
        if settings.refuses_fruitless(service) {
            return context.object(settings, Reason::Fruitless, NONE);
        }
        return CONTINUE;
    }
    let packet = &context.packet;
    let flow = Flow::answered_by(packet).hash(settings);
    let carries = what_it_carries(frame, packet);
    if found(fruitless::bears_fruit(tables, flow, packet.acknowledged, carries, time_ns))?
        && let Some(way) = source::way_of(tables, settings, key)
    {
        source::mark(way, standing::FRUITFUL);
        // During an attack it proves no more than that somebody is there: a name server's clients are asked for no more.
        let asks_names = context.packet.destination_port == dns_names::PORT;
        if !context.is_attacked(settings) {
            found(client::note(tables, settings, context.packet.source, Proof::Served, time_ns))?;
        } else if asks_names {
            found(client::note(tables, settings, context.packet.source, Proof::Challenged, time_ns))?;
        }
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
            assert_eq!([0, 1].map(|second| connect(&memory, second, 0)), [Reason::Clean; 2]);
            assert_eq!(counted(&memory), 0);
            assert_eq!(connect(&memory, 2, 0), expected);
            assert_eq!(counted(&memory), 1);
            let open =
                Packet { source_port: 5_001, acknowledged: 9_001, ..tcp(tcp_flag::ACK | tcp_flag::PSH) };
            assert_eq!(reason(&memory, open, 2), Reason::Clean, "what is open goes on");
            let other = Packet { source: crate::decide::testing::HOST, ..syn() };
            assert_eq!(reason(&memory, other, 2), Reason::Clean, "another source");
            assert_eq!(connect(&memory, 80, 0), Reason::Clean, "a minute later it may try again");
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
        assert!((0..5).all(|second| connect(&memory, second, 0) == Reason::Clean));
        assert_eq!(counted(&memory), 3);
    }
}
