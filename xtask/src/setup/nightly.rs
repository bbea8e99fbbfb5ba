//! A dated nightly from rustup, which builds `core` for BPF from its own sources.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::toolchain::Toolchain;
use crate::shell;
use crate::steps::Steps;

/// Whether it is there with its sources; says which version.
///
/// # Errors
/// What is lacking.
pub(super) fn usable() -> Result<String> {
    let name = Toolchain::Nightly.name();
    let root = shell::output(shell::rustup_run(name, "rustc").args(["--print", "sysroot"]))
        .with_context(|| format!("{name} is not installed"))?;
    let sources = Path::new(root.trim()).join("lib/rustlib/src/rust/library/core");
    ensure!(sources.exists(), "{name} has no rust-src: rustup component add rust-src --toolchain {name}");
    shell::output(shell::rustup_run(name, "rustc").arg("--version")).map(|version| version.trim().to_owned())
}

/// Installs it.
///
/// # Errors
/// Without rustup or network.
pub(super) fn install(steps: &Steps) -> Result<()> {
    let name = Toolchain::Nightly.name();
    let mut install = Command::new("rustup");
    install.args(["toolchain", "install", name, "--profile", "minimal"]);
    install.args(["--component", "rust-src", "--component", "clippy"]);
    steps.install(name, &mut install).with_context(|| {
        format!("installing {name} with rust-src (needs rustup from https://rustup.rs and network)")
    })
}
