//! Whether what is said to be filtered is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an examination of the filter has found.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DoctorReport {
    /// What was looked at, in the order in which it was.
    pub checks: Vec<DoctorCheck>,
}

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DoctorCheck {
    /// What: `interface` (it is filtered at all), `link` (what holds the program there is pinned), `program` (the kernel says
    /// that it is on the interface), `maps` (it reads those that the daemon writes), `packet` (it judges packets of the
    /// daemon's own as it should), `counters` (it has counted these).
    pub check: String,
    /// The interface that it is about; `None` if it is about all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Whether it is as it should be.
    pub sound: bool,
    /// What was found.
    pub text: String,
}
