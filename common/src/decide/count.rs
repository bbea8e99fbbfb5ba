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
    }
    Step::Continue(counter)
}
