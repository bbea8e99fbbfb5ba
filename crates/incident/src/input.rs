//! The input of the recorder: occurrences, snapshots of the counters, and sampled packets.

use std::{collections::BTreeMap, net::IpAddr};

/// What detection has found too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// TCP handshakes that are answered and not completed.
    Openings,
    /// TCP segments that belong to no connection.
    Segments,
    /// UDP datagrams from unknown sources.
    Datagrams,
    /// UDP datagrams that answer no request.
    Unasked,
    /// Fragments, and protocols other than TCP and UDP.
    Others,
    /// Connections that are completed and not used.
    Fruitless,
    /// DNS queries for names that were never queried before.
    Names,
    /// Connections of new sources that come time and again.
    Returning,
}

/// The state of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It was found, and only counts.
    Found,
    /// It drops what it matches.
    Drops,
    /// It is no longer in force.
    Gone,
}

/// Something that has happened and that belongs into the record of an incident. Its text is for the timeline.
#[derive(Clone, Debug, PartialEq)]
pub enum Occurrence {
    /// An attack on a service has begun.
    AttackBegan {
        /// The service's name.
        service: String,
        /// What detection has found too much of.
        excess: Excess,
        /// For the timeline.
        text: String,
    },
    /// The attack on a service has ended.
    AttackEnded {
        /// The service's name.
        service: String,
        /// For the timeline.
        text: String,
    },
    /// Detection has found nothing that could be dropped without harm.
    NothingFound {
        /// For the timeline.
        text: String,
    },
    /// A signature was found, or its state has changed.
    Signature {
        /// The signature, if it describes packets.
        signature: Option<String>,
        /// Its state.
        stage: Stage,
        /// For the timeline.
        text: String,
    },
    /// Sources or prefixes were banned.
    Bans {
        /// Their number.
        bans: u64,
        /// For the timeline.
        text: String,
    },
    /// An operator has changed something.
    Command {
        /// The operator.
        who: String,
        /// The command.
        text: String,
    },
    /// Anything else that belongs on the timeline.
    Other {
        /// Its kind.
        kind: &'static str,
        /// Whether it means that the host suffers.
        suffers: bool,
        /// For the timeline.
        text: String,
    },
}

/// The counters of a reason. They only grow, unless they are reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReasonCounts {
    /// Packets.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
    /// Whether the reason drops packets.
    pub drops: bool,
}

/// The counters of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceCounts {
    /// Packets.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
    /// Packets that were dropped.
    pub dropped: u64,
}

/// A reading of the load on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What was measured.
    pub what: String,
    /// The value, which is larger the worse it is.
    pub value: f64,
    /// The value with its unit.
    pub text: String,
}

/// The counters and the load on the host at one moment. The recorder expects one each second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Unix time in ms.
    pub time_ms: u64,
    /// Counters by reason.
    pub reasons: BTreeMap<&'static str, ReasonCounts>,
    /// Counters by name of the service.
    pub services: BTreeMap<String, ServiceCounts>,
    /// Incoming use of the fullest link, percent.
    pub link_percent: Option<f64>,
    /// Share of its time that the busiest CPU spends on packets, percent.
    pub cpu_percent: Option<f64>,
    /// Links on which packets are lost before the filter sees them, in words.
    pub full_links: Vec<String>,
    /// The load on the host.
    pub readings: Vec<Reading>,
}

/// A sampled packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampledPacket {
    /// Unix time in ms.
    pub time_ms: u64,
    /// Source address, which may be forged.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// IP protocol number.
    pub protocol: u8,
    /// Port of TCP or UDP; otherwise 0.
    pub source_port: u16,
    /// Port of TCP or UDP; type and code of ICMP.
    pub destination_port: u16,
    /// TCP flags.
    pub tcp_flags: u8,
    /// Whether it carries data after its transport header.
    pub has_data: bool,
    /// Whether it is a fragment without a transport header.
    pub later_fragment: bool,
    /// Why it was passed or dropped.
    pub reason: &'static str,
    /// Whether it was dropped.
    pub dropped: bool,
    /// Whether nothing shows that its source exchanges packets with the host.
    pub unproven: bool,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Number of the autonomous system that announces its source, if it is known.
    pub asn: Option<u32>,
    /// Country of its source (ISO 3166-1 alpha-2), if it is known.
    pub country: Option<[u8; 2]>,
    /// A hash of the name in a DNS query.
    pub question: Option<u64>,
    /// Whether it is a datagram with an answer or announcement of SSDP, which devices also send from other ports than 1900.
    pub ssdp: bool,
}

#[cfg(test)]
impl SampledPacket {
    /// A SYN from this address that a signature has dropped.
    pub(crate) fn dropped_syn(source: [u8; 4]) -> Self {
        Self {
            time_ms: 7,
            source: source.into(),
            destination: [192, 0, 2, 10].into(),
            protocol: 6,
            source_port: 4_000,
            destination_port: 80,
            tcp_flags: 2,
            has_data: false,
            later_fragment: false,
            reason: "signature",
            dropped: true,
            unproven: true,
            ttl: 57,
            asn: None,
            country: None,
            question: None,
            ssdp: false,
        }
    }
}
