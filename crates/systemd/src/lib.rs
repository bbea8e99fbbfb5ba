//! What systemd gives a daemon at its start, and is told by it: [sockets](inherited) that it listens on already
//! (`sd_listen_fds(3)`), and news for its [`Supervisor`] (`sd_notify(3)`).
//!
//! Where systemd has no part in the process, nothing is given, and nobody is told.

mod heartbeat;
mod listen;
mod supervisor;

pub use heartbeat::Heartbeat;
pub use listen::{CONTROL, Inherited, InheritedError, READ_ONLY, inherited};
pub use supervisor::{Reloading, Supervisor, reloading};
