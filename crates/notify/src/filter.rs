//! Selects the incidents and events that a target is notified of.

use floodwall_api::{Incident, IncidentSeverity};
use floodwall_incident::IncidentEvent;

/// Which incidents and events a target is notified of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) events: Vec<IncidentEvent>,
    /// Attacked services; all services if it is empty.
    pub(crate) services: Vec<String>,
    /// The least severity.
    pub(crate) severity: IncidentSeverity,
}

impl Filter {
    /// Whether the target is notified of this incident at all.
    pub(crate) fn matches(&self, incident: &Incident) -> bool {
        let is_named = |attacked: &String| self.services.contains(attacked);
        let is_of_service =
            self.services.is_empty() || incident.services.iter().any(|one| is_named(&one.service));
        is_of_service && incident.severity >= self.severity
    }
}
