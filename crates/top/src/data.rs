//! What is known, as it came last: what is drawn.

use std::collections::VecDeque;

use floodwall_api::{Event, Incident, IncidentPhase, Overview};

use crate::{history::History, tally::Tally, words};

/// Events that are kept.
const EVENTS: usize = 500;

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// Unix ms.
    pub(crate) time_ms: u64,
    pub(crate) kind: &'static str,
    /// It asks for attention.
    pub(crate) loud: bool,
    pub(crate) text: String,
}

/// What is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Data {
    pub(crate) overview: Option<Overview>,
    pub(crate) history: History,
    pub(crate) tally: Tally,
    /// The latest last.
    pub(crate) events: VecDeque<Told>,
}

impl Data {
    /// Takes in how everything stands.
    pub(crate) fn look(&mut self, overview: Overview) {
        self.history.take(&overview);
        self.tally.forget(overview.time_ms / 1_000);
        self.overview = Some(overview);
    }

    /// Takes in something that has happened.
    pub(crate) fn hear(&mut self, event: &Event) {
        if let Event::Drop(report) = event {
            return self.tally.take(report);
        }
        if let Some((time_ms, kind, loud, text)) = words::event(event) {
            if self.events.len() == EVENTS {
                self.events.pop_front();
            }
            self.events.push_back(Told { time_ms, kind, loud, text });
        }
    }

    /// The incident that is not over, if there is one.
    pub(crate) fn incident(&self) -> Option<&Incident> {
        let incidents = self.overview.iter().flat_map(|overview| &overview.incidents);
        incidents.into_iter().find(|incident| incident.phase != IncidentPhase::Resolved)
    }
}
