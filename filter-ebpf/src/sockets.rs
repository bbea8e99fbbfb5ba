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
    // SAFETY: a tuple of integers, for which zero is a value.
    let mut tuple: bpf_sock_tuple = unsafe { core::mem::zeroed() };
    let (source_port, destination_port) = (packet.source_port.to_be(), packet.destination_port.to_be());
    let size = if packet.source.family as u32 == Family::V4 as u32 {
        // SAFETY: whichever of the union's halves is looked at, it is zero.
        let v4 = unsafe { &mut tuple.__bindgen_anon_1.ipv4 };
        v4.saddr = ((packet.source.high >> 32) as u32).to_be();
        v4.daddr = ((packet.destination.high >> 32) as u32).to_be();
        v4.sport = source_port;
        v4.dport = destination_port;
        12
    } else {
        // SAFETY: as above.
        let v6 = unsafe { &mut tuple.__bindgen_anon_1.ipv6 };
        v6.saddr = words(packet.source.high, packet.source.low);
        v6.daddr = words(packet.destination.high, packet.destination.low);
        v6.sport = source_port;
        v6.dport = destination_port;
        36
    };
    let context = ctx.cast();
    // SAFETY: the helpers are given the context of this very packet, and a tuple of the size that they are told; a
    // socket that they return is released again, and only looked at before.
    unsafe {
        let socket: *mut bpf_sock = if packet.protocol == protocol::TCP {
            bpf_skc_lookup_tcp(context, &raw mut tuple, size, THIS_NAMESPACE, 0)
        } else {
            bpf_sk_lookup_udp(context, &raw mut tuple, size, THIS_NAMESPACE, 0)
        };
        if socket.is_null() {
            return false;
        }
        let waits = packet.protocol != protocol::TCP || (*socket).state != LISTEN;
        bpf_sk_release(socket.cast());
        waits
    }
}

/// An IPv6 address as four words in network byte order.
#[inline(always)]
fn words(high: u64, low: u64) -> [u32; 4] {
    [((high >> 32) as u32).to_be(), (high as u32).to_be(), ((low >> 32) as u32).to_be(), (low as u32).to_be()]
}
