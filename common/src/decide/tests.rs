//! Whole decisions: the order of the stages, and what is counted.

use super::{
    testing::{
        Memory, NOW, SECOND, SOURCE, SOURCE6, bucket, counted, frame, limit_per_source, syn, tcp, udp,
    },
    *,
};
use crate::{
    frame::Captured,
    parse::{Packet, protocol, tcp_flag},
    source,
    wire::{Leaf, Per, Port, Terms, knowledge, signature},
};

fn decided(memory: &Memory, packet: &Packet) -> PacketContext {
    let mut context = PacketContext::default();
    decide_on(memory, &Captured::whole(&frame(packet)), &mut context);
    context
}

#[test]
fn the_first_stage_that_objects_decides() {
    let mut memory = Memory::new();
    memory.tolerate(0);
    memory.set().knowledge.store(knowledge::PORTS | knowledge::FLOWS | knowledge::CONNECTIONS);
    memory.set().bypass_until.store(NOW + 1);
    memory.list(SOURCE, Leaf::Block(1));
    memory.sign(protocol::TCP, true, false);
    let nothing_passes = bucket(1, 1);
    memory.rule(nothing_passes, Terms { per: Per::Service, ..RULE });
    let (mut context, source) = memory.entered(tcp(tcp_flag::ACK));
    bans::impose(&mut context, source.way, SECOND);

    let packet = tcp(tcp_flag::ACK);
    assert_eq!(decided(&memory, &packet).reason(), Reason::Bypass);
    memory.set().bypass_until.store(0);
    for reason in [Reason::Blocked, Reason::Unsolicited, Reason::Signature, Reason::Banned] {
        let context = decided(&memory, &packet);
        assert_eq!(context.reason(), reason);
        if reason != Reason::Blocked {
            assert_eq!(context.judgement.would, Reason::Blocked, "the first one that is monitored");
        }
        memory.monitor(reason);
    }
    source::lift(source.way, NOW);
    memory.set().packet_bucket.store(nothing_passes.pack());
    // Each has one packet to give.
    assert_eq!(decided(&memory, &packet).reason(), Reason::Clean);
    assert_eq!(decided(&memory, &packet).reason(), Reason::PacketRate);
    memory.monitor(Reason::PacketRate);
    assert_eq!(decided(&memory, &packet).reason(), Reason::ServiceRate);
    memory.monitor(Reason::ServiceRate);
    let context = decided(&memory, &packet);
    assert_eq!((context.reason(), context.judgement.would), (Reason::Clean, Reason::Blocked));
}

#[test]
fn a_segment_of_no_connection_is_judged_between_bans_and_rates() {
    let mut memory = Memory::new();
    memory.tolerate(0);
    memory.set().knowledge.store(knowledge::PORTS | knowledge::CONNECTIONS);
    memory.assign(protocol::TCP, 80, Port { service: 0, offered: true, carried: false });
    memory.set().packet_bucket.store(bucket(1, 1).pack());
    let packet = tcp(tcp_flag::ACK);
    let (mut context, source) = memory.entered(packet);
    bans::impose(&mut context, source.way, SECOND);
    assert_eq!(decided(&memory, &packet).reason(), Reason::Banned);
    source::lift(source.way, NOW);
    for _ in 0..3 {
        assert_eq!(decided(&memory, &packet).reason(), Reason::OutOfState);
    }
    memory.monitor(Reason::OutOfState);
    assert_eq!(decided(&memory, &packet).reason(), Reason::Clean, "those cost no token");
    assert_eq!(decided(&memory, &packet).reason(), Reason::PacketRate);
}

const RULE: Terms = limit_per_source(1);

#[test]
fn what_was_decided_by_itself_lapses_and_what_was_said_stays() {
    // What drops a packet of its own, and whether it was decided by itself.
    type Case = (Reason, bool, fn(&mut Memory));
    let cases: [Case; 8] = [
        (Reason::Unsolicited, true, |memory| {
            memory.set().knowledge.store(knowledge::PORTS | knowledge::FLOWS);
            memory.set().lapsing.store(Reason::Unsolicited.bit());
        }),
        (Reason::Signature, true, |memory| {
            memory.sign(protocol::UDP, true, false);
            memory.signatures[0][signature::LAPSING as usize].store(1);
        }),
        (Reason::Signature, false, |memory| memory.sign(protocol::UDP, true, false)),
        (Reason::Banned, true, |memory| {
            let (mut context, source) = memory.entered(udp());
            bans::impose(&mut context, source.way, 600 * SECOND);
        }),
        (Reason::ServiceRate, true, |memory| {
            memory.rule(bucket(1, 1), Terms { per: Per::Service, lapses: true, ..RULE });
        }),
        (Reason::ServiceRate, false, |memory| {
            memory.rule(bucket(1, 1), Terms { per: Per::Service, ..RULE });
        }),
        (Reason::Blocked, false, |memory| memory.list(SOURCE, Leaf::Block(1))),
        (Reason::Blocked, true, |memory| memory.list(SOURCE, Leaf::Ban(1))),
    ];
    for (number, (reason, lapses, prepare)) in cases.into_iter().enumerate() {
        let mut memory = Memory::new();
        memory.tolerate(0);
        memory.set().lease_until.store(NOW + SECOND);
        prepare(&mut memory);
        let packet = udp();
        // The second is over any rate.
        let judged = |memory: &Memory| [(); 2].map(|()| decided(memory, &packet).reason())[1];
        assert_eq!(judged(&memory), reason, "case {number}");
        memory.set().clock.store(NOW + SECOND);
        let expected = if lapses { Reason::Clean } else { reason };
        assert_eq!(judged(&memory), expected, "case {number}: nobody answers for it");
        memory.set().lease_until.store(NOW + 2 * SECOND);
        let expected = if reason == Reason::Banned { Reason::Clean } else { reason };
        assert_eq!(judged(&memory), expected, "case {number}: somebody does again");
    }
}

#[test]
fn in_times_of_which_nobody_knows_sources_are_trusted_as_in_peace() {
    let memory = Memory::new();
    memory.set().attacked.store(1);
    memory.set().lease_until.store(NOW + 1);
    let trusted = |memory: &Memory| {
        let context = PacketContext { known: true, entered: source::entered(NOW), ..memory.context(syn()) };
        context.is_trusted(memory.set())
    };
    assert!(!trusted(&memory));
    memory.set().clock.store(NOW + 1);
    assert!(trusted(&memory));
}

#[test]
fn an_allowlist_wins_over_all_that_comes_after() {
    let mut memory = Memory::new();
    memory.list(SOURCE, Leaf::Allow(1));
    memory.sign(protocol::TCP, true, false);
    memory.set().packet_bucket.store(bucket(1, 1).pack());
    for _ in 0..3 {
        assert_eq!(decided(&memory, &syn()).reason(), Reason::Trusted);
    }
    assert_eq!(memory.sources_entered(), 0);
}

#[test]
fn neighbour_discovery_is_cut_off_by_a_blocklist_and_by_no_rate() {
    let mut memory = Memory::new();
    memory.set().packet_bucket.store(bucket(1, 1).pack());
    let solicitation = Packet {
        source: SOURCE6,
        protocol: protocol::ICMPV6,
        destination_port: 135 << 8,
        hop_limit: 255,
        ..syn()
    };
    let judged = |memory: &Memory| {
        let mut context = memory.context(solicitation);
        let parts = Direct(memory, &Captured::whole(&[]));
        assert_eq!(judge(memory, memory.set(), &parts, &mut context), DECIDED);
        context.reason()
    };
    assert_eq!([(); 3].map(|()| judged(&memory)), [Reason::Control; 3]);
    memory.list(SOURCE6, Leaf::Block(1));
    assert_eq!(judged(&memory), Reason::Blocked);
}

#[test]
fn what_is_bypassed_is_not_even_read() {
    let memory = Memory::new();
    memory.set().bypass_until.store(NOW + 1);
    let whole = frame(&syn());
    for frame in [&whole[..], &whole[..20], &[0; 14]] {
        let mut context = PacketContext::default();
        decide_on(&memory, &Captured::whole(frame), &mut context);
        assert_eq!((context.reason(), context.is_packet), (Reason::Bypass, false));
    }
}

#[test]
fn a_known_source_is_recognised_where_it_is_not_banned() {
    let memory = Memory::new();
    let (mut entered, source) = memory.entered(syn());
    assert!(!decided(&memory, &syn()).known);
    source::make_known(source.way);
    let mut context = decided(&memory, &syn());
    assert!(context.known);
    decide_on(&memory, &Captured::whole(&[0; 14]), &mut context);
    assert!(!context.known, "nothing is left of the packet before");
    bans::impose(&mut entered, source.way, SECOND);
    let context = decided(&memory, &syn());
    assert_eq!((context.reason(), context.known), (Reason::Banned, false));
}

#[test]
fn what_an_early_stage_drops_is_not_entered() {
    let mut memory = Memory::new();
    memory.sign(protocol::TCP, true, false);
    assert_eq!(decided(&memory, &syn()).reason(), Reason::Signature);
    assert_eq!(memory.sources_entered(), 0);
    assert_eq!(decided(&memory, &udp()).reason(), Reason::Clean);
    assert_eq!(memory.sources_entered(), 1);
}

#[test]
fn later_fragments_share_the_fate_of_the_first() {
    for blocked in [false, true] {
        let mut memory = Memory::new();
        memory.tolerate(0);
        if blocked {
            memory.sign(protocol::UDP, true, false);
        }
        // Of a first fragment, more are to come; of a later one, the offset is not 0.
        let part = |flags: [u8; 2]| {
            let mut bytes = frame(&udp());
            bytes[20..22].copy_from_slice(&flags);
            let mut context = PacketContext::default();
            decide_on(&memory, &Captured::whole(&bytes), &mut context);
            context.reason()
        };
        let expected = if blocked { [Reason::Signature, Reason::Fragment] } else { [Reason::Clean; 2] };
        assert_eq!([part([0x20, 0]), part([0, 8])], expected);
    }
}

#[test]
fn every_frame_is_counted_once() {
    let memory = Memory::new();
    memory.set().syn_bucket.store(bucket(1, 1).pack());
    decided(&memory, &syn());
    decided(&memory, &syn());
    let mut context = PacketContext::default();
    decide_on(&memory, &Captured::whole(&[0; 14]), &mut context);
    for (reason, packets, bytes) in [(Reason::Clean, 1, 60), (Reason::SynRate, 1, 60), (Reason::NotIp, 1, 14)]
    {
        assert_eq!(counted(&memory.reason_counters[reason as usize]), (packets, bytes), "{reason:?}");
    }
    let service = &memory.service_counters[0];
    assert_eq!([&service.packets, &service.dropped, &service.syns].map(|word| word.load()), [2, 1, 2]);
}

#[test]
fn what_goes_wrong_in_the_tables_passes() {
    let broken = Memory { sources: Vec::new(), ..Memory::new() };
    assert_eq!(decided(&broken, &syn()).reason(), Reason::Fault);
    assert_eq!(counted(&broken.reason_counters[Reason::Fault as usize]), (1, 60));
    assert_eq!(broken.service_counters[0].packets.load(), 0);
    let gone = Memory { settings: Vec::new(), ..Memory::new() };
    assert_eq!(decided(&gone, &syn()).reason(), Reason::Fault);
    // A verdict stands, even where it cannot be counted.
    let uncounted = Memory { reason_counters: Vec::new(), ..Memory::new() };
    let context = decided(&uncounted, &syn());
    assert_eq!((context.reason(), context.sampled), (Reason::Clean, false));
}

#[test]
fn nothing_is_left_of_the_packet_before() {
    let mut memory = Memory::new();
    memory.services[0].sample_every.store(1);
    memory.set().sample_interval.store(1);
    memory.set().syn_bucket.store(bucket(1, 1).pack());
    memory.set().syn_ban.store(SECOND);
    memory.prove(syn());
    let mut context = PacketContext::default();
    let syn = frame(&syn());
    for _ in 0..2 {
        decide_on(&memory, &Captured::whole(&syn), &mut context);
    }
    assert_eq!(context.reason(), Reason::SynRate);
    assert!(context.sampled && context.is_packet && context.judgement.banned_until != 0);
    decide_on(&memory, &Captured::whole(&[0; 14]), &mut context);
    assert!(!context.sampled && !context.is_packet && !context.known);
    assert_eq!(context.judgement, Judgement { reason: Reason::NotIp, ..Judgement::default() });
    memory.settings.clear();
    decide_on(&memory, &Captured::whole(&syn), &mut context);
    assert_eq!(context.judgement, Judgement { reason: Reason::Fault, ..Judgement::default() });
}

#[test]
fn the_time_is_the_one_that_is_set_or_the_clocks() {
    let memory = Memory::new();
    memory.set().clock.store(5 * SECOND);
    let context = decided(&memory, &syn());
    assert_eq!((context.time_ns, context.virtual_time), (5 * SECOND, true));
    memory.set().clock.store(0);
    let context = decided(&memory, &syn());
    assert_eq!((context.time_ns, context.virtual_time), (NOW, false));
}
