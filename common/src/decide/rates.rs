//! Is the source within the limits that hold for every source?

use super::{CONTINUE, NONE, OutOfLine, PacketContext, Step, bans, offences, source::Source};
use crate::{
    busy, source,
    token_bucket::of_source::{self, Standing},
    traits::Traits,
    wire::{BucketSpec, Reason, Service, Settings, knowledge, service_flag, spared},
};

/// Counts the packet to its source, and objects if that is over its limit of packets/s or SYN/s; then it is banned as
/// well, if the limit says so. A limit may leave known sources alone in peace, and flows in which both ends speak.
#[inline(always)]
pub(super) fn judge<O: OutOfLine>(
    settings: &Settings,
    parts: &O,
    context: &mut PacketContext,
    source: Source<'_>,
    service: &Service,
) -> Step {
    let Source { way, was_there, .. } = source;
    let syn = context.traits.meets(Traits::SYN);
    // A service may have limits of its own in place of those that hold for every source; and only a SYN costs one.
    let flags = service.flags.load();
    let spared = settings.spared.load();
    let trusted = u64::from(context.is_trusted(settings));
    let exempts = |bit: u64| trusted * (spared & bit);
    let packet_bucket = unless(
        flags & service_flag::NO_SOURCE_PACKETS | exempts(spared::PACKETS_OF_KNOWN),
        settings.packet_bucket.load(),
    );
    let syn_bucket = unless(
        flags & service_flag::NO_SOURCE_SYN | u64::from(!syn) | exempts(spared::SYNS_OF_KNOWN),
        settings.syn_bucket.load(),
    );
    let offends = offences::of_sources(settings, parts, context, [packet_bucket, syn_bucket])?;
    let standing =
        of_source::meter(way, [packet_bucket, syn_bucket], context.time_ns, context.dither(), !was_there);
    let opens = syn
        && standing as u8 == Standing::Within as u8
        && settings.knowledge.load() & knowledge::ANSWERS != 0
        && !context.port.carried;
    if was_there && busy::is(way) {
        parts.count_busy(context)?;
    } else {
        source::count(way, context.packet.length, !was_there);
    }
    if syn {
        source::count_syn(way, opens);
    }
    let (reason, ban) = match standing {
        Standing::Within => return CONTINUE,
        Standing::OverPackets => (Reason::PacketRate, &settings.packet_ban),
        Standing::OverSyn => (Reason::SynRate, &settings.syn_ban),
    };
    if reason as u32 == Reason::PacketRate as u32 && spared & spared::FLOWS != 0 {
        parts.ask_flow(context)?;
        if context.belongs {
            return CONTINUE;
        }
    }
    let step = context.object(settings, reason, NONE);
    if step.is_break() && offends {
        bans::impose(context, way, ban.load());
    }
    step
}

/// The bucket that a word describes, or, if a condition is not 0, one from which nothing is taken.
#[inline(always)]
fn unless(condition: u64, word: u64) -> BucketSpec {
    BucketSpec::unpack(if condition == 0 { word } else { BucketSpec::UNTOUCHED.pack() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        busy::BUSY,
        decide::testing::{Memory, NOW, SECOND, bucket, syn, tcp},
        decide::{DECIDED, Direct},
        entry::Event,
        flow::{self, Flow},
        frame::Captured,
        parse::{Packet, tcp_flag},
        wire::{History, Volume},
    };

    fn judged(memory: &Memory, packet: Packet) -> (Step, PacketContext) {
        let (mut context, source) = memory.entered(packet);
        let parts = Direct(memory, &Captured::NONE);
        (judge(memory.set(), &parts, &mut context, source, &memory.services[0]), context)
    }

    /// How many of ten pass.
    fn passing(memory: &Memory, packet: Packet) -> usize {
        (0..10).filter(|_| judged(memory, packet).0 == CONTINUE).count()
    }

    #[test]
    fn a_source_gets_its_burst_of_packets_and_of_syns() {
        let memory = Memory::new();
        assert_eq!(passing(&memory, syn()), 10, "without limits");
        memory.set().packet_bucket.store(bucket(10, 4).pack());
        assert_eq!(passing(&memory, tcp(tcp_flag::ACK)), 4);
        assert_eq!(judged(&memory, syn()).1.reason(), Reason::PacketRate);
        let memory = Memory::new();
        memory.set().syn_bucket.store(bucket(10, 3).pack());
        assert_eq!(passing(&memory, syn()), 3);
        assert_eq!(judged(&memory, syn()).1.reason(), Reason::SynRate);
        assert_eq!(passing(&memory, tcp(tcp_flag::ACK)), 10, "these are no SYNs");
        assert_eq!(
            passing(&memory, Packet { source: crate::decide::testing::HOST, ..syn() }),
            3,
            "another source"
        );
    }

    #[test]
    fn known_sources_may_be_spared_in_peace() {
        for (bit, packets, syns) in [(spared::PACKETS_OF_KNOWN, 10, 1), (spared::SYNS_OF_KNOWN, 1, 10)] {
            let memory = Memory::new();
            memory.set().spared.store(bit);
            let passes = |packet| {
                let (mut context, source) = memory.entered(packet);
                (context.known, context.entered) = (true, source.history.entered);
                let parts = Direct(&memory, &Captured::NONE);
                judge(memory.set(), &parts, &mut context, source, &memory.services[0]) == CONTINUE
            };
            let passing = |packet: Packet| (0..10).filter(|_| passes(packet)).count();
            memory.set().packet_bucket.store(bucket(1, 1).pack());
            assert_eq!(passing(tcp(tcp_flag::ACK)), packets);
            memory.set().packet_bucket.store(BucketSpec::UNTOUCHED.pack());
            memory.set().syn_bucket.store(bucket(1, 1).pack());
            assert_eq!(passing(syn()), syns);
            memory.set().attacked.store(1);
            memory.set().attacked_since.store(NOW);
            assert!(passing(syn()) <= 1, "an attack is on");
            memory.set().attacked_since.store(NOW + 40 * SECOND);
            assert_eq!(
                passing(syn()) >= 9,
                syns == 10,
                "who was there before it began is spared as in peace"
            );
        }
        assert_eq!(passing_new_sources(spared::SYNS_OF_KNOWN), 1);
    }

    fn passing_new_sources(spared: u64) -> usize {
        let memory = Memory::new();
        memory.set().spared.store(spared);
        memory.set().syn_bucket.store(bucket(1, 1).pack());
        passing(&memory, syn())
    }

    #[test]
    fn a_flow_in_which_both_ends_speak_may_be_spared() {
        let passing_after = |events: &[Event], spared| {
            let memory = Memory::new();
            memory.set().knowledge.store(knowledge::FLOWS);
            memory.set().spared.store(spared);
            memory.set().packet_bucket.store(bucket(1, 1).pack());
            let hash = Flow::answered_by(&tcp(tcp_flag::ACK)).hash(memory.set());
            for event in events {
                flow::note(&memory, memory.set(), hash, *event, NOW);
            }
            passing(&memory, tcp(tcp_flag::ACK))
        };
        assert_eq!(passing_after(&[Event::Confirm], spared::FLOWS), 10);
        assert_eq!(passing_after(&[Event::Confirm, Event::Close], spared::FLOWS), 10, "its last segments");
        assert_eq!(passing_after(&[Event::Open], spared::FLOWS), 1, "one end has spoken");
        assert_eq!(passing_after(&[Event::Confirm], 0), 1, "an operator's limit holds for all");
    }

    #[test]
    fn packets_are_counted_to_their_source_within_the_limit_or_not() {
        let memory = Memory::new();
        memory.set().packet_bucket.store(bucket(10, 4).pack());
        passing(&memory, syn());
        let source = memory.entered(syn()).1;
        let volume = Volume(source.way.volume.load());
        assert_eq!((volume.packets(), volume.bytes()), (10, 600));
        assert_eq!(History::unpack(source.way.history.load()).syns, 10);
    }

    #[test]
    fn what_a_source_sends_beyond_much_is_added_many_packets_at_once() {
        let memory = Memory::new();
        let source = memory.entered(syn()).1;
        source.way.volume.store(u64::from(BUSY) - 1);
        let counted = |packets| {
            assert!((0..packets).all(|_| judged(&memory, tcp(tcp_flag::ACK)).0 == CONTINUE));
            Volume(source.way.volume.load()).packets() - BUSY
        };
        assert_eq!(counted(1), 0);
        assert_eq!(counted(31), 0);
        assert_eq!(counted(1), 32);
        assert_eq!(counted(9_600), 9_632);
        assert_eq!(Volume(source.way.volume.load()).bytes(), 60 * 9_633);
    }

    #[test]
    fn a_rate_of_fast_links_is_kept_while_the_clock_stands_still() {
        let memory = Memory::new();
        memory.set().packet_bucket.store(bucket(100_000_000, 20_000).pack());
        let (mut context, source) = memory.entered(tcp(tcp_flag::ACK));
        let parts = Direct(&memory, &Captured::NONE);
        let passing = (0..40_000).filter(|serial| {
            context.serial = *serial;
            judge(memory.set(), &parts, &mut context, source, &memory.services[0]) == CONTINUE
        });
        let passed = passing.count();
        assert!((19_000..21_000).contains(&passed), "{passed} of a burst of 20,000");
    }

    #[test]
    fn a_service_may_take_its_packets_out_of_a_limit() {
        for (flag, packets, syns) in
            [(service_flag::NO_SOURCE_PACKETS, 10, 0), (service_flag::NO_SOURCE_SYN, 0, 10)]
        {
            let memory = Memory::new();
            memory.services[0].flags.store(flag);
            memory.set().packet_bucket.store(bucket(1, 1).pack());
            assert_eq!(passing(&memory, syn()), packets.max(1));
            let memory = Memory::new();
            memory.services[0].flags.store(flag);
            memory.set().syn_bucket.store(bucket(1, 1).pack());
            assert_eq!(passing(&memory, syn()), syns.max(1));
        }
    }

    #[test]
    fn who_crosses_a_limit_is_banned_if_it_says_so() {
        for (ban, until) in [(0, 0), (10 * SECOND, NOW + 10 * SECOND)] {
            let memory = Memory::new();
            memory.set().syn_bucket.store(bucket(1, 1).pack());
            memory.set().syn_ban.store(ban);
            memory.set().packet_ban.store(77);
            memory.prove(syn());
            assert_eq!(judged(&memory, syn()).1.judgement.banned_until, 0);
            let (step, context) = judged(&memory, syn());
            assert_eq!((step, context.judgement.banned_until), (DECIDED, until));
            let source = memory.entered(syn()).1;
            assert_eq!(source::is_banned(source.way, NOW), ban != 0);
        }
    }

    #[test]
    fn nobody_is_banned_for_what_others_may_have_sent() {
        let memory = Memory::new();
        memory.set().syn_bucket.store(bucket(1, 1).pack());
        memory.set().syn_ban.store(SECOND);
        assert_eq!(passing(&memory, syn()), 1, "it is limited");
        assert!(!source::is_banned(memory.entered(syn()).1.way, NOW), "and has completed no handshake");
        memory.prove(syn());
        assert_eq!(judged(&memory, syn()).1.judgement.banned_until, 0, "what came before does not count");
        assert_ne!(judged(&memory, syn()).1.judgement.banned_until, 0, "this does");
    }

    #[test]
    fn a_limit_that_is_monitored_notes_and_bans_nobody() {
        let memory = Memory::new();
        memory.monitor(Reason::PacketRate);
        memory.set().packet_bucket.store(bucket(1, 1).pack());
        memory.set().packet_ban.store(SECOND);
        assert_eq!(judged(&memory, syn()).0, CONTINUE);
        let (step, context) = judged(&memory, syn());
        assert_eq!((step, context.judgement.would), (CONTINUE, Reason::PacketRate));
        assert_eq!(context.judgement.banned_until, 0);
    }
}
