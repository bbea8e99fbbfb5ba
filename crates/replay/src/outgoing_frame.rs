//! A frame that leaves, as a test run can show it.

use floodwall_common::{
    frame::{Captured, Frame as _},
    parse::{self, Fragment, Parsed, protocol},
};

use floodwall_kernel::{LONGEST_LEAVING, SHORTEST_FRAME};

/// Where an Ethernet header says what follows it.
const ETHER_TYPE: usize = 12;
/// Headers of IPv4 and IPv6.
const V4_HEADER: usize = 20;
const V6_HEADER: usize = 40;
/// Where the length stands in the headers of IPv4, IPv6 and UDP.
const V4_LENGTH: usize = 2;
const V6_LENGTH: usize = 4;
const UDP_LENGTH: usize = 4;
/// A UDP header, and nothing behind it.
const NO_PAYLOAD: u16 = 8;

/// Memory for the frame at hand.
#[derive(Debug, Default)]
pub(super) struct OutgoingFrame {
    bytes: Vec<u8>,
}

impl OutgoingFrame {
    /// The frame, with zeros for what was not captured; nothing, if it is too short to reach a filter, or for the IP header
    /// that its Ethernet header promises: such a frame teaches nothing, and test runs of this kind refuse it.
    ///
    /// Only the headers of what leaves teach anything, and a test run shows no more than [`LONGEST_LEAVING`] bytes. So a
    /// longer frame is shown with less payload, as its headers then say, too: both engines learn the same of it.
    pub(super) fn shown(&mut self, frame: &Captured<'_>) -> Option<&[u8]> {
        let length = frame.length() as usize;
        let promised = match frame.bytes().get(ETHER_TYPE..SHORTEST_FRAME) {
            Some([0x08, 0x00]) => V4_HEADER,
            Some([0x86, 0xdd]) => V6_HEADER,
            _ => 0,
        };
        if length < SHORTEST_FRAME + promised {
            return None;
        }
        let (shown, there) = (length.min(LONGEST_LEAVING), frame.bytes());
        self.bytes.clear();
        self.bytes.extend_from_slice(&there[..there.len().min(shown)]);
        self.bytes.resize(shown, 0);
        if length > shown {
            self.say_less(frame);
        }
        Some(&self.bytes)
    }

    /// Headers that do not hold together are left as they are: they claim more than is shown, as they claim more than there
    /// is, or are wrong by themselves.
    fn say_less(&mut self, frame: &Captured<'_>) {
        let Parsed::Packet(packet) = parse::parse(frame) else { return };
        if packet.end as usize <= self.bytes.len() {
            return;
        }
        let network = packet.network as usize;
        let is_v4 = self.bytes.get(network).is_some_and(|byte| byte >> 4 == 4);
        // A run of segments, whose length is that of the frame.
        self.put(network + if is_v4 { V4_LENGTH } else { V6_LENGTH }, 0);
        if packet.protocol == protocol::UDP && packet.fragment != Fragment::Later {
            self.put(packet.transport as usize + UDP_LENGTH, NO_PAYLOAD);
        }
    }

    fn put(&mut self, at: usize, value: u16) {
        if let Some(bytes) = self.bytes.get_mut(at..at + 2) {
            bytes.copy_from_slice(&value.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use floodwall_common::parse::Packet;

    use super::*;

    fn parsed(bytes: &[u8]) -> Packet {
        match parse::parse(&Captured::whole(bytes)) {
            Parsed::Packet(packet) => packet,
            other => panic!("{other:?}"),
        }
    }

    /// A datagram of so many bytes from its Ethernet header on.
    fn datagram(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let be16 = |length: usize| (length as u16).to_be_bytes();
        bytes[12..14].copy_from_slice(&[8, 0]);
        bytes[14] = 0x45;
        bytes[16..18].copy_from_slice(&be16(length - 14));
        bytes[22..24].copy_from_slice(&[64, 17]);
        bytes[26..34].copy_from_slice(&[192, 0, 2, 10, 203, 0, 113, 1]);
        bytes[34..38].copy_from_slice(&[0x10, 0, 0, 53]);
        bytes[38..40].copy_from_slice(&be16(length - 34));
        bytes
    }

    #[test]
    fn a_long_frame_says_the_same_with_less_behind_it() {
        let mut outgoing = OutgoingFrame::default();
        for length in [60, LONGEST_LEAVING, LONGEST_LEAVING + 1, 9_014, 65_549] {
            let whole = datagram(length);
            let shown = outgoing.shown(&Captured::whole(&whole)).unwrap();
            assert_eq!(shown.len(), length.min(LONGEST_LEAVING));
            let (before, after) = (parsed(&whole), parsed(shown));
            let ends = Packet { length: before.length, end: before.end, ..after };
            assert_eq!(ends, before, "{length}");
            assert_eq!(shown == whole, length <= LONGEST_LEAVING);
        }
    }

    #[test]
    fn what_has_no_room_for_its_ip_header_is_not_shown() {
        let mut outgoing = OutgoingFrame::default();
        for (ether_type, least) in [([8, 0], 34), ([0x86, 0xdd], 54), ([8, 6], 14)] {
            let mut bytes = vec![0; least];
            bytes[12..14].copy_from_slice(&ether_type);
            assert!(outgoing.shown(&Captured::whole(&bytes)).is_some(), "{ether_type:x?}");
            assert!(outgoing.shown(&Captured::whole(&bytes[..least - 1])).is_none(), "{ether_type:x?}");
        }
    }

    #[test]
    fn what_was_not_captured_is_zeros() {
        let mut outgoing = OutgoingFrame::default();
        let whole = datagram(200);
        outgoing.shown(&Captured::whole(&[0xff; 3_000]));
        let shown = outgoing.shown(&Captured::cut(&whole[..50], 200)).unwrap();
        assert_eq!((shown.len(), &shown[..50], &shown[50..]), (200, &whole[..50], &[0; 150][..]));
    }

    #[test]
    fn what_contradicts_itself_goes_on_doing_so() {
        let mut outgoing = OutgoingFrame::default();
        let mut whole = datagram(9_014);
        whole[16..18].copy_from_slice(&9_001_u16.to_be_bytes());
        let shown = outgoing.shown(&Captured::whole(&whole)).unwrap();
        assert_eq!(parse::parse(&Captured::whole(shown)), Parsed::Malformed);
        assert!(outgoing.shown(&Captured::whole(&[0; 13])).is_none(), "it reaches no filter");
    }
}
