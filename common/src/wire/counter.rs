//! What is counted for each [`Reason`](super::Reason), per CPU.

use super::Word;

/// Packets and bytes that left with one reason on one CPU.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Counter {
    /// Packets.
    pub packets: Word,
    /// Bytes on the wire, link header included.
    pub bytes: Word,
}

const _: () = assert!(size_of::<Counter>() == 16);
