//! Changes on trial.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A change that is undone unless somebody confirms it. Times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrialReport {
    /// Its number.
    pub number: u64,
    /// When it was made.
    pub since: u64,
    /// When it is undone.
    pub until: u64,
    /// The command, in words.
    pub command: String,
}

/// The changes that wait to be confirmed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrialList {
    /// By number.
    pub trials: Vec<TrialReport>,
}

/// Has what is on trial stay.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmRequest {
    /// Which change; `None`: all that wait.
    #[serde(default)]
    pub number: Option<u64>,
}

/// What became of a request that may be on trial.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Changed<T> {
    /// What became of it.
    #[serde(flatten)]
    pub answer: T,
    /// It is undone unless it is confirmed; not there if it stays anyway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<TrialReport>,
}
