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
}

const _: () = assert!(size_of::<Counter>() == 16);
const _: () = assert!(size_of::<ServiceCounter>() == 64);
