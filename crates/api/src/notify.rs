//! Targets that are told of incidents.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::IncidentSeverity;

/// A target, and how it fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotifyReport {
    /// Its name.
    pub name: String,
    /// `command`, `webhook`, `slack`, `mattermost`, `discord`, `pagerduty`, `alertmanager` or `mail`.
    pub kind: String,
    /// What it is told: `began`, `changed`, `goes-on`, `needs-human`, `ended`.
    pub events: Vec<String>,
    /// Of attacks on these services; on whichever, if none is named.
    pub services: Vec<String>,
    /// Of incidents that ask for people as much as this.
    pub severity: IncidentSeverity,
    /// Messages that were taken, since the daemon was started.
    pub sent: u64,
    /// Messages that were given up.
    pub failed: u64,
    /// Messages that had to make room for others.
    pub left_out: u64,
    /// Messages that wait.
    pub waiting: u64,
    /// When a message was taken last, Unix seconds.
    pub last_sent: Option<u64>,
    /// Why the last try has failed, if it has.
    pub problem: Option<String>,
    /// Seconds until it is tried again, if it is.
    pub next_try_seconds: Option<u64>,
}

/// The targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotifyList {
    /// In the order of the configuration.
    pub targets: Vec<NotifyReport>,
}

/// Sends a message by a target that says that it is a test.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotifyTestRequest {
    /// The target's name.
    pub name: String,
}

/// What became of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotifyTested {
    /// The target's name.
    pub name: String,
    /// The message was taken.
    pub taken: bool,
    /// Why not, if it was not.
    pub text: String,
    /// How long it took, ms.
    pub took_ms: u64,
}
