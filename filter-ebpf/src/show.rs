//! Shows sampled packets to the controller.

use aya_ebpf::{helpers::generated::bpf_xdp_load_bytes, programs::XdpContext};
use floodwall_common::{
    decide::PacketContext,
    frame::Frame,
    wire::{SAMPLE_BYTES, SampleEvent},
};

use crate::{frame::XdpFrame, maps::SAMPLES};

/// Copies the start of the frame into the ring buffer, if there is room.
#[inline(always)]
pub fn show(xdp: &XdpContext, frame: &XdpFrame, context: &PacketContext) {
    let Some(mut entry) = SAMPLES.reserve::<SampleEvent>(0) else { return };
    let sample = entry.as_mut_ptr();
    let length = frame.length();
    // The verifier wants to see that it is at least one byte, and at most what there is room for.
    let least = length.min(SAMPLE_BYTES as u32).wrapping_sub(1);
    let captured = (least & (SAMPLE_BYTES as u32 - 1)) + 1;
    // SAFETY: the entry is ours, and as large as a sample; every field is written before it is submitted, and of the
    // bytes those that are told to be there.
    let copied = unsafe {
        (*sample).time_ns = context.time_ns;
        (*sample).length = length;
        (*sample).ifindex = xdp.ingress_ifindex() as u32;
        (*sample).reason = context.reason() as u32;
        (*sample).captured = captured as u16;
        (*sample).known = u8::from(context.known);
        (*sample).answers = u8::from(context.judgement.answers);
        bpf_xdp_load_bytes(xdp.ctx, 0, (&raw mut (*sample).bytes).cast(), captured)
    };
    if copied == 0 { entry.submit(0) } else { entry.discard(0) }
}
