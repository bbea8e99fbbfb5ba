//! What becomes of an address's packets, and why.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CheckStatus, Lists, RuleState, SourceReport};

/// What becomes of an address's packets, as far as that goes by the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// They pass, as everything does for a time.
    Bypassed,
    /// They pass, as the address is on the allowlist.
    Allowed,
    /// They are dropped, as the address is on the blocklist.
    Blocked,
    /// They are dropped, as the source or a prefix of it is banned.
    Banned,
    /// A limit or a rule has nothing left for them: what it counts is dropped at this moment.
    Limited,
    /// They pass, unless their headers or how many they are speak against it.
    Passes,
}

/// Who has last said how a rule is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RuleOrigin {
    /// Nobody: it is a default.
    Default,
    /// The configuration.
    Configuration,
    /// An operator, by `limit set`.
    Command,
}

/// Which known sources a rule leaves alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Spares {
    /// None.
    Nobody,
    /// All, while the service that their packets are for is not attacked.
    KnownInPeace,
    /// All, at all times.
    Known,
}

/// A rule as it holds for one source at this moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AppliedRule {
    /// Its service.
    pub service: String,
    /// Its name.
    pub rule: String,
    /// It holds for packets to all services that have not been given another of that name.
    pub shared: bool,
    /// Whose packets it counts together: `source`, `source-prefix`, `service`.
    pub per: String,
    /// What the source's packets are counted under: the source, the prefix that it lies in, or the service.
    pub counted_as: String,
    /// Which it counts: `packets`, `syn` …
    pub of: String,
    /// How many may come in the long run, per second.
    pub rate: u64,
    /// How many may come at once.
    pub burst: u64,
    /// What becomes of the rest: `limit`, `ban for 1m`, `alert`.
    pub then: String,
    /// What it does now.
    pub state: RuleState,
    /// Who has last said how it is to be.
    pub from: RuleOrigin,
    /// When what was set is taken back, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// Which known sources it leaves alone.
    pub spares: Spares,
    /// It leaves flows alone in which both ends speak.
    pub spares_flows: bool,
    /// It leaves this very source alone at this moment.
    pub spares_it: bool,
    /// How many it would let through at once, of bytes as far as the arithmetic tells; `None` if that cannot be told, as a ban
    /// stands in its place.
    pub left: Option<u64>,
}

impl AppliedRule {
    /// Whether it drops what the source sends at this moment, if that is of the kind that it counts.
    pub fn is_used_up(&self) -> bool {
        self.left == Some(0) && self.state == RuleState::Enforce && self.then != "alert" && !self.spares_it
    }
}

/// A signature that is deployed, as it holds for one source. Signatures go by the headers of packets, and not by addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AppliedSignature {
    /// Its number.
    pub number: u32,
    /// The signature: `tcp flags=syn window=0 len=40`.
    pub text: String,
    /// It drops what it matches; else it only counts.
    pub drops: bool,
    /// It matches packets of new sources only.
    pub new_sources_only: bool,
    /// It can match packets of this source: it is not one of those that leave it alone.
    pub may_match: bool,
    /// Packets that it has matched, of all sources.
    pub packets: u64,
}

/// A ban that holds for a source. Times are Unix seconds, to the millisecond.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AppliedBan {
    /// Who is banned: the source, or a prefix that it lies in.
    pub prefix: String,
    /// When it began; `None` if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<f64>,
    /// When it ends.
    pub until: f64,
    /// The how manieth it is, as far as that is remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// The rule that it is for; `None` if that is not known, or it is for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why, in words: `it crossed default/source-syn`.
    pub because: String,
    /// It stands in the blocklist; else in the source's own entry alone.
    pub listed: bool,
    /// It drops; else it only counts, as the configuration has it, or there was no room for it.
    pub enforced: bool,
}

/// What becomes of an address's packets, and all that was considered, in the order in which a packet is held against it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WhyReport {
    /// The address that was asked about.
    pub address: String,
    /// What becomes of its packets.
    pub outcome: Outcome,
    /// The same in a sentence, and why.
    pub verdict: String,
    /// What keeps the filter from doing all of its work: while there is something, packets may pass that should not.
    pub problems: Vec<String>,
    /// Everything passes for so many seconds; `None`: it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bypass_seconds: Option<f64>,
    /// What the lists say of it.
    pub lists: Lists,
    /// Why it is never banned, and what of it passes in any case; empty if there is no reason.
    pub spared: Vec<String>,
    /// Checks of packets, which go by what they claim to belong to and not by their address.
    pub checks: Vec<CheckStatus>,
    /// Signatures that are deployed.
    pub signatures: Vec<AppliedSignature>,
    /// Bans that hold for it.
    pub bans: Vec<AppliedBan>,
    /// What is known of it as a source, and the limits that hold for it.
    pub source: SourceReport,
    /// Rules that count its packets together with those of others, in the order in which they are asked.
    pub rules: Vec<AppliedRule>,
    /// Services that are closed to it: it is no known client, and has to answer a challenge.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<String>,
    /// Services that are attacked: there, most rules count the packets of known sources as well.
    pub attacked: Vec<String>,
    /// What happened to its packets within the last hour, as far as there is a record.
    #[serde(default)]
    pub past: WhyPast,
    /// What undoes that its packets are dropped, or has them pass; the first is what fits best.
    #[serde(default)]
    pub undo: Vec<WhyUndo>,
    /// What was asked of a packet, and not of the address alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet: Option<WhyPacket>,
}

/// What is recorded of a source within the last hour.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WhyPast {
    /// From when on the record is whole of sources that are known or new, as this one is, Unix ms; 0: there is none.
    pub since_ms: u64,
    /// Sampled packets of it, by what became of them.
    pub packets: Vec<PastPackets>,
    /// Bans of it that are over.
    pub bans: Vec<PastBan>,
}

/// Sampled packets of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PastPackets {
    /// Why they were passed or dropped.
    pub reason: String,
    /// They were dropped.
    pub dropped: bool,
    /// How many were sampled; at least as many came.
    pub sampled: u64,
    /// When the last of them came, Unix ms.
    pub last_ms: u64,
}

/// A ban that is over. Times are Unix seconds, to the millisecond.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PastBan {
    /// Who was banned.
    pub prefix: String,
    /// When it began.
    pub since: f64,
    /// When it ended.
    pub until: f64,
    /// Why, in words.
    pub because: String,
}

/// A command, and what it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WhyUndo {
    /// The command.
    pub command: String,
    /// What it does.
    pub what: String,
}

/// A packet by its five-tuple, and what is known of where it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WhyPacket {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Its source port.
    pub source_port: u16,
    /// Where it goes.
    pub destination: String,
    /// The port there.
    pub destination_port: u16,
    /// The service that it is for.
    pub service: String,
    /// Something listens there, as far as is known.
    pub offered: bool,
    /// It belongs to a connection in which both ends have spoken within the last seconds.
    pub mutual: bool,
}
