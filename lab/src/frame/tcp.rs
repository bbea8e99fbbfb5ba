//! The TCP header (RFC 9293).

use super::{Network, Packet, Transport, checksum};

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
const URG: u8 = 0x20;
const HEADER: usize = 20;

/// A TCP header, with what was overridden.
#[derive(Clone, Debug)]
pub struct Tcp {
    source_port: u16,
    destination_port: u16,
    sequence: u32,
    acknowledgement: u32,
    flags: u8,
    window: u16,
    urgent: u16,
    options: Vec<u8>,
    data_offset: Option<u8>,
    checksum: Option<u16>,
}

impl Tcp {
    pub(super) fn new(source_port: u16, destination_port: u16) -> Self {
        Self {
            source_port,
            destination_port,
            sequence: 0,
            acknowledgement: 0,
            flags: 0,
            window: 64_240,
            urgent: 0,
            options: Vec::new(),
            data_offset: None,
            checksum: None,
        }
    }
}

impl<N: Network> Packet<N, Tcp> {
    /// Sets SYN.
    #[must_use]
    pub fn syn(self) -> Self {
        self.flag(SYN)
    }

    /// Sets ACK.
    #[must_use]
    pub fn ack(self) -> Self {
        self.flag(ACK)
    }

    /// Sets FIN.
    #[must_use]
    pub fn fin(self) -> Self {
        self.flag(FIN)
    }

    /// Sets RST.
    #[must_use]
    pub fn rst(self) -> Self {
        self.flag(RST)
    }

    /// Sets PSH.
    #[must_use]
    pub fn psh(self) -> Self {
        self.flag(PSH)
    }

    /// Sets URG and its pointer.
    #[must_use]
    pub fn urg(mut self, pointer: u16) -> Self {
        self.transport.urgent = pointer;
        self.flag(URG)
    }

    /// Sets all eight flags at once (CWR is the highest bit, FIN the lowest).
    #[must_use]
    pub fn flags(mut self, flags: u8) -> Self {
        self.transport.flags = flags;
        self
    }

    /// Sequence number.
    #[must_use]
    pub fn sequence(mut self, number: u32) -> Self {
        self.transport.sequence = number;
        self
    }

    /// Acknowledgement number; the flag is [`Packet::ack`].
    #[must_use]
    pub fn acknowledgement(mut self, number: u32) -> Self {
        self.transport.acknowledgement = number;
        self
    }

    /// Window, unscaled.
    #[must_use]
    pub fn window(mut self, window: u16) -> Self {
        self.transport.window = window;
        self
    }

    /// Options, padded with end-of-list to a multiple of 4 bytes (40 fit an honest header).
    #[must_use]
    pub fn tcp_options(mut self, bytes: &[u8]) -> Self {
        self.transport.options = bytes.to_vec();
        self.transport.options.resize(bytes.len().next_multiple_of(4), 0);
        self
    }

    /// The options of an ordinary client's SYN: MSS 1460, SACK permitted, timestamps, window
    /// scale 7, in Linux's order.
    #[must_use]
    pub fn client_options(self) -> Self {
        self.tcp_options(&[2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7])
    }

    /// Overrides the header length, in words of 4 bytes (4 bits).
    #[must_use]
    pub fn data_offset(mut self, words: u8) -> Self {
        self.transport.data_offset = Some(words);
        self
    }

    /// Overrides the checksum.
    #[must_use]
    pub fn checksum(mut self, checksum: u16) -> Self {
        self.transport.checksum = Some(checksum);
        self
    }

    fn flag(mut self, flag: u8) -> Self {
        self.transport.flags |= flag;
        self
    }
}

impl Transport for Tcp {
    fn protocol(&self) -> u8 {
        6
    }

    fn assemble(&self, payload: &[u8], pseudo_sum: &dyn Fn(usize) -> u32) -> Vec<u8> {
        let header = HEADER + self.options.len();
        let words = self.data_offset.unwrap_or_else(|| (header / 4).to_le_bytes()[0]);
        let mut bytes = Vec::with_capacity(header + payload.len());
        bytes.extend(self.source_port.to_be_bytes());
        bytes.extend(self.destination_port.to_be_bytes());
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.acknowledgement.to_be_bytes());
        bytes.extend([words << 4, self.flags]);
        bytes.extend(self.window.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(self.urgent.to_be_bytes());
        bytes.extend(&self.options);
        bytes.extend(payload);
        let checksum =
            self.checksum.unwrap_or_else(|| checksum::fold(checksum::sum(&bytes, pseudo_sum(bytes.len()))));
        bytes[16..18].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;

    #[test]
    fn a_segment_with_options_sums_to_zero() {
        let packet = Frame::ipv6("2001:db8::1", "2001:db8::2").tcp(40_000, 80).syn().client_options();
        let bytes = packet.payload(b"odd").ip_bytes();
        let segment = &bytes[40..];
        assert_eq!((segment[12], segment[13]), (0xa0, SYN));
        let pseudo = checksum::sum(&bytes[8..40], 6 + 43);
        assert_eq!(checksum::fold(checksum::sum(segment, pseudo)), 0);
    }

    #[test]
    fn flags_add_up_and_overrides_stand() {
        let bytes =
            Frame::ipv4("1.2.3.4", "5.6.7.8").tcp(1, 2).psh().ack().data_offset(3).checksum(7).ip_bytes();
        assert_eq!(bytes[32..34], [0x30, PSH | ACK]);
        assert_eq!(bytes[36..38], [0, 7]);
    }
}
