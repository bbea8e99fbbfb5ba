//! Notices attacks, and finds what tells their packets from others.
//!
//! [`sample`]: what is learnt from a packet that the kernel program shows. [`usual`]: how many come, and whether that
//! is more than usual. [`baseline`]: what they usually look like. [`mine`]: what those of an attack have in common.
//! [`deployed`]: signatures in force, watched and withdrawn. [`Detector`] drives all of it by a clock that it is
//! given; it knows nothing of the kernel, and does the same for the same samples.

mod baseline;
mod condition;
mod conduct;
mod deployed;
mod detector;
mod event;
mod kind;
mod mine;
mod sample;
mod search;
mod usual;

pub use deployed::{Deployed, Turn};
pub use detector::{Detector, TICK};
pub use event::{Counts, Event};
pub use sample::Sample;
