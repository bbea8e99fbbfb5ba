//! The state of the user interface.

use std::time::Instant;

use floodwall_api::WhyReport;

use crate::{
    act::Act,
    model::Model,
    tables::{Subject, Table, first_sort},
    view::View,
};

/// What is shown on top of the view.
#[derive(Clone, Debug)]
pub(crate) enum Overlay {
    /// The list of keys.
    Help,
    /// The question whether to carry out a change.
    Confirm(Act),
    /// The explanation of what happens to an address's packets; `None` until the daemon has answered.
    Source { address: String, why: Option<Result<Box<WhyReport>, String>> },
    /// The details of a signature.
    Signature(u32),
}

/// What the event loop has to do after a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Nothing,
    Quit,
    /// Ask the daemon what happens to an address's packets.
    Ask(String),
    Run(Act),
}

/// The sorting, filter and selection of one view.
#[derive(Clone, Debug)]
pub(crate) struct ViewState {
    /// The column that rows are sorted by, and whether in reverse.
    pub(crate) sort: (usize, bool),
    pub(crate) filter: String,
    /// The index and the subject of the selected row. Rows move, so the subject decides.
    pub(crate) chosen: (usize, Option<Subject>),
}

/// The state of the user interface.
#[derive(Debug)]
pub(crate) struct App {
    live: Model,
    /// A copy of `live` from when the display was paused.
    frozen: Option<Box<Model>>,
    pub(crate) view: View,
    view_states: [ViewState; View::ALL.len()],
    pub(crate) overlay: Option<Overlay>,
    /// Whether a filter is being typed.
    pub(crate) typing: bool,
    /// The result of the last change, and whether it is a success.
    pub(crate) message: Option<(String, bool)>,
    /// Why the daemon does not answer, and since when.
    pub(crate) trouble: Option<(String, Instant)>,
    /// Whether no changes can be made.
    pub(crate) read_only: bool,
}

impl App {
    pub(crate) fn new(read_only: bool) -> Self {
        let state =
            |view| ViewState { sort: (first_sort(view), false), filter: String::new(), chosen: (0, None) };
        Self {
            live: Model::default(),
            frozen: None,
            view: View::Overview,
            view_states: View::ALL.map(state),
            overlay: None,
            typing: false,
            message: None,
            trouble: None,
            read_only,
        }
    }

    /// What is shown: live, or frozen while paused.
    pub(crate) fn model(&self) -> &Model {
        self.frozen.as_deref().unwrap_or(&self.live)
    }

    pub(crate) fn live_mut(&mut self) -> &mut Model {
        &mut self.live
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.frozen.is_some()
    }

    pub(crate) fn pause(&mut self) {
        self.frozen = match self.frozen {
            Some(_) => None,
            None => Some(Box::new(self.live.clone())),
        };
    }

    pub(crate) fn view_state(&self) -> &ViewState {
        &self.view_states[self.view as usize]
    }

    pub(crate) fn view_state_mut(&mut self) -> &mut ViewState {
        &mut self.view_states[self.view as usize]
    }

    /// The table of the current view.
    pub(crate) fn table(&self) -> Table {
        let state = self.view_state();
        Table::of(self.view, self.model(), state.sort, &state.filter)
    }

    /// The index of the selected row: that of its subject, or if that is gone, the previous index.
    pub(crate) fn place(&self, table: &Table) -> Option<usize> {
        let (before, subject) = &self.view_state().chosen;
        let is_it = |row: &crate::tables::Row| subject.as_ref() == Some(&row.subject);
        let found = table.rows.iter().position(is_it);
        found.or_else(|| table.rows.len().checked_sub(1).map(|last| (*before).min(last)))
    }

    /// The subject of the selected row.
    pub(crate) fn chosen(&self) -> Option<Subject> {
        let table = self.table();
        self.place(&table).map(|place| table.rows[place].subject.clone())
    }

    /// Moves the selection by a number of rows.
    pub(crate) fn step(&mut self, by: isize) {
        let table = self.table();
        let Some(place) = self.place(&table) else { return };
        let place = place.saturating_add_signed(by).min(table.rows.len() - 1);
        self.view_state_mut().chosen = (place, Some(table.rows[place].subject.clone()));
    }

    /// Moves on by a number of views.
    pub(crate) fn turn(&mut self, by: usize) {
        let place = (self.view as usize + by) % View::ALL.len();
        self.view = View::ALL[place];
    }

    /// Shows the daemon's answer about an address, if that is still wanted.
    pub(crate) fn answered(&mut self, of: &str, answer: Result<Box<WhyReport>, String>) {
        if let Some(Overlay::Source { address, why }) = &mut self.overlay
            && address == of
        {
            *why = Some(answer);
        }
    }
}
