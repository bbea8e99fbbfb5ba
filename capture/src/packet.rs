//! One captured packet.

use crate::{EthernetFrame, LinkType};

/// Which way a packet went, as whoever captured it saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// It came in.
    Inbound,
    /// It went out: the capturing host has sent it, or passed it on.
    Outbound,
}

/// One captured packet, as it lies in the reader's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Number in the capture, from 0.
    pub index: u64,
    /// When it was seen: nanoseconds since 1970. Where the capture does not say, the time of the packet before.
    pub nanoseconds: u64,
    /// Bytes it had on the wire; the capture may hold fewer, and never more.
    pub length: u32,
    /// What `bytes` start with.
    pub link: LinkType,
    /// Which way it went, where the capture says so.
    pub direction: Option<Direction>,
    /// What was captured of it.
    pub bytes: &'a [u8],
}

impl Packet<'_> {
    /// The frame that an Ethernet interface would have seen; `scratch` is where it is put together, if need be.
    pub fn ethernet<'b>(&'b self, scratch: &'b mut Vec<u8>) -> EthernetFrame<'b> {
        self.link.ethernet(self.bytes, self.length, scratch)
    }
}

/// A [`Packet`] with memory of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it was seen: nanoseconds since 1970.
    pub nanoseconds: u64,
    /// Bytes it had on the wire; the capture may hold fewer.
    pub original_length: u32,
    /// What `bytes` start with.
    pub link: LinkType,
    /// Which way it went, where the capture says so.
    pub direction: Option<Direction>,
    /// What was captured of it.
    pub bytes: Vec<u8>,
}

impl From<Packet<'_>> for Record {
    fn from(packet: Packet<'_>) -> Self {
        let Packet { index: _, nanoseconds, length, link, direction, bytes } = packet;
        Self { nanoseconds, original_length: length, link, direction, bytes: bytes.to_vec() }
    }
}
