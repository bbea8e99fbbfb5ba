//! Setting up floodwall on a host: a [`Proposal`] of services made from the ports that are listened at; [`write()`], which
//! adds it to a configuration file without losing what an operator has written; and a [`Forecast`] of what enforcing the
//! configuration would drop.
//!
//! This crate has no side effects: the caller reads the host and the files, and writes the result.

mod changes;
mod file;
mod forecast;
mod known;
mod proposal;

pub use changes::changes;
pub use file::{EditError, enforce, write};
pub use forecast::{Forecast, ForecastReason};
pub use proposal::{Listening, Proposal, ProposedService};
