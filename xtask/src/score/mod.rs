//! `cargo xtask score`: how well the filter tells attacks from customers, on labelled captures.
//!
//! Every scenario is replayed by the release binary under the default configuration, once knowing the flows that the
//! host itself opened and once not; the verdicts are held against the labels. [`scenario`] reads the truth,
//! [`measure`] does the arithmetic, [`kind`] names what was judged wrongly, [`report`] prints, and [`check`] asks
//! another program for the same numbers.

mod check;
mod kind;
mod measure;
mod report;
mod scenario;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::build;
use crate::shell;
use measure::{Score, Verdict};
use scenario::Scenario;

/// What to score.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Directory with a folder `scenarios` of NAME.pcap.gz, NAME.labels, NAME.json and NAME.egress.csv.gz
    #[arg(long, value_name = "DIR", default_value = "../shared/corpus")]
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
    /// What judges: `model` or `kernel` (which needs root)
    #[arg(long, default_value = "model")]
    engine: String,
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

/// What the filter is told of the flows that the host itself opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// All of them.
    Egress,
    /// Nothing.
    Alone,
}

impl Told {
    const ALL: [Self; 2] = [Self::Egress, Self::Alone];

    fn folder(self) -> &'static str {
        match self {
            Self::Egress => "egress",
            Self::Alone => "alone",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Egress => "told of the flows that the host itself opened",
            Self::Alone => "not told of them",
        }
    }
}

/// Scores the scenarios.
///
/// # Errors
///
/// When there is no scenario, the build or a replay fails, or the other program comes to other numbers.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let folder = options.corpus.join("scenarios");
    let names = scenario::names(&folder, options.only.as_deref())?;
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
    let scores = in_parallel(&names, |name| job.score(name))?;
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
        let file = |ending: &str| self.folder.join(format!("{name}{ending}"));
        let verdicts = self.verdicts.join(told.folder()).join(format!("{name}.csv"));
        let mut command = Command::new(self.binary);
        command.arg("replay").arg(file(".pcap.gz")).arg("--host").arg(file(".json"));
        command.args(["--engine", &self.options.engine, "--columns", "index,verdict,reason", "--json"]);
        command.arg("--verdicts").arg(&verdicts);
        let egress = file(".egress.csv.gz");
        if told == Told::Egress && egress.exists() {
            command.arg("--egress").arg(egress);
        }
        if let Some(config) = &self.options.config {
            command.arg("--config").arg(config);
        }
        let line = shell::line_of(&command);
        let output = command.stdin(Stdio::null()).output().with_context(|| format!("running `{line}`"))?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            bail!("`{line}` failed: {}", String::from_utf8_lossy(&said).trim());
        }
        Ok(verdicts)
    }
}

/// Does something for each name, on every CPU; the results are in the order of the names.
fn in_parallel<T: Send>(names: &[String], work: impl Fn(&str) -> Result<T> + Sync) -> Result<Vec<T>> {
    let next = Mutex::new(names.iter().enumerate());
    let done = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(2, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    // The lock must not be held while the work is done.
                    let taken = next.lock().ok().and_then(|mut next| next.next());
                    let Some((number, name)) = taken else { break };
                    let outcome = work(name);
                    if let Ok(mut done) = done.lock() {
                        done.push((number, outcome));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Reads `index,verdict,reason`, a line for every packet.
fn read_verdicts(path: &Path, packets: usize) -> Result<Vec<Verdict>> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut verdicts = Vec::with_capacity(packets);
    for line in BufReader::new(file).lines().skip(1) {
        let line = line?;
        let mut columns = line.split(',');
        let index = columns.next().and_then(|index| index.parse().ok());
        ensure!(index == Some(verdicts.len()), "`{line}` is not on packet {}", verdicts.len());
        let dropped = columns.next() == Some("drop");
        let reason = columns.next().unwrap_or_default().to_owned();
        verdicts.push(Verdict { dropped, reason });
    }
    ensure!(verdicts.len() == packets, "{} verdicts, and {packets} packets", verdicts.len());
    Ok(verdicts)
}
