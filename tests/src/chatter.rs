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
        let frame = if leaves.is_some() { Frame::ipv4(host, remote) } else { Frame::ipv4(remote, host) };
        match random.below(12) {
            0 => tagged(random, frame.fragment(offset, more)),
            1 => tagged(random, frame.options(&[1; 8])),
            _ => tagged(random, frame),
        }
    } else {
        let of = |net: u128, last: u8| 0x2001_0db8_u128 << 96 | net << 64 | u128::from(last);
        let (host, remote) = (of(5, host), of(9, remote));
        let frame = if leaves.is_some() { Frame::ipv6(host, remote) } else { Frame::ipv6(remote, host) };
        match random.below(12) {
            0 => tagged(random, frame.fragment(1, offset, more)),
            1 => tagged(random, frame.hop_by_hop(&[])),
            _ => tagged(random, frame),
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

fn tagged<N: Network>(random: &mut Random, frame: Frame<N>) -> Vec<u8> {
    match random.below(10) {
        0 => filled(random, frame.vlan(7)),
        1 => filled(random, frame.service_vlan(7).vlan(8)),
        _ => filled(random, frame),
    }
}

fn filled<N: Network>(random: &mut Random, frame: Frame<N>) -> Vec<u8> {
    let port = |random: &mut Random| PORTS[random.below(PORTS.len() as u32) as usize];
    let (source, destination) = (port(random), port(random));
    let rare = random.below(8) == 0;
    let payload = if rare { PAYLOADS[random.below(PAYLOADS.len() as u32) as usize] } else { 20 };
    let payload = vec![0; payload];
    match random.below(10) {
        0..6 => {
            let usual = FLAGS[random.below(FLAGS.len() as u32) as usize];
            let flags = if random.below(10) == 0 { random.bits() as u8 } else { usual };
            frame.tcp(source, destination).flags(flags).payload(&payload).build()
        }
        6..9 => frame.udp(source, destination).payload(&payload).build(),
        _ => frame.raw([1, 58, 47, 132][random.below(4) as usize], &payload).build(),
    }
}
