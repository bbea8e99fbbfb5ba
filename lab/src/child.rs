//! Processes that must not go on without the one that has started them.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

/// Has a process asked to end (SIGTERM) when the thread that starts it is gone, be it that somebody has killed its process.
pub fn ends_with_us(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec the closure makes one system call.
    unsafe { command.pre_exec(|| set_pdeathsig(Signal::SIGTERM).map_err(io::Error::from)) }
}
