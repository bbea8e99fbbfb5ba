//! How the filter stands.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the filter stands.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Version of floodwall.
    pub version: String,
    /// Process that answers.
    pub pid: u32,
    /// Seconds since that process started.
    pub uptime_seconds: u64,
    /// Protected interfaces.
    pub interfaces: Vec<InterfaceStatus>,
    /// Packets and bytes by reason since the filter was first loaded, all CPUs and interfaces.
    pub counters: Vec<ReasonCount>,
    /// Packets that passed since the filter was first loaded, though a check or a rule that only counts would have dropped
    /// them, by reason; those of none are left out.
    #[serde(default)]
    pub would_drop: Vec<WouldCount>,
    /// The checks, whether they are in force, and if not, why not.
    #[serde(default)]
    pub checks: Vec<CheckStatus>,
    /// By what it is known which packets belong to something, on each interface that leads out.
    #[serde(default)]
    pub proofs: Vec<ProofStatus>,
    /// Requests for connections that were answered with a challenge.
    #[serde(default)]
    pub challenges: ChallengeStatus,
    /// Only what the operator has named is in force: lists, rules and signatures.
    #[serde(default)]
    pub observe: bool,
    /// The blocklist.
    pub block: ListStatus,
    /// The allowlist.
    pub allow: ListStatus,
    /// Prefixes that both lists can hold together.
    pub capacity: u64,
    /// Limits per source.
    pub limits: super::Limits,
    /// Those of them that only count: `packets`, `syn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits_only_count: Vec<String>,
    /// Kernel memory by structure.
    pub memory: Vec<MemoryUse>,
    /// How the machine below the filter fares: whether its links are full, its CPUs busy, its disks nearly so.
    #[serde(default)]
    pub machine: super::MachineStatus,
    /// Changes that are undone unless they are confirmed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trials: Vec<super::TrialReport>,
    /// Who is told of incidents, and how that fares.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<super::NotifyReport>,
    /// The page for a browser, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web: Option<WebStatus>,
    /// What an operator should know about; empty if all is well.
    pub warnings: Vec<String>,
    /// What keeps the filter from doing all of its work: an interface that is not filtered, a state that cannot be
    /// written. The exit code of `floodwall status` is not 0 as long as there is one.
    #[serde(default)]
    pub problems: Vec<String>,
}

/// Requests for connections that were answered with a challenge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChallengeStatus {
    /// Whether they are, where an attack forges them: the configuration wants it, and the kernel does it right.
    pub possible: bool,
    /// Challenges sent since the filter was first loaded.
    pub sent: u64,
    /// Of these, those that were answered: somebody is there, and gets in.
    pub answered: u64,
}

/// The page for a browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebStatus {
    /// Where it is to be had: `127.0.0.1:9102`, `unix:/run/floodwall/web.sock`.
    pub listen: String,
    /// The file that holds its token.
    pub token_file: String,
}

/// A protected interface.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct InterfaceStatus {
    /// Its name.
    pub name: String,
    /// Other names by which it can be asked for: alternative ones, and the one that it had when it was protected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_names: Vec<String>,
    /// Its index.
    pub ifindex: u32,
    /// How the filter runs: `native` (in the driver) or `generic` (after it, slow); `none` if it does not.
    pub mode: String,
    /// Whether its packets are filtered.
    #[serde(default = "yes")]
    pub filtered: bool,
}

impl InterfaceStatus {
    /// Whether it has this name, or is known by it.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.other_names.iter().any(|other| other == name)
    }
}

const fn yes() -> bool {
    true
}

/// A check that packets are held against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckStatus {
    /// Its name: that of the reason that it gives.
    pub check: String,
    /// Whether it drops packets, or only counts those that it would drop.
    pub enforced: bool,
    /// Why it only counts; of one that drops, why it does not in one of the families.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
}

/// By what it is known which packets belong to something that the host, or what it carries, has asked for or offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProofStatus {
    /// An interface that leads out.
    pub interface: String,
    /// Families that this holds for: `IPv4`, `IPv6`.
    pub families: Vec<String>,
    /// `egress`: by what has left, and the host's own sockets; `sockets`: by these alone.
    pub proof: String,
    /// What sees that which leaves: `tcx`, a link, or `clsact`, a filter of tc, where the kernel has no TCX.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why not by what has left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Packets that would have been dropped for a reason, had it not only counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WouldCount {
    /// Name of the reason.
    pub reason: String,
    /// Packets of known sources: those that have taken part in conversations before.
    pub known_packets: u64,
    /// Their bytes on the wire.
    pub known_bytes: u64,
    /// Packets of other sources.
    pub unknown_packets: u64,
    /// Their bytes on the wire.
    pub unknown_bytes: u64,
}

/// Packets that left with one reason.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReasonCount {
    /// Name of the reason.
    pub reason: String,
    /// `pass` or `drop`.
    pub verdict: String,
    /// Packets.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
}

/// A list in short.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ListStatus {
    /// IPv4 prefixes.
    pub ipv4: u64,
    /// IPv6 prefixes.
    pub ipv6: u64,
}

/// Kernel memory of one structure.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MemoryUse {
    /// What it holds.
    pub structure: String,
    /// Bytes locked.
    pub bytes: u64,
    /// Share in use, 0 to 1, where that can be told.
    pub used: Option<f64>,
}

/// Puts the filter on an interface, or back on it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttachRequest {
    /// Its name.
    pub interface: String,
}

/// Takes the filter off an interface.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DetachRequest {
    /// Its name.
    pub interface: String,
}

/// What is left after a detach.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DetachResponse {
    /// Interfaces that are still protected. When there are none, every trace is gone and the daemon ends.
    pub remaining: Vec<String>,
}
