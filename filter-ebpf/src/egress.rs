//! What goes out, as [`observe`](floodwall_common::outgoing) wants to see it.

use aya_ebpf::{bindings::__sk_buff, helpers::generated::bpf_skb_pull_data, programs::TcContext};
use floodwall_common::{
    dns_answers,
    frame::Frame,
    outgoing::{Read, Route, observe},
    parse::Packet,
    tables::LEFT as LEFT_COUNTERS,
};

use crate::{
    frame::Pointer,
    maps::{LEFT, Maps},
};

/// Headers that are made readable where they are not: both of Ethernet and IPv6, some extensions, and that of TCP.
const HEADERS: u32 = 128;

/// The linear part of the packet, and the length of all of it.
struct SkbFrame<const ETHERNET: bool> {
    data: usize,
    data_end: usize,
    length: u32,
}

impl<const ETHERNET: bool> SkbFrame<ETHERNET> {
    #[inline(always)]
    fn new(skb: *mut __sk_buff) -> Self {
        // SAFETY: the context is the one the kernel handed to the program.
        unsafe { Self { data: (*skb).data as usize, data_end: (*skb).data_end as usize, length: (*skb).len } }
    }

    #[inline(always)]
    fn readable(&self) -> u32 {
        self.data_end.wrapping_sub(self.data) as u32
    }
}

impl<const ETHERNET: bool> Frame for SkbFrame<ETHERNET> {
    type Header = Pointer;

    const ETHERNET: bool = ETHERNET;

    #[inline(always)]
    fn length(&self) -> u32 {
        self.length
    }

    #[inline(always)]
    fn header<const N: usize>(&self, offset: u32) -> Option<Pointer> {
        Pointer::within(self.data, self.data_end, offset, N)
    }
}

/// Learns from a packet that goes out, and changes nothing of it.
#[inline(always)]
pub fn see<const ETHERNET: bool>(context: &TcContext) {
    let skb = context.skb.skb;
    // SAFETY: as above.
    let route = unsafe { Route { from: (*skb).ingress_ifindex, to: (*skb).ifindex } };
    if let Some(left) = LEFT.get(route.to % LEFT_COUNTERS) {
        left.add_local(1);
    }
    let mut packet = Packet::default();
    let frame = SkbFrame::<ETHERNET>::new(skb);
    let answers = |datagram, service| {
        learn_answer(skb, datagram, service);
    };
    if observe(&Maps::WITHOUT_CONTEXT, &frame, &mut packet, route, answers) == Read::Observed {
        return;
    }
    let (length, readable) = (frame.length, frame.readable());
    if readable >= HEADERS || readable >= length {
        return;
    }
    // What is forwarded, or sent without being copied, may have its headers in pages.
    // SAFETY: a helper that is given the context of this very packet.
    if unsafe { bpf_skb_pull_data(skb, length.min(HEADERS)) } == 0 {
        let frame = SkbFrame::<ETHERNET>::new(skb);
        observe(&Maps::WITHOUT_CONTEXT, &frame, &mut packet, route, answers);
    }
}

/// What a name server here answers. Global, so that the verifier looks at it once, without what its callers know.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn learn_answer(skb: *mut __sk_buff, datagram: u32, service: u32) -> u32 {
    let frame = SkbFrame::<true>::new(skb);
    dns_answers::learn(&Maps::WITHOUT_CONTEXT, &frame, datagram, service).is_some().into()
}
