//! What can be wrong with a capture.

use std::io;

use crate::MAX_CAPTURED;

/// A capture that cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
#[error("capture {name}{}: {fault}", place(*.packet, *.offset))]
pub struct CaptureError {
    /// What the capture is called.
    pub name: String,
    /// Number of the packet that could not be read, from 0: so many were read before.
    pub packet: u64,
    /// Bytes of the capture, decompressed, that had been read by then.
    pub offset: u64,
    /// What is wrong.
    #[source]
    pub fault: Fault,
}

fn place(packet: u64, offset: u64) -> String {
    if offset == 0 { String::new() } else { format!(", packet {packet}, before byte {offset}") }
}

/// What is wrong with a capture.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It could not be opened or read, or its compression is damaged.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The first bytes are those of no capture.
    #[error("neither pcap nor pcapng (plain, gzip or zstd)")]
    Foreign,
    /// A version of the format that nobody has defined.
    #[error("version {0}.{1} of the format is not known")]
    Version(u16, u16),
    /// It ends before it should.
    #[error("it ends in the middle of {0}")]
    Cut(&'static str),
    /// A packet of this many captured bytes.
    #[error("a packet claims {0} captured bytes, and {MAX_CAPTURED} is the most that is read")]
    TooLong(u32),
    /// A block of pcapng whose parts do not fit together.
    #[error("{0}")]
    Block(&'static str),
}
