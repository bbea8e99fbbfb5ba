//! `cargo xtask bench --against COMMIT`: two builds, measured in turn.
//!
//! Each side is measured by its own benchmark, which has its own program for the kernel in it, on the same packets. The
//! two take turns, a round at a time, so that what else the machine does meets both; and within rounds as well, so that
//! neither always has the other's caches.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use floodwall_lab::skip::{self, CORPUS};

use super::compare::{Comparison, Round};
use super::outcome::Outcome;
use super::report::Report;
use super::shelf::{self, Shelf};
use super::{Options, built};
use crate::checkout::{self, Commit};
use crate::progress::Progress;
use crate::shell;

/// Rounds where nothing else is said.
const ROUNDS: u16 = 15;

/// Builds both, measures both, and prints the ratios.
///
/// # Errors
/// When a build fails, or a benchmark fails or speaks another format.
pub(super) fn run(name: &str, options: &Options) -> Result<ExitCode> {
    ensure!(shell::is_root(), "loading programs into the kernel takes root");
    let root = shell::root();
    let (commit, head) = (Commit::named(&root, name)?, Commit::named(&root, "HEAD")?);
    let changed = checkout::changed(&root)?;
    let shelf = Shelf::open(&shell::target())?;
    let old = shelf.benchmark(&commit, &shelf::compilers()?, |checkout, target| {
        built(shell::cargo().current_dir(checkout).env("CARGO_TARGET_DIR", target))
    })?;
    eprintln!("bench: building {}", head.short());
    let new = built(&mut shell::cargo())?;

    let rounds = options.rounds.unwrap_or(ROUNDS);
    let sides = [Side { binary: &old, name: commit.short() }, Side { binary: &new, name: "the new build" }];
    let comparison = Comparison::new(&measure(&sides, rounds, options.quick)?, options.tolerance)?;
    let report = Report {
        good: comparison.good(),
        old: commit.id,
        new: head.id,
        new_is_changed: changed,
        rounds,
        quick: options.quick,
        tolerance: options.tolerance,
        comparison,
    };
    if options.json {
        println!("{}", report.json()?);
    } else {
        print!("{}", report.text());
    }
    Ok(if report.good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A benchmark.
struct Side<'a> {
    binary: &'a Path,
    name: &'a str,
}

/// Runs old and new in turn.
fn measure(sides: &[Side<'_>; 2], rounds: u16, quick: bool) -> Result<Vec<Round>> {
    let progress = Progress::new("bench", 2 * usize::from(rounds));
    let mut measured = Vec::new();
    for round in 0..rounds {
        let one = |side: &Side<'_>| {
            let start = Instant::now();
            progress.begin(side.name);
            let outcome = side.measure(quick)?;
            progress.done(&format!("{}, {:.0} s", side.name, start.elapsed().as_secs_f64()));
            anyhow::Ok(outcome)
        };
        let [old, new] = sides;
        measured.push(if round % 2 == 0 {
            let old = one(old)?;
            Round { old, new: one(new)? }
        } else {
            let new = one(new)?;
            Round { old: one(old)?, new }
        });
    }
    progress.finish();
    Ok(measured)
}

impl Side<'_> {
    /// One round of everything.
    fn measure(&self, quick: bool) -> Result<Outcome> {
        let mut command = Command::new(self.binary);
        command.args(["--json", "--rounds", "1"]).args(quick.then_some("--quick"));
        // Either would look for it beside the checkout that it was built in.
        if let Ok(corpus) = skip::corpus() {
            command.env(CORPUS, corpus);
        }
        let line = shell::line_of(&command);
        let output = command.stdin(Stdio::null()).output().with_context(|| format!("running `{line}`"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{}: `{line}` failed: {}", self.name, said.trim());
        }
        Outcome::parse(&String::from_utf8_lossy(&output.stdout))
            .with_context(|| format!("reading what `{line}` printed ({})", self.name))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::outcome::tests::printed;
    use super::*;

    const STAND_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bench/stand-in.sh");

    #[test]
    fn both_are_measured_in_turn_and_neither_is_always_first() {
        let folder = tempfile::tempdir().unwrap();
        let [old, new] = [("old", 100.0), ("new", 104.0)].map(|(name, cost)| {
            let binary = folder.path().join(name);
            symlink(STAND_IN, &binary).unwrap();
            fs::write(binary.with_extension("json"), printed(cost, 1_000)).unwrap();
            binary
        });
        let sides = [Side { binary: &old, name: "old" }, Side { binary: &new, name: "new" }];
        let rounds = measure(&sides, 3, true).unwrap();
        let turns = fs::read_to_string(folder.path().join("turns")).unwrap();
        let order: Vec<_> = turns.lines().map(|line| &line[..3]).collect();
        assert_eq!(order, ["old", "new", "new", "old", "old", "new"]);
        assert!(turns.lines().all(|line| line.ends_with(" --json --rounds 1 --quick")), "{turns}");
        let comparison = Comparison::new(&rounds, 0.07).unwrap();
        assert!(comparison.good() && (comparison.rows[0].ratio - 1.04).abs() < 1e-9, "{comparison:?}");
    }

    #[test]
    fn a_benchmark_that_fails_or_speaks_otherwise_is_named() {
        let side = |binary| Side { binary: Path::new(binary), name: "0123456789" };
        let error = format!("{:#}", side("/bin/false").measure(false).unwrap_err());
        assert!(error.contains("0123456789: `/bin/false --json --rounds 1` failed"), "{error}");
        let error = format!("{:#}", side("/bin/echo").measure(true).unwrap_err());
        assert!(error.contains("0123456789") && error.contains("another format"), "{error}");
    }
}
