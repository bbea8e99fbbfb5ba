//! The controller of floodwall, and its command line.
//!
//! A command's way: [`cli`] (syntax in, meaning out) → [`client`] → [`api`] (requests and responses) → [`server`]
//! (the control socket) → [`state`] (what is wanted, as changes) → [`tables`] (the memory that packets are judged
//! by) and [`store`] (what outlives a reboot).
//!
//! A packet's way is in `floodwall_common`; [`kernel`] brings it into the kernel, and is the only crate of them that
//! names aya. What it samples goes to [`detect`], which notices attacks and finds a [`signature`] for them; [`policy`] says
//! which rates hold for whom. [`daemon`] wires all of this, and nothing more. [`host`] reads what floodwall must know of the
//! machine, [`lists`] reads public blocklists, `origin_lists` keeps those of networks and countries, [`config`] the configuration file. [`replay`] runs all of it on
//! captures, in virtual time.

pub mod cli;
pub mod daemon;
mod log;
mod origin_lists;
pub mod server;

pub use floodwall_api::{self as api, client};
pub use floodwall_config::{self as config, options};
pub use floodwall_detect::{self as detect, signature};
pub use floodwall_event as event;
pub use floodwall_host as host;
pub use floodwall_kernel as kernel;
pub use floodwall_notify as notify;
pub use floodwall_policy::{self as policy, lists};
pub use floodwall_replay as replay;
pub use floodwall_state as state;
pub use floodwall_store::{self as store, records};
pub use floodwall_tables::{self as tables, lock};
