//! A packet that the kernel program has shown to the controller.

use floodwall_common::{
    decide::suspects,
    features::{self, ByteField, Features, WordField, form},
    frame::{Frame, Header as _},
    offered::{self, Offer},
    parse::{self, Packet, Parsed, protocol, tcp_flag},
    service,
    source::Key,
    tables::Tables,
    wire::{Reason, Settings, knowledge},
};

use crate::signature::Signature;

/// Bytes of data that a segment has at least if there is more to send: of those that IPv6 always lets through (1,280,
/// RFC 8200) less headers.
const FULL: u16 = 1_000;

/// What is learnt from one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it was judged, ns.
    pub time_ns: u64,
    /// Its header fields.
    pub features: Features,
    /// Whose it is.
    pub source: Key,
    /// What became of it.
    pub reason: Reason,
    /// The kernel program knows its source.
    pub known: bool,
    /// It answers what the host has asked.
    pub answers: bool,
    /// It comes for where nothing is offered: unless it answers something, nobody has asked for it.
    pub unasked: bool,
    /// It comes for where nothing is offered, and nothing that leaves from there is seen: whether anybody has asked for it is not
    /// known.
    pub unprovable: bool,
    /// Its acknowledgement number, if it is a TCP segment with one; else 0.
    pub acknowledged: u32,
}

impl Sample {
    /// A number for its flow: source, and port.
    pub fn flow(&self) -> u64 {
        self.source.0.rotate_left(16) ^ u64::from(self.features.shorts[WordField::SourcePort as usize])
    }

    /// Number of the service that it is for.
    pub fn service(&self) -> u8 {
        self.features.octets[ByteField::Service as usize]
    }

    /// Whether a signature hits it.
    pub fn matches(&self, signature: &Signature) -> bool {
        !(signature.new_sources && self.known) && signature.matches(&self.features)
    }

    /// Whether it is TCP, and not a request for a connection: hardly anybody forges more than one of these from one
    /// source, as there is nothing behind them.
    pub fn is_segment(&self) -> bool {
        let flags = self.features.octets[ByteField::Flags as usize];
        self.features.octets[ByteField::Protocol as usize] == protocol::TCP
            && flags & (tcp_flag::SYN | tcp_flag::ACK) != tcp_flag::SYN
    }

    /// Whether it carries some, but little.
    pub fn is_small(&self) -> bool {
        (1..FULL).contains(&self.features.shorts[WordField::PayloadLength as usize])
    }

    /// Whether it asks for a TCP connection.
    pub fn opens(&self) -> bool {
        opens(&self.features)
    }

    /// Whether it is a part of a packet.
    pub fn is_fragment(&self) -> bool {
        let form = self.features.octets[ByteField::Form as usize];
        form & (form::FIRST_FRAGMENT | form::LATER_FRAGMENT) != 0
    }

    /// Reads a sampled frame again, as the kernel program did. `None` if it is no IP packet.
    pub fn read<T: Tables, F: Frame>(tables: &T, frame: &F, time_ns: u64, reason: Reason) -> Option<Self> {
        let Parsed::Packet(packet) = parse::parse(frame) else { return None };
        let settings = tables.settings()?;
        let port = service::port(tables, settings, &packet)?;
        let mut features = Features::default();
        features::read(frame, &packet, port.service, port.offered, &mut features);
        let source = Key::of(settings, packet.source);
        let acknowledged = acknowledged(frame, &packet);
        let unasked = !port.offered && is_unasked(tables, settings, &packet, time_ns);
        let facts = settings.knowledge.load();
        let unprovable = facts & knowledge::PORTS != 0 && !port.offered && suspects::sees_nothing(facts);
        let (known, answers) = (false, false);
        Some(Self { time_ns, features, source, reason, known, answers, unasked, unprovable, acknowledged })
    }
}

#[cfg(test)]
impl Sample {
    /// A packet that passes, of a source of which nothing is known, without ports.
    pub(crate) fn made_up(protocol: u8, source: u64, time_ns: u64) -> Self {
        let mut features = Features::default();
        features.octets[ByteField::Protocol as usize] = protocol;
        Self {
            time_ns,
            features,
            source: Key(source),
            reason: Reason::Clean,
            known: false,
            answers: false,
            unasked: false,
            unprovable: false,
            acknowledged: 0,
        }
    }

    /// As [`Self::made_up`], of TCP with these flags.
    pub(crate) fn segment(flags: u8, source: u64, time_ns: u64) -> Self {
        let mut sample = Self::made_up(protocol::TCP, source, time_ns);
        sample.features.octets[ByteField::Flags as usize] = flags;
        sample
    }
}

/// Whether it comes for where nothing is offered, if that is known at all.
fn is_unasked<T: Tables>(tables: &T, settings: &Settings, packet: &Packet, now_ns: u64) -> bool {
    let known = settings.knowledge.load();
    if known & knowledge::PORTS == 0 || known & (knowledge::FLOWS | knowledge::SOCKETS) == 0 {
        return false;
    }
    let offer = Offer::new(packet.protocol, packet.destination, packet.destination_port);
    let has_ports = matches!(packet.protocol, protocol::TCP | protocol::UDP);
    has_ports && !offered::is(tables, settings, offer, now_ns).unwrap_or_default()
}

/// The acknowledgement number of a TCP segment that has one.
fn acknowledged<F: Frame>(frame: &F, packet: &Packet) -> u32 {
    let acknowledges = packet.protocol == protocol::TCP && packet.tcp_flags & tcp_flag::ACK != 0;
    let header = frame.header::<20>(packet.transport).filter(|_| acknowledges);
    header.map_or(0, |header| header.be32(8))
}

/// Whether it asks for a TCP connection.
pub(super) fn opens(features: &Features) -> bool {
    let flags = features.octets[ByteField::Flags as usize];
    features.octets[ByteField::Protocol as usize] == protocol::TCP
        && flags & (tcp_flag::SYN | tcp_flag::ACK) == tcp_flag::SYN
}
