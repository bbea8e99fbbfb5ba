//! `cargo xtask score`: how well the filter tells attacks from customers, on labelled captures.
//!
//! Every scenario is replayed by the release binary under the default configuration, once knowing the flows that the
//! host itself opened and once not; the verdicts are held against the labels. [`scenario`] reads the truth,
//! [`measure`] does the arithmetic, [`kind`] names what was judged wrongly, [`report`] prints, and [`check`] asks
//! another program for the same numbers.

mod check;
pub(crate) mod kind;
mod measure;
mod report;
mod scenario;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::build;
use crate::corpus::{self, Engine, Judge, Told};
use measure::{Score, Verdict};
use scenario::Scenario;

/// What to score.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Directory with a folder `scenarios` of NAME.pcap.gz, NAME.labels, NAME.json and NAME.egress.csv.gz
    #[arg(long, value_name = "DIR", default_value = corpus::DEFAULT)]
    corpus: PathBuf,
    /// Print JSON: one document
    #[arg(long)]
    json: bool,
    /// Only scenarios whose name contains this
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Name the N most common kinds of packets that were judged wrongly
    #[arg(long, value_name = "N", default_value_t = 0)]
    why: usize,
    /// Another configuration than the default one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What judges
    #[arg(long, value_enum, default_value = "model")]
    engine: Engine,
    /// Keep the verdicts, in DIR/egress and DIR/alone
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Ask this program (`score.py`) for the same numbers, and fail if they differ
    #[arg(long, value_name = "PROGRAM")]
    check_with: Option<PathBuf>,
    /// This floodwall, instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

/// Scores the scenarios.
///
/// # Errors
///
/// When there is no scenario, the build or a replay fails, or the other program comes to other numbers.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let folder = options.corpus.join("scenarios");
    let mut names = corpus::names(&folder)?;
    names.retain(|name| options.only.as_ref().is_none_or(|only| name.contains(only)));
    ensure!(!names.is_empty(), "{} holds no scenario of that name", folder.display());
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => build::floodwall()?,
    };
    let temporary = tempfile::tempdir().context("making a directory for verdicts")?;
    let verdicts = options.keep.as_deref().unwrap_or(temporary.path());
    for told in Told::ALL {
        let folder = verdicts.join(told.folder());
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    }

    let job = Job { options, binary: &binary, folder: &folder, verdicts };
    let scores = corpus::in_parallel(&names, |name| job.score(name))?;
    let by_told = |number: usize| scores.iter().map(|pair| pair[number].clone()).collect::<Vec<_>>();
    let groups = [(Told::ALL[0], by_told(0)), (Told::ALL[1], by_told(1))];
    if options.json {
        println!("{}", report::json(&groups)?);
    } else {
        print!("{}", report::text(&groups));
    }
    if let Some(program) = &options.check_with {
        for (told, scores) in &groups {
            check::agree(program, &folder, &verdicts.join(told.folder()), scores)
                .with_context(|| format!("checking the scores, {}", told.title()))?;
        }
        eprintln!("{} agrees on all of {} scenarios", program.display(), 2 * names.len());
    }
    Ok(ExitCode::SUCCESS)
}

/// What every scenario is scored with.
struct Job<'a> {
    options: &'a Options,
    binary: &'a Path,
    folder: &'a Path,
    verdicts: &'a Path,
}

impl Job<'_> {
    /// By [`Told`].
    fn score(&self, name: &str) -> Result<[Score; 2]> {
        let scenario = Scenario::read(self.folder, name)?;
        let score = |told| -> Result<Score> {
            let verdicts = self.replay(name, told)?;
            let verdicts = read_verdicts(&verdicts, scenario.times.len())
                .with_context(|| format!("reading the verdicts on {name}"))?;
            Ok(measure::score(&scenario, &verdicts, self.options.why))
        };
        Ok([score(Told::Egress)?, score(Told::Alone)?])
    }

    /// Has floodwall judge a scenario, and says where the verdicts are.
    fn replay(&self, name: &str, told: Told) -> Result<PathBuf> {
        let verdicts = self.verdicts.join(told.folder()).join(format!("{name}.csv"));
        let judge = Judge {
            binary: self.binary,
            folder: self.folder,
            config: self.options.config.as_deref(),
            columns: "index,verdict,reason",
        };
        judge.replay(name, self.options.engine, told, &verdicts)?;
        Ok(verdicts)
    }
}

/// Reads `index,verdict,reason`, a line for every packet that was judged: those that the host itself has sent are not, and
/// go on their way.
fn read_verdicts(path: &Path, packets: usize) -> Result<Vec<Option<Verdict>>> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut verdicts = Vec::with_capacity(packets);
    for line in BufReader::new(file).lines().skip(1) {
        let line = line?;
        let mut columns = line.split(',');
        let index = columns.next().and_then(|index| index.parse::<usize>().ok());
        let index = index.with_context(|| format!("`{line}` is on no packet"))?;
        let expected = verdicts.len()..packets;
        ensure!(expected.contains(&index), "`{line}` is on none of the packets {expected:?}");
        verdicts.resize(index, None);
        let dropped = columns.next() == Some("drop");
        let reason = columns.next().unwrap_or_default().to_owned();
        verdicts.push(Some(Verdict { dropped, reason }));
    }
    verdicts.resize(packets, None);
    Ok(verdicts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_without_a_verdict_keep_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("verdicts.csv");
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            read_verdicts(&path, 5)
        };
        let verdicts = read("index,verdict,reason\n0,pass,clean\n3,drop,blocked\n").unwrap();
        let dropped: Vec<_> = verdicts.iter().map(|one| one.as_ref().map(|one| one.dropped)).collect();
        assert_eq!(dropped, [Some(false), None, None, Some(true), None]);
        for text in
            ["5,pass,clean", "x,pass,clean", "1,pass,clean\n1,pass,clean", "1,pass,clean\n0,pass,clean"]
        {
            assert!(read(&format!("index,verdict,reason\n{text}\n")).is_err(), "{text}");
        }
    }
}
