//! Which way a packet went.

use floodwall_capture::{Direction, Packet};
use floodwall_common::{
    frame::Captured,
    parse::{self, Kind},
    prefix::Address,
};

use super::host::Host;

/// Tells what the host has sent from what has come in.
#[derive(Clone, Debug, Default)]
pub struct Compass {
    /// The host's own addresses, if they are known.
    own: Vec<Address>,
}

impl Compass {
    /// By the addresses of a host.
    pub fn new(host: &Host) -> Self {
        Self { own: host.addresses.iter().copied().map(Address::canonical).collect() }
    }

    /// Which way a packet went: as the capture says; else by its addresses. Whatever is for the host came in, also if it
    /// claims to be from there: nobody sends to himself by a wire. `None` if nothing tells it.
    pub fn direction(&self, packet: &Packet<'_>, frame: &Captured<'_>) -> Option<Direction> {
        packet.direction.or_else(|| self.by_address(frame))
    }

    fn by_address(&self, frame: &Captured<'_>) -> Option<Direction> {
        let mut packet = parse::Packet::default();
        if self.own.is_empty() || parse::parse_network(frame, &mut packet) != Kind::Ip {
            return None;
        }
        if self.own.contains(&packet.destination) {
            Some(Direction::Inbound)
        } else if self.own.contains(&packet.source) {
            Some(Direction::Outbound)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use floodwall_capture::LinkType;

    use super::*;

    fn frame(source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
        let mut bytes = vec![0; 34];
        bytes[12..14].copy_from_slice(&[8, 0]);
        bytes[14..26].copy_from_slice(&[0x45, 0, 0, 20, 0, 1, 0, 0, 64, 47, 0, 0]);
        bytes[26..30].copy_from_slice(&source);
        bytes[30..].copy_from_slice(&destination);
        bytes
    }

    fn told(compass: &Compass, said: Option<Direction>, bytes: &[u8]) -> Option<Direction> {
        let link = LinkType::Ethernet;
        let packet = Packet { index: 0, nanoseconds: 0, length: 34, link, direction: said, bytes };
        compass.direction(&packet, &Captured::whole(bytes))
    }

    #[test]
    fn the_capture_is_believed_and_then_the_addresses() {
        const OWN: [u8; 4] = [192, 0, 2, 10];
        const OTHER: [u8; 4] = [203, 0, 113, 1];
        let host = Host { addresses: vec!["192.0.2.10".parse().unwrap()], ..Host::default() };
        let (compass, blind) = (Compass::new(&host), Compass::default());
        let (inbound, outbound) = (Some(Direction::Inbound), Some(Direction::Outbound));
        for (source, destination, expected) in [
            (OWN, OTHER, outbound),
            (OTHER, OWN, inbound),
            (OWN, OWN, inbound),
            (OWN, [255; 4], outbound),
            (OTHER, [255; 4], None),
        ] {
            let bytes = frame(source, destination);
            assert_eq!(told(&compass, None, &bytes), expected, "{source:?} to {destination:?}");
            assert_eq!(told(&blind, None, &bytes), None);
            for said in [inbound, outbound] {
                assert_eq!(told(&compass, said, &bytes), said);
            }
        }
        assert_eq!(told(&compass, None, &[0; 34]), None, "no IP");
        assert_eq!(told(&compass, None, &frame(OWN, OTHER)[..30]), None, "cut off");
    }
}
