//! Random frames of both directions between a host and a few others: few enough that what leaves and what comes in meet in
//! the tables.

use floodwall_lab::{
    frame::{Frame, Network},
    random::Random,
};

/// A frame.
#[derive(Clone, Debug)]
pub struct Said {
    /// It leaves: the index of the interface that it has come in by before, 0 if it was made on the host.
    pub leaves: Option<u32>,
    /// Bytes on the wire.
    pub length: u32,
    /// The first of them.
    pub bytes: Vec<u8>,
}

/// Ports that both ends use: of services, and others.
const PORTS: [u16; 6] = [53, 80, 443, 40_000, 40_001, 0];
/// The interfaces that what leaves has come in by.
const INTERFACES: u32 = 4;
/// TCP flags that make sense; others come as well.
const FLAGS: [u8; 7] = [0x02, 0x12, 0x10, 0x18, 0x11, 0x04, 0x14];
/// Payloads: of ordinary frames, around what a test run shows, of jumbo frames, and of runs of segments.
const PAYLOADS: [usize; 8] = [0, 8, 600, 1_400, 3_450, 3_500, 8_900, 40_000];

/// The next frame of a random sequence.
pub fn said(random: &mut Random) -> Said {
    let leaves = (random.below(2) == 0).then(|| random.below(INTERFACES));
    let (host, remote) = (random.below(2) as u8, random.below(4) as u8);
    let (offset, more) = (random.below(2) * 64, random.below(2) == 0);
    let mut bytes = if random.below(3) > 0 {
        let (host, remote) = ([192, 0, 2, 10 + host], [198, 51, 100, remote]);
        let about = about(random, Frame::ipv4(host, remote));
        let frame = if leaves.is_some() { Frame::ipv4(host, remote) } else { Frame::ipv4(remote, host) };
        match random.below(12) {
            0 => tagged(random, &about, frame.fragment(offset, more)),
            1 => tagged(random, &about, frame.options(&[1; 8])),
            _ => tagged(random, &about, frame),
        }
    } else {
        let of = |net: u128, last: u8| 0x2001_0db8_u128 << 96 | net << 64 | u128::from(last);
        let (host, remote) = (of(5, host), of(9, remote));
        let about = about(random, Frame::ipv6(host, remote));
        let frame = if leaves.is_some() { Frame::ipv6(host, remote) } else { Frame::ipv6(remote, host) };
        match random.below(12) {
            0 => tagged(random, &about, frame.fragment(1, offset, more)),
            1 => tagged(random, &about, frame.hop_by_hop(&[])),
            _ => tagged(random, &about, frame),
        }
    };
    if random.below(8) == 0 {
        let at = random.below(bytes.len().min(90) as u32) as usize;
        bytes[at] ^= random.bits() as u8;
    }
    let length = bytes.len() as u32;
    match random.below(16) {
        // The capture has cut it, or the wire.
        0 => bytes.truncate(random.below(length) as usize),
        1 => {
            bytes.truncate(random.below(length) as usize);
            return Said { leaves, length: bytes.len() as u32, bytes };
        }
        _ => {}
    }
    Said { leaves, length, bytes }
}

/// What an ICMP error holds behind its type: code, checksum, four bytes, and as much as one may of a packet that was sent.
fn about<N: Network>(random: &mut Random, sent: Frame<N>) -> Vec<u8> {
    let (own, other) = (port(random), port(random));
    let packet = match random.below(8) {
        0 => sent.raw(1, &[0; 8]).ip_bytes(),
        1..4 => sent.udp(own, other).payload(&[0; 30]).ip_bytes(),
        _ => sent.tcp(own, other).ip_bytes(),
    };
    let length = if random.below(6) == 0 { random.below(packet.len() as u32) as usize } else { packet.len() };
    [&[0; 7], &packet[..length]].concat()
}

fn port(random: &mut Random) -> u16 {
    PORTS[random.below(PORTS.len() as u32) as usize]
}

fn tagged<N: Network>(random: &mut Random, about: &[u8], frame: Frame<N>) -> Vec<u8> {
    match random.below(10) {
        0 => filled(random, about, frame.vlan(7)),
        1 => filled(random, about, frame.service_vlan(7).vlan(8)),
        _ => filled(random, about, frame),
    }
}

fn filled<N: Network>(random: &mut Random, about: &[u8], frame: Frame<N>) -> Vec<u8> {
    let (source, destination) = (port(random), port(random));
    let rare = random.below(8) == 0;
    let payload = if rare { PAYLOADS[random.below(PAYLOADS.len() as u32) as usize] } else { 20 };
    let payload = vec![0; payload];
    match random.below(11) {
        0 => {
            let kind = [1, 2, 3, 4, 5, 11, 12][random.below(7) as usize];
            frame.raw([1, 58][random.below(2) as usize], &[&[kind], about].concat()).build()
        }
        1..7 => {
            let usual = FLAGS[random.below(FLAGS.len() as u32) as usize];
            let flags = if random.below(10) == 0 { random.bits() as u8 } else { usual };
            frame.tcp(source, destination).flags(flags).payload(&payload).build()
        }
        7..10 => frame.udp(source, destination).payload(&payload).build(),
        _ => frame.raw([1, 58, 47, 132][random.below(4) as usize], &payload).build(),
    }
}
