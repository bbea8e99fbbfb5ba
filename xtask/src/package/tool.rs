//! Installs cargo-deb. Building it takes some minutes, so only this task does that.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::shell;
use crate::steps::Steps;

/// The pinned version.
const VERSION: &str = "3.8.0";

/// The pinned version in `.tools`, installed if it is not there.
///
/// # Errors
/// When it cannot be installed: without network.
pub(super) fn cargo_deb() -> Result<PathBuf> {
    let ours = shell::tools().join("bin/cargo-deb");
    let installed = shell::output(Command::new(&ours).arg("--version"));
    if installed.is_ok_and(|text| text.split_whitespace().any(|word| word == VERSION)) {
        return Ok(ours);
    }
    let mut install = shell::cargo();
    install
        .args(["install", "cargo-deb", "--version", VERSION, "--locked", "--force", "--no-default-features"])
        .args(["--root".as_ref(), shell::tools().as_os_str()])
        // Keeps the checkout's Cargo configuration and target directory out of this build.
        .current_dir("/")
        .env_remove("CARGO_TARGET_DIR");
    let steps = Steps { verbose: false };
    steps.install(&format!("cargo-deb {VERSION}"), &mut install).context("installing cargo-deb")?;
    Ok(ours)
}
