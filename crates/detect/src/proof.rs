//! Which flows have proven themselves, and what of them teaches what usual packets look like.
//!
//! An alarm does not decide what is learned: it may come late, or not at all. A flow does, by what no attacker can feign or
//! none bothers to: that the host has opened it; that its client has sent data over TCP after it had acknowledged data of the
//! host's (a completed handshake alone is no proof, bots complete it; and where TLS is spoken it must have acknowledged more
//! than a greeting); that a source's datagrams to a port went on for a while. From the beginning of an attack or a watch on, only sources that had proven
//! themselves before it are asked.
//!
//! A few packets of a flow teach, and one flow of a source in ten seconds: who sends much does not make up the reference.

use std::mem;

use floodwall_common::{
    features::{ByteField, WordField, form},
    parse::protocol,
    source::Key,
};
use foldhash::HashMap;

use super::sample::Sample;

/// How long datagrams of a flow must go on, ns.
const GOES_ON: u64 = 750_000_000;
/// Bytes of the host's that a client has acknowledged, where TLS is spoken and elsewhere.
const PAST_GREETING: u32 = 1_000;
const ANYTHING: u32 = 1;
/// Ports of TLS: HTTPS, submission, DNS, LDAP, IMAP, POP3 and HTTPS again.
const TLS_PORTS: [u16; 7] = [443, 465, 853, 636, 993, 995, 8_443];
/// Packets of a flow that are held until it has proven itself: its first, up to what it asks.
const HELD: usize = 3;
/// Packets of a flow that teach, these included.
const MOST_TAUGHT: u8 = 12;
/// Which packets after the proof teach, beside that which proves.
const TEACHING: [u32; 9] = [1, 2, 4, 6, 8, 12, 16, 24, 32];
/// How long no other flow of a source teaches, ns.
const BETWEEN_FLOWS: u64 = 10_000_000_000;
/// How long a flow, and what a source has taught, is remembered at least, ns; most of a generation.
const GENERATION: u64 = 30_000_000_000;
const MOST: usize = 50_000;

/// What tells flows of a source apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Id {
    source: Key,
    source_port: u16,
    destination_port: u16,
    protocol: u8,
}

/// A flow, so far.
#[derive(Clone, Copy, Debug)]
struct Flow {
    first_ns: u64,
    /// The first acknowledgement number that was seen.
    acknowledged: Option<u32>,
    /// It has acknowledged as much as is wanted.
    has_answer: bool,
    proven: bool,
    /// It may teach.
    teaches: bool,
    held: [Option<Sample>; HELD],
    taught: u8,
    /// Packets since it has proven itself.
    after: u32,
}

impl Flow {
    fn new(first_ns: u64) -> Self {
        Self {
            first_ns,
            acknowledged: None,
            has_answer: false,
            proven: false,
            teaches: false,
            held: [None; HELD],
            taught: 0,
            after: 0,
        }
    }

    /// Takes one more packet. Says whether the flow has proven itself by now.
    fn take(&mut self, sample: &Sample) -> bool {
        if self.proven || sample.answers {
            self.proven = true;
            return true;
        }
        let is_tcp = sample.features.octets[ByteField::Protocol as usize] == protocol::TCP;
        self.proven = if is_tcp {
            self.take_segment(sample)
        } else {
            sample.time_ns.saturating_sub(self.first_ns) >= GOES_ON
        };
        self.proven
    }

    fn take_segment(&mut self, sample: &Sample) -> bool {
        if sample.opens() {
            return false;
        }
        let first = *self.acknowledged.get_or_insert(sample.acknowledged);
        let port = sample.features.shorts[WordField::DestinationPort as usize];
        let wanted = if TLS_PORTS.contains(&port) { PAST_GREETING } else { ANYTHING };
        let bytes = sample.acknowledged.wrapping_sub(first);
        // Half of all numbers lie before it: what came late.
        self.has_answer |= bytes >= wanted && bytes <= u32::MAX / 2;
        self.has_answer && sample.features.shorts[WordField::PayloadLength as usize] > 0
    }
}

/// What is remembered of flows and sources.
#[derive(Debug, Default)]
pub(super) struct Proof {
    young: HashMap<Id, Flow>,
    old: HashMap<Id, Flow>,
    since_ns: u64,
    /// When a flow of a source last began to teach, ns.
    taught: HashMap<Key, u64>,
    taught_before: HashMap<Key, u64>,
}

impl Proof {
    /// Takes a packet that has passed. Says whether its flow has proven itself, and adds to `teaches` what is to be
    /// learned: of a flow that just has, its first packets, too.
    pub(super) fn take(&mut self, sample: &Sample, teaches: &mut Vec<Sample>) -> bool {
        if !may_prove(sample) {
            return false;
        }
        self.forget(sample.time_ns);
        let id = Id {
            source: sample.source,
            source_port: if asks(sample) {
                0
            } else {
                sample.features.shorts[WordField::SourcePort as usize]
            },
            destination_port: sample.features.shorts[WordField::DestinationPort as usize],
            protocol: sample.features.octets[ByteField::Protocol as usize],
        };
        let old = &mut self.old;
        let flow =
            self.young.entry(id).or_insert_with(|| old.remove(&id).unwrap_or(Flow::new(sample.time_ns)));
        if sample.opens() && flow.after > 0 {
            // Another connection from the same port.
            *flow = Flow::new(sample.time_ns);
        }
        let was_proven = flow.proven;
        if !flow.take(sample) {
            if let Some(free) = flow.held.iter_mut().find(|held| held.is_none()) {
                *free = Some(*sample);
            }
            return false;
        }
        if !was_proven {
            let before = self.taught.get(&sample.source).or(self.taught_before.get(&sample.source));
            flow.teaches = before.is_none_or(|before| sample.time_ns >= before + BETWEEN_FLOWS);
            if flow.teaches {
                self.taught.insert(sample.source, sample.time_ns);
                let held = mem::take(&mut flow.held);
                teaches.extend(held.into_iter().flatten());
                teaches.push(*sample);
                flow.taught = held.iter().flatten().count() as u8 + 1;
            }
            return true;
        }
        flow.after += 1;
        if flow.teaches && flow.taught < MOST_TAUGHT && TEACHING.contains(&flow.after) {
            flow.taught += 1;
            teaches.push(*sample);
        }
        true
    }

    fn forget(&mut self, now_ns: u64) {
        let is_full = self.young.len() >= MOST || self.taught.len() >= MOST;
        if is_full || now_ns >= self.since_ns.saturating_add(GENERATION) {
            self.old = mem::take(&mut self.young);
            self.taught_before = mem::take(&mut self.taught);
            self.since_ns = now_ns;
        }
    }
}

/// Whether it is a datagram that asks something of the host: each question may come from another port.
fn asks(sample: &Sample) -> bool {
    !sample.answers && sample.features.octets[ByteField::Protocol as usize] == protocol::UDP
}

/// Whether a packet can be part of a flow that proves itself: it answers the host, or comes for what is offered, and is no
/// fragment.
fn may_prove(sample: &Sample) -> bool {
    let form = sample.features.octets[ByteField::Form as usize];
    let fragment = form & (form::FIRST_FRAGMENT | form::LATER_FRAGMENT) != 0;
    (sample.answers || !sample.unasked) && !fragment
}

#[cfg(test)]
mod tests {
    use floodwall_common::parse::tcp_flag::{ACK, SYN};

    use super::*;

    const MILLISECOND: u64 = 1_000_000;

    fn sample(time_ms: u64, source: u64, protocol: u8) -> Sample {
        let mut sample = Sample::made_up(protocol, source, time_ms * MILLISECOND);
        sample.features.shorts[WordField::SourcePort as usize] = 40_000;
        sample.features.shorts[WordField::DestinationPort as usize] = 80;
        sample
    }

    fn tcp(time_ms: u64, flags: u8, acknowledged: u32, payload: u16) -> Sample {
        let mut sample = Sample { acknowledged, ..sample(time_ms, 1, protocol::TCP) };
        sample.features.octets[ByteField::Flags as usize] = flags;
        sample.features.shorts[WordField::PayloadLength as usize] = payload;
        sample
    }

    /// How many samples each packet teaches.
    fn taught(proof: &mut Proof, samples: &[Sample]) -> Vec<usize> {
        let count = |sample: &Sample| {
            let mut teaches = Vec::new();
            proof.take(sample, &mut teaches);
            teaches.len()
        };
        samples.iter().map(count).collect()
    }

    #[test]
    fn a_connection_proves_itself_by_data_after_the_answer() {
        let mut proof = Proof::default();
        let handshake = [tcp(0, SYN, 0, 0), tcp(20, ACK, 5_000, 0), tcp(21, ACK, 5_000, 300)];
        assert_eq!(taught(&mut proof, &handshake), [0, 0, 0], "bots send that, too");
        assert_eq!(taught(&mut proof, &[tcp(90, ACK, 9_000, 0)]), [0], "an answer is acknowledged");
        assert_eq!(taught(&mut proof, &[tcp(500, ACK, 9_000, 200)]), [4], "and it goes on");
        let more: Vec<_> = (0..400).map(|at| tcp(600 + at, ACK, 9_000 + at as u32, 100)).collect();
        let taught = 4 + taught(&mut proof, &more).iter().sum::<usize>();
        assert_eq!(taught, usize::from(MOST_TAUGHT), "so many packets of a flow");
    }

    #[test]
    fn a_greeting_of_tls_is_no_answer() {
        let tls = |time, acknowledged, payload| {
            let mut sample = tcp(time, ACK, acknowledged, payload);
            sample.features.shorts[WordField::DestinationPort as usize] = 443;
            sample
        };
        let mut proof = Proof::default();
        assert_eq!(taught(&mut proof, &[tls(0, 100, 0), tls(5, 100, 300), tls(40, 600, 300)]), [0, 0, 0]);
        assert_eq!(taught(&mut proof, &[tls(90, 4_000, 80)]), [4]);
    }

    #[test]
    fn datagrams_prove_themselves_by_going_on_and_by_answering() {
        let mut proof = Proof::default();
        let udp = |time| sample(time, 1, protocol::UDP);
        assert_eq!(taught(&mut proof, &[udp(0), udp(700), udp(760)]), [0, 0, 3]);
        let mut resolver = [0, 400, 800].map(|time| Sample { source: Key(7), ..udp(time) });
        resolver[1].features.shorts[WordField::SourcePort as usize] = 40_001;
        resolver[2].features.shorts[WordField::SourcePort as usize] = 40_002;
        assert_eq!(taught(&mut proof, &resolver), [0, 0, 3], "each question from another port");
        let answer = Sample { answers: true, unasked: true, ..sample(0, 2, protocol::UDP) };
        assert_eq!(taught(&mut proof, &[answer]), [1]);
        let unasked = |time| Sample { unasked: true, ..sample(time, 3, protocol::UDP) };
        assert_eq!(taught(&mut proof, &[unasked(0), unasked(9_000)]), [0, 0]);
    }

    #[test]
    fn a_source_teaches_with_one_flow_in_ten_seconds() {
        let mut proof = Proof::default();
        let flow = |time, port| {
            let mut sample = Sample { answers: true, ..sample(time, 1, protocol::TCP) };
            sample.features.shorts[WordField::SourcePort as usize] = port;
            sample
        };
        assert_eq!(taught(&mut proof, &[flow(0, 1), flow(9_000, 2), flow(10_001, 3)]), [1, 0, 1]);
    }

    #[test]
    fn room_is_bounded() {
        let mut proof = Proof::default();
        for source in 0..3 * MOST as u64 {
            proof.take(&sample(0, source, protocol::UDP), &mut Vec::new());
        }
        assert!(proof.young.len() + proof.old.len() <= 2 * MOST);
    }
}
