//! Everything that figures are drawn from, at one moment: what a view that looks each second, or a scrape, needs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BypassState, HealthReport, Incident, RuleReport, SignatureList, Standing, Status};

/// How everything stands at one moment.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Overview {
    /// When it was looked at, Unix ms.
    pub time_ms: u64,
    /// How the host stands at a glance, by all that follows.
    #[serde(default)]
    pub standing: Standing,
    /// How the filter stands.
    pub status: Status,
    /// What has come for each service.
    pub services: Vec<ServiceTraffic>,
    /// The rules, and what they have done.
    pub rules: Vec<RuleReport>,
    /// Attacks, and the signatures against them.
    pub signatures: SignatureList,
    /// The incidents that are not over, and the latest that is, without their timelines; the latest first.
    pub incidents: Vec<Incident>,
    /// How the host and its services fare; `None` if nothing has been measured yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthReport>,
    /// Whether everything passes, and for how long.
    pub bypass: BypassState,
    /// Bans in force.
    pub bans: u64,
    /// What imports hold, as it was looked at last: once a minute, if metrics are to be had.
    #[serde(default)]
    pub imports: Vec<ImportTraffic>,
    /// The table of sources.
    pub sources: SourceTable,
    /// What was told of what happens, and what could not be.
    pub telling: Telling,
    /// How often tasks of the daemon had to be started again, by name.
    #[serde(default)]
    pub restarts: Vec<TaskRestarts>,
}

/// What has come for a service since the filter was first loaded, or since the number that it has was another's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceTraffic {
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
    /// Requests for a TCP connection.
    pub syns: u64,
    /// Packets of sources that the table did not hold: each has been entered into it.
    pub new_sources: u64,
    /// Requests for a TCP connection that were answered with a challenge.
    pub challenged: u64,
    /// Challenges that were answered.
    pub proven: u64,
    /// Packets that did not get in, as the service is closed to all but known clients.
    pub locked_out: u64,
    /// Packets of others that got in on trial.
    pub admitted: u64,
    /// Packets that were sampled for detection.
    pub sampled: u64,
}

/// What an import holds, and what that has decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImportTraffic {
    /// Its name.
    pub import: String,
    /// Prefixes that it holds; those that another one holds as well are counted for both.
    pub prefixes: u64,
    /// Packets that these have decided since they were listed.
    pub packets: u64,
}

/// The table of sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SourceTable {
    /// Sources that it can hold.
    pub capacity: u64,
    /// Share of it that is taken, 0 to 1, as a sample of its places tells.
    pub used: f64,
}

/// What was told of what happens, and what could not be, since the daemon was started; of what the kernel counts, since the
/// filter was first loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Telling {
    /// Dropped packets that were told of.
    pub drops: u64,
    /// Dropped packets that were not told of, as there were too many, or no room in the ring buffer.
    pub drops_untold: u64,
    /// Samples that detection has read out of the ring buffer.
    pub samples: u64,
    /// Bans that found no room in their ring buffer, and had to be looked for.
    pub bans_lost: u64,
    /// Entries that the audit log could not take.
    pub audit_lost: u64,
}

/// How often a task of the daemon had to be started again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskRestarts {
    /// Its name.
    pub task: String,
    /// How often, since the daemon was started.
    pub restarts: u64,
}
