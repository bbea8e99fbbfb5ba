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
    /// It is opened step by step, as far as the service stands it.
    #[serde(default)]
    pub reopening: bool,
}

/// Has a service that is closed be opened step by step.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReopenRequest {
    /// The service.
    pub service: String,
}

/// Has a service be closed by itself once it is attacked and nothing else relieves it, or not any more.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AutomaticRequest {
    /// The service.
    pub service: String,
    /// Whether it is.
    pub automatic: bool,
}

/// A service that is closed to all but known clients.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// It was closed by itself.
    #[serde(default)]
    pub by_itself: bool,
    /// It is opened step by step, as far as the service stands it.
    #[serde(default)]
    pub reopening: bool,
    /// How far that has come, once somebody has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<ReopeningReport>,
    /// What knocks at its door, once that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knocking: Option<KnockingReport>,
}

/// How far a service is opened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReopeningReport {
    /// What the last step did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// When that was, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<u64>,
    /// The share of others that gets in with the next step, per cent; `None`: it ends the lockdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_percent: Option<f64>,
    /// When that comes at the soonest, Unix seconds.
    pub next_at: u64,
    /// What it waits for: what the service suffers from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffers: Option<String>,
}

/// What comes to a service that is closed, of nobody who is known, in the last whole second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KnockingReport {
    /// Packets that ask for something.
    pub requests: u64,
    /// How many sources these are of.
    pub sources: u64,
    /// Of the packets, those that got in on trial.
    pub admitted: u64,
    /// All packets that came for the service.
    pub packets: u64,
    /// Of these, those that were dropped, for whatever reason.
    pub dropped: u64,
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
    /// Clients that were served within a day: all of them get in.
    #[serde(default)]
    pub clients_of_a_day: u64,
    /// Services that are closed by themselves once they are attacked and nothing else relieves them, in order of name.
    #[serde(default)]
    pub automatic: Vec<String>,
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
