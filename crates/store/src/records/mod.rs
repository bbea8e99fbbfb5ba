//! What is known beyond what the tables hold: as it is changed, written to disk, and read back.
//!
//! Data and nothing else: `state` brings it into force, `store` keeps it.

mod bans;
mod change;
mod known;
mod origin;

pub use bans::{Ban, BanBook};
pub use change::Change;
pub use known::{ImportRecord, NoteRecord, Records};
pub use origin::{Origin, Origins};
