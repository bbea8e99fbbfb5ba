//! Notices attacks, and finds what tells their packets from others.
//!
//! | | |
//! |---|---|
//! | [`sample`], [`kind`] | what is learnt from a packet that the kernel program shows |
//! | [`alarm`] | whether a service is attacked: what has not proven itself, held against chance |
//! | [`load`], [`usual`] | how many come for each service |
//! | [`proof`] | which flows have proven themselves, and so teach what is usual |
//! | [`baseline`], [`reservoir`], [`sources`] | what packets usually look like, and who was there before |
//! | [`picture`], [`assumed`] | what unusual packets are held against, also where little was seen yet |
//! | [`search`], [`mine`], [`condition`] | what those of an attack have in common |
//! | [`examples`], [`columns`], [`tally`] | packets laid out so that a condition's are counted fast |
//! | [`repetition`] | what is asked to come again where nothing tells an attack apart |
//! | [`incident`] | attacks, and their waves |
//! | [`deployed`] | signatures in force, watched and withdrawn |
//! | [`conduct`], [`recent`] | whom one would ban for what it does |
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
mod columns;
mod condition;
mod conduct;
mod deployed;
mod detector;
mod event;
mod examples;
mod incident;
mod kind;
mod load;
mod memory;
mod mine;
mod moment;
mod owner;
mod picture;
mod proof;
mod recent;
mod repetition;
mod reservoir;
mod sample;
mod search;
pub mod signature;
mod sources;
mod tally;
mod usual;
mod view;

#[cfg(test)]
mod tests;

pub use action::{Action, Deployment};
pub use alarm::{Cause as AlarmCause, Class, Excess, Level};
pub use conduct::Cause;
pub use deployed::{Deployed, Held, Turn, place_of};
pub use detector::Detector;
pub use event::Event;
pub use load::Counts;
pub use memory::Memory;
pub use moment::{Moment, TICK};
pub use owner::{Detection, Ended, Owner, Snapshot, Surroundings};
pub use sample::Sample;
pub use view::KernelView;
