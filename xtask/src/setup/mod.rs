//! `cargo xtask setup`: everything that building and testing need, pinned, and only what is missing.
//!
//! Each step first looks, then acts. On a machine where all is there, nothing is called that could
//! change it, so this is cheap enough for other tasks to call it first.

mod bpffs;
mod debian;
pub(crate) mod deny;
mod linker;
mod nightly;
mod programs;
mod services;
mod toolchain;

use anyhow::{Context as _, Result, ensure};
pub(crate) use programs::missing as missing_programs;
pub(crate) use toolchain::{Toolchain, chosen};

use crate::shell;
use crate::steps::Steps;

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Talk {
    /// Every step.
    All,
    /// Only steps that change or lack something: for tasks that call setup first.
    Changes,
}

/// Makes the machine able to build, lint and test.
///
/// # Errors
/// When something that building needs is missing and cannot be installed here; says how it can.
pub(crate) fn run(talk: Talk) -> Result<()> {
    let steps = Steps { verbose: talk == Talk::All };
    let mut apt = debian::Apt::default();
    host_components(&steps)?;
    let toolchain = toolchain::ensure(&steps, &mut apt)?;
    if toolchain == Toolchain::Debian
        && let Err(error) = debian::ensure_clippy(&steps, &mut apt)
    {
        steps.lacking("clippy for the kernel half", &format!("it is compiled, but not linted; {error:#}"));
    }
    linker::ensure(&steps, toolchain, &mut apt)?;
    programs::ensure(&steps, &mut apt);
    services::ensure(&steps, &mut apt);
    bpffs::ensure(&steps)
}

/// rustfmt and clippy come with rustup's default profile, but not with its minimal one.
fn host_components(steps: &Steps) -> Result<()> {
    let root = shell::output(std::process::Command::new("rustc").args(["--print", "sysroot"]))
        .context("finding the Rust toolchain of this checkout (https://rustup.rs installs one)")?;
    let directory = std::path::Path::new(root.trim()).join("bin");
    if directory.join("cargo-clippy").exists() && directory.join("rustfmt").exists() {
        steps.ok("rustfmt and clippy", root.trim());
        return Ok(());
    }
    let mut add = std::process::Command::new("rustup");
    add.args(["component", "add", "rustfmt", "clippy"]).current_dir(shell::root());
    let added = steps.install("rustfmt and clippy", &mut add);
    added.context("adding rustfmt and clippy to the toolchain (needs rustup and network)")?;
    ensure!(directory.join("rustfmt").exists(), "rustup added rustfmt, but not to {}", directory.display());
    Ok(())
}
