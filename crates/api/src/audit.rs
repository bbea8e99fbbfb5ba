//! The audit log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A change that somebody has asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    /// Its number, from 1; one that is missing was lost.
    pub number: u64,
    /// When it was answered, Unix seconds.
    pub time: u64,
    /// Who has asked, as the kernel knows the other end of the socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The name of that user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The process that has asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// What that process called itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// The command: `block add`.
    pub command: String,
    /// What was asked for, as it was sent: the query, or the beginning of the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// What became of it: `done`, or why it was refused.
    pub result: String,
}

/// The latest entries.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditPage {
    /// The entries, the latest last.
    pub entries: Vec<AuditEntry>,
    /// Entries that were not written since the daemon has started, as the disk did not take them.
    pub lost: u64,
}
