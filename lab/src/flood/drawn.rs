//! A SYN flood with a fingerprint of its own: what tells its packets from others is drawn, so that nobody can have
//! prepared for it.

use std::fmt;
use std::net::Ipv4Addr;

use super::patterns::{IP, TRANSPORT, seal};
use super::{Pattern, Target};
use crate::frame::Frame;
use crate::random::Random;

/// Forged sources come out of this network, half a billion of them; none of them is special (RFC 6890).
const NETWORK: (Ipv4Addr, u8) = (Ipv4Addr::new(32, 0, 0, 0), 3);

/// What all packets of such a flood have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// TCP window, as in the header.
    pub window: u16,
    /// Maximum segment size, the only TCP option.
    pub mss: u16,
    /// TTL as it comes in.
    pub ttl: u8,
}

/// SYNs from random sources that share a [`Fingerprint`].
#[derive(Clone, Debug)]
pub struct DrawnSyn {
    template: Vec<u8>,
    random: Random,
}

impl Fingerprint {
    /// The one of a seed. No common system sends such a window with such a segment size.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut random = Random::new(seed);
        // The bounds keep the sums below 16 and 8 bits.
        let window = (1_100 + random.below(26_000)) as u16;
        let mss = (537 + random.below(700)) as u16;
        let ttl = (30 + random.below(80)) as u8;
        Self { window, mss, ttl }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { window, mss, ttl } = self;
        write!(formatter, "TCP SYN, window {window}, segment size {mss}, TTL {ttl}")
    }
}

impl DrawnSyn {
    /// A flood with this fingerprint; all else is drawn packet by packet, from the seed.
    #[must_use]
    pub fn new(target: Target, fingerprint: Fingerprint, seed: u64) -> Self {
        let [high, low] = fingerprint.mss.to_be_bytes();
        let template = Frame::ipv4(NETWORK.0, target.address)
            .macs(target.source_mac, target.destination_mac)
            .ttl(fingerprint.ttl)
            .tcp(0, target.port)
            .syn()
            .window(fingerprint.window)
            .tcp_options(&[2, 4, high, low])
            .build();
        Self { template, random: Random::new(seed) }
    }
}

impl Pattern for DrawnSyn {
    fn next_into(&mut self, frame: &mut Vec<u8>) {
        frame.clone_from(&self.template);
        let bits = self.random.bits().to_be_bytes();
        let (network, length) = NETWORK;
        let source = network.to_bits() | self.random.below(u32::MAX >> length);
        frame[IP + 12..IP + 16].copy_from_slice(&source.to_be_bytes());
        frame[IP + 4..IP + 6].copy_from_slice(&bits[0..2]);
        // Never port 0.
        frame[TRANSPORT] = bits[2] | 4;
        frame[TRANSPORT + 1] = bits[3];
        frame[TRANSPORT + 4..TRANSPORT + 8].copy_from_slice(&bits[4..8]);
        let header = frame.len() - TRANSPORT;
        seal(frame, 16, header, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::frame::checksum;

    const TARGET: Target = Target {
        source_mac: [2; 6],
        destination_mac: [4; 6],
        address: Ipv4Addr::new(192, 0, 2, 10),
        port: 80,
    };

    #[test]
    fn packets_share_the_fingerprint_and_nothing_else() {
        let fingerprint = Fingerprint { window: 0x1234, mss: 0x0400, ttl: 77 };
        let frames = DrawnSyn::new(TARGET, fingerprint, 1).frames(1_000);
        let (mut sources, mut ports) = (HashSet::new(), HashSet::new());
        for frame in &frames {
            assert_eq!(checksum::of(&frame[IP..TRANSPORT]), 0);
            let pseudo = checksum::sum(&frame[IP + 12..IP + 20], 6 + 24);
            assert_eq!(checksum::fold(checksum::sum(&frame[TRANSPORT..], pseudo)), 0);
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
    fn fingerprints_differ_and_none_is_a_common_one() {
        let drawn: HashSet<_> = (0..50).map(|seed| Fingerprint::draw(seed).to_string()).collect();
        assert_eq!(drawn.len(), 50);
        for seed in 0..1_000 {
            let Fingerprint { window, mss, ttl } = Fingerprint::draw(seed);
            assert!((1_100..27_100).contains(&window) && (537..1_237).contains(&mss));
            assert!((30..110).contains(&ttl));
        }
        assert_eq!(Fingerprint::draw(3), Fingerprint::draw(3));
    }
}
