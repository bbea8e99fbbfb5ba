//! Rules, bans, and what makes them hold.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a rule does what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RuleMode {
    /// It does.
    Enforce,
    /// It only counts what it would do.
    Monitor,
    /// There is no such rule: takes a default away.
    Off,
}

/// A ban in force. Times are Unix seconds, to the millisecond.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BanEntry {
    /// Who is banned: a source (an IPv4 address or an IPv6 /64), or a prefix of sources.
    pub prefix: String,
    /// When it began.
    pub since: f64,
    /// When it ends.
    pub until: f64,
    /// The how manieth it is, as far as that is remembered.
    pub count: u32,
    /// The rule that it is for; `None` if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Packets that were dropped by its entry in the blocklist.
    pub hits: u64,
}

/// A part of the bans, in order of address.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct BanPage {
    /// At most as many as were asked for.
    pub entries: Vec<BanEntry>,
    /// Ask again with `after` this to go on; `None` at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// How many there are.
    pub total: u64,
}

/// Lifts bans before their time, and forgets the offences: all or none.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LiftRequest {
    /// Whose.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// Everybody's.
    #[serde(default)]
    pub all: bool,
}

/// Makes bans entries of the blocklist.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeepRequest {
    /// Whose.
    pub prefixes: Vec<String>,
    /// For so many seconds; `None`: for ever.
    #[serde(default)]
    pub seconds: Option<u64>,
}

/// How many bans were lifted or kept.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct BanCount {
    /// Bans.
    pub bans: u64,
}

/// What a rule does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RuleState {
    /// What it says.
    Enforce,
    /// It only counts, as it was told.
    Monitor,
    /// It only counts, until its condition holds.
    Waiting,
    /// It only counts, as it went beyond its ceiling.
    Ceiling,
}

/// A rule, and what it has done.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RuleReport {
    /// Its service.
    pub service: String,
    /// Its name.
    pub rule: String,
    /// Its number in the kernel's tables; `None` if it has none.
    pub number: Option<u8>,
    /// It is enforced by the limit that all services share: its counters are those of all of them.
    pub shared: bool,
    /// Whose packets it counts together: `source`, `source-prefix`, `service`.
    pub per: String,
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
    /// Packets of the service can be of the kind that it counts.
    pub in_use: bool,
    /// All of it, in words.
    pub text: String,
    /// When what was set is taken back, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// Packets that were over the rate, whether they were dropped or not.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Bans since the daemon was started.
    pub bans: u64,
    /// Why its numbers are what they are, and what they mean.
    pub explanation: Vec<String>,
}

/// All rules.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct RuleList {
    /// By service, in the order in which they are asked.
    pub rules: Vec<RuleReport>,
}

/// Says something of a rule, in place of what is configured.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleChange {
    /// Its service.
    pub service: String,
    /// Which packets it counts.
    pub of: String,
    /// Whose it counts together.
    pub per: String,
    /// How many may come in the long run, per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
    /// How many may come at once; `None`: what the rate gives in a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u64>,
    /// What becomes of the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<String>,
    /// Whether it does what it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<RuleMode>,
    /// Take it back after so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// Takes back whatever was said; nothing else counts then.
    #[serde(default)]
    pub reset: bool,
}

/// Has everything pass for a time, or no longer.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BypassRequest {
    /// For so many seconds; `None`: no longer.
    #[serde(default)]
    pub seconds: Option<u64>,
}

/// Whether everything passes.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct BypassState {
    /// For so many seconds; `None`: it does not.
    pub seconds: Option<f64>,
}

/// Reads the configuration again.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReloadRequest {
    /// Only say what that would change.
    #[serde(default)]
    pub dry_run: bool,
}

/// What another configuration changes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReloadReport {
    /// Where it was read.
    pub path: String,
    /// What is new (`+`), gone (`-`) and changed (`~`).
    pub differences: Vec<String>,
    /// It is in force.
    pub applied: bool,
}

/// What tells "slow, not down".
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct HealthReport {
    /// Signals of the host, and probes of services.
    pub signals: Vec<SignalReport>,
    /// Rules that hold since their condition does: `web/strict`.
    pub active: Vec<String>,
}

/// A signal.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SignalReport {
    /// Its name, as in conditions.
    pub signal: String,
    /// The service that is probed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Its value: ms, per second, or percent; `None` if it cannot be read, or the probe failed.
    pub value: Option<u64>,
    /// The same, with its unit.
    pub text: String,
    /// It has been over what the host or the service bears for some seconds.
    #[serde(default)]
    pub over: bool,
}
