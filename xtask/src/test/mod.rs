//! `cargo xtask test`: builds all tests, runs them, and counts.
//!
//! The test programs are run one after the other by this task and not by cargo, so that each
//! one's counts, skips and crash are known to be its own.

mod part;
mod tally;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::build::{self, Executable};
use crate::setup::{self, Talk};
use crate::shell;
use part::Part;
use tally::Tally;

/// The package whose tests build namespaces and floods; too many at a time disturb each other.
const LIVE: &str = "floodwall-tests";
const LIVE_THREADS: &str = "--test-threads=2";

/// Which tests.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only tests whose path contains this
    filter: Option<String>,
    /// Only tests of these packages
    #[arg(short, long, value_name = "PACKAGE")]
    package: Vec<String>,
    /// Further arguments of the test programs, such as `--nocapture`
    #[arg(last = true)]
    extra: Vec<String>,
}

/// Runs the tests. The last line printed is `N passed, N failed, N skipped`.
///
/// # Errors
/// When setup or the build fails.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    setup::run(Talk::Changes)?;
    let mut build = shell::cargo();
    build.args(["test", "--no-run"]);
    select(&mut build, options);
    let mut executables = build::executables(&mut build)?;
    executables.retain(|executable| executable.is_test);
    // Cargo names them in the order that they were done.
    executables.sort_by(|a, b| (&a.manifest, &a.kind, &a.target).cmp(&(&b.manifest, &b.kind, &b.target)));

    let directory = tempfile::tempdir().context("making a directory for the list of skips")?;
    let skips = directory.path().join("skips");
    let mut parts = Vec::new();
    for executable in &executables {
        let part = program(executable, options);
        parts.push(part.run(&skips)?);
    }
    // Cargo refuses to look for examples where there is no library.
    if executables.iter().any(|executable| executable.kind == "lib") {
        parts.push(documentation(options).run(&skips)?);
    }
    Ok(summary(&parts))
}

fn select(command: &mut std::process::Command, options: &Options) {
    if options.package.is_empty() {
        command.arg("--workspace");
    }
    for package in &options.package {
        command.args(["--package", package]);
    }
}

/// The arguments that every test program understands.
fn arguments(options: &Options) -> impl Iterator<Item = &String> {
    options.filter.iter().chain(&options.extra)
}

fn program(executable: &Executable, options: &Options) -> Part {
    let home = executable.manifest.parent().unwrap_or(&executable.manifest);
    let package = package_name(executable);
    let mut command = std::process::Command::new(&executable.path);
    // As cargo runs them.
    command.current_dir(home).env("CARGO_MANIFEST_DIR", home).env("CARGO_PKG_NAME", &package);
    command.args(arguments(options));
    if package == LIVE && !options.extra.iter().any(|argument| argument.starts_with("--test-threads")) {
        command.arg(LIVE_THREADS);
    }
    let name = match executable.kind.as_str() {
        "test" => format!("{package}/{}", executable.target),
        kind => format!("{package} ({kind})"),
    };
    Part { name, command }
}

/// The name stands in the manifest's own first lines; cargo's message only has an opaque id.
fn package_name(executable: &Executable) -> String {
    let manifest = std::fs::read_to_string(&executable.manifest).unwrap_or_default();
    let name = manifest.lines().find_map(|line| line.strip_prefix("name = "));
    name.map_or_else(|| executable.target.clone(), |name| name.trim_matches('"').to_owned())
}

fn documentation(options: &Options) -> Part {
    let mut command = shell::cargo();
    command.args(["test", "--doc", "--no-fail-fast"]);
    select(&mut command, options);
    command.arg("--").args(arguments(options));
    Part { name: "examples in documentation".to_owned(), command }
}

/// Prints what was counted, part by part and in all.
fn summary(parts: &[Tally]) -> ExitCode {
    println!();
    for part in parts.iter().filter(|part| part.total() > 0 || part.broken.is_some()) {
        println!("{:<44} {}", part.name, part.counts());
    }
    let told =
        parts.iter().any(|part| !part.skips.is_empty() || !part.failures.is_empty() || part.broken.is_some());
    if told {
        println!();
    }
    for part in parts {
        for skip in &part.skips {
            println!("skipped  {}: {}", skip.test, skip.reason);
        }
    }
    for part in parts {
        for failure in &part.failures {
            println!("FAILED   {}: {failure}", part.name);
        }
        if let Some(broken) = &part.broken {
            println!("FAILED   {}: {broken}", part.name);
        }
    }
    let all = tally::sum(parts);
    if all.total() == 0 {
        println!("No test was run: the filter fits none.");
    }
    println!();
    println!("{}", all.counts());
    let good = all.failed == 0 && all.total() > 0;
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
