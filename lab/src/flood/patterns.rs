//! Floods made of nothing but a seed.

use std::net::Ipv4Addr;

use super::{Fingerprint, Pattern};
use crate::frame::{ETHERNET_HEADER, Frame, checksum};
use crate::link::{Mac, Port};
use crate::random::Random;

const IP: usize = ETHERNET_HEADER;
const TRANSPORT: usize = IP + 20;
const UDP_HEADER: usize = 8;

/// What a flood is aimed at.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The attacker's hardware address.
    pub source_mac: Mac,
    /// The hardware address of the host, or of the router before it.
    pub destination_mac: Mac,
    /// The host.
    pub address: Ipv4Addr,
    /// The service.
    pub port: u16,
}

impl Target {
    /// A service behind the other end of a cable.
    #[must_use]
    pub fn behind(from: &Port, to: &Port, address: Ipv4Addr, port: u16) -> Self {
        Self { source_mac: from.mac(), destination_mac: to.mac(), address, port }
    }
}

/// A SYN flood from random sources of a prefix, as seen in the wild: 40 bytes, no TCP options,
/// window 0, TTL 242 or 244. No source is likely to come twice.
#[derive(Clone, Debug)]
pub struct SpoofedSyn {
    template: Vec<u8>,
    hop_limits: [u8; 2],
    network: u32,
    hosts: u32,
    random: Random,
}

/// A SYN flood from one real source, with the options of an ordinary client.
#[derive(Clone, Debug)]
pub struct SynFrom {
    template: Vec<u8>,
    random: Random,
}

/// A UDP flood from a few sources in turn, to random ports or one.
#[derive(Clone, Debug)]
pub struct UdpFrom {
    template: Vec<u8>,
    /// The payload is always the same, and so is its part of the checksum.
    payload_sum: u32,
    sources: Vec<Ipv4Addr>,
    turn: usize,
    random: Random,
}

impl SpoofedSyn {
    /// Sources out of `network`/`length`, such as 198.18.0.0/15.
    #[must_use]
    pub fn new(target: Target, network: Ipv4Addr, length: u8, seed: u64) -> Self {
        let template = Frame::ipv4(network, target.address)
            .macs(target.source_mac, target.destination_mac)
            .tcp(0, target.port)
            .syn()
            .window(0)
            .build();
        Self::from_template(template, [242, 244], network, length, seed)
    }

    fn from_template(
        template: Vec<u8>,
        hop_limits: [u8; 2],
        network: Ipv4Addr,
        length: u8,
        seed: u64,
    ) -> Self {
        // A /0 has one address more than 32 bits can count; nobody will miss it.
        let hosts = u32::MAX.checked_shr(length.into()).unwrap_or(0).saturating_add(1);
        let network = network.to_bits() & !hosts.saturating_sub(1);
        Self { template, hop_limits, network, hosts, random: Random::new(seed) }
    }

    /// A flood whose packets share a fingerprint, and in which everything else is random.
    #[must_use]
    pub fn with_fingerprint(target: Target, fingerprint: Fingerprint, seed: u64) -> Self {
        /// Half a billion addresses, none of them special (RFC 6890).
        const NETWORK: (Ipv4Addr, u8) = (Ipv4Addr::new(32, 0, 0, 0), 3);
        let [high, low] = fingerprint.mss.to_be_bytes();
        let template = Frame::ipv4(NETWORK.0, target.address)
            .macs(target.source_mac, target.destination_mac)
            .tcp(0, target.port)
            .syn()
            .window(fingerprint.window)
            .tcp_options(&[2, 4, high, low])
            .build();
        Self::from_template(template, [fingerprint.ttl; 2], NETWORK.0, NETWORK.1, seed)
    }

    /// The same with the headers of an ordinary client, so that nothing but its rate tells it.
    #[must_use]
    pub fn like_clients(target: Target, network: Ipv4Addr, length: u8, seed: u64) -> Self {
        let template = Frame::ipv4(network, target.address)
            .macs(target.source_mac, target.destination_mac)
            .ttl(64)
            .dont_fragment()
            .tcp(0, target.port)
            .syn()
            .window(64_240)
            .client_options()
            .build();
        Self::from_template(template, [64; 2], network, length, seed)
    }
}

impl SynFrom {
    /// All SYNs from `source`, each from another port.
    #[must_use]
    pub fn new(target: Target, source: Ipv4Addr, seed: u64) -> Self {
        let template = Frame::ipv4(source, target.address)
            .macs(target.source_mac, target.destination_mac)
            .ttl(52)
            .dont_fragment()
            .tcp(0, target.port)
            .syn()
            .client_options()
            .build();
        Self { template, random: Random::new(seed) }
    }
}

impl UdpFrom {
    /// `sources` take turns; each datagram carries so many bytes. A target port of zero means
    /// random ports.
    #[must_use]
    pub fn new(target: Target, sources: Vec<Ipv4Addr>, payload_bytes: usize, seed: u64) -> Self {
        let template = Frame::ipv4(Ipv4Addr::UNSPECIFIED, target.address)
            .macs(target.source_mac, target.destination_mac)
            .ttl(116)
            .udp(0, target.port)
            .payload(&vec![0x58; payload_bytes])
            .build();
        let payload_sum = checksum::sum(&template[TRANSPORT + UDP_HEADER..], 0);
        Self { template, payload_sum, sources, turn: 0, random: Random::new(seed) }
    }
}

impl Pattern for SpoofedSyn {
    fn next_into(&mut self, frame: &mut Vec<u8>) {
        frame.clone_from(&self.template);
        let bits = self.random.bits().to_be_bytes();
        let source = self.network | self.random.below(self.hosts);
        frame[IP + 12..IP + 16].copy_from_slice(&source.to_be_bytes());
        frame[IP + 4..IP + 6].copy_from_slice(&bits[0..2]);
        frame[IP + 8] = self.hop_limits[usize::from(bits[7] & 1)];
        // Never port 0.
        frame[TRANSPORT] = bits[2] | 4;
        frame[TRANSPORT + 1] = bits[3];
        frame[TRANSPORT + 4..TRANSPORT + 7].copy_from_slice(&bits[4..7]);
        let header = frame.len() - TRANSPORT;
        seal(frame, 16, header, 0);
    }
}

impl Pattern for SynFrom {
    fn next_into(&mut self, frame: &mut Vec<u8>) {
        frame.clone_from(&self.template);
        let bits = self.random.bits().to_be_bytes();
        frame[TRANSPORT] = bits[0] | 4;
        frame[TRANSPORT + 1] = bits[1];
        frame[TRANSPORT + 4..TRANSPORT + 8].copy_from_slice(&bits[2..6]);
        let header = frame.len() - TRANSPORT;
        seal(frame, 16, header, 0);
    }
}

impl Pattern for UdpFrom {
    fn next_into(&mut self, frame: &mut Vec<u8>) {
        frame.clone_from(&self.template);
        let bits = self.random.bits().to_be_bytes();
        if let Some(source) = self.sources.get(self.turn) {
            frame[IP + 12..IP + 16].copy_from_slice(&source.octets());
        }
        self.turn = (self.turn + 1) % self.sources.len().max(1);
        frame[TRANSPORT] = bits[0] | 4;
        frame[TRANSPORT + 1] = bits[1];
        if frame[TRANSPORT + 2..TRANSPORT + 4] == [0, 0] {
            frame[TRANSPORT + 2] = bits[2] | 4;
            frame[TRANSPORT + 3] = bits[3];
        }
        seal(frame, 6, UDP_HEADER, self.payload_sum);
    }
}

/// Makes the checksums of an IPv4 frame without options right. The transport's stands `at` bytes into
/// its header of `header` bytes; what follows that sums to `payload_sum`.
fn seal(frame: &mut [u8], at: usize, header: usize, payload_sum: u32) {
    frame[IP + 10..IP + 12].fill(0);
    let sum = checksum::of(&frame[IP..TRANSPORT]);
    frame[IP + 10..IP + 12].copy_from_slice(&sum.to_be_bytes());

    // No frame is longer than 65,535 bytes.
    let (protocol, length) = (u32::from(frame[IP + 9]), (frame.len() - TRANSPORT) as u32);
    let pseudo = checksum::sum(&frame[IP + 12..IP + 20], protocol + length + payload_sum);
    let segment = &mut frame[TRANSPORT..TRANSPORT + header];
    segment[at..at + 2].fill(0);
    let sum = match checksum::fold(checksum::sum(segment, pseudo)) {
        0 => 0xffff,
        sum => sum,
    };
    segment[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const TARGET: Target = Target {
        source_mac: [2; 6],
        destination_mac: [4; 6],
        address: Ipv4Addr::new(192, 0, 2, 10),
        port: 80,
    };

    fn assert_sealed(frame: &[u8]) {
        assert_eq!(checksum::of(&frame[IP..TRANSPORT]), 0);
        let length = u32::try_from(frame.len() - TRANSPORT).unwrap();
        let pseudo = checksum::sum(&frame[IP + 12..IP + 20], u32::from(frame[IP + 9]) + length);
        assert_eq!(checksum::fold(checksum::sum(&frame[TRANSPORT..], pseudo)), 0);
    }

    #[test]
    fn spoofed_syns_look_like_the_real_ones() {
        let mut flood = SpoofedSyn::new(TARGET, Ipv4Addr::new(198, 18, 0, 0), 15, 1);
        let frames = flood.frames(2000);
        let mut sources = HashSet::new();
        for frame in &frames {
            assert_sealed(frame);
            assert_eq!((frame.len(), frame[TRANSPORT + 12], frame[TRANSPORT + 13]), (54, 0x50, 2));
            assert_eq!(frame[TRANSPORT + 14..TRANSPORT + 16], [0, 0], "window");
            assert!([242, 244].contains(&frame[IP + 8]));
            assert_eq!((frame[IP + 12], frame[IP + 13] & 0xfe), (198, 18));
            sources.insert(frame[IP + 12..IP + 16].to_vec());
        }
        assert!(sources.len() > 1950, "{}", sources.len());
        let again = SpoofedSyn::new(TARGET, Ipv4Addr::new(198, 18, 0, 0), 15, 1).frames(2000);
        assert_eq!(frames, again);
    }

    #[test]
    fn packets_share_the_fingerprint_and_nothing_else() {
        let fingerprint = Fingerprint { window: 0x1234, mss: 0x0400, ttl: 77 };
        let frames = SpoofedSyn::with_fingerprint(TARGET, fingerprint, 1).frames(1_000);
        let (mut sources, mut ports) = (HashSet::new(), HashSet::new());
        for frame in &frames {
            assert_sealed(frame);
            assert_eq!((frame.len(), frame[IP + 8], frame[TRANSPORT + 13]), (58, 77, 2));
            assert_eq!(frame[TRANSPORT + 14..TRANSPORT + 16], [0x12, 0x34], "window");
            assert_eq!(frame[TRANSPORT + 20..], [2, 4, 4, 0]);
            assert!((32..64).contains(&frame[IP + 12]));
            sources.insert(frame[IP + 12..IP + 16].to_vec());
            ports.insert(frame[TRANSPORT..TRANSPORT + 2].to_vec());
        }
        assert!(sources.len() > 990 && ports.len() > 900, "{} {}", sources.len(), ports.len());
    }

    #[test]
    fn a_host_prefix_is_one_source() {
        let mut flood = SpoofedSyn::new(TARGET, Ipv4Addr::new(198, 18, 3, 4), 32, 1);
        assert!(flood.frames(50).iter().all(|frame| frame[IP + 12..IP + 16] == [198, 18, 3, 4]));
    }

    #[test]
    fn few_sources_take_turns() {
        let sources = vec![Ipv4Addr::new(203, 0, 113, 1), Ipv4Addr::new(203, 0, 113, 2)];
        let frames = UdpFrom::new(Target { port: 0, ..TARGET }, sources, 100, 1).frames(4);
        frames.iter().for_each(|frame| assert_sealed(frame));
        let last: Vec<u8> = frames.iter().map(|frame| frame[IP + 15]).collect();
        assert_eq!(last, [1, 2, 1, 2]);
        assert_ne!(frames[0][TRANSPORT + 2..TRANSPORT + 4], frames[1][TRANSPORT + 2..TRANSPORT + 4]);
        let syns = SynFrom::new(TARGET, Ipv4Addr::new(203, 0, 113, 1), 1).frames(4);
        syns.iter().for_each(|frame| assert_sealed(frame));
        assert_ne!(syns[0], syns[1]);
    }
}
