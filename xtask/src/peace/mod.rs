//! `cargo xtask peace`: whether the filter is quiet in ordinary traffic.
//!
//! [`draw`] says what is drawn, [`generator`] has the corpus's own generator make it, in place; floodwall replays it, once
//! knowing the flows that the host itself opened and once not; [`report`] adds up what it says. Each
//! draw is on a fresh install, or, with `--warm`, all of them follow each other before one filter.

mod draw;
mod generator;
mod report;

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::corpus::{self, Told};
use crate::progress::Progress;
use crate::replayed::Outcome;
use crate::{build, shell};
use draw::Draw;
use generator::{Generator, Made};
use report::{Report, Run, Took};

/// Below the target directory: the commands that repeat what was not quiet, a line each.
const FAILED: &str = "peace/failed";

/// What to draw.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many draws of 120 s; 720 are 24 hours, and take an hour or two
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    draws: u32,
    /// Others are drawn with each seed
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// One after the other, before one filter that keeps all it has; else each is on a fresh install
    #[arg(long)]
    warm: bool,
    /// Only these draws, by number, such as `3,17`
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', conflicts_with_all = ["draws", "warm"])]
    only: Vec<u32>,
    /// Print JSON: one document
    #[arg(long)]
    json: bool,
    /// Directory with the generator, and what it makes traffic of [default: ../shared/corpus; if that is not there, nothing
    /// is drawn, and the task says so]
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// Keep the captures, some 2 MB a draw, and take those that are there already
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// This floodwall, instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

/// Draws, replays and tells. An alarm or a drop fails the task.
///
/// # Errors
/// When the generator, the build or a replay fails.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let corpus = options.corpus.as_deref().unwrap_or(Path::new(corpus::DEFAULT));
    let report = match generator::lacking(corpus) {
        Some(path) if options.corpus.is_none() => Report::skipped(format!(
            "needs {}: the traffic is made by the corpus's own generator (--corpus names another place)",
            path.display()
        )),
        Some(path) => bail!("{} is not there: nothing can be drawn without", path.display()),
        None => measure(options, corpus)?,
    };
    if options.json {
        println!("{}", report.json()?);
    } else {
        print!("{}", report.text());
    }
    Ok(if report.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure(options: &Options, corpus: &Path) -> Result<Report> {
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => build::floodwall()?,
    };
    let temporary = tempfile::tempdir().context("making a directory for captures")?;
    let folder = options.keep.as_deref().unwrap_or(temporary.path());
    let generator = Generator::new(corpus, folder)?;
    let numbers = if options.only.is_empty() { (1..=options.draws).collect() } else { options.only.clone() };
    ensure!(!numbers.contains(&0), "draws are counted from 1");
    let draws: Vec<_> = numbers.iter().map(|&number| Draw::new(options.seed, number, options.warm)).collect();
    let job = Job { options, binary: &binary, generator };
    let runs = if options.warm { vec![job.one_after_the_other(&draws)?] } else { job.each_afresh(&draws)? };
    let mut report = Report::new(runs, options.warm, options.seed);
    if let Some(failed) = report.last_failed() {
        let command = again(options, &report.failed_draws(), failed);
        note(&command)?;
        report.repeat = Some(command);
    }
    Ok(report)
}

/// What every draw is replayed with.
struct Job<'a> {
    options: &'a Options,
    binary: &'a Path,
    generator: Generator<'a>,
}

impl Job<'_> {
    fn each_afresh(&self, draws: &[Draw]) -> Result<Vec<Run>> {
        let progress = Progress::new("peace", draws.len());
        let runs = corpus::in_parallel(draws, |draw| {
            progress.begin(&draw.to_string());
            let (made, generating) = timed(|| self.generator.make(*draw))?;
            let (outcomes, replaying) = timed(|| self.replays(std::slice::from_ref(&made)))?;
            if self.options.keep.is_none() {
                made.remove();
            }
            let run = Run { draws: vec![*draw], outcomes, took: Took { generating, replaying } };
            progress.done(&format!("{draw}: {}", run.in_words()));
            Ok(run)
        });
        progress.finish();
        runs
    }

    fn one_after_the_other(&self, draws: &[Draw]) -> Result<Run> {
        let progress = Progress::new("peace", draws.len() + 1);
        let made = corpus::in_parallel(draws, |draw| {
            progress.begin(&draw.to_string());
            let made = timed(|| self.generator.make(*draw))?;
            progress.done(&draw.to_string());
            Ok(made)
        })?;
        let (made, took): (Vec<_>, Vec<Duration>) = made.into_iter().unzip();
        let piece = "all of them, replayed one after the other";
        progress.begin(piece);
        let (outcomes, replaying) = timed(|| self.replays(&made))?;
        progress.done(piece);
        progress.finish();
        let took = Took { generating: took.iter().sum(), replaying };
        Ok(Run { draws: draws.to_vec(), outcomes, took })
    }

    /// Told of the flows that the host opened, and not.
    fn replays(&self, made: &[Made]) -> Result<[Outcome; 2]> {
        let replay = |told: &Told| self.replay(made, *told);
        let outcomes = corpus::in_parallel(&Told::ALL, replay)?;
        outcomes.try_into().ok().context("a replay is lacking")
    }

    fn replay(&self, made: &[Made], told: Told) -> Result<Outcome> {
        let mut command = Command::new(self.binary);
        command.arg("replay").args(made.iter().map(Made::capture));
        // One host, whatever comes to it.
        command.args(made.first().into_iter().flat_map(|made| ["--host".into(), made.host()]));
        if told == Told::Egress {
            command.args(made.iter().flat_map(|made| ["--egress".into(), made.egress()]));
        }
        command.arg("--json");
        let line = shell::line_of(&command);
        let output = command.stdin(Stdio::null()).output().with_context(|| format!("running `{line}`"))?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            bail!("`{line}` failed: {}", String::from_utf8_lossy(&said).trim());
        }
        Outcome::read(&output.stdout, made.len()).with_context(|| format!("asking `{line}`"))
    }
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let start = Instant::now();
    Ok((work()?, start.elapsed()))
}

/// The command that repeats draws that were not quiet: of a filter that went on from draw to draw, all up to the last.
fn again(options: &Options, failed: &[u32], last: u32) -> String {
    let mut command = Command::new("cargo");
    command.args(["xtask", "peace", "--seed", &options.seed.to_string()]);
    if options.warm {
        command.args(["--warm", "--draws", &last.to_string()]);
    } else {
        let numbers: Vec<_> = failed.iter().map(u32::to_string).collect();
        command.arg("--only").arg(numbers.join(","));
    }
    if let Some(corpus) = &options.corpus {
        command.arg("--corpus").arg(corpus);
    }
    shell::line_of(&command)
}

/// Keeps the command, so that what was not quiet once is not forgotten.
fn note(command: &str) -> Result<()> {
    let path = shell::target().join(FAILED);
    let told = || format!("noting in {} what failed", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(told)?;
    }
    let mut file = OpenOptions::new().create(true).append(true).open(&path).with_context(told)?;
    file.write_all(format!("{command}\n").as_bytes()).with_context(told)
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

    fn parsed(arguments: &[&str]) -> Option<Options> {
        Line::try_parse_from([&["peace"], arguments].concat()).ok().map(|line| line.options)
    }

    #[test]
    fn what_failed_can_be_repeated() {
        let again = |arguments: &[&str]| again(&parsed(arguments).unwrap(), &[3, 17], 17);
        assert_eq!(again(&["--seed", "9"]), "cargo xtask peace --seed 9 --only 3,17");
        assert_eq!(again(&["--warm", "--draws", "720"]), "cargo xtask peace --seed 1 --warm --draws 17");
        assert_eq!(again(&["--corpus", "c"]), "cargo xtask peace --seed 1 --only 3,17 --corpus c");
        assert!(parsed(&["--warm", "--only", "3"]).is_none(), "it would lack those before");
        assert!(parsed(&["--draws", "0"]).is_none());
        assert_eq!(parsed(&["--only", "3,17"]).unwrap().only, [3, 17]);
    }

    #[test]
    fn each_draw_is_replayed_afresh_and_warm_ones_in_one_go() {
        let folder = tempfile::tempdir().unwrap();
        // Says how many captures, hosts and lists of flows it was given, by the numbers of packets, drops and repetitions.
        let binary = folder.path().join("floodwall");
        let script = "#!/bin/sh\ncaptures=0 hosts=0 flows=0\nfor word; do case $word in\n\
             *.pcap.gz) captures=$((captures + 1));;\n--host) hosts=$((hosts + 1));;\n--egress) flows=$((flows + 1));;\n\
             esac; done\nrows=''\n[ $captures -gt 1 ] && for one in $(seq $captures); do\n\
             rows=\"$rows,{\\\"packets\\\": 1, \\\"dropped\\\": 0, \\\"begins\\\": 0}\"; done\n\
             echo \"{\\\"packets\\\": $captures, \\\"dropped\\\": $hosts, \\\"retry\\\": $flows, \\\"first\\\": 0,\
             \\\"reasons\\\": [], \\\"marks\\\": [], \\\"marks_in_all\\\": 0, \\\"captures\\\": [${rows#,}]}\"\n";
        fs::write(&binary, script).unwrap();
        fs::set_permissions(&binary, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let made_by = |draws: &[Draw]| {
            let options = parsed(&[]).unwrap();
            let corpus = generator::tests::corpus("0-1 legit\n");
            let made_in = folder.path().join("made");
            let generator = Generator::new(corpus.path(), &made_in).unwrap();
            let job = Job { options: &options, binary: &binary, generator };
            if draws[0].warm {
                vec![job.one_after_the_other(draws).unwrap()]
            } else {
                job.each_afresh(draws).unwrap()
            }
        };
        let fresh = made_by(&[Draw::new(1, 1, false), Draw::new(1, 2, false)]);
        assert_eq!(fresh.len(), 2);
        for run in &fresh {
            let [told, alone] = &run.outcomes;
            assert_eq!(
                (told.parts.len(), told.parts[0].packets, told.parts[0].dropped, told.retry),
                (1, 1, 1, 1)
            );
            assert_eq!(alone.retry, 0, "it is told of no flows");
        }
        let warm = made_by(&[Draw::new(1, 1, true), Draw::new(1, 2, true), Draw::new(1, 3, true)]);
        let [told, alone] = &warm[0].outcomes;
        assert_eq!((warm.len(), told.parts.len(), told.retry), (1, 3, 3));
        assert_eq!((alone.parts.len(), alone.retry), (3, 0));
    }
}
