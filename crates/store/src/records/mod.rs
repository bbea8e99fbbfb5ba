//! What is known beyond what the tables hold: as it is changed, written to disk, and read back.
//!
//! Data and nothing else: the controller's `state` brings it into force, the [`Store`](crate::Store) keeps it.

mod bans;
mod change;
mod known;
mod lockdown;
mod origin;
mod trial;

pub use bans::{Ban, BanBook};
pub use change::Change;
pub use known::{ImportRecord, NoteRecord, Records, RuleRecord, SignatureRecord};
pub use lockdown::LockdownRecord;
pub use origin::{Origin, Origins};
pub use trial::{Trial, TrialBook, Undo};

#[cfg(test)]
mod tests;
