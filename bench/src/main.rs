//! What a packet costs, and what a change of the blocklist does.
//!
//! [`groups`] says which packets ([`frames`] from [`sources`] in or beside the prefixes of [`shapes`]) are shown to
//! which [`candidate`]s, one of them with [`signatures`]; [`stand`] shows them in the kernel, [`measure`] takes the times, round by round, and
//! subtracts those of a program that only drops. [`control`] times changes of the blocklist and [`memory`] asks
//! the kernel what it keeps. All of it is a [`report`], held against [`targets`], and printed as a [`table`], as
//! JSON, or as a [`chart`]. There are other tests beside it: [`live`], how a service fares under a flood; [`host`], what the
//! daemon takes, and what a connection's throughput keeps; [`scaling`], what a second processor brings; and [`outgoing`],
//! what a packet costs that leaves.

mod bpf;
mod candidate;
mod chart;
mod control;
mod floodwall;
mod frames;
mod groups;
mod host;
mod live;
mod measure;
mod memory;
mod outgoing;
mod report;
mod scaling;
mod session;
mod shapes;
mod signatures;
mod situation;
mod sources;
mod stand;
mod table;
mod targets;
mod xdp_filter;

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, ensure};
use clap::Parser;
use serde::Serialize;

/// Cost per packet of floodwall, beside the physical floor and its peers.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask bench")]
struct Options {
    /// Print everything as JSON, each round's figures included
    #[arg(long)]
    json: bool,
    /// Times that everything is measured; medians are told
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: Option<u16>,
    /// Fewer packets, rounds and sets of prefixes: half a minute, and twice the noise
    #[arg(long)]
    quick: bool,
    /// Measure only the rows whose names hold this, and no changes of the blocklist
    #[arg(long, value_name = "TEXT", conflicts_with = "live")]
    rows: Option<String>,
    /// Measure how a service fares under a flood instead, behind this and other filters
    #[arg(long, conflicts_with_all = ["rounds", "svg"])]
    live: bool,
    /// Measure what a second processor brings instead
    #[arg(long, conflicts_with_all = ["live", "rows", "svg"])]
    scaling: bool,
    /// Measure what a packet costs that leaves instead
    #[arg(long, conflicts_with_all = ["live", "rows", "scaling", "svg"])]
    outgoing: bool,
    /// Measure a host with this daemon instead: its share of a processor in an attack, and what it leaves of the throughput
    /// of a TCP connection
    #[arg(long, value_name = "FLOODWALL", conflicts_with_all = ["live", "outgoing", "rows", "scaling", "svg"])]
    host: Option<PathBuf>,
    /// Draw a chart, too
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> anyhow::Result<()> {
    ensure!(nix::unistd::geteuid().is_root(), "loading programs into the kernel takes root");
    if options.live {
        let live = live::run(Duration::from_secs(if options.quick { 1 } else { 4 }))?;
        return tell(options, &live, live::render);
    }
    if options.scaling {
        let rounds = options.rounds.map_or(if options.quick { 3 } else { 7 }, usize::from);
        return tell(options, &scaling::run(rounds)?, scaling::render);
    }
    if options.outgoing {
        let rounds = options.rounds.map_or(if options.quick { 3 } else { 7 }, usize::from);
        return tell(options, &outgoing::run(rounds)?, outgoing::render);
    }
    if let Some(binary) = &options.host {
        let rounds = options.rounds.map_or(if options.quick { 5 } else { 15 }, usize::from);
        return tell(options, &host::run(binary, rounds)?, host::render);
    }
    let report = session::run(options.quick, options.rounds.map(usize::from), options.rows.as_deref())?;
    if let Some(path) = &options.svg {
        fs::write(path, chart::render(&report)).with_context(|| format!("writing {}", path.display()))?;
    }
    tell(options, &report, table::render)
}

/// Prints what came out, for people or for machines.
fn tell<T: Serialize>(options: &Options, outcome: &T, render: fn(&T) -> String) -> anyhow::Result<()> {
    if options.json {
        println!("{}", serde_json::to_string_pretty(outcome).context("writing JSON")?);
    } else {
        print!("{}", render(outcome));
    }
    Ok(())
}
