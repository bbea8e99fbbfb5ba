//! The header fields that a signature can name, as numbers of 8 or 16 bits.
//!
//! Options and payload are read at fixed places and not walked through: what tells a tool from a client is in the
//! first bytes, and the cost is the same for every packet.

use crate::{
    branchless::min,
    frame::{Frame, Header},
    parse::{Fragment, Packet, protocol, tcp_flag},
    prefix::Family,
};

/// Bytes of payload that are features.
pub const PAYLOAD: usize = 16;

/// A field of 8 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ByteField {
    /// Protocol above IP.
    Protocol = 0,
    /// Number of the service that the packet is for.
    Service = 1,
    /// TCP flags; type of ICMP and ICMPv6; 0 for others.
    Flags = 2,
    /// TTL or hop limit.
    HopLimit = 3,
    /// [`form`] bits.
    Form = 4,
    /// [`anomaly`] bits.
    Anomaly = 5,
    /// Length of the TCP header in units of 4 bytes; 0 for others.
    TcpHeader = 6,
    /// The first of [`PAYLOAD`] bytes behind the transport header; 0 where there is none.
    Payload = 7,
}

impl ByteField {
    /// How many there are, bytes of payload included.
    pub const COUNT: usize = Self::Payload as usize + PAYLOAD;
}

/// A field of 16 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum WordField {
    /// Bytes of the IP packet, header included.
    Length = 0,
    /// Source port of TCP or UDP.
    SourcePort = 1,
    /// Destination port of TCP or UDP; code of ICMP and ICMPv6.
    DestinationPort = 2,
    /// TCP window, as it stands in the header.
    Window = 3,
    /// Kinds of the first TCP option and of the next: what stands behind a maximum segment size, or behind the two
    /// paddings that timestamps are aligned with; 0 where there is none.
    Options = 4,
    /// Maximum segment size, if it is the first TCP option; else 0.
    SegmentSize = 5,
    /// Bytes behind the transport header.
    PayloadLength = 6,
}

impl WordField {
    /// How many there are.
    pub const COUNT: usize = 7;
}

/// Bits of [`ByteField::Form`].
pub mod form {
    /// IPv6.
    pub const IPV6: u8 = 1;
    /// First fragment.
    pub const FIRST_FRAGMENT: u8 = 1 << 1;
    /// Later fragment.
    pub const LATER_FRAGMENT: u8 = 1 << 2;
    /// Where the bits of [`ip_form`](crate::parse::ip_form) stand: don't fragment, options or extension headers, VLAN.
    pub const IP_FORM_SHIFT: u8 = 3;
    /// Something listens on the port, as far as it is known.
    pub const OFFERED: u8 = 1 << 6;
    /// IPv4 identification of 0.
    pub const NO_IDENTIFICATION: u8 = 1 << 7;
}

/// Bits of [`ByteField::Anomaly`]: what ordinary senders do not do.
pub mod anomaly {
    /// TCP without ACK flag, and yet with an acknowledgement number.
    pub const STRAY_ACKNOWLEDGEMENT: u8 = 1;
    /// TCP with ACK flag, and an acknowledgement number of 0.
    pub const ZERO_ACKNOWLEDGEMENT: u8 = 1 << 1;
    /// TCP without URG flag, and yet with an urgent pointer.
    pub const STRAY_URGENT: u8 = 1 << 2;
    /// TCP sequence number of 0.
    pub const ZERO_SEQUENCE: u8 = 1 << 3;
    /// Source port and destination port are the same.
    pub const SAME_PORT: u8 = 1 << 4;
    /// UDP without checksum.
    pub const NO_CHECKSUM: u8 = 1 << 5;
    /// Port 0.
    pub const ZERO_PORT: u8 = 1 << 6;
    /// Reserved bits of the TCP header.
    pub const RESERVED: u8 = 1 << 7;
}

/// A packet's features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Features {
    /// By [`ByteField`].
    pub octets: [u8; ByteField::COUNT],
    /// By [`WordField`].
    pub shorts: [u16; WordField::COUNT],
}

/// Reads the features of a packet that is for `service`, to a port that is `offered`.
#[inline(always)]
pub fn read<F: Frame>(frame: &F, packet: &Packet, service: u8, offered: bool, features: &mut Features) {
    let transport = match packet.protocol {
        _ if packet.fragment as u8 == Fragment::Later as u8 => Transport::none(packet),
        protocol::TCP => tcp(frame, packet),
        protocol::UDP => udp(frame, packet),
        protocol::ICMP | protocol::ICMPV6 => Transport { header: 8, ..Transport::none(packet) },
        _ => Transport::none(packet),
    };
    let Features { octets, shorts } = features;
    octets[ByteField::Protocol as usize] = packet.protocol;
    octets[ByteField::Service as usize] = service;
    octets[ByteField::Flags as usize] = transport.flags;
    octets[ByteField::HopLimit as usize] = packet.hop_limit;
    octets[ByteField::Form as usize] = form_of(packet, offered);
    octets[ByteField::Anomaly as usize] = transport.anomaly;
    octets[ByteField::TcpHeader as usize] = transport.tcp_header;
    let start = packet.transport.wrapping_add(transport.header) & OFFSET_MASK;
    // A run of segments may be longer than 16 bits can say.
    let until_end = |from: u32| min(packet.end.saturating_sub(from), u32::from(u16::MAX));
    let room = until_end(start);
    shorts[WordField::Length as usize] = until_end(packet.network) as u16;
    shorts[WordField::SourcePort as usize] = packet.source_port;
    shorts[WordField::DestinationPort as usize] = transport.destination;
    shorts[WordField::Window as usize] = transport.window;
    shorts[WordField::Options as usize] = transport.options;
    shorts[WordField::SegmentSize as usize] = transport.segment_size;
    shorts[WordField::PayloadLength as usize] = room as u16;
    let (first, second) = (payload(frame, start, room), payload(frame, start + 8, room.saturating_sub(8)));
    octets[ByteField::Payload as usize..][..8].copy_from_slice(&first.to_be_bytes());
    octets[ByteField::Payload as usize + 8..][..8].copy_from_slice(&second.to_be_bytes());
}

/// Offsets stay far below this; said so that the verifier knows, too.
const OFFSET_MASK: u32 = 0x1_ffff;

/// What the transport header adds.
struct Transport {
    /// Its length, bytes.
    header: u32,
    destination: u16,
    window: u16,
    options: u16,
    segment_size: u16,
    flags: u8,
    anomaly: u8,
    tcp_header: u8,
}

impl Transport {
    #[inline(always)]
    fn none(packet: &Packet) -> Self {
        let icmp = packet.protocol == protocol::ICMP || packet.protocol == protocol::ICMPV6;
        // Type and code of ICMP stand where the destination port of others does.
        let (flags, destination) = if icmp {
            ((packet.destination_port >> 8) as u8, packet.destination_port & 0xff)
        } else {
            (0, packet.destination_port)
        };
        Self {
            header: 0,
            destination,
            window: 0,
            options: 0,
            segment_size: 0,
            flags,
            anomaly: 0,
            tcp_header: 0,
        }
    }
}

#[inline(always)]
fn bit(condition: bool, bit: u8) -> u8 {
    u8::from(condition) * bit
}

#[inline(always)]
fn ports(packet: &Packet) -> u8 {
    bit(packet.source_port == packet.destination_port, anomaly::SAME_PORT)
        | bit(packet.source_port == 0 || packet.destination_port == 0, anomaly::ZERO_PORT)
}

#[inline(always)]
fn tcp<F: Frame>(frame: &F, packet: &Packet) -> Transport {
    let Some(header) = frame.header::<20>(packet.transport) else { return Transport::none(packet) };
    let (words, flags) = (header.u8(12) >> 4, packet.tcp_flags);
    let acknowledges = flags & tcp_flag::ACK != 0;
    let acknowledged = header.be32(8) != 0;
    let mut options = 0;
    let mut segment_size = 0;
    if words >= 7
        && let Some(both) = frame.header::<8>(packet.transport + 20)
    {
        let first = both.u8(0);
        let next = if first == NO_OPERATION { both.u8(2) } else { both.u8(4) };
        options = u16::from(first) << 8 | u16::from(next);
        segment_size = size_of_segments(both.be32(0));
    } else if words == 6
        && let Some(first) = frame.header::<4>(packet.transport + 20)
    {
        options = u16::from(first.u8(0)) << 8;
        segment_size = size_of_segments(first.be32(0));
    }
    Transport {
        header: u32::from(words) * 4,
        destination: packet.destination_port,
        window: header.be16(14),
        options,
        segment_size,
        flags,
        anomaly: ports(packet)
            | bit(!acknowledges && acknowledged, anomaly::STRAY_ACKNOWLEDGEMENT)
            | bit(acknowledges && !acknowledged, anomaly::ZERO_ACKNOWLEDGEMENT)
            | bit(flags & tcp_flag::URG == 0 && header.be16(18) != 0, anomaly::STRAY_URGENT)
            | bit(header.be32(4) == 0, anomaly::ZERO_SEQUENCE)
            | bit(header.u8(12) & 0xf != 0, anomaly::RESERVED),
        tcp_header: words,
    }
}

/// Kind of the padding between TCP options.
const NO_OPERATION: u8 = 1;
/// Kind and length of the maximum segment size, RFC 9293 section 3.7.1.
const SEGMENT_SIZE: u32 = 0x0204;

/// The maximum segment size, if that is what an option of four bytes says.
#[inline(always)]
fn size_of_segments(option: u32) -> u16 {
    if option >> 16 == SEGMENT_SIZE { option as u16 } else { 0 }
}

#[inline(always)]
fn udp<F: Frame>(frame: &F, packet: &Packet) -> Transport {
    let unsummed = frame.header::<8>(packet.transport).is_some_and(|header| header.be16(6) == 0);
    Transport {
        header: 8,
        anomaly: ports(packet) | bit(unsummed, anomaly::NO_CHECKSUM),
        ..Transport::none(packet)
    }
}

#[inline(always)]
fn form_of(packet: &Packet, offered: bool) -> u8 {
    let v6 = packet.source.family as u32 == Family::V6 as u32;
    let fragment = packet.fragment as u8;
    bit(v6, form::IPV6)
        | bit(fragment == Fragment::First as u8, form::FIRST_FRAGMENT)
        | bit(fragment == Fragment::Later as u8, form::LATER_FRAGMENT)
        | packet.ip_form << form::IP_FORM_SHIFT
        | bit(offered, form::OFFERED)
        | bit(!v6 && packet.identification == 0, form::NO_IDENTIFICATION)
}

/// The first eight bytes of `room` at `offset`; of fewer than eight the first four, and none of fewer than that.
#[inline(always)]
fn payload<F: Frame>(frame: &F, offset: u32, room: u32) -> u64 {
    if room >= 8 {
        frame.header::<8>(offset).map_or(0, |bytes| bytes.be64(0))
    } else if room >= 4 {
        frame.header::<4>(offset).map_or(0, |bytes| u64::from(bytes.be32(0)) << 32)
    } else {
        0
    }
}
