//! What floodwall's controller knows beside the tables ([`records`]), and how it outlives a reboot.
//!
//! ```text
//! STATE/state-1.db             the state: a SQLite database of records, numbered, with checksums, each linked to those before
//! STATE/state-1.db-wal         its write-ahead log, while a daemon runs and after one was killed
//! STATE/witness                names the database and the last record that was acknowledged
//! STATE/snapshot.jsonl         tells a floodwall of format 1 that the state is of a later one
//! STATE/baseline.json.gz       what is usual, now and then; no loss if it is lost
//! STATE/clients.json.gz        which clients are known, once an hour; likewise
//! STATE/audit.jsonl            who has asked for which change; no part of the state
//! STATE/lock                   held by the daemon that uses the directory
//! STATE/set-aside-1796000000/  files as they were when something else took their place
//! ```
//!
//! A change is a record ([`record`]), or several in a batch. It is acknowledged once the database has it on disk and the
//! [`witness`] names it; so whatever takes a record out of the database, or changes one, is seen at the next start
//! ([`verification`]). What is damaged is [`Damage`]: whoever opens the directory is given what could be read, and nothing
//! is changed in it, until an operator puts right what is damaged or accepts what is there.
//!
//! Which database holds is what the witness says, and so a new one takes the place of an old one all at once: when
//! format 1 is left ([`format_1`] reads it), when damage is accepted, and when a copy is brought in.

mod audit;
mod claim;
mod compaction;
mod damage_report;
mod files;
mod format_1;
mod in_use;
mod learnt;
mod lists;
mod offline;
mod open;
mod reading;
mod record;
pub mod records;
mod replace;
mod sqlite;
mod store;
#[cfg(test)]
mod tests;
mod text;
mod verification;
mod witness;

pub use self::{
    audit::{AuditLog, read as read_audit},
    claim::claim,
    damage_report::{Damage, DamageReport, Damaged, Flaw},
    learnt::{Learnt, keep_learnt, kept_learnt},
    offline::{Account, Obstacle, Replaced, Wrong, check, export, import, repair},
    open::{Kept, Opened},
    store::Store,
};
