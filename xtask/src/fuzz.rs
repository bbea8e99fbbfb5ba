//! `cargo xtask fuzz`: random and mutated input, steered towards code that was not reached yet (libFuzzer).
//!
//! The compiler's coverage counters are an ordinary pass of LLVM's, so the stable toolchain does.

use std::env::consts::ARCH;
use std::fs;
use std::process::{Child, Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::build;
use crate::setup::{self, Talk};
use crate::shell;

/// Counters, comparisons and where they are: what libFuzzer looks at.
const COVERAGE: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// What is fuzzed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// Both engines side by side.
    Engines,
    /// The reader of captures.
    Capture,
    /// The configuration.
    Configuration,
    /// Published lists.
    Lists,
    /// Bodies of requests that change something.
    Requests,
    /// Files of the state directory.
    State,
}

impl Target {
    const ALL: [Self; 6] =
        [Self::Engines, Self::Capture, Self::Configuration, Self::Lists, Self::Requests, Self::State];

    fn name(self) -> &'static str {
        match self {
            Self::Engines => "engines",
            Self::Capture => "capture",
            Self::Configuration => "configuration",
            Self::Lists => "lists",
            Self::Requests => "requests",
            Self::State => "state",
        }
    }

    /// Longest input, bytes: some frames of ordinary length, or a small file; a database has pages of 4 KiB.
    fn longest(self) -> usize {
        match self {
            Self::State => 64 << 10,
            _ => 8 << 10,
        }
    }

    fn binary(self) -> String {
        format!("fuzz-{}", self.name())
    }
}

/// How long, and what.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long, such as 60s or 10m
    #[arg(long, default_value = "60s", value_parser = duration)]
    time: Duration,
    /// Only this target: `engines` (needs root), `capture`, `configuration`, `lists`, `requests` or `state`
    #[arg(long, value_parser = target)]
    only: Option<Target>,
}

fn duration(given: &str) -> Result<Duration, String> {
    let (number, unit) = given.split_at(given.trim_end_matches(char::is_alphabetic).len());
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => 0,
    };
    match number.parse::<u64>() {
        Ok(number) if number > 0 && seconds > 0 => Ok(Duration::from_secs(number * seconds)),
        _ => Err("a time is 60s, 10m or 1h".to_owned()),
    }
}

fn target(given: &str) -> Result<Target, String> {
    Target::ALL
        .into_iter()
        .find(|target| target.name() == given)
        .ok_or_else(|| format!("there are {}", Target::ALL.map(Target::name).join(", ")))
}

/// Fuzzes the targets side by side, each for the time that was asked for.
///
/// What is found on the way is kept in `target/fuzz`, and used the next time.
///
/// # Errors
///
/// When setup or the build fails, or a target cannot be run.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let mut targets: Vec<_> =
        Target::ALL.into_iter().filter(|target| options.only.is_none_or(|only| only == *target)).collect();
    if !shell::is_root() && targets.contains(&Target::Engines) {
        println!("lacking     root: the engines are not held against each other");
        targets.retain(|target| *target != Target::Engines);
    }
    setup::run(Talk::Changes)?;
    let mut build = shell::cargo();
    build.args(["build", "--release", "--package", "floodwall-fuzz", "--features", "libfuzzer"]);
    build.args(targets.iter().flat_map(|target| ["--bin".to_owned(), target.binary()]));
    // With a target named, the flags are not for build scripts.
    build.args(["--target", &format!("{ARCH}-unknown-linux-gnu"), "--target-dir"]).arg(directory());
    build.env("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join("\x1f"));
    let executables = build::executables(&mut build)?;

    let mut running = Vec::new();
    for target in targets {
        let name = target.binary();
        let built = executables.iter().find(|built| built.target == name);
        let built = built.with_context(|| format!("cargo built no {name}"))?;
        running.push((target, start(target, Command::new(&built.path), options.time)?));
    }
    let mut failed = Vec::new();
    for (target, mut child) in running {
        let status = child.wait().with_context(|| format!("waiting for {}", target.name()))?;
        if !status.success() {
            failed.push(target.name());
        }
    }
    if failed.is_empty() {
        println!("fuzz: nothing found in {} s", options.time.as_secs());
        return Ok(ExitCode::SUCCESS);
    }
    println!("fuzz: FOUND something: {} (input in {}; see above)", failed.join(", "), directory().display());
    Ok(ExitCode::FAILURE)
}

/// Builds, and what is found, which need not be kept.
fn directory() -> std::path::PathBuf {
    shell::target().join("fuzz")
}

fn start(target: Target, mut command: Command, time: Duration) -> Result<Child> {
    let name = target.name();
    let seeds = shell::root().join("fuzz/seeds").join(name);
    if !seeds.is_dir() {
        bail!("the seeds are gone: {}", seeds.display());
    }
    let found = directory().join("found").join(name);
    fs::create_dir_all(&found).with_context(|| format!("creating {}", found.display()))?;
    command.arg(format!("-max_total_time={}", time.as_secs()));
    command.arg(format!("-max_len={}", target.longest())).args(["-timeout=20", "-rss_limit_mb=4096"]);
    command.args(["-print_final_stats=1", "-verbosity=1"]);
    command.arg(format!("-artifact_prefix={}/{name}-", directory().display()));
    command.arg(found).arg(seeds);
    let line = shell::line_of(&command);
    println!("fuzz: {line}");
    command.spawn().with_context(|| format!("running `{line}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let seconds = |given| duration(given).map(|time| time.as_secs());
        assert_eq!((seconds("60s"), seconds("10m"), seconds("90")), (Ok(60), Ok(600), Ok(90)));
        assert!(["", "m", "0s", "5 days", "-1s"].into_iter().all(|given| seconds(given).is_err()));
    }
}
