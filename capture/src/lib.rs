//! Captures of network traffic: pcap and pcapng, plain, gzipped or zstd-compressed, from a file or a pipe.
//!
//! A packet's way: `input` (bytes, decompressed, counted) → `classic` or `pcapng` (one packet after the other)
//! → [`Reader`] (which of them it is, and where the packet stands) → [`LinkType::ethernet`] (the frame that an
//! Ethernet interface would have seen). Some captures say which way each packet went: [`Direction`].
//!
//! Memory does not grow with the capture: one packet is held at a time, and none may be longer than
//! [`MAX_CAPTURED`]. Captures come from anywhere, so nothing in them is believed: what contradicts itself ends
//! the reading with a [`CaptureError`] that names the packet and the byte, after all packets before it were
//! given out.

mod classic;
mod error;
mod input;
mod link;
mod packet;
mod pcapng;
mod reader;
mod writer;

pub use error::{CaptureError, Fault};
pub use link::{EthernetFrame, LinkType};
pub use packet::{Direction, Packet, Record};
pub use reader::{Reader, Records};
pub use writer::Writer;

/// Most bytes that may have been captured of one packet: what libpcap allows (`MAXIMUM_SNAPLEN`).
pub const MAX_CAPTURED: u32 = 262_144;

const NANOSECONDS: u64 = 1_000_000_000;
