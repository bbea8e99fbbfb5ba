//! Ctrl-C and SIGTERM end the show in order: destructors take down what was built.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

static ASKED: AtomicBool = AtomicBool::new(false);

extern "C" fn ask(_signal: nix::libc::c_int) {
    ASKED.store(true, Ordering::Relaxed);
}

/// From now on such a signal is remembered, and does nothing else.
pub(super) fn watch() -> Result<()> {
    let action = SigAction::new(SigHandler::Handler(ask), SaFlags::SA_RESTART, SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: the handler only stores to an atomic.
        unsafe { sigaction(signal, &action) }.with_context(|| format!("watching for {signal}"))?;
    }
    Ok(())
}

/// Whether one has come.
pub(super) fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
