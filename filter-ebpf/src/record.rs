//! What is left behind by a decision: a count, and for some drops an event.

use aya_ebpf::{helpers::generated::bpf_ktime_get_coarse_ns, programs::XdpContext};
use floodwall_common::{
    decide::Decision,
    frame::Frame,
    wire::{DropEvent, Verdict},
};

use crate::{
    frame::XdpFrame,
    maps::{COUNTERS, EVENT_METER, EVENTS, Maps},
};
use floodwall_common::tables::Tables;

#[inline(always)]
pub fn record(ctx: &XdpContext, frame: &XdpFrame, decision: &Decision) {
    if let Some(counter) = COUNTERS.get(decision.reason as u32) {
        counter.packets.add_local(1);
        counter.bytes.add_local(u64::from(frame.length()));
    }
    if decision.reason.verdict() == Verdict::Drop {
        tell(ctx, frame, decision);
    }
}

/// Sends an event if this CPU's budget has room for one; else remembers that there was something to tell.
#[inline(always)]
fn tell(ctx: &XdpContext, frame: &XdpFrame, decision: &Decision) {
    let (Some(settings), Some(meter)) = (Maps.settings(), EVENT_METER.get(0)) else { return };
    let interval = settings.event_interval.load();
    // SAFETY: a helper without arguments.
    let now = unsafe { bpf_ktime_get_coarse_ns() };
    let full_at = meter.full_at.load();
    if interval == 0 || full_at > now + BURST * interval {
        meter.untold.add_local(1);
        return;
    }
    let Some(mut entry) = EVENTS.reserve::<DropEvent>(0) else {
        meter.untold.add_local(1);
        return;
    };
    meter.full_at.store(full_at.max(now) + interval);
    let untold = meter.untold.load().min(u64::from(u32::MAX)) as u32;
    meter.untold.store(0);
    let mut event = DropEvent {
        time_ns: decision.time_ns,
        reason: decision.reason as u32,
        ifindex: ctx.ingress_ifindex() as u32,
        length: frame.length(),
        untold,
        ..DropEvent::default()
    };
    if let Some(packet) = &decision.packet {
        event.source = [packet.source.high, packet.source.low];
        event.destination = [packet.destination.high, packet.destination.low];
        event.source_port = packet.source_port;
        event.destination_port = packet.destination_port;
        event.family = if packet.source.family as u32 == 0 { 4 } else { 6 };
        event.protocol = packet.protocol;
        event.tcp_flags = packet.tcp_flags;
        event.fragment = packet.fragment as u8;
    }
    entry.write(event);
    entry.submit(0);
}

/// Events that may be told at once after a quiet time.
const BURST: u64 = 16;
