//! What the daemon has reported so far, from which everything is drawn.

use std::collections::VecDeque;

use floodwall_api::{Event, Incident, IncidentLine, IncidentPhase, Overview};

use crate::{
    history::History,
    sampled_drops::SampledDrops,
    words::{self, EventLine},
};

/// Events that are kept.
const MAX_EVENTS: usize = 500;

/// What the daemon has reported so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) overview: Option<Overview>,
    pub(crate) history: History,
    pub(crate) drops: SampledDrops,
    /// In order of time.
    pub(crate) events: VecDeque<EventLine>,
}

impl Model {
    /// Replaces the overview, and adds it to the history.
    pub(crate) fn set_overview(&mut self, mut overview: Overview) {
        if overview.standing.title.is_empty() {
            // Of a daemon that is older than this.
            overview.standing = overview.judged();
        }
        self.history.take(&overview);
        self.drops.forget(overview.time_ms / 1_000);
        self.overview = Some(overview);
    }

    /// Adds an event.
    pub(crate) fn add_event(&mut self, event: &Event) {
        if let Event::Drop(report) = event {
            return self.drops.take(report);
        }
        if let Some(line) = words::event(event) {
            if self.events.len() == MAX_EVENTS {
                self.events.pop_front();
            }
            self.events.push_back(line);
        }
    }

    /// Adds what had happened in an incident before this was started.
    pub(crate) fn add_past(&mut self, timeline: &[IncidentLine]) {
        let first = self.events.front().map_or(u64::MAX, |line| line.time_ms);
        let room = MAX_EVENTS - self.events.len();
        let before = timeline.iter().rev().filter(|line| line.time_ms < first);
        before.take(room).for_each(|line| self.events.push_front(words::past(line)));
    }

    /// The open incident, if there is one.
    pub(crate) fn incident(&self) -> Option<&Incident> {
        let incidents = self.overview.iter().flat_map(|overview| &overview.incidents);
        incidents.into_iter().find(|incident| incident.phase != IncidentPhase::Resolved)
    }
}
