//! Whether the capture holds enough of a packet.

use std::cell::Cell;

use floodwall_common::{
    frame::{Captured, Frame, Header as _, Window},
    parse::{self, Fragment, Parsed, protocol},
};

/// A frame that takes note of reads of what was not captured.
struct Watched<'a> {
    frame: &'a Captured<'a>,
    missed: Cell<bool>,
}

impl Frame for Watched<'_> {
    type Header = Window;

    fn length(&self) -> u32 {
        self.frame.length()
    }

    fn header<const N: usize>(&self, offset: u32) -> Option<Window> {
        let window = self.frame.header::<N>(offset)?;
        if offset as usize + N > self.frame.bytes().len() {
            self.missed.set(true);
        }
        Some(window)
    }
}

/// The longest beginning of a TCP header that anything is decided by: its first options, and no more.
const TCP_READ: u32 = 28;

/// Whether the capture has cut the packet off within its headers, as far as anything is decided by them. What is cut off
/// behind them reads as zeros.
pub fn is_cut_in_headers(frame: &Captured<'_>) -> bool {
    if frame.bytes().len() >= frame.length() as usize {
        return false;
    }
    let watched = Watched { frame, missed: Cell::new(false) };
    if let Parsed::Packet(packet) = parse::parse(&watched)
        && packet.protocol == protocol::TCP
        && packet.fragment != Fragment::Later
        && let Some(header) = watched.header::<20>(packet.transport)
    {
        let length = (u32::from(header.u8(12) >> 4) * 4).min(TCP_READ);
        let end = packet.transport.saturating_add(length);
        return watched.missed.get() || end as usize > frame.bytes().len();
    }
    watched.missed.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A TCP segment with 40 bytes behind its header, which has options if it is longer than 20 bytes.
    fn segment(header: u8) -> Vec<u8> {
        let mut bytes = vec![0; 34 + usize::from(header) + 40];
        let length = bytes.len() as u8 - 14;
        bytes[12..14].copy_from_slice(&[8, 0]);
        bytes[14..26].copy_from_slice(&[0x45, 0, 0, length, 0, 1, 0, 0, 64, 6, 0, 0]);
        bytes[34 + 12] = (header / 4) << 4;
        bytes
    }

    /// The least that has to be there.
    fn least(bytes: &[u8]) -> usize {
        let length = bytes.len() as u32;
        let cut = |there: usize| is_cut_in_headers(&Captured::cut(&bytes[..there], length));
        let least = (0..=bytes.len()).find(|there| !cut(*there)).unwrap();
        assert!((least..=bytes.len()).all(|there| !cut(there)), "with more there is nothing amiss");
        least
    }

    #[test]
    fn what_is_decided_by_must_be_there() {
        assert_eq!(least(&segment(20)), 54);
        assert_eq!(least(&segment(24)), 58);
        assert_eq!(least(&segment(40)), 62);
        let mut datagram = segment(20);
        datagram[23] = protocol::UDP;
        datagram[38..40].copy_from_slice(&60_u16.to_be_bytes());
        assert_eq!(least(&datagram), 42);
        let mut later = segment(20);
        later[21] = 8;
        assert_eq!(least(&later), 34);
        let mut unknown = segment(20);
        unknown[23] = 253;
        assert_eq!(least(&unknown), 34);
        let mut arp = segment(20);
        arp[13] = 6;
        assert_eq!(least(&arp), 14);
    }

    #[test]
    fn what_is_wrong_before_the_cut_is_wrong() {
        let mut bytes = segment(20);
        bytes[14] = 0x41;
        assert!(!is_cut_in_headers(&Captured::cut(&bytes[..34], 94)), "malformed, whatever comes");
    }
}
