//! Suspects pass as long as they are few, since what is known of the host may be incomplete.

use super::{CONTINUE, NONE, PacketContext, Step};
use crate::{
    bucket,
    wire::{BucketSpec, Reason, Settings, Suspicion},
};

/// Objects to a suspect for `reason`, if there are too many of its kind.
#[inline(always)]
pub(super) fn judge(
    settings: &Settings,
    context: &mut PacketContext,
    suspicion: Suspicion,
    reason: Reason,
) -> Step {
    let spec = BucketSpec::unpack(settings.suspect_bucket.load());
    if bucket::take_or_shut(&settings.suspects[suspicion as usize], spec, context.time_ns) {
        return CONTINUE;
    }
    context.judgement.object(settings, reason, NONE)
}
