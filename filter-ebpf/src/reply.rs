//! Sends replies, challenges and truncated answers: the frame of a request for a connection becomes that of the SYN-ACK which goes back the way it came; that
//! of a question for a name server becomes a truncated answer.

use aya_ebpf::{bindings::xdp_action, helpers::generated::bpf_xdp_adjust_tail, programs::XdpContext};
use floodwall_common::{
    challenge::{numbers, syn_ack_v4, syn_ack_v6},
    decide::PacketContext,
    frame::{Frame as _, Header as _},
    prefix::Family,
    truncation::{answer_v4, answer_v6, question_bytes},
    wire::Settings,
};

use crate::frame::XdpFrame;

/// Both addresses of an Ethernet header.
const LINK_ADDRESSES: usize = 12;
/// Shortest Ethernet frame, without its checksum (IEEE 802.3): what is shorter some cards would not send.
const SHORTEST: i64 = 60;
/// Longest Ethernet header, with two VLAN tags.
const LONGEST_LINK: usize = 22;

/// Turns the frame into the challenge, and sends it. Says what becomes of it: what can't be turned is dropped.
#[inline(always)]
pub fn send(xdp: &XdpContext, settings: &Settings, context: &PacketContext) -> u32 {
    let packet = &context.packet;
    let numbers = numbers(settings, packet, context.time_ns);
    let Some(header) = XdpFrame::new(xdp).header::<20>(packet.transport) else {
        return xdp_action::XDP_DROP;
    };
    // Once in 2³² times it would be no wrong number, and the client believe itself to be connected.
    if numbers[0] == header.be32(4).wrapping_add(1) {
        return xdp_action::XDP_DROP;
    }
    let sent = if packet.source.family as u32 == Family::V4 as u32 {
        write(xdp, packet.network, packet.length, 0, &syn_ack_v4(packet, numbers))
    } else {
        write(xdp, packet.network, packet.length, 0, &syn_ack_v6(packet, numbers))
    };
    action(sent)
}

/// Turns a frame of IPv4 into the truncated answer to a question of this sum, likewise.
#[inline(always)]
pub fn send_truncated_v4(xdp: &XdpContext, context: &PacketContext, sum: u32) -> u32 {
    let PacketContext { packet, name_end, .. } = context;
    let answer = answer_v4(&XdpFrame::new(xdp), packet, *name_end, sum);
    let stays = question_bytes(packet, *name_end);
    action(answer.and_then(|headers| write(xdp, packet.network, packet.length, stays, &headers)))
}

/// The same of IPv6.
#[inline(always)]
pub fn send_truncated_v6(xdp: &XdpContext, context: &PacketContext, sum: u32) -> u32 {
    let PacketContext { packet, name_end, .. } = context;
    let answer = answer_v6(&XdpFrame::new(xdp), packet, *name_end, sum);
    let stays = question_bytes(packet, *name_end);
    action(answer.and_then(|headers| write(xdp, packet.network, packet.length, stays, &headers)))
}

#[inline(always)]
const fn action(sent: Option<()>) -> u32 {
    match sent {
        Some(()) => xdp_action::XDP_TX,
        None => xdp_action::XDP_DROP,
    }
}

/// Puts a packet in place of the one that the frame holds, up to so many bytes at its end that stay, and sends the frame back.
/// What is left behind it up to the shortest frame is what its sender has sent.
#[inline(always)]
fn write<T: Copy>(xdp: &XdpContext, network: u32, length: u32, stays: u32, packet: &T) -> Option<()> {
    let network = network as usize;
    if network > LONGEST_LINK {
        return None;
    }
    let wanted = ((network + size_of::<T>()) as i64 + i64::from(stays)).max(SHORTEST);
    let surplus = i64::from(length) - wanted;
    if surplus > 0 {
        // SAFETY: a helper that is given the context of this very packet. Pointers into it are read anew below.
        if unsafe { bpf_xdp_adjust_tail(xdp.ctx, -surplus as i32) } != 0 {
            return None;
        }
    }
    let (start, end) = (xdp.data(), xdp.data_end());
    if start + LINK_ADDRESSES > end || start + network + size_of::<T>() > end {
        return None;
    }
    let link = start as *mut [u8; 6];
    // SAFETY: both were just found to lie within the frame.
    unsafe {
        let (to, from) = (link.read_unaligned(), link.add(1).read_unaligned());
        link.write_unaligned(from);
        link.add(1).write_unaligned(to);
        ((start + network) as *mut T).write_unaligned(*packet);
    }
    Some(())
}
