//! The daemon's side of systemd: [sockets](inherited) that systemd hands over at the start (`sd_listen_fds(3)`), and
//! notifications to the service manager through [`ServiceManager`] (`sd_notify(3)`).
//!
//! Under another service manager no sockets are handed over and notifications go nowhere.

mod listen;
mod progress;
mod service_manager;

pub use listen::{Inherited, InheritedError, inherited};
pub use progress::Progress;
pub use service_manager::{Reloading, ServiceManager, reloading};
