//! Development tasks: `cargo xtask TASK`.
//!
//! One file (or folder) a task. [`setup`] makes the machine able to build and test; the others call
//! it first, which costs a fraction of a second when there is nothing to do.

mod account;
mod bench;
mod build;
mod checkout;
mod corpus;
mod demo;
mod fuzz;
mod lint;
mod modules;
mod named_files;
mod open_connections;
mod package;
mod peace;
mod progress;
mod replayed;
mod score;
mod sensitivity;
mod setup;
mod shell;
mod steps;
mod test;
mod verdicts;
mod vm;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Development tasks of floodwall.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install what building and testing need, and nothing that is there already
    ///
    /// A toolchain with a `core` for BPF, the BPF linker (into .tools), the programs that the tests
    /// drive, and the BPF file system. Run it again at any time: it only checks, in under a second.
    Setup,
    /// Check formatting and lints, for the host and for the kernel half
    Lint,
    /// Build and run all tests, and count passes, failures and skips
    Test(test::Options),
    /// Build the release binary, and say where it is
    Build,
    /// Build the Debian package, and say where it is
    Package(package::Options),
    /// Build the release binary, and run it with the arguments after `--`
    Run(build::RunOptions),
    /// Show a service under a flood, first without and then with floodwall
    Demo(demo::Options),
    /// Measure what a packet costs, beside the physical floor and other filters, or beside another commit
    Bench(bench::Options),
    /// Feed random input to both engines, and to all that reads what comes from outside
    Fuzz(fuzz::Options),
    /// Measure how well the filter tells attacks from customers, on labelled captures
    Score(score::Options),
    /// Print which connections were there before a capture begins, for `floodwall replay --host`
    OpenConnections(open_connections::Options),
    /// Draw ordinary traffic, and count alarms and drops, of which there should be none
    Peace(peace::Options),
    /// Halve and double each constant of detection, and say how much that changes
    Sensitivity(sensitivity::Options),
    /// Check that every packet of the corpus is still judged for the same reason, on both engines
    Verdicts(verdicts::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Setup => setup::run(setup::Talk::All).map(|()| ExitCode::SUCCESS),
        Task::Lint => lint::run(),
        Task::Test(options) => test::run(&options),
        Task::Build => build::run(),
        Task::Package(options) => package::run(&options),
        Task::Run(options) => build::run_with(&options),
        Task::Demo(options) => demo::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Score(options) => score::run(&options),
        Task::OpenConnections(options) => open_connections::run(&options),
        Task::Peace(options) => peace::run(&options),
        Task::Sensitivity(options) => sensitivity::run(&options),
        Task::Verdicts(options) => verdicts::run(&options),
    };
    report(outcome)
}

/// One line for people: what was being done, to what, and why it failed.
fn report(outcome: Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
