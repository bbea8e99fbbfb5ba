//! Truncated answers: a question that comes for a name server by UDP is answered, in the host's name, by its own first part
//! and the word that the rest did not fit (RFC 1035, 4.1.1; RFC 2181, section 9).
//!
//! Whoever has really asked asks again, over TCP, as resolvers and stub resolvers have to (RFC 7766, section 5), and a
//! connection that bears fruit proves that somebody is there. So nothing is remembered of those that were asked, and who
//! forges addresses gets no answer from the server. What is sent is never longer than what came, and goes nowhere but to a
//! port that clients ask from.
//!
//! What proves nothing by asking again is not answered: what answers something itself, so that no two servers ever answer
//! each other; zone transfers, updates and notifications; and whatever does not say one plain question.

use crate::{
    checksum::{checksum, sum32, sum64, sum128},
    dns_names::{self, PORT},
    frame::{Frame, Header},
    parse::{Fragment, Packet, ip_form, protocol},
    prefix::{Address, Family},
};

/// Bytes of a UDP header, and of a DNS header.
const UDP_HEADER: u32 = 8;
const DNS_HEADER: u32 = 12;
/// Bytes that end a question behind its name: the root's label, type and class.
const QUESTION_END: u32 = 5;
/// Fewest bytes of a record (RFC 1035, 4.1.3).
const RECORD: u32 = 11;
/// Most records that a question comes with: what its sender understands (RFC 6891), and its signature (RFC 8945).
const ADDITIONAL: u16 = 2;
/// The first port that clients ask from; and that of a server, which asks from there if it is an old one.
const FIRST_CLIENT: u16 = 1_024;

/// Bytes of the headers of an answer over IPv4, from the IP header on.
pub const V4_BYTES: usize = 40;
/// Bytes of those of an answer over IPv6.
pub const V6_BYTES: usize = 60;
const HOP_LIMIT: u8 = 64;

/// In the third byte of a DNS header: it is an answer, one of another kind, cut short, and recursion is wanted. In the fourth:
/// recursion can be had, and signatures are not to be checked.
const ANSWER: u8 = 0x80;
const OPCODE: u8 = 0x78;
const TRUNCATED: u8 = 0x02;
const RECURSION: u8 = 0x01;
const RECURSION_HAD: u8 = 0x80;
const UNCHECKED: u8 = 0x10;

/// Whether a datagram whose question's name [ends](dns_names::end) there can be answered so.
#[inline(always)]
pub fn is_possible<F: Frame>(frame: &F, packet: &Packet, name_end: u32) -> bool {
    let Some(header) = frame.header::<{ (UDP_HEADER + DNS_HEADER) as usize }>(packet.transport) else {
        return false;
    };
    let is_plain = packet.fragment as u8 == Fragment::Whole as u8
        && packet.ip_form & ip_form::EXTENDED == 0
        && packet.protocol == protocol::UDP
        && packet.network != 0
        && u32::from(header.be16(4)) == packet.end.wrapping_sub(packet.transport);
    let is_of_client = (packet.source_port >= FIRST_CLIENT || packet.source_port == PORT)
        && is_unicast(packet.source)
        && is_unicast(packet.destination);
    // Its name ends only if it is no answer, and asks one question.
    let asks = header.u8(10) & (ANSWER | OPCODE | TRUNCATED) == 0 && header.be32(14) == 0;
    let (additional, end) = (header.be16(18), name_end + QUESTION_END);
    let ends = if additional == 0 {
        packet.end == end
    } else {
        additional <= ADDITIONAL && packet.end >= end + RECORD * u32::from(additional)
    };
    name_end != 0 && is_plain && is_of_client && asks && ends
}

/// Whether an address is that of one interface, as far as it tells.
#[inline(always)]
fn is_unicast(address: Address) -> bool {
    let first = address.high >> 56;
    match address.family {
        Family::V4 => (1..224).contains(&first) && first != 127,
        Family::V6 => first != 0xff && address.high | address.low != 0,
    }
}

/// Bytes of the question, which follow the headers of an answer as they came.
#[inline(always)]
pub fn question_bytes(packet: &Packet, name_end: u32) -> u32 {
    (name_end + QUESTION_END).wrapping_sub(packet.transport + UDP_HEADER + DNS_HEADER)
}

/// The headers over IPv4 of the answer. `None` if the question can't be read, which it can where an answer
/// [is possible](is_possible).
#[inline(always)]
pub fn answer_v4<F: Frame>(frame: &F, packet: &Packet, name_end: u32) -> Option<[u8; V4_BYTES]> {
    let mut bytes = [0; V4_BYTES];
    let (source, destination) = ((packet.destination.high >> 32) as u32, (packet.source.high >> 32) as u32);
    let length = V4_BYTES as u16 + question_bytes(packet, name_end) as u16;
    put(&mut bytes, 0, 0x4500_u16.to_be_bytes());
    put(&mut bytes, 2, length.to_be_bytes());
    put(&mut bytes, 6, 0x4000_u16.to_be_bytes());
    put(&mut bytes, 8, [HOP_LIMIT, protocol::UDP]);
    put(&mut bytes, 12, source.to_be_bytes());
    put(&mut bytes, 16, destination.to_be_bytes());
    let addresses = sum32(source) + sum32(destination);
    let fixed = 0x4500 + u64::from(length) + 0x4000 + (u64::from(HOP_LIMIT) << 8 | u64::from(protocol::UDP));
    put(&mut bytes, 10, checksum(fixed + addresses).to_be_bytes());
    put(&mut bytes, 20, datagram(frame, packet, name_end, addresses)?);
    Some(bytes)
}

/// The same over IPv6.
#[inline(always)]
pub fn answer_v6<F: Frame>(frame: &F, packet: &Packet, name_end: u32) -> Option<[u8; V6_BYTES]> {
    let mut bytes = [0; V6_BYTES];
    let (source, destination) = (packet.destination, packet.source);
    let length = DATAGRAM as u16 + question_bytes(packet, name_end) as u16;
    bytes[0] = 0x60;
    put(&mut bytes, 4, length.to_be_bytes());
    put(&mut bytes, 6, [protocol::UDP, HOP_LIMIT]);
    put(&mut bytes, 8, source.high.to_be_bytes());
    put(&mut bytes, 16, source.low.to_be_bytes());
    put(&mut bytes, 24, destination.high.to_be_bytes());
    put(&mut bytes, 32, destination.low.to_be_bytes());
    let addresses = sum128(source) + sum128(destination);
    put(&mut bytes, 40, datagram(frame, packet, name_end, addresses)?);
    Some(bytes)
}

/// Bytes of the headers of UDP and DNS.
const DATAGRAM: usize = (UDP_HEADER + DNS_HEADER) as usize;

/// The headers of UDP and DNS, between addresses of this sum.
#[inline(always)]
fn datagram<F: Frame>(frame: &F, packet: &Packet, name_end: u32, addresses: u64) -> Option<[u8; DATAGRAM]> {
    let asked = frame.header::<DATAGRAM>(packet.transport)?;
    let (identification, recursion, unchecked) =
        (asked.be16(8), asked.u8(10) & RECURSION, asked.u8(11) & UNCHECKED);
    let length = DATAGRAM as u16 + question_bytes(packet, name_end) as u16;
    // Who wants recursion has asked a server that offers it, or learns over TCP that it does not.
    let flags = [ANSWER | TRUNCATED | recursion, (recursion * RECURSION_HAD) | unchecked];
    let (from, to) = (packet.destination_port, packet.source_port);
    let sum = addresses
        + u64::from(protocol::UDP)
        + 2 * u64::from(length)
        + u64::from(from)
        + u64::from(to)
        + u64::from(identification)
        + u64::from(u16::from_be_bytes(flags))
        + 1
        + question_sum(frame, packet, name_end)?;
    let checksum = checksum(sum);
    let mut bytes = [0; DATAGRAM];
    put(&mut bytes, 0, from.to_be_bytes());
    put(&mut bytes, 2, to.to_be_bytes());
    put(&mut bytes, 4, length.to_be_bytes());
    // Nothing at all would say that there is none (RFC 768).
    put(&mut bytes, 6, (if checksum == 0 { u16::MAX } else { checksum }).to_be_bytes());
    put(&mut bytes, 8, identification.to_be_bytes());
    put(&mut bytes, 10, flags);
    put(&mut bytes, 12, 1_u16.to_be_bytes());
    Some(bytes)
}

/// The sum of the 16-bit words of the question, of which the last may be short.
#[inline(always)]
fn question_sum<F: Frame>(frame: &F, packet: &Packet, name_end: u32) -> Option<u64> {
    let name = dns_names::fold(frame, packet, name_end, 0, |sum, word| sum + sum64(word))?;
    let end = frame.header::<{ QUESTION_END as usize }>(name_end)?;
    // Type and class begin on the other half of a word than the root's label, whose zero adds nothing.
    let is_odd = (name_end ^ packet.transport) & 1;
    Some(name + sum64(u64::from(end.be32(1)) << if is_odd == 0 { 24 } else { 32 }))
}

#[inline(always)]
fn put<const N: usize, const M: usize>(bytes: &mut [u8; N], at: usize, what: [u8; M]) {
    bytes[at..at + M].copy_from_slice(&what);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        frame::Captured,
        parse::{Parsed, parse},
    };

    const NAME: &[&[u8]] = &[b"www", b"example", b"com"];
    /// A record that says what its sender understands, with a cookie.
    const OPTIONS: &[u8] = &[0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 12, 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8];

    /// A question, from 198.51.100.7 or 2001:db8::7 and this port.
    fn question(
        v6: bool,
        port: u16,
        flags: [u8; 2],
        counts: [u16; 4],
        name: &[&[u8]],
        rest: &[u8],
    ) -> Vec<u8> {
        let mut dns = [0x12, 0x34].to_vec();
        dns.extend(flags);
        dns.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
        for label in name {
            dns.push(label.len() as u8);
            dns.extend(*label);
        }
        dns.extend([0, 0, 1, 0, 1]);
        dns.extend(rest);
        let length = 8 + dns.len() as u16;
        let mut frame = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2].to_vec();
        if v6 {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(length.to_be_bytes());
            frame.extend([17, 64]);
            for last in [7, 1] {
                frame.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
            }
        } else {
            frame.extend([0x08, 0, 0x45, 0]);
            frame.extend((20 + length).to_be_bytes());
            frame.extend([0, 1, 0x40, 0, 64, 17, 0, 0, 198, 51, 100, 7, 192, 0, 2, 1]);
        }
        frame.extend(port.to_be_bytes());
        frame.extend(53_u16.to_be_bytes());
        frame.extend(length.to_be_bytes());
        frame.extend([0, 0]);
        frame.extend(dns);
        frame
    }

    fn usual(v6: bool, name: &[&[u8]], with_options: bool) -> Vec<u8> {
        let (additional, rest) = if with_options { (1, OPTIONS) } else { (0, &[][..]) };
        question(v6, 40_000, [1, 0x30], [1, 0, 0, additional], name, rest)
    }

    fn packet(frame: &[u8]) -> Packet {
        match parse(&Captured::whole(frame)) {
            Parsed::Packet(packet) => packet,
            other => panic!("{frame:02x?} is {other:?}"),
        }
    }

    fn name_end(frame: &[u8]) -> u32 {
        dns_names::end(&Captured::whole(frame), &packet(frame)).unwrap_or(0)
    }

    fn can_be_answered(frame: &[u8]) -> bool {
        let Parsed::Packet(packet) = parse(&Captured::whole(frame)) else { return false };
        is_possible(&Captured::whole(frame), &packet, name_end(frame))
    }

    /// The whole answer.
    fn answer(asked: &[u8]) -> Vec<u8> {
        let (frame, packet, end) = (Captured::whole(asked), packet(asked), name_end(asked));
        assert!(is_possible(&frame, &packet, end));
        let mut answer = [&asked[6..12], &asked[..6], &asked[12..14]].concat();
        if asked[12] == 8 {
            answer.extend(answer_v4(&frame, &packet, end).expect("it can be read"));
        } else {
            answer.extend(answer_v6(&frame, &packet, end).expect("it can be read"));
        }
        let (from, bytes) = (packet.transport as usize + 20, question_bytes(&packet, end) as usize);
        answer.extend(&asked[from..from + bytes]);
        answer
    }

    fn sum_of(bytes: &[u8]) -> u64 {
        bytes
            .chunks(2)
            .map(|pair| u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u64::from(*low)))
            .sum()
    }

    #[test]
    fn an_answer_says_the_question_and_that_the_rest_did_not_fit() {
        let long = [b'a'; 60];
        let names: [&[&[u8]]; 5] = [NAME, &[], &[b"a"], &[b"ab", b"cde"], &[&long, &long, &long]];
        for name in names {
            for (v6, with_options) in [(false, false), (false, true), (true, false), (true, true)] {
                let asked = usual(v6, name, with_options);
                let answer = answer(&asked);
                assert!(answer.len() <= asked.len(), "never longer than what came");
                let back = packet(&answer);
                let of = packet(&asked);
                assert_eq!((back.source, back.destination), (of.destination, of.source));
                assert_eq!((back.source_port, back.destination_port), (53, 40_000));
                assert_eq!(back.end as usize, answer.len());
                let dns = &answer[back.transport as usize + 8..];
                assert_eq!(dns[..12], [0x12, 0x34, 0x83, 0x90, 0, 1, 0, 0, 0, 0, 0, 0]);
                assert_eq!(dns[12..], asked[of.transport as usize + 20..][..dns.len() - 12]);
                assert_eq!(dns[dns.len() - 4..], [0, 1, 0, 1]);
                let udp = &answer[back.transport as usize..];
                let (network, transport) = (back.network as usize, back.transport as usize);
                let addresses =
                    if v6 { &answer[network + 8..network + 40] } else { &answer[network + 12..transport] };
                assert_eq!(checksum(sum_of(addresses) + 17 + udp.len() as u64 + sum_of(udp)), 0);
                assert!(v6 || checksum(sum_of(&answer[network..transport])) == 0);
                assert!(!can_be_answered(&answer), "no answer is answered");
            }
        }
    }

    #[test]
    fn what_does_not_ask_for_recursion_is_not_promised_any() {
        let asked = question(false, 40_000, [0, 0], [1, 0, 0, 0], NAME, &[]);
        assert_eq!(answer(&asked)[44..46], [0x82, 0]);
    }

    #[test]
    fn only_plain_questions_of_clients_are_answered() {
        let plain = |port, flags, counts, rest: &[u8]| {
            can_be_answered(&question(false, port, flags, counts, NAME, rest))
        };
        assert!(plain(40_000, [1, 0], [1, 0, 0, 0], &[]) && plain(53, [1, 0], [1, 0, 0, 0], &[]));
        assert!(plain(1_024, [1, 0], [1, 0, 0, 1], OPTIONS));
        for port in [0, 7, 19, 123, 1_023] {
            assert!(!plain(port, [1, 0], [1, 0, 0, 0], &[]), "port {port} is that of a service");
        }
        for (flags, what) in
            [(0x81, "an answer"), (0x21, "a notification"), (0x29, "an update"), (0x03, "cut short")]
        {
            assert!(!plain(40_000, [flags, 0], [1, 0, 0, 0], &[]), "{what}");
        }
        for counts in [[0, 0, 0, 0], [2, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 3], [1, 0, 0, 1]] {
            assert!(!plain(40_000, [1, 0], counts, &[]), "{counts:?}");
        }
        assert!(!plain(40_000, [1, 0], [1, 0, 0, 0], OPTIONS), "what follows is not counted");
        let asked = usual(false, NAME, false);
        for (at, value, what) in [
            (26, 224, "of a group"),
            (26, 127, "of this very host"),
            (30, 255, "for all"),
            (39, 1, "another length"),
        ] {
            let mut other = asked.clone();
            other[at] = value;
            assert!(!can_be_answered(&other), "{what}");
        }
        let (frame, of) = (Captured::whole(&asked), packet(&asked));
        for odd in [
            Packet { fragment: Fragment::First, ..of },
            Packet { ip_form: ip_form::EXTENDED, ..of },
            Packet { network: 0, ..of },
        ] {
            assert!(!is_possible(&frame, &odd, name_end(&asked)), "{odd:?}");
        }
        assert!(!is_possible(&frame, &of, 0), "its name does not end");
    }
}
