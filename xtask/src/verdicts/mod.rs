//! `cargo xtask verdicts`: whether every packet of the corpus is still judged for the same reason.
//!
//! Every scenario is replayed on both engines, once knowing the flows that the host itself opened and once not. A
//! [`file`] of verdicts is brought down to a hash, [`compare`]d with the checked-in [`reference`], and [`report`]ed.

mod compare;
mod file;
mod reference;
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::corpus::{self, Engine, Judge, Told};
use crate::progress::Progress;
use crate::{build, shell};
use compare::{Before, Judged};
use reference::{Reference, Subject};
use report::Report;

/// The checked-in file, from the root of the checkout.
const REFERENCE: &str = "tests/verdicts.sha256";

/// What to judge, and what to hold it against.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Directory with a folder `scenarios` of NAME.pcap.gz, NAME.labels, NAME.json and NAME.egress.csv.gz [default:
    /// ../shared/corpus; if that is not there, nothing is compared, and the task says so]
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// Write the hashes instead of comparing; with --scenarios or --engine, only these lines
    #[arg(long)]
    write: bool,
    /// Only scenarios whose names begin so, such as `d01,d05`
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    scenarios: Vec<String>,
    /// Only this engine [default: both; without root, the model]
    #[arg(long, value_enum)]
    engine: Option<Engine>,
    /// Keep the verdicts, as DIR/ENGINE/egress/NAME.csv and DIR/ENGINE/alone/NAME.csv
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Verdicts that the build before has left with --keep: where a hash differs, name the first packet that does
    #[arg(long, value_name = "DIR", conflicts_with = "write")]
    before: Option<PathBuf>,
    /// Print JSON: one document
    #[arg(long)]
    json: bool,
    /// This floodwall, instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Another file than the checked-in one
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
}

/// Judges all that was asked for, and compares or writes.
///
/// # Errors
/// When there is no such scenario, nothing to compare with, or the build or a replay fails. That verdicts differ is an
/// outcome, and told by the exit code.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let report = judge(options)?;
    if options.json {
        println!("{}", report.json()?);
    } else {
        print!("{}", report.text());
    }
    Ok(if report.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn judge(options: &Options) -> Result<Report> {
    let path = options.reference.clone().unwrap_or_else(|| shell::root().join(REFERENCE));
    let mut report = Report {
        file: options.reference.as_deref().unwrap_or(Path::new(REFERENCE)).display().to_string(),
        written: false,
        skipped: Vec::new(),
        verdicts: Vec::new(),
        gone: Vec::new(),
        engines_disagree: Vec::new(),
    };
    let folder = options.corpus.as_deref().unwrap_or(Path::new(corpus::DEFAULT)).join("scenarios");
    if options.corpus.is_none() && !options.write && !folder.exists() {
        let lacking = format!("all: needs the corpus at {} (--corpus names another place)", folder.display());
        report.skipped.push(lacking);
        return Ok(report);
    }
    let all = corpus::names(&folder)?;
    let names = corpus::selected(&all, &options.scenarios)
        .with_context(|| format!("choosing scenarios of {}", folder.display()))?;
    let engines = engines(options, shell::is_root(), &mut report.skipped)?;
    let reference = Reference::read(&path)?;
    if reference.is_none() && !options.write {
        bail!("there is no {} to compare with; --write writes it", path.display());
    }
    let mut reference = reference.unwrap_or_default();

    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => build::floodwall()?,
    };
    report.verdicts = replay(options, &binary, &folder, subjects(&names, &engines), &reference)?;
    report.engines_disagree = compare::disagreements(&report.verdicts);
    let asked = |subject: &Subject| {
        engines.contains(&subject.engine) && corpus::begins(&subject.scenario, &options.scenarios)
    };
    if options.write {
        ensure!(
            report.engines_disagree.is_empty(),
            "nothing is written, as the engines differ on {}",
            report.engines_disagree.join(", ")
        );
        reference.hashes.retain(|subject, _| !asked(subject));
        let judged = report.verdicts.iter();
        reference.hashes.extend(judged.map(|judged| (judged.subject.clone(), judged.hash.clone())));
        reference.write(&path)?;
        report.written = true;
    } else {
        report.gone = compare::gone(&reference, &report.verdicts, asked);
    }
    Ok(report)
}

/// The engines that were asked for, as far as they can be had.
fn engines(options: &Options, root: bool, skipped: &mut Vec<String>) -> Result<Vec<Engine>> {
    let kernel = "kernel: needs root";
    match options.engine {
        Some(Engine::Kernel) if !root => bail!("{kernel}"),
        Some(engine) => Ok(vec![engine]),
        None if !root => {
            skipped.push(kernel.to_owned());
            Ok(vec![Engine::Model])
        }
        None => Ok(Engine::ALL.to_vec()),
    }
}

fn subjects(names: &[String], engines: &[Engine]) -> Vec<Subject> {
    let mut subjects = Vec::new();
    for &engine in engines {
        for scenario in names {
            subjects.extend(Told::ALL.map(|told| Subject { engine, scenario: scenario.clone(), told }));
        }
    }
    subjects
}

/// Has everything judged. Verdicts that are not kept are gone as soon as they are hashed and compared.
fn replay(
    options: &Options,
    binary: &Path,
    folder: &Path,
    subjects: Vec<Subject>,
    reference: &Reference,
) -> Result<Vec<Judged>> {
    let temporary = tempfile::tempdir().context("making a directory for verdicts")?;
    let verdicts = options.keep.as_deref().unwrap_or(temporary.path());
    for subject in &subjects {
        let folder = verdicts.join(subject.engine.name()).join(subject.told.folder());
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    }
    let judge = Judge { binary, folder, hosts: None, config: None, columns: file::COLUMNS };
    let progress = Progress::new("verdicts", subjects.len());
    let judged = corpus::in_parallel(&subjects, |subject| {
        let Subject { engine, scenario, told } = subject;
        let place = Path::new(engine.name()).join(told.folder()).join(format!("{scenario}.csv"));
        let now = verdicts.join(&place);
        progress.begin(scenario);
        let account = judge.replay(scenario, *engine, *told, &now)?;
        let hashed = file::hash(&now)?;
        account.hold(hashed.packets, hashed.gaps).with_context(|| {
            format!("{} does not hold all verdicts on {scenario}, {}", now.display(), told.title())
        })?;
        let known = reference.hashes.get(subject).filter(|_| !options.write).cloned();
        let before = match (&options.before, &known) {
            (Some(before), Some(known)) if *known != hashed.hash => {
                let capture = folder.join(format!("{scenario}.pcap.gz"));
                Some(Before::new(&before.join(&place), &now, &capture, known))
            }
            _ => None,
        };
        if options.keep.is_none() {
            fs::remove_file(&now).with_context(|| format!("removing {}", now.display()))?;
        }
        progress.done(&subject.to_string());
        let file::Hashed { hash, packets, gaps: _ } = hashed;
        Ok(Judged { subject: subject.clone(), hash, packets, reference: known, before })
    });
    progress.finish();
    judged
}

#[cfg(test)]
mod tests;
