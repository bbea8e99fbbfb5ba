//! Incidents: attacks from their first packet to their end, as they are kept and told.
//!
//! Whoever runs the filter tells what happens ([`Told`]), what was counted ([`Look`]) and what was sampled ([`Sampled`]) to
//! the [`Recorder`], which makes incidents of it and does nothing by itself. The [`Keeper`] has them written down in a
//! file of their own, on a thread of its own, and its [`Shelf`] answers who asks. What kind of attack it is, is told by
//! [`vector`].
//!
//! [`report`] puts it into words for others, and [`pcapng`] into a capture.
//!
//! Nothing here knows how attacks are found or what is done about them.

mod census;
mod database;
mod evidence;
mod harm;
mod keeper;
mod open;
mod past;
pub mod pcapng;
mod rates;
mod recorder;
mod redact;
pub mod report;
mod tally;
mod told;
pub mod vector;
mod who;

pub use database::Limits;
pub use evidence::{Frame, SNAP_LENGTH};
pub use keeper::{FILE, Keeper, POINTS, Shelf};
pub use past::Past;
pub use recorder::{Changes, Kept, News, Recorder, SAME_INCIDENT};
pub use redact::text as redacted;
pub use told::{Counted, Excess, Look, OfService, Reading, Sampled, Stage, Told};
