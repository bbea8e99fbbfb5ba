//! `cargo xtask bench`: what a packet costs.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::build;
use crate::setup::{self, Talk};
use crate::shell;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Options of the benchmark; `--help` tells them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
    options: Vec<OsString>,
}

/// Builds the benchmark and runs it.
///
/// # Errors
/// When setup or the build fails, or the benchmark cannot be run.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    setup::run(Talk::Changes)?;
    let mut cargo = shell::cargo();
    cargo.args(["build", "--release", "--package", "floodwall-bench"]);
    let executables = build::executables(&mut cargo)?;
    let built = executables.into_iter().find(|built| built.target == "floodwall-bench");
    let path = built.context("cargo built the benchmark, but named no executable")?.path;
    let status = shell::status(Command::new(path).args(&options.options))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
