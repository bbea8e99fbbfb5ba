//! What packets are judged by beside lists and signatures.

use serde::{Deserialize, Serialize};

use crate::{policy::Policy, tables::Capacity};

/// The policy in force, and what the tables were made for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InForce {
    /// What the configuration says, and what was said since, as it holds now: a rule that is made to count only is one that
    /// is monitored, and one whose condition holds has none.
    pub policy: Policy,
    /// What the tables were made for.
    pub capacity: Capacity,
    /// Only what the operator has named is in force.
    #[serde(default)]
    pub observe: bool,
}
