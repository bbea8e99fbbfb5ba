//! The host's own sockets, as the kernel knows them.

use aya_ebpf::{
    bindings::{bpf_sock, bpf_sock_tuple, xdp_md},
    helpers::generated::{bpf_sk_lookup_udp, bpf_sk_release, bpf_skc_lookup_tcp},
};
use floodwall_common::{
    parse::{Packet, protocol},
    prefix::Family,
};

/// Look in the namespace that the packet has come to (`BPF_F_CURRENT_NETNS`).
const THIS_NAMESPACE: u64 = u64::MAX;
/// A TCP socket that only listens (include/net/tcp_states.h).
const LISTEN: u32 = 10;

/// Whether a socket waits for this very packet: a TCP connection in any state, or a UDP socket bound to its port. One
/// that listens for TCP waits for requests, and those are asked about nowhere.
#[inline(always)]
pub fn holds(ctx: *mut xdp_md, packet: &Packet) -> bool {
    let (mut tuple, size) = tuple(packet);
    let tuple: *mut bpf_sock_tuple = (&raw mut tuple).cast();
    let context = ctx.cast();
    // SAFETY: the helpers are given the context of this very packet, and a tuple of the size that they are told; a
    // socket that they return is released again, and only looked at before.
    unsafe {
        let socket: *mut bpf_sock = if packet.protocol == protocol::TCP {
            bpf_skc_lookup_tcp(context, tuple, size, THIS_NAMESPACE, 0)
        } else {
            bpf_sk_lookup_udp(context, tuple, size, THIS_NAMESPACE, 0)
        };
        if socket.is_null() {
            return false;
        }
        let waits = packet.protocol != protocol::TCP || (*socket).state != LISTEN;
        bpf_sk_release(socket.cast());
        waits
    }
}

const _: () = assert!(size_of::<bpf_sock_tuple>() == 36);

/// The bytes of a [`bpf_sock_tuple`], and how many of them there are: both addresses and both ports in network byte
/// order.
///
/// As words, all of which are written for either family: the verifier then knows that nothing is left on the stack of
/// what was asked about before, and that ways here which differ in that go on alike.
#[inline(always)]
fn tuple(packet: &Packet) -> ([u64; 5], u32) {
    let Packet { source, destination, source_port, destination_port, .. } = packet;
    let ports = (u64::from(*source_port) << 48 | u64::from(*destination_port) << 32).to_be();
    if source.family as u32 == Family::V4 as u32 {
        let addresses = source.high | destination.high >> 32;
        ([addresses.to_be(), ports, 0, 0, 0], 12)
    } else {
        let words = [source.high, source.low, destination.high, destination.low].map(u64::to_be);
        ([words[0], words[1], words[2], words[3], ports], 36)
    }
}
