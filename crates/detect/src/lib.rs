//! Notices attacks, and finds what tells their packets from others.
//!
//! | | |
//! |---|---|
//! | [`sample`], [`packet_kind`] | what is learnt from a packet that the kernel program shows |
//! | [`alarm`] | whether a service is attacked: what has not proven itself, held against chance |
//! | [`service_load`], [`baseline_rate`] | how many come for each service |
//! | [`proof`] | which flows have proven themselves, and so teach what is usual |
//! | [`baseline`], [`reservoir`], [`sources`] | what packets usually look like, and who was there before |
//! | [`unproven`] | what came in calm times and has proven nothing |
//! | [`visits`] | who comes time and again |
//! | [`reference_set`], [`assumed`] | what unusual packets are held against, also where little was seen yet |
//! | [`search`], [`mining`], [`condition`] | what those of an attack have in common |
//! | [`examples`], [`columns`], [`tally`] | packets laid out so that a condition's are counted fast |
//! | [`repetition`] | what is asked to come again where nothing tells an attack apart |
//! | [`incident`] | attacks, and their waves |
//! | [`deployment`] | signatures in force, watched and withdrawn |
//! | [`would_ban`], [`recent`] | whom one would ban for what it does |
//! | [`memory`] | what is kept over a restart |
//! | [`view`] | what the kernel program knows of sources, to read |
//! | [`action`] | what is to be done about all this |
//! | [`owner`] | the task that owns a detector, and what others see of it |
//!
//! [`Detector`] drives all of it by a clock that it is given; it knows nothing of the kernel, changes no table, and
//! does the same for the same samples. What it returns is applied by its owner.

mod action;
mod alarm;
mod assumed;
mod baseline;
mod baseline_rate;
mod columns;
mod condition;
mod deployment;
mod detector;
mod event;
mod examples;
mod incident;
mod memory;
mod mining;
mod moment;
mod owner;
mod packet_kind;
mod proof;
mod recent;
mod reference_set;
mod repetition;
mod reservoir;
mod sample;
mod search;
mod service_load;
pub mod signature;
mod sources;
mod tally;
mod unproven;
mod view;
mod visits;
mod would_ban;

#[cfg(test)]
mod tests;

pub use action::{Action, Deployment};
pub use alarm::{Cause as AlarmCause, Class, Excess, Level};
pub use deployment::{Deployed, Held, Turn, place_of};
pub use detector::Detector;
pub use event::Event;
pub use memory::Memory;
pub use moment::{Moment, TICK};
pub use owner::{Detection, Ended, Owner, Snapshot, Surroundings};
pub use sample::Sample;
pub use service_load::Counts;
pub use view::KernelView;
pub use would_ban::Cause;
