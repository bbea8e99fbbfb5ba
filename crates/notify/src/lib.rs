//! Tells people and programs of incidents.
//!
//! The configuration names targets ([`NotifyTable`] as written, [`Target`] as understood). The daemon gives what becomes of
//! incidents to the [`Notifier`], which decides what each target is told and puts it into the target's own bounded
//! queue; neither ever waits. On a thread of its own a task for each target takes messages out of the queue and delivers
//! them: at a bounded rate, within bounded time, again where that may help. So a target that hangs keeps only itself.
//!
//! Each kind of target is a file in `kinds`. Secrets are read when they are needed, from where the configuration says that
//! they lie, and shown by nothing.

mod event;
mod failure;
mod http;
mod kinds;
mod message;
mod notifier;
mod queue;
mod route;
mod sample;
mod secret;
mod status;
mod target;
mod worker;
mod written;

pub use event::Event;
pub use notifier::{Notifier, Untested};
pub use target::Target;
pub use written::{MOST_TARGETS, NotifyTable};
