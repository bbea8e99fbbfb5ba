//! A host with the daemon as it comes: what it costs besides the filter's own nanoseconds.
//!
//! [`bulk`] sends one TCP connection's data through a protected interface, and beside it through one whose program only
//! passes. [`share`] floods a protected interface, and asks for the time that the daemon has had on a processor, with
//! and without [`watchers`]. The daemon is that of the release build, with the configuration of a fresh install.

mod bulk;
mod share;
mod watchers;

use std::path::Path;

use floodwall_lab::{daemon, namespace};
use serde::Serialize;

use self::{bulk::Bulk, share::Share};
use crate::report::Machine;

/// The interface of the host.
const INTERFACE: &str = "uplink";
/// Of `floodwall run --mode`: in the driver, as on a card.
const MODE: &str = "native";

/// Everything that came out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Whole {
    machine: Machine,
    share: Share,
    bulk: Bulk,
}

/// Measures both with the daemon `binary`; bulk transfers in so many rounds.
pub(crate) fn run(binary: &Path, rounds: usize) -> anyhow::Result<Whole> {
    namespace::sweep()?;
    daemon::sweep();
    // First, as what follows keeps to one processor.
    let share = share::run(binary)?;
    let bulk = bulk::run(binary, rounds)?;
    Ok(Whole { machine: Machine::this()?, share, bulk })
}

/// As text.
pub(crate) fn render(whole: &Whole) -> String {
    let Whole { machine, share, bulk } = whole;
    format!("{}, Linux {}\n\n{share}\n{bulk}", machine.processor, machine.kernel)
}
