//! Counts what was decided.

use super::{CONTINUE, PacketContext, Step, found};
use crate::{
    tables::Tables,
    wire::{Reason, ServiceCounter, Verdict},
};

/// Counts the packet, of so many bytes on the wire, by its reason, and by what it would have been dropped for.
#[inline(always)]
pub(super) fn by_reason<T: Tables>(tables: &T, context: &PacketContext, length: u32) -> Step {
    let judgement = &context.judgement;
    let counter = found(tables.reason_counter(judgement.reason))?;
    counter.packets.add_local(1);
    counter.bytes.add_local(u64::from(length));
    if judgement.would as u32 != Reason::Clean as u32 {
        let counter = found(tables.monitor_counter(judgement.would, context.known))?;
        counter.packets.add_local(1);
        counter.bytes.add_local(u64::from(length));
    }
    CONTINUE
}

/// Whether the packet is part of what its service gets to see. What is on a list is nothing to learn from.
#[inline(always)]
pub(super) fn is_of_a_service(context: &PacketContext) -> bool {
    context.is_packet
        && !matches!(
            context.judgement.reason,
            Reason::Blocked | Reason::Trusted | Reason::Control | Reason::Fault
        )
}

/// Counts the packet, of so many bytes on the wire, to its service.
#[inline(always)]
pub(super) fn by_service<'t, T: Tables>(
    tables: &'t T,
    context: &PacketContext,
    length: u32,
) -> Step<&'t ServiceCounter> {
    let PacketContext { packet, judgement, .. } = context;
    let counter = found(tables.service_counter(judgement.service))?;
    counter.packets.add_local(1);
    counter.bytes.add_local(u64::from(length));
    let dropped = judgement.reason.verdict() as u8 == Verdict::Drop as u8;
    let opens = packet.opens_connection();
    // Most packets are none of this.
    if dropped | opens | judgement.new_source | judgement.unsolicited {
        counter.dropped.add_local(u64::from(dropped));
        counter.syns.add_local(u64::from(opens));
        counter.new_sources.add_local(u64::from(judgement.new_source));
        counter.unsolicited.add_local(u64::from(judgement.unsolicited));
        counter.challenged.add_local(u64::from(context.challenged));
        counter.locked_out.add_local(u64::from(judgement.reason as u32 == Reason::Lockdown as u32));
    }
    Step::Continue(counter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::End,
        decide::testing::{Memory, counted, syn, udp},
    };

    #[test]
    fn a_packet_is_counted_by_its_reason_and_by_what_it_would_have_been() {
        let memory = Memory::new();
        let mut context = memory.context(syn());
        assert_eq!(by_reason(&memory, &context, 60), CONTINUE);
        assert_eq!(counted(&memory.reason_counters[Reason::Clean as usize]), (1, 60));
        assert!(memory.monitor_counters.iter().all(|counter| counted(counter) == (0, 0)));
        context.judgement.would = Reason::SynRate;
        for known in [false, true] {
            context.known = known;
            assert_eq!(by_reason(&memory, &context, 1_500), CONTINUE);
            let index = Reason::SynRate.monitor_index(known) as usize;
            assert_eq!(counted(&memory.monitor_counters[index]), (1, 1_500));
        }
    }

    #[test]
    fn what_is_on_a_list_or_no_packet_is_of_no_service() {
        let memory = Memory::new();
        for reason in Reason::ALL {
            let mut context = memory.context(syn());
            context.judgement.reason = reason;
            let listed =
                matches!(reason, Reason::Blocked | Reason::Trusted | Reason::Control | Reason::Fault);
            assert_eq!(is_of_a_service(&context), !listed, "{reason:?}");
            context.is_packet = false;
            assert!(!is_of_a_service(&context));
        }
    }

    #[test]
    fn a_service_gets_to_see_what_came_for_it() {
        let memory = Memory::new();
        let mut context = memory.classified(udp());
        context.judgement.service = 2;
        assert!(by_service(&memory, &context, 100).is_continue());
        context = memory.classified(syn());
        context.judgement.service = 2;
        context.judgement.new_source = true;
        context.judgement.unsolicited = true;
        context.judgement.reason = Reason::Unsolicited;
        assert!(by_service(&memory, &context, 60).is_continue());
        let counter = &memory.service_counters[2];
        let counts = [
            &counter.packets,
            &counter.bytes,
            &counter.dropped,
            &counter.syns,
            &counter.new_sources,
            &counter.unsolicited,
        ];
        assert_eq!(counts.map(|word| word.load()), [2, 160, 1, 1, 1, 1]);
    }

    #[test]
    fn counters_that_are_out_of_reach_are_a_fault() {
        let memory = Memory { reason_counters: Vec::new(), service_counters: Vec::new(), ..Memory::new() };
        let context = memory.context(syn());
        assert_eq!(by_reason(&memory, &context, 60), Step::Break(End::Fault));
        assert!(matches!(by_service(&memory, &context, 60), Step::Break(End::Fault)));
    }
}
