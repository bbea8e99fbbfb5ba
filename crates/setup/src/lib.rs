//! The first hour of floodwall on a host: what is [proposed](Proposal) to be protected, out of what listens there and by
//! which interfaces packets come; how that is [written](write) into a configuration without a word of an operator's being
//! lost; and what it [would drop](Forecast) once it does not only count.
//!
//! Pure: what is there is read, and what is written is put into place, by whoever asks.

mod changes;
mod file;
mod forecast;
mod known;
mod proposal;

pub use changes::changes;
pub use file::{Unwritable, enforce, write};
pub use forecast::{Forecast, Foreseen};
pub use proposal::{Listening, Proposal, ProposedService};
