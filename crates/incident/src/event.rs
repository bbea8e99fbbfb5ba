//! Events in the course of an incident.

use serde::Deserialize;

/// A change in the course of an incident, of which people and programs can be notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentEvent {
    /// It has begun.
    Began,
    /// It has entered another phase, a wave has begun, or more is known of what it consists of.
    Changed,
    /// It has lasted twice as long as at the previous event of this kind.
    GoesOn,
    /// It has become critical.
    NeedsHuman,
    /// It is over.
    Ended,
}

impl IncidentEvent {
    /// All events.
    pub const ALL: [Self; 5] = [Self::Began, Self::Changed, Self::GoesOn, Self::NeedsHuman, Self::Ended];

    /// Its name in the configuration and for scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Began => "began",
            Self::Changed => "changed",
            Self::GoesOn => "goes-on",
            Self::NeedsHuman => "needs-human",
            Self::Ended => "ended",
        }
    }
}
