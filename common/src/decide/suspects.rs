//! Suspects pass as long as they are few, since what is known of the host may be incomplete.

use super::{CONTINUE, NONE, PacketContext, Step};
use crate::{
    bucket,
    wire::{BucketSpec, Reason, Service, Settings, Suspicion},
};

/// Objects to a suspect for `reason`, if there are too many of its kind that come for its service.
#[inline(always)]
pub(super) fn judge(
    settings: &Settings,
    service: &Service,
    context: &mut PacketContext,
    suspicion: Suspicion,
    reason: Reason,
) -> Step {
    let spec = BucketSpec::unpack(settings.suspect_bucket.load());
    if bucket::take_or_shut(&service.suspects[suspicion as usize], spec, context.time_ns) {
        return CONTINUE;
    }
    context.judgement.object(settings, reason, NONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::DECIDED,
        decide::testing::{Memory, NOW, SECOND, udp},
    };

    #[test]
    fn a_few_of_each_kind_pass_and_then_none_until_there_are_few_again() {
        let memory = Memory::new();
        memory.tolerate(3);
        let judged = |suspicion, seconds| {
            let mut context = memory.context(udp());
            context.time_ns = NOW + seconds * SECOND;
            judge(memory.set(), &memory.services[0], &mut context, suspicion, Reason::Unsolicited)
        };
        let of_udp = [0; 5].map(|seconds| judged(Suspicion::Udp, seconds));
        assert_eq!(of_udp, [CONTINUE, CONTINUE, CONTINUE, DECIDED, DECIDED]);
        assert_eq!(judged(Suspicion::Tcp, 0), CONTINUE, "these are few");
        assert_eq!(judged(Suspicion::Udp, 10), CONTINUE);
    }

    #[test]
    fn a_reason_that_is_monitored_only_notes() {
        let memory = Memory::new();
        memory.tolerate(0);
        memory.monitor(Reason::Stray);
        let mut context = memory.context(udp());
        assert_eq!(
            judge(memory.set(), &memory.services[0], &mut context, Suspicion::Stray, Reason::Stray),
            CONTINUE
        );
        assert_eq!(context.judgement.would, Reason::Stray);
    }

    #[test]
    fn without_a_limit_all_pass() {
        let memory = Memory::new();
        let passes = |_| {
            judge(
                memory.set(),
                &memory.services[0],
                &mut memory.context(udp()),
                Suspicion::Udp,
                Reason::Unsolicited,
            )
        };
        assert!((0..1_000).map(passes).all(|step| step == CONTINUE));
    }
}
