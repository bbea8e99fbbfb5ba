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
