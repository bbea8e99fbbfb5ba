//! What targets are told, by the names that the configuration has for it.

use floodwall_api::{Incident, IncidentSeverity};
use floodwall_incident::News;
use serde::Deserialize;

/// What has become of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// It has begun.
    Began,
    /// It has come to another phase, a wave has begun, or more is known of what it consists of.
    Changed,
    /// It goes on, twice as long as when that was told before.
    GoesOn,
    /// It needs a human.
    NeedsHuman,
    /// It is over.
    Ended,
}

impl Event {
    pub(crate) const ALL: [Self; 5] =
        [Self::Began, Self::Changed, Self::GoesOn, Self::NeedsHuman, Self::Ended];

    /// As scripts and the configuration have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Began => "began",
            Self::Changed => "changed",
            Self::GoesOn => "goes-on",
            Self::NeedsHuman => "needs-human",
            Self::Ended => "ended",
        }
    }

    /// Whether the next one of its kind says all that this one does.
    pub(crate) const fn is_overtaken(self) -> bool {
        matches!(self, Self::Changed | Self::GoesOn)
    }
}

impl From<News> for Event {
    fn from(news: News) -> Self {
        match news {
            News::Began => Self::Began,
            News::Changed => Self::Changed,
            News::GoesOn => Self::GoesOn,
            News::NeedsHuman => Self::NeedsHuman,
            News::Ended => Self::Ended,
        }
    }
}

/// Which incidents a target is told of, and what of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    /// What it is told.
    pub(crate) events: Vec<Event>,
    /// Of attacks on these services; on whichever, if none is named.
    pub(crate) services: Vec<String>,
    /// Of incidents that ask for people as much as this.
    pub(crate) severity: IncidentSeverity,
}

impl Filter {
    /// Whether an incident is one of which the target is told.
    pub(crate) fn takes(&self, incident: &Incident) -> bool {
        let named = |attacked: &String| self.services.contains(attacked);
        let of_it = self.services.is_empty() || incident.services.iter().any(|one| named(&one.service));
        of_it && incident.severity >= self.severity
    }
}
