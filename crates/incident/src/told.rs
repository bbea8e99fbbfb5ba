//! What an incident is made of: what others tell, what is counted, and what was sampled.

use std::{collections::BTreeMap, net::IpAddr};

/// What there is too much of, where an attack begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// Requests for TCP connections that are answered and not completed.
    Openings,
    /// TCP segments of no connection.
    Segments,
    /// Datagrams of unknown sources.
    Datagrams,
    /// Datagrams that nobody asked for.
    Unasked,
    /// Fragments, and protocols other than TCP and UDP.
    Others,
    /// Connections that come to nothing.
    Fruitless,
    /// Questions for names that were never asked for before.
    Names,
    /// Connections of new sources that come time and again.
    Returning,
}

/// How a signature stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It was found, and only counts.
    Found,
    /// It drops.
    Drops,
    /// It drops nothing any more.
    Gone,
}

/// Something that has happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// A service is attacked.
    AttackBegan {
        /// Its name.
        service: String,
        /// What there is too much of.
        excess: Excess,
        /// In words.
        text: String,
    },
    /// A service is attacked no more.
    AttackEnded {
        /// Its name.
        service: String,
        /// In words.
        text: String,
    },
    /// Nothing was found that could be dropped without harm.
    NothingFound {
        /// In words.
        text: String,
    },
    /// A signature was found, or stands otherwise.
    Signature {
        /// The signature, if it tells anything of the packets.
        signature: Option<String>,
        /// How it stands.
        stage: Stage,
        /// In words.
        text: String,
    },
    /// Bans were made.
    Bans {
        /// How many.
        bans: u64,
        /// In words.
        text: String,
    },
    /// An operator has changed something.
    Command {
        /// Who.
        who: String,
        /// What.
        text: String,
    },
    /// Anything else that belongs on the timeline.
    Other {
        /// Its kind.
        kind: &'static str,
        /// The host suffers.
        suffers: bool,
        /// In words.
        text: String,
    },
}

/// What was counted since the counters were made, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Packets.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
    /// The reason drops.
    pub drops: bool,
}

/// What was counted of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfService {
    /// Packets.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
    /// Packets that were dropped.
    pub dropped: u64,
}

/// One of the host's own signals.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What was looked at.
    pub what: String,
    /// Its value.
    pub value: f64,
    /// The same with its unit.
    pub text: String,
}

/// A look at the counters and at the host, once a second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// Unix ms.
    pub time_ms: u64,
    /// By reason.
    pub reasons: BTreeMap<&'static str, Counted>,
    /// By name of the service.
    pub services: BTreeMap<String, OfService>,
    /// Use of the fullest link that packets come in by, percent.
    pub link_percent: Option<f64>,
    /// Share of its time that the busiest CPU spends on packets, percent.
    pub cpu_percent: Option<f64>,
    /// Links on which packets are lost before the filter sees them, in words.
    pub full_links: Vec<String>,
    /// What tells how the host fares.
    pub readings: Vec<Reading>,
}

/// A sampled packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// Unix ms.
    pub time_ms: u64,
    /// Where it claims to come from.
    pub source: IpAddr,
    /// Where it goes.
    pub destination: IpAddr,
    /// Protocol above IP.
    pub protocol: u8,
    /// Port of TCP or UDP; else 0.
    pub source_port: u16,
    /// Likewise; of ICMP type and code.
    pub destination_port: u16,
    /// TCP flags.
    pub tcp_flags: u8,
    /// It carries data behind its transport header.
    pub has_data: bool,
    /// It is a fragment without a transport header.
    pub later_fragment: bool,
    /// Why it was passed or dropped.
    pub reason: &'static str,
    /// Whether it was dropped.
    pub dropped: bool,
    /// Nothing shows that it belongs to a conversation.
    pub unproven: bool,
    /// Its time to live, or hop limit.
    pub ttl: u8,
    /// Number of the autonomous system that announces its source, if that is known.
    pub asn: Option<u32>,
    /// Country of its source (ISO 3166-1), if that is known.
    pub country: Option<[u8; 2]>,
    /// Of a question to a name server, a hash of the name that it asks for.
    pub question: Option<u64>,
}
