//! What is shown, and what a key does to it.

use std::time::Instant;

use floodwall_api::WhyReport;

use crate::{
    act::Act,
    data::Data,
    tables::{About, Table, first_sort},
    view::View,
};

/// What lies above the view.
#[derive(Clone, Debug)]
pub(crate) enum Overlay {
    /// What the keys do.
    Help,
    /// A command, and whether to run it.
    Confirm(Act),
    /// What becomes of an address's packets, and why; `None` until it has been answered.
    Source { address: String, why: Option<Result<Box<WhyReport>, String>> },
    /// A signature, in full.
    Signature(u32),
}

/// What is to be done outside of here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Nothing,
    Quit,
    /// To be asked why.
    Ask(String),
    Run(Act),
}

/// How a view is looked at.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// A column, and whether the order is turned around.
    pub(crate) sort: (usize, bool),
    pub(crate) filter: String,
    /// What the chosen row is about, and where it was: rows move.
    pub(crate) chosen: (usize, Option<About>),
}

/// Everything that is shown.
#[derive(Debug)]
pub(crate) struct App {
    live: Data,
    /// What was known when it was paused.
    frozen: Option<Box<Data>>,
    pub(crate) view: View,
    looks: [Look; View::ALL.len()],
    pub(crate) overlay: Option<Overlay>,
    /// A filter is being typed.
    pub(crate) typing: bool,
    /// What became of the last command, and whether that is good.
    pub(crate) message: Option<(String, bool)>,
    /// Why nothing comes any more, and since when.
    pub(crate) trouble: Option<(String, Instant)>,
    /// Nothing can be done from here.
    pub(crate) read_only: bool,
}

impl App {
    pub(crate) fn new(read_only: bool) -> Self {
        let look = |view| Look { sort: (first_sort(view), false), filter: String::new(), chosen: (0, None) };
        Self {
            live: Data::default(),
            frozen: None,
            view: View::Overview,
            looks: View::ALL.map(look),
            overlay: None,
            typing: false,
            message: None,
            trouble: None,
            read_only,
        }
    }

    /// What is to be shown.
    pub(crate) fn data(&self) -> &Data {
        self.frozen.as_deref().unwrap_or(&self.live)
    }

    pub(crate) fn live_mut(&mut self) -> &mut Data {
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

    pub(crate) fn look(&self) -> &Look {
        &self.looks[self.view as usize]
    }

    pub(crate) fn look_mut(&mut self) -> &mut Look {
        &mut self.looks[self.view as usize]
    }

    /// What the view lists at this moment.
    pub(crate) fn table(&self) -> Table {
        let look = self.look();
        Table::of(self.view, self.data(), look.sort, &look.filter)
    }

    /// Where the chosen row stands in a table: where what it is about has gone, else where it was.
    pub(crate) fn place(&self, table: &Table) -> Option<usize> {
        let (before, about) = &self.look().chosen;
        let is_it = |row: &crate::tables::Row| about.as_ref() == Some(&row.about);
        let found = table.rows.iter().position(is_it);
        found.or_else(|| table.rows.len().checked_sub(1).map(|last| (*before).min(last)))
    }

    /// What the chosen row is about.
    pub(crate) fn chosen(&self) -> Option<About> {
        let table = self.table();
        self.place(&table).map(|place| table.rows[place].about.clone())
    }

    /// Chooses the row so many further on.
    pub(crate) fn step(&mut self, by: isize) {
        let table = self.table();
        let Some(place) = self.place(&table) else { return };
        let place = place.saturating_add_signed(by).min(table.rows.len() - 1);
        self.look_mut().chosen = (place, Some(table.rows[place].about.clone()));
    }

    /// Another view, so many further on.
    pub(crate) fn turn(&mut self, by: usize) {
        let place = (self.view as usize + by) % View::ALL.len();
        self.view = View::ALL[place];
    }

    /// It was answered why.
    pub(crate) fn answered(&mut self, of: &str, answer: Result<Box<WhyReport>, String>) {
        if let Some(Overlay::Source { address, why }) = &mut self.overlay
            && address == of
        {
            *why = Some(answer);
        }
    }
}
