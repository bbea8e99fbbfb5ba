//! What a packet that goes out teaches, beside [`decide`](crate::decide) for those that come in.
//!
//! | what goes out | what it teaches |
//! |---|---|
//! | TCP SYN | the flow is opened |
//! | SYN-ACK | the flow is opened, and something is offered there |
//! | FIN or RST | the flow is over, if it is known |
//! | any other segment with ACK | the flow is confirmed: no forger has ever drawn one of a connection that is none |
//! | either of these two | a request for a connection was answered; the other end has completed the handshake |
//! | UDP that answers a request | something is offered there |
//! | UDP from where something is offered | that a source which is not known [is answered](crate::unproven::answer); that of a name server, whether a new name [exists](crate::dns_answers) |
//! | other UDP | the flow is opened |
//! | echo requests | the flow is opened, whatever their identifiers |
//! | later fragments, anything else | nothing |
//!
//! What has come from outside and leaves again may be a forger's own text: it confirms nothing; and where it leaves to
//! the inside it teaches nothing.

use crate::{
    branchless::nonzero,
    dns_names,
    entry::{Event, State},
    flow::{self, Flow},
    frame::Frame,
    fruitless_sources,
    offered::{self, Offer},
    parse::{self, Fragment, Kind, Packet, protocol, tcp_flag},
    service,
    source::{self, Key},
    tables::Tables,
    unproven,
    wire::Settings,
};

/// For how many connections that a source has asked for one makes up that it completes: of what a client asks, up to a half
/// may get lost, or be asked where nothing answers, before it looks as if others asked in its name.
const COMPLETES: u16 = 2;

/// The interfaces that a packet goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// Index of the one it has come in by; 0: it was made here.
    pub from: u32,
    /// Index of the one it leaves by.
    pub to: u32,
}

/// What became of reading a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// It taught what it teaches.
    Observed,
    /// It cannot be read, or not yet: a header is not where it could be read.
    Unread,
}

/// Learns from a frame that goes out. The packet is a place to read it into. `answers` is given where the UDP header of what
/// leaves a name server here stands, and the number of its service: [`dns_answers::learn`](crate::dns_answers::learn), which
/// the kernel program makes a function of its own.
#[inline(always)]
pub fn observe<T: Tables, F: Frame>(
    tables: &T,
    frame: &F,
    packet: &mut Packet,
    route: Route,
    answers: impl FnOnce(u32, u32),
) -> Read {
    match parse::parse_network(frame, packet) {
        Kind::NotIp => return Read::Observed,
        Kind::Malformed => return Read::Unread,
        Kind::Ip => {}
    }
    if packet.fragment as u8 == Fragment::Later as u8 {
        return Read::Observed;
    }
    if parse::parse_transport(frame, packet).is_none() {
        return Read::Unread;
    }
    // Tables that are out of reach teach nothing, and harm nobody.
    let _ = learn(tables, packet, route, answers);
    Read::Observed
}

/// Learns from a packet that goes out. `None` if a table could not be reached.
#[inline(always)]
pub fn learn<T: Tables>(
    tables: &T,
    packet: &Packet,
    route: Route,
    answers: impl FnOnce(u32, u32),
) -> Option<()> {
    let settings = tables.settings()?;
    let set = settings.clock.load();
    let now_ns = if set != 0 { set } else { tables.clock() };
    let from_outside = route.from != 0 && is_outside(settings, route.from);
    if from_outside && !is_outside(settings, route.to) {
        return Some(());
    }
    let told = match packet.protocol {
        protocol::TCP => tcp(tables, settings, packet, from_outside, now_ns)?,
        protocol::UDP => udp(tables, settings, packet, from_outside, now_ns, answers)?,
        protocol::ICMP | protocol::ICMPV6 => icmp(tables, settings, packet, now_ns)?,
        _ => false,
    };
    if told && !from_outside {
        offered::note_sender(tables, settings, packet.source, now_ns)?;
    }
    Some(())
}

/// Whether it tells that its sender sends by here, or has told so within this second.
#[inline(always)]
fn tcp<T: Tables>(
    tables: &T,
    settings: &Settings,
    packet: &Packet,
    from_outside: bool,
    now_ns: u64,
) -> Option<bool> {
    let flags = packet.tcp_flags;
    let (syn, ack) = (flags & tcp_flag::SYN != 0, flags & tcp_flag::ACK != 0);
    let event = if flags & (tcp_flag::RST | tcp_flag::FIN) != 0 {
        Event::Close
    } else if syn || ack && from_outside {
        Event::Open
    } else if ack {
        Event::Confirm
    } else {
        return Some(false);
    };
    if syn && ack && event as u8 == Event::Open as u8 {
        let offer = Offer::new(protocol::TCP, packet.source, packet.source_port);
        offered::note(tables, settings, offer, from_outside, now_ns)?;
    }
    let hash = Flow::opened_by(packet).hash(settings);
    let noted = flow::note(tables, settings, hash, event, now_ns)?;
    // Once a connection each: whatever more of it leaves finds it as far as it has come.
    let is_new = noted.before.is_none_or(|before| before as u8 == State::Closed as u8);
    let completes = !syn && flags & tcp_flag::RST == 0 && noted.was(State::Opened);
    if ack && !from_outside && (syn && is_new || completes) {
        count(tables, settings, packet, completes, now_ns)?;
    }
    Some(noted.changed || event as u8 == Event::Close as u8)
}

/// Counts a request that is answered, or a handshake that is completed, if it was asked for from the other end. `None` if a
/// table could not be reached.
#[inline(always)]
fn count<T: Tables>(
    tables: &T,
    settings: &Settings,
    packet: &Packet,
    completes: bool,
    now_ns: u64,
) -> Option<()> {
    let port = service::port_at(tables, settings, packet.source, protocol::TCP, packet.source_port)?;
    if !completes {
        tables.service_counter(port.service.into())?.unproven.openings.add_local(1);
        return Some(());
    }
    let offer = Offer::new(protocol::TCP, packet.source, packet.source_port);
    if port.offered || offered::is(tables, settings, offer, now_ns)? {
        let key = Key::of(settings, packet.destination);
        fruitless_sources::complete(tables, settings, key, port.service.into(), now_ns)?;
        if let Some(way) = source::way_of(tables, settings, key) {
            source::complete(way, COMPLETES);
        }
    }
    Some(())
}

#[inline(always)]
fn udp<T: Tables>(
    tables: &T,
    settings: &Settings,
    packet: &Packet,
    from_outside: bool,
    now_ns: u64,
    answers: impl FnOnce(u32, u32),
) -> Option<bool> {
    let hash = Flow::opened_by(packet).hash(settings);
    let offer = Offer::new(protocol::UDP, packet.source, packet.source_port);
    match flow::recall(tables, settings, protocol::UDP, hash, now_ns)? {
        Some(State::Asked) => {
            let changed = offered::note(tables, settings, offer, from_outside, now_ns)?;
            return Some(changed);
        }
        Some(_) => {}
        None => {
            let port = service::port_at(tables, settings, packet.source, protocol::UDP, packet.source_port)?;
            let learned = !port.offered && offered::is(tables, settings, offer, now_ns)?;
            if (port.offered || learned) && !from_outside {
                let key = Key::of(settings, packet.destination);
                unproven::answer(tables, settings, port.service.into(), key, now_ns)?;
            }
            if port.offered {
                if packet.source_port == dns_names::PORT && !from_outside {
                    answers(packet.transport, port.service.into());
                }
                return Some(false);
            }
            if learned {
                return offered::note(tables, settings, offer, from_outside, now_ns);
            }
        }
    }
    Some(flow::note(tables, settings, hash, Event::Open, now_ns)?.changed)
}

#[inline(always)]
fn icmp<T: Tables>(tables: &T, settings: &Settings, packet: &Packet, now_ns: u64) -> Option<bool> {
    if packet.is_echo_request() {
        let hash = Flow::opened_by(packet).without_ports().hash(settings);
        flow::note(tables, settings, hash, Event::Open, now_ns)?;
    }
    Some(true)
}

/// Whether an interface leads to the outside.
#[inline(always)]
fn is_outside(settings: &Settings, index: u32) -> bool {
    let mut differ = 1;
    for pair in &settings.outside {
        let pair = pair.load();
        differ &= nonzero(u64::from(pair as u32 ^ index)) & nonzero(u64::from((pair >> 32) as u32 ^ index));
    }
    differ == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::testing::{HOST, Memory, NOW, SECOND, SOURCE, tcp, udp},
        prefix::Address,
        wire::Port,
    };

    /// Learns from a packet that is no answer of a name server.
    fn learn(memory: &Memory, packet: &Packet, route: Route) -> Option<()> {
        super::learn(memory, packet, route, |_, _| panic!("{packet:?}"))
    }

    const OUT: Route = Route { from: 0, to: 2 };
    const CARRIED: Route = Route { from: 9, to: 2 };
    const BACK: Route = Route { from: 2, to: 2 };
    const INWARD: Route = Route { from: 2, to: 9 };

    fn memory() -> Memory {
        let memory = Memory::new();
        memory.set().outside[1].store(2 << 32 | 5);
        memory
    }

    /// The same packet on its way out.
    fn answer(packet: Packet) -> Packet {
        Packet {
            source: packet.destination,
            destination: packet.source,
            source_port: packet.destination_port,
            destination_port: packet.source_port,
            ..packet
        }
    }

    fn state(memory: &Memory, packet: &Packet) -> Option<State> {
        let hash = Flow::opened_by(packet).hash(memory.set());
        flow::recall(memory, memory.set(), packet.protocol, hash, NOW).expect("the table is there")
    }

    fn is_offered(memory: &Memory, protocol: u8, port: u16) -> bool {
        offered::is(memory, memory.set(), Offer::new(protocol, HOST, port), NOW).expect("the table is there")
    }

    #[test]
    fn tcp_teaches_by_its_flags() {
        use tcp_flag::{ACK, FIN, PSH, RST, SYN};
        let (opened, confirmed) = (Some(State::Opened), Some(State::Confirmed));
        for (flags, before, expected, offers) in [
            (SYN, None, opened, false),
            (SYN | ACK, None, opened, true),
            (ACK, None, confirmed, false),
            (PSH | ACK, None, confirmed, false),
            (0, None, None, false),
            (RST, None, None, false),
            (RST | ACK, None, None, false),
            (FIN | ACK, None, None, false),
            (FIN | ACK, Some(ACK), Some(State::Closed), false),
            (RST, Some(ACK), Some(State::Closed), false),
        ] {
            let memory = memory();
            let packet = |flags| answer(tcp(flags));
            for flags in before.into_iter().chain([flags]) {
                learn(&memory, &packet(flags), CARRIED).expect("the tables are there");
            }
            assert_eq!(state(&memory, &packet(flags)), expected, "{flags:#x}");
            assert_eq!(is_offered(&memory, protocol::TCP, 80), offers, "{flags:#x}");
        }
    }

    #[test]
    fn requests_that_are_answered_and_handshakes_that_are_completed_are_counted() {
        use tcp_flag::{ACK, FIN, RST, SYN};
        for (flags, expected) in [
            (&[SYN | ACK, SYN | ACK][..], (1, 0)),
            (&[SYN | ACK, ACK, ACK], (1, 1)),
            (&[SYN | ACK, FIN | ACK], (1, 1)),
            (&[SYN | ACK, RST | ACK], (1, 0)),
            (&[SYN | ACK, ACK, FIN | ACK, SYN | ACK], (2, 1)),
            (&[SYN, ACK], (0, 0)),
            (&[ACK, ACK], (0, 0)),
        ] {
            let memory = memory();
            for flags in flags {
                learn(&memory, &answer(tcp(*flags)), OUT).expect("the tables are there");
            }
            let counter = &memory.service_counters[0].unproven;
            assert_eq!((counter.openings.load(), counter.completed.load()), expected, "{flags:x?}");
        }
    }

    #[test]
    fn what_came_from_outside_confirms_nothing() {
        for (route, expected) in [
            (OUT, Some(State::Confirmed)),
            (CARRIED, Some(State::Confirmed)),
            (BACK, Some(State::Opened)),
            (INWARD, None),
        ] {
            let memory = memory();
            let packet = answer(tcp(tcp_flag::ACK));
            learn(&memory, &packet, route).expect("the tables are there");
            assert_eq!(state(&memory, &packet), expected, "{route:?}");
            let sends = offered::sends(&memory, memory.set(), HOST, NOW);
            assert_eq!(sends, Some(expected == Some(State::Confirmed)), "{route:?}");
        }
    }

    #[test]
    fn udp_opens_a_flow_unless_it_answers() {
        let memory = memory();
        let question = answer(udp());
        learn(&memory, &question, OUT).expect("the tables are there");
        assert_eq!(state(&memory, &question), Some(State::Opened));
        assert_eq!(flow::answers(&memory, memory.set(), &udp(), NOW), Some(true));
        assert_eq!(state(&memory, &question), Some(State::Confirmed), "by its first answer");
        let later = NOW + 200 * SECOND;
        assert_eq!(flow::answers(&memory, memory.set(), &udp(), later), Some(false), "its life is over");

        // Somebody has asked, and is answered.
        let request = Packet { source_port: 5_000, destination_port: 53, ..udp() };
        let hash = Flow::answered_by(&request).hash(memory.set());
        flow::note(&memory, memory.set(), hash, Event::Ask, NOW);
        assert_eq!(flow::answers(&memory, memory.set(), &request, NOW), Some(false));
        learn(&memory, &answer(request), OUT).expect("the tables are there");
        assert!(is_offered(&memory, protocol::UDP, 53));
        // Whoever asks next is answered from an offered port: no flow.
        let next = Packet { source_port: 5_001, ..request };
        learn(&memory, &answer(next), OUT).expect("the tables are there");
        assert_eq!(state(&memory, &answer(next)), None);
    }

    #[test]
    fn udp_from_where_something_listens_teaches_nothing() {
        let mut memory = memory();
        memory.assign(protocol::UDP, 40_000, Port { service: 0, offered: true, carried: false });
        learn(&memory, &answer(udp()), OUT).expect("the tables are there");
        assert_eq!(state(&memory, &answer(udp())), None);
    }

    #[test]
    fn icmp_and_resets_show_that_their_sender_sends_by_here() {
        for packet in [answer(tcp(tcp_flag::RST)), Packet { protocol: protocol::ICMP, ..answer(udp()) }] {
            let memory = memory();
            assert_eq!(offered::sends(&memory, memory.set(), HOST, NOW), Some(false));
            learn(&memory, &packet, OUT).expect("the tables are there");
            assert_eq!(offered::sends(&memory, memory.set(), HOST, NOW), Some(true));
            assert_eq!(offered::sends(&memory, memory.set(), HOST, NOW + 700 * SECOND), Some(false));
            assert_eq!(offered::sends(&memory, memory.set(), SOURCE, NOW), Some(false));
        }
    }

    #[test]
    fn later_fragments_and_what_is_cut_teach_nothing() {
        let memory = memory();
        let bytes = crate::decide::testing::frame(&answer(tcp(tcp_flag::ACK)));
        let mut packet = Packet::default();
        let whole = crate::frame::Captured::whole(&bytes);
        assert_eq!(observe(&memory, &whole, &mut packet, OUT, |_, _| ()), Read::Observed);
        assert_eq!(state(&memory, &answer(tcp(tcp_flag::ACK))), Some(State::Confirmed));
        let cut = crate::frame::Captured::whole(&bytes[..40]);
        assert_eq!(observe(&memory, &cut, &mut packet, OUT, |_, _| ()), Read::Unread);
        let memory = self::memory();
        let mut later = bytes.clone();
        later[21] = 8;
        assert_eq!(
            observe(&memory, &crate::frame::Captured::whole(&later), &mut packet, OUT, |_, _| ()),
            Read::Observed
        );
        assert!(memory.flows.iter().flatten().all(|word| word.load() == 0));
    }

    /// Who has others send SYN-ACKs from everywhere makes no confirmed flow forgotten.
    #[test]
    fn confirmed_flows_outlive_a_flood_of_forged_requests() {
        const LINES: u32 = 1 << 17;
        const FLOWS: u32 = 20_000;
        const PER_SECOND: u32 = 300_000;
        let memory = Memory { flows: (0..LINES).map(|_| Default::default()).collect(), ..memory() };
        memory.set().flow_mask.store(u64::from(LINES - 1));
        let of = |number: u32, flags| Packet {
            source_port: number as u16,
            source: Address::v4(0x0a00_0000 | number >> 16 << 16 | number),
            ..tcp(flags)
        };
        let note = |number, flags, event| {
            let hash = Flow::answered_by(&of(number, flags)).hash(memory.set());
            flow::note(&memory, memory.set(), hash, event, memory.set().clock.load())
        };
        for number in 0..FLOWS {
            note(number, tcp_flag::ACK, Event::Confirm);
        }
        for second in 0..60 {
            memory.set().clock.store(NOW + second * SECOND);
            for number in 0..PER_SECOND {
                note(FLOWS + second as u32 * PER_SECOND + number, tcp_flag::SYN, Event::Open);
            }
        }
        let now = NOW + 60 * SECOND;
        let known = (0..FLOWS).filter(|number| {
            flow::answers(&memory, memory.set(), &of(*number, tcp_flag::ACK), now) == Some(true)
        });
        let known = known.count();
        assert!(known * 1_000 >= FLOWS as usize * 999, "{known} of {FLOWS}");
    }
}
