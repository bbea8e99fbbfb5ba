//! A view of floodwall in a terminal, which looks each second.
//!
//! It is a client of the control socket and nothing else: it asks for an [`Overview`](floodwall_api::Overview) each second and
//! listens to events (`feed`); what comes is kept (`data`), with rates over a quarter of an hour (`history`) and the sources of
//! sampled drops (`tally`). Keys turn into what is shown, or into an act, which is a command of the command line and says
//! so before it is carried out. Drawing knows nothing of how figures come.

mod act;
mod app;
mod data;
mod draw;
mod feed;
mod history;
mod keys;
mod run;
mod tables;
mod tally;
#[cfg(test)]
mod tests;
mod view;
mod words;

pub use run::{Options, TopError, run};
