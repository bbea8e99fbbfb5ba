//! What packets are judged by beside lists and signatures.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The policy in force, and what the tables were made for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct InForce {
    /// What the configuration says, and what was said since, as it holds now: a rule that is made to count only is one that
    /// is monitored, and one whose condition holds has none. For `floodwall replay --live` of the same version: its form
    /// is none that others may count on.
    pub policy: serde_json::Value,
    /// What the tables were made for.
    pub capacity: Capacity,
    /// Only what the operator has named is in force.
    #[serde(default)]
    pub observe: bool,
}

/// What the tables were made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Capacity {
    /// Prefixes of both lists together.
    pub prefixes: u32,
    /// Sources.
    pub sources: u32,
    /// Flows that leave.
    pub flows: u32,
}
