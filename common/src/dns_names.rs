//! Names that are asked for by DNS, and whether they have been asked for before.
//!
//! A flood of questions for random names below a zone ("water torture") comes by the resolvers that customers use, and asks as
//! these do: nothing but the names tell it. Those that customers ask for are asked for time and again. So each name that a
//! question names which passes is remembered, by a hash, letters of either case alike (RFC 4343, and resolvers that mix them);
//! while too many others are asked for, these have to come twice ([`crate::decide::dns_names`]).

use crate::{
    frame::{Frame, Header},
    memo,
};

/// The port that questions come for, RFC 1035.
pub const PORT: u16 = 53;

/// Bytes of a UDP header, RFC 768.
pub const UDP_HEADER: u32 = 8;
/// Bytes of a DNS header, RFC 1035, 4.1.1.
pub const DNS_HEADER: u32 = 12;
/// Longest label. Longer ones are pointers, which stand in no question.
const LONGEST_LABEL: u8 = 63;
/// Most labels that are followed: the names of IPv6 addresses have 34 (RFC 3596, 2.5).
const LABELS: u32 = 36;
/// Words that a name takes at most: 255 bytes, RFC 1035, 3.1.
const WORDS: u32 = 32;
/// Makes letters small; what else it changes, it changes in each name alike.
const SMALL: u64 = 0x2020_2020_2020_2020;
/// Offsets stay far below this; said so that the verifier knows, too.
const OFFSET_MASK: u32 = 0x1_ffff;
/// In the third byte of a DNS header: this is an answer; this is a message of another kind.
const ANSWER: u8 = 0x80;
const OPCODE: u8 = 0x78;

/// What a datagram says of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Message {
    /// It asks for it.
    Question = 0,
    /// It answers such a question, which it repeats.
    Answer = ANSWER,
}

/// Where the label of the root stands that ends the name that a datagram is about, in the frame; `None` if it is no plain
/// message of this kind about one. `datagram`: where its UDP header stands.
#[inline(always)]
pub fn end<F: Frame>(frame: &F, datagram: u32, message: Message) -> Option<u32> {
    let start = datagram.wrapping_add(UDP_HEADER) & OFFSET_MASK;
    let header = frame.header::<{ DNS_HEADER as usize }>(start)?;
    if header.u8(2) & (ANSWER | OPCODE) != message as u8 || header.be16(4) != 1 {
        return None;
    }
    let mut at = start + DNS_HEADER;
    for _ in 0..=LABELS {
        // Something follows on each. Of a single byte the compiler makes a comparison that the verifier learns nothing from.
        let length = frame.header::<2>(at)?.u8(0);
        if length == 0 {
            return Some(at);
        }
        if length > LONGEST_LABEL {
            return None;
        }
        at = (at + 1 + u32::from(length)) & OFFSET_MASK;
    }
    None
}

/// The hash of the name that a datagram is about, which [ends](end) there.
#[inline(always)]
pub fn hash<F: Frame>(frame: &F, datagram: u32, end: u32, seed: [u64; 3]) -> Option<u64> {
    fold(frame, datagram, end, seed[2], |hash, word| memo::hash(seed, hash, word | SMALL))
}

/// Takes up the name that a datagram is about, which [ends](end) there, in words of eight bytes, of which the last is filled up
/// with zeros.
#[inline(always)]
pub(crate) fn fold<F: Frame>(
    frame: &F,
    datagram: u32,
    end: u32,
    start: u64,
    take: impl Fn(u64, u64) -> u64,
) -> Option<u64> {
    let mut at = datagram.wrapping_add(UDP_HEADER + DNS_HEADER) & OFFSET_MASK;
    let mut taken = start;
    for _ in 0..WORDS {
        if at + 8 > end {
            break;
        }
        taken = take(taken, frame.header::<8>(at)?.be64(0));
        at = (at + 8) & OFFSET_MASK;
    }
    if at >= end {
        return Some(taken);
    }
    // Behind a name stand its end, type and class: five bytes, which can be read where eight cannot.
    let bytes = match frame.header::<8>(at) {
        Some(eight) => eight.be64(0),
        None => {
            let five = frame.header::<5>(at)?;
            u64::from(five.be32(0)) << 32 | u64::from(five.u8(4)) << 24
        }
    };
    Some(take(taken, bytes & !(u64::MAX >> (8 * ((end - at) & 7)))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Captured;

    const SEED: [u64; 3] = [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03, 0x1234_5677];

    /// A datagram from the UDP header on.
    fn datagram(flags: u8, questions: u16, name: &[&[u8]], rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; UDP_HEADER as usize];
        bytes.extend([0x12, 0x34, flags, 0]);
        bytes.extend(questions.to_be_bytes());
        bytes.extend([0; 6]);
        for label in name {
            bytes.push(label.len() as u8);
            bytes.extend(*label);
        }
        bytes.push(0);
        bytes.extend(rest);
        bytes
    }

    fn hash_of(bytes: &[u8]) -> Option<u64> {
        let frame = Captured::whole(bytes);
        hash(&frame, 0, end(&frame, 0, Message::Question)?, SEED)
    }

    fn name(labels: &[&[u8]]) -> Option<u64> {
        hash_of(&datagram(1, 1, labels, &[0, 1, 0, 1]))
    }

    #[test]
    fn a_name_is_the_same_in_either_case_and_with_whatever_follows() {
        let expected = name(&[b"www", b"example", b"com"]);
        assert!(expected.is_some());
        assert_eq!(name(&[b"wWw", b"EXAMPLE", b"cOm"]), expected);
        let options = [0, 28, 0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
        assert_eq!(hash_of(&datagram(0, 1, &[b"www", b"example", b"com"], &options)), expected);
    }

    #[test]
    fn each_byte_of_a_name_tells() {
        let long: Vec<u8> = (0..63).map(|n| b'a' + n % 26).collect();
        let labels = [&long[..], &long[..], &long[..61]];
        let all = name(&labels).expect("a name of 189 bytes");
        for label in 0..3 {
            for at in 0..labels[label].len() {
                let mut other = labels[label].to_vec();
                other[at] = b'9';
                let mut changed = labels;
                changed[label] = &other;
                assert_ne!(name(&changed), Some(all), "label {label}, byte {at}");
            }
        }
        assert_ne!(name(&[b"ab", b"c"]), name(&[b"a", b"bc"]));
        assert_ne!(
            name(&[b"a\0\0\x01\0\x01x"]),
            name(&[b"a\0\0\x01\0\x01y"]),
            "a zero within a label ends nothing"
        );
    }

    #[test]
    fn a_name_is_read_at_the_very_end_of_a_packet() {
        for length in 1..20 {
            let label = vec![b'q'; length];
            assert!(name(&[&label]).is_some(), "{length} bytes");
        }
        let whole = datagram(1, 1, &[b"www", b"example", b"com"], &[0, 1, 0, 1]);
        for length in 0..whole.len() - 4 {
            assert_eq!(hash_of(&whole[..length]), None, "cut to {length} bytes");
        }
    }

    #[test]
    fn what_is_no_question_for_one_name_has_none() {
        let labels: [&[u8]; 1] = [b"www"];
        for (flags, questions) in [(0x80, 1), (0x28, 1), (1, 0), (1, 2)] {
            assert_eq!(hash_of(&datagram(flags, questions, &labels, &[0, 1, 0, 1])), None);
        }
        let answer = datagram(0x81, 1, &labels, &[0, 1, 0, 1]);
        assert!(end(&Captured::whole(&answer), 0, Message::Answer).is_some());
        let question = datagram(1, 1, &labels, &[0, 1, 0, 1]);
        assert_eq!(end(&Captured::whole(&question), 0, Message::Answer), None);
        let mut pointer = datagram(1, 1, &labels, &[0, 1, 0, 1]);
        pointer[(UDP_HEADER + DNS_HEADER) as usize] = 0xc0;
        assert_eq!(hash_of(&pointer), None);
        let many = [&b"a"[..]; 37];
        assert_eq!(name(&many), None, "more labels than are followed");
        assert!(name(&many[..36]).is_some());
        assert!(name(&[]).is_some(), "the root");
    }
}
