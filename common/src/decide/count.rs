//! Counts what was decided, and chooses what is sampled.

use super::{PacketContext, sample};
use crate::{
    tables::Tables,
    wire::{Reason, Settings, Verdict},
};

/// Says whether the packet is to be sampled; `None` if the tables could not be reached.
#[inline(always)]
pub(super) fn count<T: Tables>(
    tables: &T,
    settings: &Settings,
    context: &PacketContext,
    length: u32,
) -> Option<bool> {
    let PacketContext { packet, judgement, time_ns: now_ns, .. } = context;
    let bytes = u64::from(length);
    let counter = tables.reason_counter(judgement.reason)?;
    counter.packets.add_local(1);
    counter.bytes.add_local(bytes);
    if judgement.would as u32 != Reason::Clean as u32 {
        let counter = tables.monitor_counter(judgement.would, context.known)?;
        counter.packets.add_local(1);
        counter.bytes.add_local(bytes);
    }
    if !context.is_packet {
        return Some(false);
    }
    // What is on a list is nothing to learn from.
    if matches!(judgement.reason, Reason::Blocked | Reason::Trusted | Reason::Control | Reason::Fault) {
        return Some(false);
    }
    let service = tables.service_counter(judgement.service)?;
    service.packets.add_local(1);
    service.bytes.add_local(bytes);
    let dropped = judgement.reason.verdict() as u8 == Verdict::Drop as u8;
    let opens = packet.opens_connection();
    // Most packets are none of this.
    if dropped | opens | judgement.new_source | judgement.unsolicited {
        service.dropped.add_local(u64::from(dropped));
        service.syns.add_local(u64::from(opens));
        service.new_sources.add_local(u64::from(judgement.new_source));
        service.unsolicited.add_local(u64::from(judgement.unsolicited));
    }
    sample::is_due(tables, settings, judgement.service, service, *now_ns)
}
