//! `floodwall top`: a live view in a terminal.
//!
//! It is a client of the control socket and nothing else. `feed` polls an [`Overview`](floodwall_api::Overview) once a second
//! and follows the events; `model` keeps what has arrived, with rates over 15 minutes (`history`) and the sources of sampled
//! drops (`sampled_drops`). `keys` changes the state of the user interface (`app`), or proposes a change (`act`), which is
//! shown as a command of the command line before it is carried out. `draw` draws the state.

mod act;
mod app;
mod draw;
mod feed;
mod history;
mod keys;
mod model;
mod run;
mod sampled_drops;
mod tables;
#[cfg(test)]
mod tests;
mod view;
mod words;

pub use run::{Options, TopError, run};
