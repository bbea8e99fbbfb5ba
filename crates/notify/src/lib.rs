//! Notifies people and programs of incidents.
//!
//! The configuration names targets ([`NotifyTable`] as written, [`Target`] once validated). The daemon passes the events of
//! incidents to the [`Notifier`], which decides what each target is sent and puts the messages into the target's bounded
//! queue, without ever waiting. On a separate thread, a task for each target delivers the messages: at a bounded rate, within
//! bounded time, with retries where these may help. A target that hangs therefore delays no other.
//!
//! Each kind of target is a file in `kinds`. Secrets are read from files or systemd credentials when they are needed, and
//! appear in no output.

mod delivery;
mod failure;
mod filter;
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
mod written;

pub use notifier::{Notifier, Untested};
pub use target::Target;
pub use written::{MAX_TARGETS, NotifyTable};
