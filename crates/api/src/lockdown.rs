//! Services that are closed to all but known clients.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Closes a service to all but known clients, or opens it again.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockdownRequest {
    /// The service.
    pub service: String,
    /// Whether it is to be closed.
    pub closed: bool,
    /// For so many seconds; `None`: until it is opened.
    #[serde(default)]
    pub seconds: Option<u64>,
    /// The share of others that gets in all the same, on trial, per cent.
    #[serde(default)]
    pub admitted_percent: f64,
}

/// A service that is closed to all but known clients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LockdownReport {
    /// The service.
    pub service: String,
    /// When it was closed, Unix seconds.
    pub since: u64,
    /// When it will be opened again, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// The share of others that gets in on trial, per cent.
    pub admitted_percent: f64,
}

/// The services that are closed, and what that means.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LockdownList {
    /// Those that are closed, in order of name.
    pub closed: Vec<LockdownReport>,
    /// Packets that asked for something, of nobody who is known, and did not get in, since the filter was first loaded.
    pub locked_out: u64,
    /// Packets of others that got in on trial.
    pub admitted: u64,
    /// Who was here in the last ten minutes.
    pub recent: RecentSources,
    /// Whether others can prove that they are there by answering a challenge.
    pub challenges: bool,
}

/// Sources that have completed a connection, and were seen in the last ten minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecentSources {
    /// All of them.
    pub sources: u64,
    /// Of these, known clients: a lockdown shuts the others out until they have answered a challenge.
    pub known: u64,
}
