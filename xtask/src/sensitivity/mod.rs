//! `cargo xtask sensitivity`: how much hangs on each constant of detection.
//!
//! A commit is checked out below the target directory. There, one of the [`constants`] at a time is halved and doubled by
//! an [`edit`]; the [`bench`] builds floodwall again, which is quick, as little has changed, and has it judge labelled
//! scenarios. [`figures`] says what has moved, [`kept`] remembers what was measured, and [`report`] prints.

mod bench;
mod constants;
mod edit;
mod figures;
mod kept;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use sha2::{Digest as _, Sha256};

use crate::checkout::{Checkout, Commit, Place};
use crate::corpus;
use crate::progress::Progress;
use crate::setup::{self, Talk};
use crate::shell;
use bench::{Bench, Outcomes};
use constants::{Constant, TABLE};
use edit::Factor;
use kept::{Kept, Measured};
use report::{Report, Row};

/// Eight with attacks of different classes, and those that are peaceful: a scan, rushes, ordinary traffic.
const SCENARIOS: [&str; 15] =
    ["d01", "d07", "d09", "d10", "d12", "d15", "d18", "d25", "d11", "d14", "d26", "d27", "d28", "d29", "d30"];

/// What to change, and what to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only constants whose name contains this, such as `requests`
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Only halved, or only doubled
    #[arg(long, value_enum)]
    factor: Option<Factor>,
    /// Scenarios whose names begin so [default: eight with attacks, and seven in peace]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    scenarios: Vec<String>,
    /// The commit whose constants are changed
    #[arg(long, value_name = "COMMIT", default_value = "HEAD")]
    commit: String,
    /// List the constants, and measure nothing
    #[arg(long)]
    list: bool,
    /// Measure anew what an earlier run has measured of this commit
    #[arg(long)]
    anew: bool,
    /// Tell what was measured of this commit so far, and measure nothing
    #[arg(long, conflicts_with = "anew")]
    so_far: bool,
    /// Directory with a folder `scenarios` of NAME.pcap.gz, NAME.labels, NAME.json and NAME.egress.csv.gz [default:
    /// ../shared/corpus; if that is not there, nothing is measured, and the task says so]
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// Print JSON: one document
    #[arg(long)]
    json: bool,
    /// Print a table of what moves a figure by more than a point, for a page
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

/// Changes, measures and tells. That something moves is no failure.
///
/// # Errors
/// When a constant is not where the table says, or a build or a replay fails that should not.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let constants = chosen(options.only.as_deref())?;
    if options.list {
        for constant in constants {
            let files: Vec<_> = constant.edits.iter().map(|edit| edit.file).collect();
            println!("{:<44} {}", constant.name, files.first().unwrap_or(&""));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let folder = options.corpus.as_deref().unwrap_or(Path::new(corpus::DEFAULT)).join("scenarios");
    let report = if options.corpus.is_none() && !folder.exists() {
        let lacking = folder.display();
        Report::skipped(format!("needs the corpus at {lacking} (--corpus names another place)"))
    } else {
        measure(options, &constants, &folder)?
    };
    if options.json {
        println!("{}", report.json()?);
    } else if options.markdown {
        print!("{}", report.markdown());
    } else {
        print!("{}", report.text());
    }
    Ok(ExitCode::SUCCESS)
}

fn chosen(only: Option<&str>) -> Result<Vec<&'static Constant>> {
    let is_chosen = |constant: &&Constant| only.is_none_or(|only| constant.name.contains(only));
    let constants: Vec<_> = TABLE.iter().filter(is_chosen).collect();
    ensure!(!constants.is_empty(), "no constant has such a name; --list lists them");
    Ok(constants)
}

fn measure(options: &Options, constants: &[&Constant], folder: &Path) -> Result<Report> {
    let asked = if options.scenarios.is_empty() {
        SCENARIOS.map(str::to_owned).to_vec()
    } else {
        options.scenarios.clone()
    };
    let names = corpus::selected(&corpus::names(folder)?, &asked)
        .with_context(|| format!("choosing scenarios of {}", folder.display()))?;
    let root = shell::root();
    let commit = Commit::named(&root, &options.commit)?;
    let factors: Vec<_> =
        Factor::ALL.into_iter().filter(|factor| options.factor.is_none_or(|only| only == *factor)).collect();
    let changes: Vec<_> =
        constants.iter().flat_map(|constant| factors.iter().map(|factor| (*constant, *factor))).collect();
    let place = Place::open(&shell::target(), "sensitivity-of")?;
    let path = place.folder.join(format!("{}-{}.jsonl", commit.id, digest(folder, &names)));
    if options.anew && path.exists() {
        std::fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
    }
    let mut kept = Kept::open(&path)?;
    if !options.so_far {
        measure_rest(&mut kept, &changes, &place, &commit, folder, &names)?;
    }
    let Some(Outcomes::Judged(unchanged)) = kept.find(None, None) else {
        bail!("nothing was measured of {} on these scenarios yet", commit.short());
    };
    let row = |(constant, factor): &(&Constant, Factor)| {
        let outcomes = kept.find(Some(constant.name), Some(*factor))?;
        Some(Row::new(constant.name, *factor, unchanged, outcomes))
    };
    Ok(Report {
        skipped: None,
        commit: commit.short().to_owned(),
        unchanged: unchanged.clone(),
        rows: changes.iter().filter_map(row).collect(),
    })
}

/// Measures what no earlier run has.
fn measure_rest(
    kept: &mut Kept,
    changes: &[(&Constant, Factor)],
    place: &Place,
    commit: &Commit,
    folder: &Path,
    names: &[String],
) -> Result<()> {
    let lacking =
        |(constant, factor): &&(&Constant, Factor)| kept.find(Some(constant.name), Some(*factor)).is_none();
    let left: Vec<_> = changes.iter().filter(lacking).copied().collect();
    if left.is_empty() && kept.find(None, None).is_some() {
        return Ok(());
    }
    if left.len() < changes.len() {
        eprintln!("sensitivity: {} of {} were measured before", changes.len() - left.len(), changes.len());
    }
    setup::run(Talk::Changes)?;
    let checkout = Checkout::new(&shell::root(), place.folder.join("checkout"), commit)?;
    let all: Vec<_> = left.iter().map(|(constant, _)| *constant).collect();
    bench::fits(&checkout.path, &all)
        .with_context(|| format!("{} does not have what is to be changed", commit.short()))?;
    let progress = Progress::new("sensitivity", left.len() + 1);
    progress.begin("building the filter as it is");
    let mut bench = Bench::new(checkout, folder, names, place.folder.join("verdicts"))?;
    let unchanged = bench.unchanged()?;
    progress.done("the filter as it is");
    match kept.find(None, None) {
        None => kept.add(Measured {
            constant: None,
            factor: None,
            outcomes: Outcomes::Judged(unchanged.clone()),
        })?,
        Some(Outcomes::Judged(before)) if *before == unchanged => {}
        Some(_) => bail!(
            "{} does not do as it did when it was measured before: the scenarios have changed; --anew begins anew",
            commit.short()
        ),
    }
    for (constant, factor) in left {
        let name = format!("{} {}", constant.name, factor.sign());
        progress.begin(&name);
        let outcomes = bench.changed(constant, factor)?;
        let row = Row::new(constant.name, factor, &unchanged, &outcomes);
        let constant = Some(constant.name.to_owned());
        kept.add(Measured { constant, factor: Some(factor), outcomes })?;
        progress.done(&format!("{name}{}", if row.is_worth_telling() { "  *" } else { "" }));
    }
    progress.finish();
    Ok(())
}

/// Tells lists of scenarios apart.
fn digest(folder: &Path, names: &[String]) -> String {
    let hash = Sha256::digest(format!("{} {}", folder.display(), names.join(" ")).as_bytes());
    hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_chosen_by_a_part_of_their_name() {
        assert_eq!(chosen(None).unwrap().len(), TABLE.len());
        let names: Vec<_> = chosen(Some("again: ")).unwrap().iter().map(|constant| constant.name).collect();
        assert!(names.len() == 4 && names.contains(&"again: share"), "{names:?}");
        assert!(chosen(Some("no such")).is_err());
    }

    #[test]
    fn what_was_measured_of_other_scenarios_is_something_else() {
        let of = |names: &[&str]| {
            digest(Path::new("c"), &names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
        assert_ne!(of(&["a", "b"]), of(&["a"]));
        assert_ne!(of(&["a"]), digest(Path::new("d"), &["a".to_owned()]));
    }
}
