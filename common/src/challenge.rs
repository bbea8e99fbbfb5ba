//! Challenges: a request for a TCP connection is answered, in the host's name, by a SYN-ACK that acknowledges what was never
//! sent.
//!
//! Whoever has really asked answers that with an RST that carries the number which was acknowledged (RFC 9293, section
//! 3.10.7.3), and asks again: Linux after some ten milliseconds, others after a second. So the number comes back if, and only
//! if, somebody is there who receives what is sent to the address. It is a keyed hash of the connection and the time, so that
//! nothing is remembered of those that were asked; who forges addresses never sees it, and hits it once in 2³¹ tries.
//!
//! Some firewalls keep such a SYN-ACK from their clients, as it belongs to no connection. These get in as they did before:
//! by asking again. See [`crate::retransmission`].

use crate::{
    checksum::{checksum, sum32, sum128},
    flow::Flow,
    parse::{Fragment, Packet, ip_form, protocol, tcp_flag},
    siphash::siphash,
    wire::Settings,
};

/// Nanoseconds for which a number is good, as a shift: 34 s, and as many after these.
const EPOCH_SHIFT: u32 = 35;
/// Longest TCP header: what is longer carries data, which no answer is to be made of.
const LONGEST_HEADER: u32 = 60;

/// Bytes of a SYN-ACK over IPv4, from the IP header on.
pub const V4_BYTES: usize = 40;
/// Bytes of a SYN-ACK over IPv6.
pub const V6_BYTES: usize = 60;
const HOP_LIMIT: u8 = 64;
const WINDOW: u16 = 65_535;

/// Whether a request for a connection can be answered so: it is a plain one, whole, and of one address to another.
#[inline(always)]
pub fn is_possible(packet: &Packet) -> bool {
    packet.fragment as u8 == Fragment::Whole as u8
        && packet.ip_form & ip_form::EXTENDED == 0
        && packet.end.wrapping_sub(packet.transport) <= LONGEST_HEADER
}

/// The number that answers a request which comes in at this time, and the sequence number that goes with it.
#[inline(always)]
pub fn numbers(settings: &Settings, packet: &Packet, now_ns: u64) -> [u32; 2] {
    let hash = of_epoch(settings, packet, now_ns >> EPOCH_SHIFT);
    [hash as u32, (hash >> 32) as u32]
}

/// Whether an RST with this sequence number answers a challenge.
#[inline(always)]
pub fn is_answer(settings: &Settings, packet: &Packet, sequence: u32, now_ns: u64) -> bool {
    let epoch = now_ns >> EPOCH_SHIFT;
    let now = of_epoch(settings, packet, epoch) as u32;
    let before = of_epoch(settings, packet, epoch.wrapping_sub(1)) as u32;
    sequence == now || sequence == before
}

#[inline(always)]
fn of_epoch(settings: &Settings, packet: &Packet, epoch: u64) -> u64 {
    let key = [settings.challenge_key[0].load(), settings.challenge_key[1].load()];
    let Flow { local, local_port, remote, remote_port, .. } = Flow::answered_by(packet);
    let ports = u64::from(local_port) << 16 | u64::from(remote_port);
    siphash(key, [local.high, local.low, remote.high, remote.low, epoch << 32 | ports])
}

/// The SYN-ACK over IPv4 that challenges the sender of a request.
#[inline(always)]
pub fn syn_ack_v4(packet: &Packet, [acknowledged, sequence]: [u32; 2]) -> [u8; V4_BYTES] {
    let mut bytes = [0; V4_BYTES];
    let (source, destination) = ((packet.destination.high >> 32) as u32, (packet.source.high >> 32) as u32);
    bytes[0] = 0x45;
    bytes[3] = V4_BYTES as u8;
    bytes[6] = 0x40;
    bytes[8] = HOP_LIMIT;
    bytes[9] = protocol::TCP;
    put(&mut bytes, 12, source.to_be_bytes());
    put(&mut bytes, 16, destination.to_be_bytes());
    let addresses = sum32(source) + sum32(destination);
    let fixed = 0x4500 + V4_BYTES as u64 + 0x4000 + (u64::from(HOP_LIMIT) << 8 | u64::from(protocol::TCP));
    put(&mut bytes, 10, checksum(fixed + addresses).to_be_bytes());
    let segment = segment(packet, acknowledged, sequence, addresses);
    put(&mut bytes, 20, segment);
    bytes
}

/// The same over IPv6.
#[inline(always)]
pub fn syn_ack_v6(packet: &Packet, [acknowledged, sequence]: [u32; 2]) -> [u8; V6_BYTES] {
    let mut bytes = [0; V6_BYTES];
    bytes[0] = 0x60;
    bytes[5] = SEGMENT as u8;
    bytes[6] = protocol::TCP;
    bytes[7] = HOP_LIMIT;
    let (source, destination) = (packet.destination, packet.source);
    put(&mut bytes, 8, source.high.to_be_bytes());
    put(&mut bytes, 16, source.low.to_be_bytes());
    put(&mut bytes, 24, destination.high.to_be_bytes());
    put(&mut bytes, 32, destination.low.to_be_bytes());
    let addresses = sum128(source) + sum128(destination);
    put(&mut bytes, 40, segment(packet, acknowledged, sequence, addresses));
    bytes
}

/// Bytes of a TCP header without options.
const SEGMENT: usize = 20;

/// The SYN-ACK itself, between addresses of this sum.
#[inline(always)]
fn segment(packet: &Packet, acknowledged: u32, sequence: u32, addresses: u64) -> [u8; SEGMENT] {
    let form = (SEGMENT as u16 / 4) << 12 | u16::from(tcp_flag::SYN | tcp_flag::ACK);
    let (from, to) = (packet.destination_port, packet.source_port);
    let sum = addresses
        + u64::from(protocol::TCP)
        + SEGMENT as u64
        + u64::from(from)
        + u64::from(to)
        + sum32(sequence)
        + sum32(acknowledged)
        + u64::from(form)
        + u64::from(WINDOW);
    let mut bytes = [0; SEGMENT];
    put(&mut bytes, 0, from.to_be_bytes());
    put(&mut bytes, 2, to.to_be_bytes());
    put(&mut bytes, 4, sequence.to_be_bytes());
    put(&mut bytes, 8, acknowledged.to_be_bytes());
    put(&mut bytes, 12, form.to_be_bytes());
    put(&mut bytes, 14, WINDOW.to_be_bytes());
    put(&mut bytes, 16, checksum(sum).to_be_bytes());
    bytes
}

#[inline(always)]
fn put<const N: usize, const M: usize>(bytes: &mut [u8; N], at: usize, what: [u8; M]) {
    bytes[at..at + M].copy_from_slice(&what);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::testing::{HOST, Memory, NOW, SECOND, SOURCE6, syn},
        frame::Captured,
        parse::{Parsed, parse},
        prefix::Address,
    };

    fn rst(packet: &Packet) -> Packet {
        Packet { tcp_flags: tcp_flag::RST, ..*packet }
    }

    fn request6() -> Packet {
        Packet { source: SOURCE6, destination: Address::v6(0x2001_0db8_0005_0000, 0x10), ..syn() }
    }

    #[test]
    fn the_number_answers_its_own_connection_for_a_while() {
        let memory = Memory::new();
        memory.set().challenge_key[0].store(0x0123_4567_89ab_cdef);
        for request in [syn(), request6()] {
            let [number, _] = numbers(memory.set(), &request, NOW);
            let answers = |packet: Packet, sequence, seconds| {
                is_answer(memory.set(), &rst(&packet), sequence, NOW + seconds * SECOND)
            };
            assert!(answers(request, number, 0) && answers(request, number, 30));
            assert!(!answers(request, number, 80), "that was long ago");
            assert!(!answers(request, number.wrapping_add(1), 0), "another number");
            for other in [
                Packet { source_port: request.source_port ^ 1, ..request },
                Packet { destination_port: 81, ..request },
                Packet {
                    source: Address { high: request.source.high ^ 1 << 32, ..request.source },
                    ..request
                },
                Packet { destination: Address { high: 7 << 32, ..request.destination }, ..request },
            ] {
                assert!(!answers(other, number, 0), "{other:?}");
            }
            memory.set().challenge_key[1].store(7);
            assert!(!answers(request, number, 0), "another key");
            memory.set().challenge_key[1].store(0);
        }
    }

    /// The sum of all 16-bit words, of which the last may be short.
    fn sum_of(bytes: &[u8]) -> u64 {
        let word = |pair: &[u8]| u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u64::from(*low));
        bytes.chunks(2).map(word).sum()
    }

    fn frame_of(bytes: &[u8], ethertype: u16) -> Vec<u8> {
        let mut frame = vec![2; 12];
        frame.extend(ethertype.to_be_bytes());
        frame.extend(bytes);
        frame
    }

    #[test]
    fn the_syn_ack_goes_back_the_way_the_request_came_with_checksums_that_hold() {
        let numbers = [0xdead_beef, 0x0123_4567];
        let request = Packet { source_port: 40_123, destination_port: 443, ..syn() };
        let v4 = syn_ack_v4(&request, numbers);
        assert_eq!(checksum(sum_of(&v4[..20])), 0, "that of the IP header");
        let pseudo = u64::from(protocol::TCP) + 20;
        assert_eq!(checksum(sum_of(&v4[12..20]) + pseudo + sum_of(&v4[20..])), 0, "that of TCP");
        let request6 = Packet { source_port: 40_123, destination_port: 443, ..request6() };
        let v6 = syn_ack_v6(&request6, numbers);
        assert_eq!(checksum(sum_of(&v6[8..40]) + pseudo + sum_of(&v6[40..])), 0, "that of TCP over IPv6");
        for (request, frame) in [(request, frame_of(&v4, 0x0800)), (request6, frame_of(&v6, 0x86dd))] {
            let Parsed::Packet(answer) = parse(&Captured::whole(&frame)) else { panic!("{frame:x?}") };
            assert_eq!((answer.source, answer.destination), (request.destination, request.source));
            assert_eq!((answer.source_port, answer.destination_port), (443, 40_123));
            assert_eq!(answer.tcp_flags, tcp_flag::SYN | tcp_flag::ACK);
            assert_eq!((answer.acknowledged, answer.hop_limit), (0xdead_beef, 64));
            assert_eq!(answer.end as usize, frame.len(), "nothing follows");
        }
    }

    #[test]
    fn only_plain_requests_are_answered() {
        let plain = Packet { transport: 34, end: 34 + 40, destination: HOST, ..syn() };
        assert!(is_possible(&plain));
        for odd in [
            Packet { fragment: Fragment::First, ..plain },
            Packet { ip_form: ip_form::EXTENDED, ..plain },
            Packet { end: 34 + 1_000, ..plain },
        ] {
            assert!(!is_possible(&odd), "{odd:?}");
        }
        assert!(is_possible(&Packet { ip_form: ip_form::TAGGED, ..plain }), "in a VLAN");
    }
}
