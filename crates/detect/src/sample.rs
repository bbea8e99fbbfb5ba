//! A packet that the kernel program has shown to the controller.

use floodwall_common::{
    features::{self, Features, Octet, Short},
    frame::Frame,
    parse::{self, Parsed, protocol, tcp_flag},
    service,
    source::Key,
    tables::Tables,
    wire::Reason,
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
}

impl Sample {
    /// A number for its flow: source, and port.
    pub fn flow(&self) -> u64 {
        self.source.0.rotate_left(16) ^ u64::from(self.features.shorts[Short::SourcePort as usize])
    }

    /// Number of the service that it is for.
    pub fn service(&self) -> u8 {
        self.features.octets[Octet::Service as usize]
    }

    /// Whether a signature hits it.
    pub fn matches(&self, signature: &Signature) -> bool {
        !(signature.strangers && self.known) && signature.matches(&self.features)
    }

    /// Whether it is TCP, and not a request for a connection: hardly anybody forges more than one of these from one
    /// source, as there is nothing behind them.
    pub fn is_segment(&self) -> bool {
        let flags = self.features.octets[Octet::Flags as usize];
        self.features.octets[Octet::Protocol as usize] == protocol::TCP
            && flags & (tcp_flag::SYN | tcp_flag::ACK) != tcp_flag::SYN
    }

    /// Whether it carries some, but little.
    pub fn is_small(&self) -> bool {
        (1..FULL).contains(&self.features.shorts[Short::PayloadLength as usize])
    }

    /// Whether it asks for a TCP connection.
    pub fn opens(&self) -> bool {
        opens(&self.features)
    }

    /// Reads a sampled frame again, as the kernel program did. `None` if it is no IP packet.
    pub fn read<T: Tables, F: Frame>(tables: &T, frame: &F, time_ns: u64, reason: Reason) -> Option<Self> {
        let Parsed::Packet(packet) = parse::parse(frame) else { return None };
        let settings = tables.settings()?;
        let port = service::port(tables, settings, &packet)?;
        let mut features = Features::default();
        features::read(frame, &packet, port.service, port.offered, &mut features);
        let source = Key::of(settings, packet.source);
        Some(Self { time_ns, features, source, reason, known: false, answers: false })
    }
}

/// Whether it asks for a TCP connection.
pub(super) fn opens(features: &Features) -> bool {
    let flags = features.octets[Octet::Flags as usize];
    features.octets[Octet::Protocol as usize] == protocol::TCP
        && flags & (tcp_flag::SYN | tcp_flag::ACK) == tcp_flag::SYN
}
