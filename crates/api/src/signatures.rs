//! Signatures: what tells an attack's packets from others.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Signatures, and what they rest on.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SignatureList {
    /// Whether more comes than usual.
    pub attack: bool,
    /// Names of the services that are attacked.
    #[serde(default)]
    pub attacked: Vec<String>,
    /// Number of the last incident since the start; 0 if there was none.
    pub incident: u32,
    /// Waves that it has had.
    pub wave: u32,
    /// Samples of usual packets that a signature is held against before it is deployed.
    pub baseline: u64,
    /// These are so few that assumptions of what clients send stand in for them.
    #[serde(default)]
    pub assumed: bool,
    /// By number.
    pub signatures: Vec<SignatureReport>,
}

/// A signature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SignatureReport {
    /// Its number, as long as it is there.
    pub number: u32,
    /// The signature: `tcp flags=syn window=0 len=40`.
    pub text: String,
    /// It drops; else it only counts.
    pub enforced: bool,
    /// An operator wants it as it is.
    pub pinned: bool,
    /// It tells an attack by no more than the kind of its packets: requests for connections, or what is no TCP, are dropped
    /// only until they are sent again.
    #[serde(default)]
    pub asks: bool,
    /// Why it only counts, where that is not what an operator wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// What an operator should know who has it enforced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// When it is taken back, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// Seconds since it was deployed.
    pub age_seconds: f64,
    /// Seconds since a sampled packet matched it.
    pub idle_seconds: f64,
    /// Packets that matched it.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Sampled packets that matched it.
    pub sampled: u64,
    /// Of these, from sources that were there in calm times.
    pub sampled_known: u64,
    /// Of these, what had been dropped, came again after a second, and was let in.
    #[serde(default)]
    pub sampled_again: u64,
}

/// Deploys a signature by hand.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignatureRequest {
    /// The signature.
    pub text: String,
    /// Only counts, and does not drop.
    #[serde(default)]
    pub monitor: bool,
    /// Take it back after so many seconds. `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// Do it even if it takes nearly everything.
    #[serde(default)]
    pub force: bool,
}

/// Names a signature.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignatureNumber {
    /// Its number.
    pub number: u32,
}
