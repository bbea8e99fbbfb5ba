//! `cargo xtask bench`: what a packet costs, and with `--against` what it costs beside another commit.

mod against;
mod compare;
mod outcome;
mod report;
mod shelf;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::build;
use crate::setup::{self, Talk};
use crate::shell;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Print everything as JSON, each round's figures included
    #[arg(long)]
    json: bool,
    /// Times that everything is measured; medians are told [default: 5; with --against: 15]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: Option<u16>,
    /// Fewer packets, rounds and sets of prefixes: half a minute, and twice the noise
    #[arg(long)]
    quick: bool,
    /// Measure only the rows whose names hold this, and no changes of the blocklist
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["live", "against"])]
    rows: Option<String>,
    /// Measure how a service fares under a flood instead, behind this and other filters
    #[arg(long, conflicts_with_all = ["rounds", "svg"])]
    live: bool,
    /// Measure what a second processor brings instead
    #[arg(long, conflicts_with_all = ["live", "rows", "svg", "against"])]
    scaling: bool,
    /// Measure what a packet costs that leaves instead
    #[arg(long, conflicts_with_all = ["live", "rows", "scaling", "svg", "against"])]
    outgoing: bool,
    /// Measure a host with the daemon instead: its share of a processor in an attack, and what it leaves of the throughput of
    /// a TCP connection
    #[arg(long, conflicts_with_all = ["live", "outgoing", "rows", "scaling", "svg", "against"])]
    host: bool,
    /// Draw a chart, too
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Build this commit as well, measure both in turn, and tell the ratios: new by old
    ///
    /// The commit is checked out below the target directory, and built there by its own benchmark; what it was built to
    /// is kept. Each round runs both, one after the other, in turns the one and the other first. A row's ratio is the
    /// median over the rounds. The task fails if one is further from 1 than --tolerance, to either side, as a packet
    /// that is suddenly cheap may be one that is no longer looked at; if the two do not judge the packets alike; or if
    /// the verifier walks through 5 % more instructions.
    #[arg(long, value_name = "COMMIT", conflicts_with_all = ["live", "svg"])]
    against: Option<String>,
    /// How far a median ratio may be from 1, to either side
    #[arg(long, value_name = "SHARE", default_value_t = 0.07, value_parser = share, requires = "against")]
    tolerance: f64,
}

/// A share that a ratio may be away from 1.
fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err("not a share, such as 0.07".to_owned()),
    }
}

/// Builds the benchmark and runs it.
///
/// # Errors
/// When setup or a build fails, or a benchmark cannot be run.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    setup::run(Talk::Changes)?;
    if let Some(commit) = &options.against {
        return against::run(commit, options);
    }
    let mut command = Command::new(built(&mut shell::cargo())?);
    command.args(arguments(options));
    if options.host {
        command.arg("--host").arg(build::floodwall()?);
    }
    let status = shell::status(&mut command)?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Has cargo build the benchmark of the checkout that it is run in, and says where it is.
fn built(cargo: &mut Command) -> Result<PathBuf> {
    cargo.args(["build", "--release", "--package", "floodwall-bench"]);
    let executables = build::executables(cargo)?;
    let built = executables.into_iter().find(|built| built.target == "floodwall-bench");
    Ok(built.context("cargo built the benchmark, but named no executable")?.path)
}

/// The options of the benchmark itself.
fn arguments(options: &Options) -> Vec<String> {
    let mut arguments = Vec::new();
    let switches = [
        (options.json, "--json"),
        (options.quick, "--quick"),
        (options.live, "--live"),
        (options.scaling, "--scaling"),
        (options.outgoing, "--outgoing"),
    ];
    for (given, name) in switches {
        arguments.extend(given.then(|| name.to_owned()));
    }
    if let Some(rounds) = options.rounds {
        arguments.extend(["--rounds".to_owned(), rounds.to_string()]);
    }
    if let Some(path) = &options.svg {
        arguments.extend(["--svg".to_owned(), path.to_string_lossy().into_owned()]);
    }
    if let Some(rows) = &options.rows {
        arguments.extend(["--rows".to_owned(), rows.clone()]);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn parsed(arguments: &[&str]) -> Result<Options, String> {
        let line = Line::try_parse_from([&["bench"], arguments].concat());
        line.map(|line| line.options).map_err(|error| error.to_string())
    }

    #[test]
    fn options_are_passed_on_to_the_benchmark() {
        let passed = |given: &[&str]| arguments(&parsed(given).unwrap());
        assert_eq!(passed(&[]), [""; 0]);
        let all = ["--json", "--quick", "--rounds", "7", "--svg", "x.svg", "--rows", "IPv4 SYN"];
        assert_eq!(passed(&all), all);
        assert_eq!(passed(&["--live", "--quick"]), ["--quick", "--live"]);
        assert_eq!(passed(&["--scaling"]), ["--scaling"]);
        assert_eq!(passed(&["--outgoing", "--rounds", "3"]), ["--outgoing", "--rounds", "3"]);
    }

    #[test]
    fn options_that_do_not_go_together_are_refused() {
        for given in [
            &["--live", "--rounds", "3"][..],
            &["--tolerance", "0.1"],
            &["--against", "HEAD", "--live"],
            &["--host", "--scaling"],
            &["--against", "HEAD", "--tolerance", "7"],
            &["--against", "HEAD", "--rounds", "0"],
        ] {
            assert!(parsed(given).is_err(), "{given:?}");
        }
        assert_eq!(parsed(&["--against", "HEAD~1"]).unwrap().tolerance, 0.07);
    }
}
