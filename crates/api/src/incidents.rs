//! Incidents: attacks as they were from their first packet to their end.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far an incident has come, in the terms of status pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentPhase {
    /// It was noticed, and nothing tells its packets from others yet.
    Investigating,
    /// What it consists of is known, and not all of that is dropped.
    Identified,
    /// What it consists of is dropped, or nothing comes at the moment; it may come again.
    Monitoring,
    /// It is over.
    Resolved,
}

/// How much an incident asks for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentSeverity {
    /// It is dealt with by itself.
    Warning,
    /// It needs a human: nothing safe to drop was found, the host suffers, or what is before the host does.
    Critical,
}

/// That an incident has come to another phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentTurn {
    /// Which one.
    pub phase: IncidentPhase,
    /// When, Unix ms.
    pub time_ms: u64,
}

/// An attack that followed another one within ten minutes, or the first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentWave {
    /// From 1 on.
    pub number: u32,
    /// When it was noticed, Unix ms.
    pub began_ms: u64,
    /// When it was over, Unix ms; `None` while it goes on.
    pub ended_ms: Option<u64>,
    /// Most packets that came in one second, of whatever kind.
    pub peak_packets: u64,
    /// Most packets that were dropped in one second.
    pub peak_dropped: u64,
}

/// A service that was attacked, and what came for it while it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentService {
    /// Its name.
    pub service: String,
    /// It is attacked at this moment.
    pub attacked: bool,
    /// Packets.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
    /// Packets that were dropped.
    pub dropped: u64,
}

/// One kind of packets that an attack consisted of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentVector {
    /// For scripts: `syn-flood`, `ntp-reflection`.
    pub name: String,
    /// For people: `spoofed SYN flood`, `NTP reflection`.
    pub words: String,
    /// Its sources are forged: next to none of them came twice, or they came from one place.
    pub spoofed: bool,
    /// It claims to come from all over the world, and came from one place, as its TTL tells: that is why its sources are known to
    /// be forged.
    #[serde(default)]
    pub same_way: bool,
    /// Signatures that were found of it, the latest last.
    pub fingerprints: Vec<String>,
    /// Sampled packets of it that were dropped.
    pub sampled: u64,
    /// When it was seen first, Unix ms.
    pub first_ms: u64,
    /// When it was seen last, Unix ms.
    pub last_ms: u64,
}

/// What came while an incident's waves went on, of whatever kind and for whichever service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentTraffic {
    /// Seconds that were looked at.
    pub seconds: u64,
    /// Packets.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
    /// Packets that were dropped.
    pub dropped: u64,
    /// Bytes that were dropped.
    pub dropped_bytes: u64,
    /// Most packets in one second.
    pub peak_packets: u64,
    /// Most bytes in one second.
    pub peak_bytes: u64,
    /// Most packets that were dropped in one second.
    pub peak_dropped: u64,
    /// Packets by the reason that they were passed or dropped for.
    pub reasons: BTreeMap<String, u64>,
    /// Packets/s that came before it, over half a minute; `None` if that was not looked at.
    pub before: Option<f64>,
}

/// Who has done something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentActor {
    /// The attacker, or the world.
    Outside,
    /// floodwall, by itself.
    Automatic,
    /// An operator: user and process.
    Operator(String),
}

/// Something that happened in an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentLine {
    /// Unix ms.
    pub time_ms: u64,
    /// The kind of event: `attack`, `signature`, `ban`, `list`, `rule`, `interface`, `health`, `command`, `task`.
    pub kind: String,
    /// Who has done it.
    pub by: IncidentActor,
    /// What has happened, in words.
    pub text: String,
    /// How many such things this line stands for.
    pub count: u64,
}

/// The worst that one of the host's own signals told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentStrain {
    /// What was looked at: `link eth0, percent`, `softirq`, `probe of web`.
    pub what: String,
    /// Its greatest value.
    pub worst: f64,
    /// The same with its unit.
    pub text: String,
    /// When that was, Unix ms.
    pub time_ms: u64,
}

/// Whose the sampled packets were that were dropped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentSources {
    /// Sampled packets that were looked at.
    pub sampled: u64,
    /// Different sources among them; at least so many.
    pub sources: u64,
    /// Sources that were seen once only.
    pub once: u64,
    /// Of the sampled packets those whose source can be nobody's (RFC 6890): certainly forged.
    pub bogons: u64,
    /// Of the sampled packets those that came by another way (their TTL tells) than those of the same source do that are
    /// of proven conversations: most likely forged, in the name of a customer.
    #[serde(default)]
    pub contradict: u64,
    /// Prefixes (/24, /48) that most of the sampled packets claim to come from, and how many did.
    pub prefixes: Vec<IncidentPrefix>,
    /// Networks that most of the sampled packets claim to come from, if a database tells.
    #[serde(default)]
    pub networks: Vec<IncidentNetwork>,
    /// Countries, likewise.
    #[serde(default)]
    pub countries: Vec<IncidentCountry>,
    /// Sources that have completed handshakes time and again for connections that came to nothing: nobody forges that.
    #[serde(default)]
    pub proven: Vec<IncidentProven>,
}

/// A network that sampled packets claim to come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentNetwork {
    /// Number of the autonomous system.
    pub asn: u32,
    /// Its name, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Sampled packets that were dropped.
    pub dropped: u64,
    /// Sampled packets that passed.
    pub passed: u64,
}

/// A country that sampled packets claim to come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentCountry {
    /// Two letters (ISO 3166-1).
    pub country: String,
    /// Sampled packets that were dropped.
    pub dropped: u64,
    /// Sampled packets that passed.
    pub passed: u64,
}

/// A source that nobody can have forged, and what was sampled of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentProven {
    /// Its address.
    pub source: String,
    /// Port of the packet that was sampled last.
    pub source_port: u16,
    /// Where that packet went.
    pub destination: String,
    /// Port there.
    pub destination_port: u16,
    /// Autonomous system that announces it, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    /// Sampled requests for connections of it that were dropped.
    pub sampled: u64,
    /// When the first of them came, Unix ms.
    pub first_ms: u64,
    /// When the last of them came, Unix ms.
    pub last_ms: u64,
}

/// How sure an estimate is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Too little was sampled to say anything.
    #[default]
    None,
    /// Of fewer than 300 samples.
    Low,
    /// Of fewer than 3,000.
    Medium,
    /// Of more.
    High,
}

/// What was dropped of customers: of sources that had taken part in conversations before the incident began. Of new ones it
/// cannot be told, as they look like attackers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentHarm {
    /// Sampled packets of them.
    pub sampled: u64,
    /// Those of them that were dropped.
    pub dropped: u64,
    /// How many customers there were among the samples.
    pub customers: u64,
    /// How many of these lost a sampled packet.
    pub hurt: u64,
    /// The share of their packets that was dropped, as estimated; `None` if too little was sampled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Where that share lies with 95 in 100: at least,
    #[serde(default)]
    pub low: f64,
    /// and at most.
    #[serde(default)]
    pub high: f64,
    /// How sure that is.
    #[serde(default)]
    pub confidence: Confidence,
}

/// A prefix of sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentPrefix {
    /// The prefix.
    pub prefix: String,
    /// Sampled packets of it.
    pub sampled: u64,
}

/// An incident, without its rates second by second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Incident {
    /// Its number on this host; stays over restarts.
    pub id: u64,
    /// Tells it from those of all other hosts: for what must not tell of the same twice.
    pub key: String,
    /// How far it has come.
    pub phase: IncidentPhase,
    /// When it came to each phase.
    pub turns: Vec<IncidentTurn>,
    /// How much it asks for people.
    pub severity: IncidentSeverity,
    /// When it was noticed, Unix ms.
    pub began_ms: u64,
    /// When its last wave was over, Unix ms; `None` as long as another may follow.
    pub ended_ms: Option<u64>,
    /// When it was last looked at, Unix ms.
    pub seen_ms: u64,
    /// Its waves.
    pub waves: Vec<IncidentWave>,
    /// What was attacked.
    pub services: Vec<IncidentService>,
    /// What it consisted of; what there was most of comes first.
    pub vectors: Vec<IncidentVector>,
    /// How much it was.
    pub traffic: IncidentTraffic,
    /// Whose it was, as far as a forgeable address tells.
    pub sources: IncidentSources,
    /// What was dropped of customers, as estimated.
    #[serde(default)]
    pub harm: IncidentHarm,
    /// Addresses that most of the sampled packets were for that were dropped.
    pub destinations: Vec<IncidentPrefix>,
    /// How the host suffered.
    pub strain: Vec<IncidentStrain>,
    /// What people have to know of it: what nothing on this host can help against, what passes.
    pub warnings: Vec<String>,
    /// What happened, and who did what.
    pub timeline: Vec<IncidentLine>,
    /// Lines that there was no room for.
    pub left_out: u64,
}

/// What came in a second of an incident, or in several.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentSecond {
    /// When it began, Unix seconds.
    pub time: u64,
    /// How many seconds it stands for; what follows is their sum, and the greatest of shares.
    pub span: u32,
    /// Packets.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
    /// Packets that were dropped.
    pub dropped: u64,
    /// Packets by reason.
    pub reasons: BTreeMap<String, u64>,
    /// Use of the fullest link that packets come in by, percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_percent: Option<f64>,
    /// Share of its time that the busiest CPU spends on packets, percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
}

/// An incident with its rates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentReport {
    /// The incident.
    pub incident: Incident,
    /// Its rates, in the order of time.
    pub series: Vec<IncidentSecond>,
    /// Why rates are missing, if some are: the disk does not answer, say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<String>,
}

/// Incidents, the latest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentList {
    /// Without their timelines.
    pub incidents: Vec<Incident>,
    /// Why the record is not kept as it should be, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl IncidentPhase {
    /// As people and scripts read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Investigating => "investigating",
            Self::Identified => "identified",
            Self::Monitoring => "monitoring",
            Self::Resolved => "resolved",
        }
    }
}

impl Confidence {
    /// As people and scripts read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl IncidentSeverity {
    /// As people and scripts read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl Incident {
    /// Whether a wave goes on.
    pub fn is_attacked(&self) -> bool {
        self.waves.last().is_some_and(|wave| wave.ended_ms.is_none())
    }

    /// When its last wave was over, or until when it was looked at, Unix ms.
    pub fn until_ms(&self) -> u64 {
        let last = self.waves.last().and_then(|wave| wave.ended_ms);
        self.ended_ms.or(last).unwrap_or(self.seen_ms).max(self.began_ms)
    }

    /// What it consisted of, in words: `spoofed SYN flood, NTP reflection`.
    pub fn vectors_in_words(&self) -> String {
        let words: Vec<_> = self.vectors.iter().map(|vector| vector.words.as_str()).collect();
        if words.is_empty() { "attack of unknown kind".to_owned() } else { words.join(", ") }
    }

    /// The services that were attacked.
    pub fn services_in_words(&self) -> String {
        let names = self.services.iter().map(|service| match service.service.as_str() {
            "default" => "the default service",
            name => name,
        });
        names.collect::<Vec<_>>().join(", ")
    }
}

impl IncidentSecond {
    /// Takes what follows into this one.
    pub fn merge(&mut self, next: &Self) {
        let greater = |one: Option<f64>, other: Option<f64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.max(other)),
            (one, other) => one.or(other),
        };
        self.span += next.span;
        self.packets += next.packets;
        self.bytes += next.bytes;
        self.dropped += next.dropped;
        for (reason, packets) in &next.reasons {
            *self.reasons.entry(reason.clone()).or_default() += packets;
        }
        self.link_percent = greater(self.link_percent, next.link_percent);
        self.cpu_percent = greater(self.cpu_percent, next.cpu_percent);
    }
}
