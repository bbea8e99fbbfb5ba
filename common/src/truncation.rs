//! Truncated answers: a question that comes for a name server by UDP is answered, in the host's name, by its own first part
//! and the word that the rest did not fit (RFC 1035, 4.1.1; RFC 2181, section 9).
//!
//! Whoever has really asked asks again, over TCP, as resolvers and stub resolvers have to (RFC 7766, section 5), and a
//! connection that bears fruit proves that somebody is there. So nothing is remembered of those that were asked, and who
//! forges addresses gets no answer from the server. What is sent is never longer than what came, and goes nowhere but to a
//! port that clients ask from.
//!
//! When one is sent is decided in [`dns_question`](crate::decide::dns_question); the kernel program sends it (`reply.rs`).
//!
//! What proves nothing by asking again is not answered: what answers something itself, so that no two servers ever answer
//! each other; zone transfers, updates and notifications; and whatever does not say one plain question.

use crate::{
    checksum::{checksum, sum32, sum64, sum128},
    dns_names::{self, DNS_HEADER, PORT, UDP_HEADER},
    frame::{Frame, Header},
    parse::{Fragment, Packet, ip_form, protocol},
    prefix::{Address, Family},
};

/// Bytes that end a question behind its name: the root's label, type and class.
const QUESTION_END: u32 = 5;
/// Fewest bytes of a record (RFC 1035, 4.1.3).
const RECORD: u32 = 11;
/// Most records that a question comes with: what its sender understands (RFC 6891), and its signature (RFC 8945).
const ADDITIONAL: u16 = 2;
/// The first port that clients ask from; and that of a server, which asks from there if it is an old one.
const FIRST_CLIENT: u16 = 1_024;

/// Words of the headers of an answer over IPv4, from the IP header on.
const V4_WORDS: usize = 10;
/// Words of those of an answer over IPv6.
const V6_WORDS: usize = 15;
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

/// The headers over IPv4 of the answer to a question of this [sum](question_sum), from the IP header on: words as they stand in
/// memory. `None` if the question can't be read, which it can where an answer [is possible](is_possible).
#[inline(always)]
pub fn answer_v4<F: Frame>(
    frame: &F,
    packet: &Packet,
    name_end: u32,
    question: u32,
) -> Option<[u32; V4_WORDS]> {
    let (source, destination) = ((packet.destination.high >> 32) as u32, (packet.source.high >> 32) as u32);
    let addresses = sum32(source) + sum32(destination);
    let datagram = datagram(frame, packet, name_end, addresses + u64::from(question))?;
    let length = 4 * V4_WORDS as u32 + question_bytes(packet, name_end);
    let (first, flags) = (0x4500_0000 | length, 0x4000_0000);
    let about = u32::from(HOP_LIMIT) << 24 | u32::from(protocol::UDP) << 16;
    let checksum = checksum(sum32(first) + sum32(flags) + sum32(about) + addresses);
    let [ports, rest, number, counts, more] = datagram;
    let words =
        [first, flags, about | u32::from(checksum), source, destination, ports, rest, number, counts, more];
    Some(words.map(u32::to_be))
}

/// The same over IPv6.
#[inline(always)]
pub fn answer_v6<F: Frame>(
    frame: &F,
    packet: &Packet,
    name_end: u32,
    question: u32,
) -> Option<[u32; V6_WORDS]> {
    let (source, destination) = (packet.destination, packet.source);
    let sum = sum128(source) + sum128(destination) + u64::from(question);
    let [ports, rest, number, counts, more] = datagram(frame, packet, name_end, sum)?;
    let length = DATAGRAM as u32 + question_bytes(packet, name_end);
    let words = [
        0x6000_0000,
        length << 16 | u32::from(protocol::UDP) << 8 | u32::from(HOP_LIMIT),
        (source.high >> 32) as u32,
        source.high as u32,
        (source.low >> 32) as u32,
        source.low as u32,
        (destination.high >> 32) as u32,
        destination.high as u32,
        (destination.low >> 32) as u32,
        destination.low as u32,
        ports,
        rest,
        number,
        counts,
        more,
    ];
    Some(words.map(u32::to_be))
}

/// Bytes of the headers of UDP and DNS.
const DATAGRAM: usize = (UDP_HEADER + DNS_HEADER) as usize;

/// The headers of UDP and DNS, in words, where addresses and question have this sum.
#[inline(always)]
fn datagram<F: Frame>(frame: &F, packet: &Packet, name_end: u32, sum: u64) -> Option<[u32; DATAGRAM / 4]> {
    let asked = frame.header::<DATAGRAM>(packet.transport)?;
    let (identification, recursion, unchecked) =
        (asked.be16(8), asked.u8(10) & RECURSION, asked.u8(11) & UNCHECKED);
    let length = DATAGRAM as u32 + question_bytes(packet, name_end);
    let ports = u32::from(packet.destination_port) << 16 | u32::from(packet.source_port);
    // Who wants recursion has asked a server that offers it, or learns over TCP that it does not.
    let flags = [ANSWER | TRUNCATED | recursion, (recursion * RECURSION_HAD) | unchecked];
    let number = u32::from(identification) << 16 | u32::from(u16::from_be_bytes(flags));
    let counts = 1 << 16;
    let sum =
        sum + u64::from(protocol::UDP) + 2 * u64::from(length) + sum32(ports) + sum32(number) + sum32(counts);
    // Nothing at all would say that there is none (RFC 768).
    let checksum = match checksum(sum) {
        0 => u16::MAX,
        checksum => checksum,
    };
    Some([ports, length << 16 | u32::from(checksum), number, counts, 0])
}

/// The sum of the 16-bit words of the question, of which the last may be short. `None` if it can't be read.
#[inline(always)]
pub fn question_sum<F: Frame>(frame: &F, packet: &Packet, name_end: u32) -> Option<u32> {
    let name = dns_names::fold(frame, packet.transport, name_end, 0, |sum, word| sum + sum64(word))?;
    let end = frame.header::<{ QUESTION_END as usize }>(name_end)?;
    // Type and class begin on the other half of a word than the root's label, whose zero adds nothing.
    let is_odd = (name_end ^ packet.transport) & 1;
    // There are far fewer words than would overflow.
    Some((name + sum64(u64::from(end.be32(1)) << if is_odd == 0 { 24 } else { 32 })) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dns_names::Message,
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
        dns_names::end(&Captured::whole(frame), packet(frame).transport, Message::Question).unwrap_or(0)
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
        let sum = question_sum(&frame, &packet, end).expect("it can be read");
        if asked[12] == 8 {
            answer.extend(
                answer_v4(&frame, &packet, end, sum).expect("it can be read").map(u32::to_ne_bytes).concat(),
            );
        } else {
            answer.extend(
                answer_v6(&frame, &packet, end, sum).expect("it can be read").map(u32::to_ne_bytes).concat(),
            );
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
