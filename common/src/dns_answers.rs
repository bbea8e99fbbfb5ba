//! What a name server here answers, as it leaves: whether there is what a new name stands for.
//!
//! A flood of random names is told from new names that people ask for by what is answered: those of a flood do not exist, and
//! are answered so (NXDOMAIN), or with a failure, or not at all. That there is no such name is also said with no error and no
//! record (RFC 9824), and so is that there is none of the type that was asked for; so a new name is found to exist once an
//! answer has a record for it, or says which other servers to ask, as those do that have delegated it.

use crate::{
    dns_names::{self, Message, UDP_HEADER},
    frame::{Frame, Header},
    memo, name_memory,
    tables::{NAME_LINES, Tables},
};

/// Bytes that are looked at of a DNS header.
const COUNTS_END: usize = 10;
/// In the third byte of a DNS header: who answers has the last word on the name. In the fourth: it asks others itself; how
/// it ended.
const AUTHORITATIVE: u8 = 0x04;
const RECURSION_HAD: u8 = 0x80;
const RCODE: u8 = 0x0f;

/// Learns from a datagram that leaves a name server of this service. `datagram`: where its UDP header stands. `None` if it is
/// no answer to a plain question, or if a table could not be reached.
#[inline(always)]
pub fn learn<T: Tables, F: Frame>(tables: &T, frame: &F, datagram: u32, service: u32) -> Option<()> {
    let settings = tables.settings()?;
    let end = dns_names::end(frame, datagram, Message::Answer)?;
    if !exists(frame, datagram)? {
        return Some(());
    }
    let hash = dns_names::hash(frame, datagram, end, memo::seed(settings))?;
    let line = tables.name_line(memo::line(hash, NAME_LINES))?;
    if name_memory::close(line, hash) {
        tables.service_counter(service)?.unproven.existing_names.add_local(1);
    }
    Some(())
}

/// Whether an answer says that there is such a name.
#[inline(always)]
fn exists<F: Frame>(frame: &F, datagram: u32) -> Option<bool> {
    let header = frame.header::<COUNTS_END>(datagram.wrapping_add(UDP_HEADER))?;
    let (flags, more) = (header.u8(2), header.u8(3));
    let (answers, authorities) = (header.be16(6), header.be16(8));
    let refers = authorities != 0 && flags & AUTHORITATIVE == 0 && more & RECURSION_HAD == 0;
    Some(more & RCODE == 0 && (answers != 0 || refers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::testing::{HOST, Memory, NOW, SOURCE, frame, udp},
        frame::Captured,
        outgoing::{Read, Route, observe},
        parse::{Packet, protocol},
        wire::Port,
    };

    const NAME: &[u8] = b"\x03www\x07example\x03com\0\0\x01\0\x01";

    fn server() -> Memory {
        let mut memory = Memory::new();
        memory.assign(protocol::UDP, dns_names::PORT, Port { service: 3, offered: true, carried: false });
        memory
    }

    /// The name is asked for.
    fn ask(memory: &Memory) {
        let datagram = [&[0; 8][..], &[0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], NAME].concat();
        let question = Captured::whole(&datagram);
        let end = dns_names::end(&question, 0, Message::Question).expect("a question");
        let hash = dns_names::hash(&question, 0, end, memo::seed(memory.set())).expect("a name");
        let line = memory.name_line(memo::line(hash, NAME_LINES)).expect("a line");
        let (word, is_known) = name_memory::find(line, hash, NOW);
        name_memory::note(word, is_known, hash, NOW);
    }

    /// An answer leaves, with these flags and numbers of records, from a port.
    fn answer(memory: &Memory, flags: [u8; 2], records: [u16; 2], port: u16) {
        let counts: Vec<u8> = [1, records[0], records[1], 0].into_iter().flat_map(u16::to_be_bytes).collect();
        let message = [&[0, 7][..], &flags, &counts, NAME].concat();
        let length = 42 + message.len() as u32;
        let packet = Packet {
            source: HOST,
            destination: SOURCE,
            source_port: port,
            destination_port: 40_000,
            length,
            ..udp()
        };
        let mut bytes = frame(&packet);
        bytes[42..].copy_from_slice(&message);
        let (shown, mut packet) = (Captured::whole(&bytes), Packet::default());
        let route = Route { from: 0, to: 2 };
        let look = |datagram, service| {
            learn(memory, &shown, datagram, service);
        };
        assert_eq!(observe(memory, &shown, &mut packet, route, look), Read::Observed);
    }

    fn existing(memory: &Memory) -> u64 {
        memory.service_counters[3].unproven.existing_names.load()
    }

    #[test]
    fn a_new_name_exists_once_an_answer_says_so() {
        for (flags, records, expected, what) in [
            ([0x84, 0], [1, 0], 1, "a record"),
            ([0x81, 0x80], [2, 0], 1, "a record, of a resolver"),
            ([0x80, 0], [0, 2], 1, "other servers to ask"),
            ([0x84, 0], [0, 1], 0, "nothing of this type, or no such name"),
            ([0x81, 0x80], [0, 1], 0, "the same, of a resolver"),
            ([0x84, 3], [0, 1], 0, "no such name"),
            ([0x84, 3], [1, 1], 0, "an alias of no such name"),
            ([0x81, 0x82], [0, 0], 0, "a failure"),
            ([0x80, 5], [0, 0], 0, "no answer for whoever asks"),
            ([0x04, 0], [1, 0], 0, "a question"),
        ] {
            let memory = server();
            ask(&memory);
            answer(&memory, flags, records, dns_names::PORT);
            assert_eq!(existing(&memory), expected, "{what}");
        }
    }

    #[test]
    fn each_name_counts_once_and_only_if_it_was_asked_for_here() {
        let memory = server();
        answer(&memory, [0x84, 0], [1, 0], dns_names::PORT);
        assert_eq!(existing(&memory), 0, "nobody has asked");
        ask(&memory);
        answer(&memory, [0x84, 0], [1, 0], 5_353);
        assert_eq!(existing(&memory), 0, "from another port");
        answer(&memory, [0x84, 3], [0, 1], dns_names::PORT);
        for _ in 0..3 {
            answer(&memory, [0x84, 0], [1, 0], dns_names::PORT);
        }
        ask(&memory);
        answer(&memory, [0x84, 0], [1, 0], dns_names::PORT);
        assert_eq!(existing(&memory), 1);
    }
}
