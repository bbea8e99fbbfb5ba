//! The packet that an ICMP error quotes: RFC 792, RFC 4443 section 3.
//!
//! An error says whose packet it speaks of by repeating its beginning: all of its IP header, and of what follows at least
//! eight bytes, which hold both ports. Routers cut the rest off, so that lengths in there are not held against anything.

use super::{Packet, ipv6, protocol};
use crate::{
    frame::{Frame, Header},
    prefix::{Address, Family},
};

/// Type, code, checksum, and four bytes that depend on these: the quotation comes behind them.
const ERROR_HEADER: u32 = 8;
/// Extension headers that are followed in a quotation: a host sends fragments, and perhaps one kind of options.
const MAX_EXTENSION_HEADERS: u32 = 2;
/// Bits of a fragment's offset, in either family's header.
const V4_OFFSET: u16 = 0x1fff;
const V6_OFFSET: u16 = !7;

/// What an ICMP error says of the packet that it is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Quoted {
    #[default]
    /// It ends before that is clear, is of another family than the error, or speaks of a later fragment.
    Unclear = 0,
    /// TCP or UDP, with both ports.
    Flow = 1,
    /// Something that has no ports: an echo request, a tunnel.
    Other = 2,
}

impl Packet {
    /// Whether it is an error that quotes the packet which it is about: of ICMP the five kinds of RFC 1122 (section 3.2.2),
    /// of ICMPv6 the four of RFC 4443.
    #[inline(always)]
    pub fn is_icmp_error(&self) -> bool {
        let kind = self.destination_port >> 8;
        match self.protocol {
            protocol::ICMP => matches!(kind, 3..=5 | 11 | 12),
            protocol::ICMPV6 => matches!(kind, 1..=4),
            _ => false,
        }
    }
}

/// Reads the packet that an error quotes, turned round: as what would answer it, with the addresses, the ports and the
/// protocol of that, and nothing else. What it holds means something only if this is a [`Quoted::Flow`].
#[inline(always)]
pub fn parse_quoted<F: Frame>(frame: &F, error: &Packet, answer: &mut Packet) -> Quoted {
    let read = match error.source.family {
        Family::V4 => v4(frame, error, answer),
        Family::V6 => v6(frame, error, answer),
    };
    let Some(transport) = read else { return Quoted::Unclear };
    if !matches!(answer.protocol, protocol::TCP | protocol::UDP) {
        return Quoted::Other;
    }
    let Some(ports) = quotation::<4, F>(frame, error, transport) else { return Quoted::Unclear };
    answer.destination_port = ports.be16(0);
    answer.source_port = ports.be16(2);
    Quoted::Flow
}

/// Bytes of the quotation. What follows the error in its frame is not a part of it.
#[inline(always)]
fn quotation<const N: usize, F: Frame>(frame: &F, error: &Packet, offset: u32) -> Option<F::Header> {
    if offset + N as u32 > error.end {
        return None;
    }
    frame.header::<N>(offset)
}

/// Where the transport header would be.
#[inline(always)]
fn v4<F: Frame>(frame: &F, error: &Packet, answer: &mut Packet) -> Option<u32> {
    let start = error.transport + ERROR_HEADER;
    let header = quotation::<20, F>(frame, error, start)?;
    let length = u32::from(header.u8(0) & 0xf) * 4;
    if header.u8(0) >> 4 != 4 || length < 20 || header.be16(6) & V4_OFFSET != 0 {
        return None;
    }
    answer.destination = Address::v4(header.be32(12));
    answer.source = Address::v4(header.be32(16));
    answer.protocol = header.u8(9);
    Some(start + length)
}

/// Likewise.
#[inline(always)]
fn v6<F: Frame>(frame: &F, error: &Packet, answer: &mut Packet) -> Option<u32> {
    let start = error.transport + ERROR_HEADER;
    let header = quotation::<40, F>(frame, error, start)?;
    if header.u8(0) >> 4 != 6 {
        return None;
    }
    answer.destination = Address::v6(header.be64(8), header.be64(16));
    answer.source = Address::v6(header.be64(24), header.be64(32));
    let (mut protocol, mut transport) = (header.u8(6), start + ipv6::HEADER);
    for _ in 0..MAX_EXTENSION_HEADERS {
        if ipv6::is_extension(protocol) == 0 {
            break;
        }
        let extension = quotation::<8, F>(frame, error, transport)?;
        if ipv6::is(protocol, ipv6::FRAGMENT) != 0 && extension.be16(2) & V6_OFFSET != 0 {
            return None;
        }
        transport = (transport + ipv6::extension_length(protocol, &extension)) & ipv6::OFFSET_MASK;
        protocol = extension.u8(0);
    }
    answer.protocol = protocol;
    Some(transport)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::testing::{HOST, SOURCE, frame, udp},
        frame::Captured,
        parse::{Parsed, parse},
    };

    const REMOTE: Address = Address::v6(0x2001_0db8_0000_0009, 5);
    const HOST6: Address = Address::v6(0x2001_0db8_0000_0005, 10);

    /// The IPv4 packet that a host has sent, from port 40,000 to port 53.
    fn sent() -> Vec<u8> {
        let packet = Packet {
            source: HOST,
            destination: SOURCE,
            source_port: 40_000,
            destination_port: 53,
            length: 200,
            ..udp()
        };
        frame(&packet)[14..].to_vec()
    }

    /// An IPv6 packet with these extension headers, each with its number, and the protocol and ports behind.
    fn sent6(extensions: &[(u8, &[u8])], protocol: u8) -> Vec<u8> {
        let mut bytes = vec![0x60, 0, 0, 0, 4, 0, 0, 64];
        for address in [HOST6, REMOTE] {
            bytes.extend(address.high.to_be_bytes());
            bytes.extend(address.low.to_be_bytes());
        }
        let mut next = 6;
        for (number, extension) in extensions {
            bytes[next] = *number;
            next = bytes.len();
            bytes.extend(*extension);
        }
        bytes[next] = protocol;
        bytes.extend([40_000_u16, 53].map(u16::to_be_bytes).concat());
        bytes
    }

    /// The error about a packet, of which so many bytes are quoted; and behind it, as padding, more of it.
    fn error(kind: u8, quoted: &[u8], length: usize) -> Vec<u8> {
        let v6 = quoted[0] >> 4 == 6;
        let quotation = &quoted[..length];
        let mut bytes = vec![0; 12];
        if v6 {
            bytes.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 8 + length as u8, protocol::ICMPV6, 64]);
            bytes.extend([7; 32]);
        } else {
            bytes.extend([8, 0, 0x45, 0, 0, 28 + length as u8, 0, 0, 0, 0, 64, protocol::ICMP, 0, 0]);
            bytes.extend([7; 8]);
        }
        bytes.extend([kind, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(quotation);
        bytes.extend(&quoted[length..]);
        bytes
    }

    fn read(bytes: &[u8]) -> (Quoted, Packet) {
        let frame = Captured::whole(bytes);
        let Parsed::Packet(error) = parse(&frame) else { panic!("it is a packet") };
        assert!(error.is_icmp_error());
        let mut answer = Packet::default();
        (parse_quoted(&frame, &error, &mut answer), answer)
    }

    fn flow(answer: &Packet) -> (u8, Address, u16, Address, u16) {
        let Packet { protocol, source, source_port, destination, destination_port, .. } = *answer;
        (protocol, destination, destination_port, source, source_port)
    }

    #[test]
    fn an_error_is_told_by_its_type() {
        let kinds = |protocol| -> Vec<u16> {
            let packet = |kind: u16| Packet { protocol, destination_port: kind << 8 | 1, ..udp() };
            (0..256_u16).filter(|kind| packet(*kind).is_icmp_error()).collect()
        };
        assert_eq!(kinds(protocol::ICMP), [3, 4, 5, 11, 12]);
        assert_eq!(kinds(protocol::ICMPV6), [1, 2, 3, 4]);
        assert_eq!(kinds(protocol::UDP), [0; 0]);
    }

    #[test]
    fn the_quoted_packet_is_turned_round() {
        for length in [24, 28, 100] {
            let (quoted, answer) = read(&error(3, &sent(), length));
            assert_eq!(quoted, Quoted::Flow, "{length} bytes");
            assert_eq!(flow(&answer), (protocol::UDP, HOST, 40_000, SOURCE, 53));
        }
        let with_options = [&[0x46], &sent()[1..20], &[1; 4], &sent()[20..]].concat();
        assert_eq!(flow(&read(&error(11, &with_options, 32)).1), (protocol::UDP, HOST, 40_000, SOURCE, 53));
        let (quoted, answer) = read(&error(2, &sent6(&[], protocol::TCP), 44));
        assert_eq!(quoted, Quoted::Flow);
        assert_eq!(flow(&answer), (protocol::TCP, HOST6, 40_000, REMOTE, 53));
    }

    #[test]
    fn what_is_cut_is_unclear_wherever_it_ends() {
        for length in 0..24 {
            assert_eq!(read(&error(3, &sent(), length)).0, Quoted::Unclear, "{length} bytes");
        }
        let chain: [(u8, &[u8]); 2] = [(0, &[0; 8]), (44, &[0; 8])];
        let whole = sent6(&chain, protocol::UDP);
        assert_eq!(read(&error(1, &whole, whole.len())).0, Quoted::Flow);
        for length in 0..whole.len() {
            assert_eq!(read(&error(1, &whole, length)).0, Quoted::Unclear, "{length} bytes");
        }
    }

    #[test]
    fn what_contradicts_itself_is_unclear() {
        for (at, value) in [(0, 0x55), (0, 0x44), (6, 0x01), (7, 0x01)] {
            let mut bytes = sent();
            bytes[at] = value;
            assert_eq!(read(&error(3, &bytes, 28)).0, Quoted::Unclear, "{value:#x} at {at}");
        }
        let mut bytes = sent6(&[], protocol::UDP);
        bytes[0] = 0x61;
        let mut whole = error(1, &bytes, 44);
        assert_eq!(read(&whole).0, Quoted::Flow, "a traffic class");
        whole[62] = 0x45;
        assert_eq!(read(&whole).0, Quoted::Unclear, "of the other family");
    }

    #[test]
    fn ipv6_is_read_through_two_extension_headers_and_no_more() {
        let fragment = |offset: u16| [0, 0, (offset >> 8) as u8, offset as u8, 0, 0, 0, 9];
        let (first, later) = (fragment(1), fragment(0x80));
        let options = [0, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        for (chain, expected) in [
            (&[(44, &first[..])][..], Quoted::Flow),
            (&[(44, &later[..])], Quoted::Unclear),
            (&[(60, &options[..]), (44, &first[..])], Quoted::Flow),
            (&[(60, &options[..]), (60, &options[..]), (44, &first[..])], Quoted::Other),
        ] {
            let bytes = sent6(chain, protocol::UDP);
            let (quoted, answer) = read(&error(2, &bytes, bytes.len()));
            assert_eq!(quoted, expected, "{chain:?}");
            if expected == Quoted::Flow {
                assert_eq!(flow(&answer), (protocol::UDP, HOST6, 40_000, REMOTE, 53));
            }
        }
    }

    #[test]
    fn what_has_no_ports_is_something_else() {
        let mut bytes = sent();
        bytes[9] = protocol::ICMP;
        assert_eq!(read(&error(11, &bytes, 28)).0, Quoted::Other);
        assert_eq!(read(&error(3, &sent6(&[], protocol::ICMPV6), 44)).0, Quoted::Other);
    }
}
