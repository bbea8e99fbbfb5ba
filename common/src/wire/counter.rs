//! What is counted, per CPU.

use super::Word;

/// Packets and bytes that left with one reason, met one rule, or matched one signature, on one CPU.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Counter {
    /// Packets.
    pub packets: Word,
    /// Bytes on the wire, link header included.
    pub bytes: Word,
}

/// What one CPU has counted of a source, and not added to the source's line yet: see [`crate::busy`].
#[repr(C)]
#[derive(Debug, Default)]
pub struct BusySource {
    /// The source's [`Key`](crate::source::Key); 0: none.
    pub key: Word,
    /// As [`Volume`](super::Volume).
    pub volume: Word,
    /// When it was counted last, as [`History::entered`](super::History::entered).
    pub seen: Word,
}

/// What came for one service on one CPU.
#[repr(C)]
#[derive(Debug, Default)]
pub struct ServiceCounter {
    /// Packets.
    pub packets: Word,
    /// Bytes on the wire.
    pub bytes: Word,
    /// Packets that were dropped.
    pub dropped: Word,
    /// Requests for a TCP connection.
    pub syns: Word,
    /// Sources that were not in the source table.
    pub new_sources: Word,
    /// Packets for a port where nothing listens, and that answer nothing the host asked, as far as is known.
    pub unsolicited: Word,
    /// Packets sampled.
    pub samples: Word,
    /// Packets still to go by until the next sample.
    pub until_sample: Word,
    /// Requests for a TCP connection that were answered with a [challenge](crate::challenge), and questions of DNS that were
    /// with a [truncated answer](crate::truncation).
    pub challenged: Word,
    /// Challenges that were answered.
    pub proven: Word,
    /// Packets that did not get in, as the service is closed to all but known clients.
    pub locked_out: Word,
    /// Packets of others that got in on trial.
    pub admitted: Word,
    /// Sources of either, once a second each.
    pub knocking: Word,
    /// What of it had not proven itself.
    pub unproven: UnprovenCounter,
}

/// What had not proven itself of what came for one service on one CPU: see [`Unproven`].
#[repr(C)]
#[derive(Debug, Default)]
pub struct UnprovenCounter {
    /// Requests for a TCP connection that were answered from here, or dropped.
    pub openings: Word,
    /// Handshakes that were completed.
    pub completed: Word,
    /// Requests of sources whose connections come to nothing, once a source and second: see [`crate::fruitless_sources`].
    pub fruitless: Word,
    /// Questions for names that were never asked for before: see [`crate::dns_names`].
    pub names: Word,
    /// Of these names, those that were answered with a record: see [`crate::dns_answers`].
    pub existing_names: Word,
    /// Sources of datagrams that are not known and were answered, once a source and second: see [`crate::unproven::answer`].
    pub answered: Word,
    /// Packets that a signature has dropped.
    pub signed: Word,
    /// Of these, requests for a TCP connection.
    pub signed_openings: Word,
    /// By [`Unproven::place`]: sources, each once a second.
    pub sources: [Word; Unproven::COUNTED],
    /// Likewise: packets, at most [`Unproven::CAP`] a source and second.
    pub capped: [Word; Unproven::COUNTED],
    /// Likewise: packets, all of them.
    pub packets: [Word; Unproven::COUNTED],
    /// Likewise: sources that became known by going on, each once.
    pub acquainted: [Word; Unproven::COUNTED],
}

/// What had not proven itself of what came for one service so far: an [`UnprovenCounter`] by value,
/// summed over CPUs.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnprovenTotals {
    /// Requests for a TCP connection that were answered from here, or dropped.
    pub openings: u64,
    /// Handshakes that were completed.
    pub completed: u64,
    /// Requests of sources whose connections come to nothing, once a source and second.
    pub fruitless: u64,
    /// Questions for names that were never asked for before.
    pub names: u64,
    /// Of these names, those that were answered with a record.
    pub existing_names: u64,
    /// Sources of datagrams that are not known and were answered, once a source and second.
    pub answered: u64,
    /// Packets that a signature has dropped.
    pub signed: u64,
    /// Of these, requests for a TCP connection.
    pub signed_openings: u64,
    /// By [`Unproven::place`]: sources, each once a second.
    pub sources: [u64; Unproven::COUNTED],
    /// Likewise: packets, so many a source and second.
    pub capped: [u64; Unproven::COUNTED],
    /// Likewise: all packets.
    pub packets: [u64; Unproven::COUNTED],
    /// Likewise: sources that became known by going on, each once.
    pub acquainted: [u64; Unproven::COUNTED],
}

const _: () = assert!(size_of::<UnprovenTotals>() == size_of::<UnprovenCounter>());

impl UnprovenTotals {
    /// What one CPU has counted.
    pub fn of(counter: &UnprovenCounter) -> Self {
        let all = |words: &[Word; Unproven::COUNTED]| core::array::from_fn(|place| words[place].load());
        Self {
            openings: counter.openings.load(),
            completed: counter.completed.load(),
            fruitless: counter.fruitless.load(),
            names: counter.names.load(),
            existing_names: counter.existing_names.load(),
            answered: counter.answered.load(),
            signed: counter.signed.load(),
            signed_openings: counter.signed_openings.load(),
            sources: all(&counter.sources),
            capped: all(&counter.capped),
            packets: all(&counter.packets),
            acquainted: all(&counter.acquainted),
        }
    }

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        type Each = [u64; Unproven::COUNTED];
        let each =
            |one: Each, other: Each| core::array::from_fn(|place| one[place].wrapping_add(other[place]));
        Self {
            openings: self.openings.wrapping_add(other.openings),
            completed: self.completed.wrapping_add(other.completed),
            fruitless: self.fruitless.wrapping_add(other.fruitless),
            names: self.names.wrapping_add(other.names),
            existing_names: self.existing_names.wrapping_add(other.existing_names),
            answered: self.answered.wrapping_add(other.answered),
            signed: self.signed.wrapping_add(other.signed),
            signed_openings: self.signed_openings.wrapping_add(other.signed_openings),
            sources: each(self.sources, other.sources),
            capped: each(self.capped, other.capped),
            packets: each(self.packets, other.packets),
            acquainted: each(self.acquainted, other.acquainted),
        }
    }

    /// What was added since it was `before`. Of counters that have begun anew, nothing.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        type Each = [u64; Unproven::COUNTED];
        let each =
            |now: Each, then: Each| core::array::from_fn(|place| now[place].saturating_sub(then[place]));
        Self {
            openings: self.openings.saturating_sub(before.openings),
            completed: self.completed.saturating_sub(before.completed),
            fruitless: self.fruitless.saturating_sub(before.fruitless),
            names: self.names.saturating_sub(before.names),
            existing_names: self.existing_names.saturating_sub(before.existing_names),
            answered: self.answered.saturating_sub(before.answered),
            signed: self.signed.saturating_sub(before.signed),
            signed_openings: self.signed_openings.saturating_sub(before.signed_openings),
            sources: each(self.sources, before.sources),
            capped: each(self.capped, before.capped),
            packets: each(self.packets, before.packets),
            acquainted: each(self.acquainted, before.acquainted),
        }
    }
}

/// How a packet has not proven itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Unproven {
    /// It has, or nothing is to be proven.
    #[default]
    No = 0,
    /// A TCP segment of no connection, or a request for one at a port where nothing is offered.
    Segment = 1,
    /// A datagram to where something is offered, of a source that is not known.
    Datagram = 2,
    /// A datagram to where nothing is offered, and that nobody asked for.
    Unasked = 3,
    /// A fragment, or neither TCP nor UDP, of a source that is not known.
    Other = 4,
    /// A request for a TCP connection where something is offered, and what answers it is not seen to leave.
    Opening = 5,
    /// A segment that may complete a handshake of which only this side is seen.
    Completing = 6,
}

impl Unproven {
    /// Those of which sources and packets are counted: the first after [`Self::No`].
    pub const COUNTED: usize = 4;
    /// Packets that count of one source in a second.
    pub const CAP: u64 = 20;

    /// Where it stands in a counter, if sources and packets of it are counted.
    #[inline(always)]
    pub const fn place(self) -> Option<usize> {
        match self {
            Self::Segment | Self::Datagram | Self::Unasked | Self::Other => Some(self as usize - 1),
            Self::No | Self::Opening | Self::Completing => None,
        }
    }
}

const _: () = assert!(size_of::<Counter>() == 16);
const _: () = assert!(size_of::<UnprovenCounter>() == 192);
const _: () = assert!(size_of::<ServiceCounter>() == 296);
