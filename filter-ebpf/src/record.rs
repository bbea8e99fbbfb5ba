//! What is told of a decision: for some drops an event, and for a fault a line in the log.

use aya_ebpf::{helpers::generated::bpf_ktime_get_coarse_ns, programs::XdpContext};
use aya_log_ebpf::error;
use floodwall_common::{
    decide::PacketContext,
    frame::Frame,
    wire::{DropEvent, EventMeter, Reason, Verdict},
};

use crate::{
    frame::XdpFrame,
    maps::{EVENT_METER, EVENTS, settings},
};

/// Events that may be told at once after a quiet time.
const BURST: u64 = 16;

/// Whether a decision is to be told: one that drops the packet, or passes it for want of tables, as long as the budget
/// lasts.
#[inline(always)]
pub fn is_due(context: &PacketContext) -> bool {
    let dropped = context.reason().verdict() as u8 == Verdict::Drop as u8;
    if !dropped && context.reason() as u32 != Reason::Fault as u32 {
        return false;
    }
    let Some(meter) = EVENT_METER.get(0) else { return false };
    let due = within_budget(meter, context);
    if !due {
        meter.untold.add_local(1);
    }
    due
}

/// Tells a decision that is due.
#[inline(always)]
pub fn record(xdp: &XdpContext, frame: &XdpFrame, context: &PacketContext) {
    if context.reason() as u32 == Reason::Fault as u32 {
        error!(
            xdp,
            "floodwall passed a packet unjudged: its tables cannot be reached, or contradict themselves"
        );
    } else if let Some(meter) = EVENT_METER.get(0) {
        tell(xdp, frame, context, meter);
    }
}

/// Takes a token from this CPU's bucket of things told, however many packets there are.
#[inline(always)]
fn within_budget(meter: &EventMeter, context: &PacketContext) -> bool {
    let Some(settings) = settings() else { return false };
    let interval = settings.event_interval.load();
    let now = if context.virtual_time {
        // SAFETY: a helper without arguments.
        unsafe { bpf_ktime_get_coarse_ns() }
    } else {
        context.time_ns
    };
    let full_at = meter.full_at.load();
    if interval == 0 || full_at > now + BURST * interval {
        return false;
    }
    meter.full_at.store(full_at.max(now) + interval);
    true
}

/// Sends an event.
#[inline(always)]
fn tell(xdp: &XdpContext, frame: &XdpFrame, context: &PacketContext, meter: &EventMeter) {
    let Some(mut entry) = EVENTS.reserve::<DropEvent>(0) else {
        meter.untold.add_local(1);
        return;
    };
    let untold = meter.untold.load().min(u64::from(u32::MAX)) as u32;
    meter.untold.store(0);
    let mut event = DropEvent {
        time_ns: context.time_ns,
        reason: context.reason() as u32,
        ifindex: xdp.ingress_ifindex() as u32,
        length: frame.length(),
        untold,
        ..DropEvent::default()
    };
    if context.is_packet {
        let packet = &context.packet;
        event.source = [packet.source.high, packet.source.low];
        event.destination = [packet.destination.high, packet.destination.low];
        event.source_port = packet.source_port;
        event.destination_port = packet.destination_port;
        event.family = packet.source.family.number();
        event.protocol = packet.protocol;
        event.tcp_flags = packet.tcp_flags;
        event.fragment = packet.fragment as u8;
    }
    entry.write(event);
    entry.submit(0);
}
