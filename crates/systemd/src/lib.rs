//! The daemon's side of systemd: [sockets](inherited) that systemd hands over at the start (`sd_listen_fds(3)`), and
//! notifications to the service manager through [`Supervisor`] (`sd_notify(3)`).
//!
//! Under another service manager no sockets are handed over and notifications go nowhere.

mod heartbeat;
mod listen;
mod supervisor;

pub use heartbeat::Heartbeat;
pub use listen::{Inherited, InheritedError, inherited};
pub use supervisor::{Reloading, Supervisor, reloading};
