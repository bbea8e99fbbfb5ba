//! Proves that questions for a name server can be answered with a truncated answer here, by two that are shown to the kernel.

use std::os::fd::BorrowedFd;

use anyhow::{Context as _, ensure};

use super::{
    challenge_selftest::{TX, checksums_hold, packet},
    syscall,
};

/// Bytes of the headers before DNS: Ethernet, IP, UDP.
const BEFORE_V4: usize = 42;
const BEFORE_V6: usize = 62;
/// Bytes of a DNS header.
const DNS_HEADER: usize = 12;

/// A question for an address of `q.example`, with what its sender understands behind it.
const QUESTION: [u8; 38] = [
    0x12, 0x34, 0x01, 0x10, 0, 1, 0, 0, 0, 0, 0, 1, // recursion is wanted, signatures are not checked
    1, b'q', 7, b'e', b'x', b'a', b'm', b'p', b'l', b'e', 0, 0, 1, 0, 1, // the question: 15 bytes
    0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0, // EDNS
];
/// What is left of it, and how its flags answer.
const ANSWERED: usize = DNS_HEADER + 15;
const FLAGS: [u8; 2] = [0x83, 0x90];

/// It comes from 198.51.100.7:40000 for 192.0.2.1:53.
fn question_v4() -> Vec<u8> {
    let headers: [u8; BEFORE_V4] = [
        2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00, // Ethernet
        0x45, 0, 0, 66, 0, 1, 0x40, 0, 64, 17, 0, 0, 198, 51, 100, 7, 192, 0, 2, 1, // IPv4
        0x9c, 0x40, 0, 53, 0, 46, 0, 0, // UDP
    ];
    [&headers[..], &QUESTION].concat()
}

/// The same from 2001:db8::7 for 2001:db8::1.
fn question_v6() -> Vec<u8> {
    let headers: [u8; BEFORE_V6] = [
        2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, // Ethernet
        0x60, 0, 0, 0, 0, 46, 17, 64, // IPv6
        0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, // from
        0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, // to
        0x9c, 0x40, 0, 53, 0, 46, 0, 0, // UDP
    ];
    [&headers[..], &QUESTION].concat()
}

/// Shows the program questions over both families.
pub(super) fn prove(program: BorrowedFd<'_>) -> anyhow::Result<()> {
    for (family, question) in [("IPv4", question_v4()), ("IPv6", question_v6())] {
        let (action, sent) = syscall::test_run_changing(program, &question)
            .with_context(|| format!("showing a question over {family} to the program"))?;
        ensure!(action == TX, "a question over {family} is answered with action {action} in place of {TX}");
        look(&question, &sent).with_context(|| format!("a question over {family}"))?;
    }
    Ok(())
}

/// Holds what would be sent against the question that it answers.
fn look(asked: &[u8], sent: &[u8]) -> anyhow::Result<()> {
    let (question, answer) = (packet(asked)?, packet(sent)?);
    let back = answer.source == question.destination
        && answer.destination == question.source
        && answer.source_port == question.destination_port
        && answer.destination_port == question.source_port
        && sent[..6] == asked[6..12]
        && sent[6..12] == asked[..6];
    ensure!(back, "what answers it does not go back the way it came");
    let before = asked.len() - QUESTION.len();
    ensure!(answer.end as usize == before + ANSWERED, "what answers it has another length");
    let dns = &sent[before..before + ANSWERED];
    let expected =
        [&QUESTION[..2], &FLAGS, &[0, 1, 0, 0, 0, 0, 0, 0], &QUESTION[DNS_HEADER..ANSWERED]].concat();
    ensure!(dns == expected, "what answers it does not say the question, and that the answer did not fit");
    ensure!(checksums_hold(sent, &answer), "a checksum of what answers it is wrong");
    Ok(())
}

#[cfg(test)]
mod tests {
    use floodwall_common::{
        dns_names::{self, Message},
        frame::Captured,
        truncation,
    };

    use super::*;

    /// What the filter would send, put together on the host.
    fn sent(asked: &[u8]) -> Vec<u8> {
        let (frame, of) = (Captured::whole(asked), packet(asked).unwrap());
        let end = dns_names::end(&frame, of.transport, Message::Question).unwrap();
        assert!(truncation::is_possible(&frame, &of, end));
        let mut answer = [&asked[6..12], &asked[..6], &asked[12..14]].concat();
        let sum = truncation::question_sum(&frame, &of, end).unwrap();
        if of.transport == 34 {
            answer
                .extend(truncation::answer_v4(&frame, &of, end, sum).unwrap().map(u32::to_ne_bytes).concat());
        } else {
            answer
                .extend(truncation::answer_v6(&frame, &of, end, sum).unwrap().map(u32::to_ne_bytes).concat());
        }
        let start = asked.len() - QUESTION.len() + DNS_HEADER;
        answer.extend(&asked[start..start + truncation::question_bytes(&of, end) as usize]);
        answer
    }

    #[test]
    fn what_is_right_is_found_right_and_a_wrong_byte_anywhere_is_not() {
        for asked in [question_v4(), question_v6()] {
            let right = sent(&asked);
            look(&asked, &right).unwrap();
            for place in 0..right.len() {
                let mut wrong = right.clone();
                wrong[place] ^= 1;
                // An IPv6 header has no checksum of its own: its traffic class, flow label and hop limit may be any.
                let is_free = asked[12] == 0x86 && matches!(place, 14..=17 | 21);
                assert_eq!(look(&asked, &wrong).is_ok(), is_free, "byte {place}");
            }
        }
    }
}
