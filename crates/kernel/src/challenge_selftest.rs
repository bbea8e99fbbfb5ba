//! Proves that requests for connections can be challenged here, by two of them that are shown to the kernel.

use std::os::fd::BorrowedFd;

use anyhow::{Context as _, ensure};
use floodwall_common::{
    challenge,
    frame::Captured,
    parse::{Packet, Parsed, parse, tcp_flag},
    tables::Tables as _,
};
use floodwall_tables::SharedTables;

use super::syscall;

/// `XDP_TX` in `include/uapi/linux/bpf.h`.
pub(super) const TX: u32 = 3;

/// A SYN with the options of Linux, from 198.51.100.7:40000 to 192.0.2.1:443.
const REQUEST_V4: [u8; 74] = [
    2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00, // Ethernet
    0x45, 0, 0, 60, 0, 1, 0x40, 0, 64, 6, 0, 0, 198, 51, 100, 7, 192, 0, 2, 1, // IPv4
    0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0xa0, 0x02, 0xfa, 0xf0, 0, 0, 0, 0, // TCP
    2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7, // its options
];

/// The same from 2001:db8::7 to 2001:db8::1.
const REQUEST_V6: [u8; 94] = [
    2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, // Ethernet
    0x60, 0, 0, 0, 0, 40, 6, 64, // IPv6
    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, // from
    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, // to
    0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0xa0, 0x02, 0xfa, 0xf0, 0, 0, 0, 0, // TCP
    2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7, // its options
];

/// Shows the program requests over both families.
pub(super) fn prove(program: BorrowedFd<'_>, tables: &SharedTables) -> anyhow::Result<()> {
    for (family, request) in [("IPv4", &REQUEST_V4[..]), ("IPv6", &REQUEST_V6[..])] {
        let (answer, sent) = syscall::test_run_changing(program, request)
            .with_context(|| format!("showing a request over {family} to the program"))?;
        ensure!(answer == TX, "a request over {family} is answered with action {answer} in place of {TX}");
        look(tables, request, &sent).with_context(|| format!("a request over {family}"))?;
    }
    Ok(())
}

/// Holds what would be sent against the request that it answers.
fn look(tables: &SharedTables, request: &[u8], sent: &[u8]) -> anyhow::Result<()> {
    let (request, challenge) = (packet(request)?, packet(sent)?);
    let back = challenge.source == request.destination
        && challenge.destination == request.source
        && challenge.source_port == request.destination_port
        && challenge.destination_port == request.source_port
        && sent[..6] == REQUEST_V4[6..12]
        && sent[6..12] == REQUEST_V4[..6];
    ensure!(back, "what answers it does not go back the way it came");
    ensure!(challenge.tcp_flags == tcp_flag::SYN | tcp_flag::ACK, "what answers it is no SYN-ACK");
    ensure!(checksums_hold(sent, &challenge), "a checksum of what answers it is wrong");
    let reply = Packet { tcp_flags: tcp_flag::RST, ..request };
    let believed = challenge::is_answer(&tables.settings[0], &reply, challenge.acknowledged, tables.clock());
    ensure!(believed, "who answers what answers it is not believed");
    Ok(())
}

pub(super) fn packet(frame: &[u8]) -> anyhow::Result<Packet> {
    match parse(&Captured::whole(frame)) {
        Parsed::Packet(packet) => Ok(packet),
        other => anyhow::bail!("{frame:02x?} is {other:?}"),
    }
}

/// Whether the checksums of IP, if it has one, and of what it carries are right.
pub(super) fn checksums_hold(frame: &[u8], packet: &Packet) -> bool {
    let part = |from: usize, until: usize| frame.get(from..until).unwrap_or_default();
    let (network, transport, end) = (packet.network as usize, packet.transport as usize, packet.end as usize);
    let is_v4 = transport - network == 20;
    let addresses = if is_v4 { part(network + 12, network + 20) } else { part(network + 8, network + 40) };
    let segment = part(transport, end);
    let of_segment = sum(addresses) + sum(segment) + u64::from(packet.protocol) + segment.len() as u64;
    folded(of_segment) == 0xffff && (!is_v4 || folded(sum(part(network, transport))) == 0xffff)
}

/// The sum of all 16-bit words.
fn sum(bytes: &[u8]) -> u64 {
    bytes.chunks(2).map(|pair| u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u64::from(*low))).sum()
}

/// In 16 bits, as RFC 1071 has it.
fn folded(mut sum: u64) -> u64 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

#[cfg(test)]
mod tests {
    use floodwall_tables::Capacity;

    use super::*;

    /// What the filter would send, put together on the host.
    fn sent(tables: &SharedTables, request: &[u8]) -> Vec<u8> {
        let of = packet(request).unwrap();
        let numbers = challenge::numbers(&tables.settings[0], &of, tables.clock());
        let mut frame = [&request[6..12], &request[..6], &request[12..14]].concat();
        if request.len() == REQUEST_V4.len() {
            frame.extend(challenge::syn_ack_v4(&of, numbers));
        } else {
            frame.extend(challenge::syn_ack_v6(&of, numbers));
        }
        frame
    }

    #[test]
    fn what_is_right_is_found_right_and_a_wrong_byte_anywhere_is_not() {
        let capacity = Capacity { prefixes: 1_000, sources: 1_024, flows: 1_024 };
        let tables = SharedTables::in_memory(&capacity).unwrap();
        for request in [&REQUEST_V4[..], &REQUEST_V6[..]] {
            let right = sent(&tables, request);
            look(&tables, request, &right).unwrap();
            for place in 0..right.len() {
                let mut wrong = right.clone();
                wrong[place] ^= 1;
                // An IPv6 header has no checksum of its own: its traffic class, flow label and hop limit may be any.
                let is_free = request.len() == REQUEST_V6.len() && matches!(place, 14..=17 | 21);
                assert_eq!(look(&tables, request, &wrong).is_ok(), is_free, "byte {place}");
            }
        }
    }
}
