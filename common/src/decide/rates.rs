//! Is the source within the limits that hold for every source?

use super::{CONTINUE, NONE, PacketContext, Step, bans, source::Source};
use crate::{
    source::{self, Charge, Standing},
    traits::Traits,
    wire::{BucketSpec, Reason, Service, Settings, service_flag},
};

/// Counts the packet to its source, and objects if that is over its limit of packets/s or SYN/s; then it is banned as
/// well, if the limit says so.
#[inline(always)]
pub(super) fn judge(
    settings: &Settings,
    context: &mut PacketContext,
    source: Source<'_>,
    service: &Service,
) -> Step {
    let Source { way, was_there, .. } = source;
    let syn = context.traits.meets(Traits::SYN);
    source::count(way, Charge { bytes: context.packet.length, syn }, !was_there);
    // A service may have limits of its own in place of those that hold for every source; and only a SYN costs one.
    let flags = service.flags.load();
    let packet_bucket = unless(flags & service_flag::NO_SOURCE_PACKETS, settings.packet_bucket.load());
    let syn_bucket =
        unless(flags & service_flag::NO_SOURCE_SYN | u64::from(!syn), settings.syn_bucket.load());
    let (reason, ban) = match source::meter(way, packet_bucket, syn_bucket, context.time_ns, !was_there) {
        Standing::Within => return CONTINUE,
        Standing::OverPackets => (Reason::PacketRate, &settings.packet_ban),
        Standing::OverSyn => (Reason::SynRate, &settings.syn_ban),
    };
    let step = context.judgement.object(settings, reason, NONE);
    if step.is_break() {
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
        decide::DECIDED,
        decide::testing::{Memory, NOW, SECOND, bucket, syn, tcp},
        parse::{Packet, tcp_flag},
        wire::{History, Volume},
    };

    fn judged(memory: &Memory, packet: Packet) -> (Step, PacketContext) {
        let (mut context, source) = memory.entered(packet);
        (judge(memory.set(), &mut context, source, &memory.services[0]), context)
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
            assert_eq!(judged(&memory, syn()).1.judgement.banned_until, 0);
            let (step, context) = judged(&memory, syn());
            assert_eq!((step, context.judgement.banned_until), (DECIDED, until));
            let source = memory.entered(syn()).1;
            assert_eq!(source::is_banned(source.way, NOW), ban != 0);
        }
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
