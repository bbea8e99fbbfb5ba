//! `cargo xtask score`: how well the filter tells attacks from customers, on labelled captures.
//!
//! Every scenario is replayed by the release binary under the default configuration, once knowing the flows that the
//! host itself opened and once not; the verdicts are held against the labels. [`scenario`] reads the truth,
//! [`verdicts`] what floodwall made of it, [`measure`] does the arithmetic (with [`newcomers`] and [`segment`] for who came
//! when), [`kind`] names what was judged wrongly, [`report`] prints, and [`check`] asks another program for the same
//! numbers.

mod check;
pub(crate) mod kind;
mod measure;
mod newcomers;
mod report;
mod scenario;
mod segment;
mod verdicts;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::account::Account;
use crate::build;
use crate::corpus::{self, Engine, Judge, Told};
use crate::open_connections;
use measure::Score;
use scenario::Scenario;
use verdicts::Verdict;

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
    /// Tell the filter which TCP connections were open when each scenario begins, as its first 8 s show, or what of them is
    /// before the attack
    #[arg(long)]
    open_connections: bool,
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

    let hosts = options.open_connections.then(|| temporary.path().join("hosts"));
    if let Some(hosts) = &hosts {
        fs::create_dir_all(hosts).with_context(|| format!("creating {}", hosts.display()))?;
    }
    let job = Job { options, binary: &binary, folder: &folder, hosts: hosts.as_deref(), verdicts };
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

/// A labelled scenario, to be scored more than once.
#[derive(Debug)]
pub(crate) struct Labelled(Scenario);

/// What is told of a score elsewhere: shares of packets or connections, per cent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shares {
    pub(crate) attack_dropped: Option<f64>,
    pub(crate) attack_dropped_after_3s: Option<f64>,
    pub(crate) legit_passed: Option<f64>,
    pub(crate) newcomers_refused: Option<f64>,
}

impl Labelled {
    /// Reads it.
    ///
    /// # Errors
    /// When a file of it is missing or damaged.
    pub(crate) fn read(folder: &Path, name: &str) -> Result<Self> {
        Scenario::read(folder, name).map(Self)
    }

    /// When the first attack begins, seconds from the start; infinitely late, if there is none.
    pub(crate) fn attack_begins(&self) -> f64 {
        self.0.windows.iter().map(|window| window.0).fold(f64::INFINITY, f64::min)
    }

    /// Holds a file of verdicts, `index,verdict,reason`, against it.
    ///
    /// # Errors
    /// When the file cannot be read, or is not whole.
    pub(crate) fn shares(&self, verdicts: &Path, account: &Account) -> Result<Shares> {
        let read = verdicts::read(verdicts, &self.0.labels, account);
        let read = read.with_context(|| format!("reading the verdicts on {}", self.0.name))?;
        let score = measure::score(&self.0, &read, 0);
        Ok(Shares {
            attack_dropped: score.attack_dropped,
            attack_dropped_after_3s: score.attack_dropped_after_3s,
            legit_passed: score.legit_passed,
            newcomers_refused: score.newcomers_refused,
        })
    }
}

/// What every scenario is scored with.
struct Job<'a> {
    options: &'a Options,
    binary: &'a Path,
    folder: &'a Path,
    /// Where what is told of the hosts is put, if more is than stands beside the scenarios.
    hosts: Option<&'a Path>,
    verdicts: &'a Path,
}

impl Job<'_> {
    /// By [`Told`].
    fn score(&self, name: &str) -> Result<[Score; 2]> {
        let scenario = Scenario::read(self.folder, name)?;
        if let Some(hosts) = self.hosts {
            self.tell_connections(&scenario, hosts)?;
        }
        let score = |told| -> Result<Score> {
            let verdicts = self.verdicts(&scenario, told)?;
            Ok(measure::score(&scenario, &verdicts, self.options.why))
        };
        Ok([score(Told::Egress)?, score(Told::Alone)?])
    }

    /// Writes what floodwall is told of the host, with the connections that were open when the scenario begins. What comes
    /// once it is attacked says nothing of these.
    fn tell_connections(&self, scenario: &Scenario, hosts: &Path) -> Result<()> {
        let file = |ending: &str| self.folder.join(format!("{}{ending}", scenario.name));
        let seconds = scenario.span().0.min(open_connections::SECONDS);
        let told = open_connections::told(&file(".pcap.gz"), &file(".json"), seconds).with_context(|| {
            format!("looking for connections that were open when {} begins", scenario.name)
        })?;
        let path = hosts.join(format!("{}.json", scenario.name));
        fs::write(&path, told.to_string()).with_context(|| format!("writing {}", path.display()))
    }

    /// Has floodwall judge a scenario.
    fn verdicts(&self, scenario: &Scenario, told: Told) -> Result<Vec<Option<Verdict>>> {
        let name = &scenario.name;
        let file = self.verdicts.join(told.folder()).join(format!("{name}.csv"));
        let judge = Judge {
            binary: self.binary,
            folder: self.folder,
            hosts: self.hosts,
            config: self.options.config.as_deref(),
            columns: "index,verdict,reason",
        };
        let account = judge.replay(name, self.options.engine, told, &file)?;
        verdicts::read(&file, &scenario.labels, &account)
            .with_context(|| format!("reading the verdicts on {name}, {}", told.title()))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use floodwall_lab::frame::Frame;
    use floodwall_lab::pcap::Writer;
    use serde_json::Value;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    /// A scenario that is attacked from second 3 on, and in which a connection shows itself each second.
    fn corpus(folder: &Path) {
        let mut writer = Writer::new(Vec::new()).unwrap();
        for second in 0..6_u16 {
            let segment = Frame::ipv4("198.51.100.7", "192.0.2.10").tcp(40_000 + second, 443).ack().build();
            writer.frame((1_767_225_600 + u64::from(second)) * 1_000_000_000, &segment).unwrap();
        }
        let host = r#"{"epoch": 1767225600, "attack_windows": [[3, 6]], "services": ["tcp/443"],
            "protected": {"v4": ["192.0.2.10"]}}"#;
        fs::write(folder.join("d01-x.pcap.gz"), writer.finish().unwrap()).unwrap();
        fs::write(folder.join("d01-x.json"), host).unwrap();
        fs::write(folder.join("d01-x.labels"), "0-5 legit\n").unwrap();
    }

    #[test]
    fn a_filter_is_told_of_open_connections_if_that_is_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let scenarios = directory.path().join("scenarios");
        fs::create_dir(&scenarios).unwrap();
        corpus(&scenarios);
        // Passes all, and leaves beside itself what it is told of the host.
        let binary = directory.path().join("floodwall");
        let script = "#!/bin/sh\nwhile [ $# -gt 0 ]; do case $1 in\n--host) cp \"$2\" \"$0.told\";;\n\
             --verdicts) { echo index,verdict,reason; for one in 0 1 2 3 4 5; do echo $one,pass,clean; done; } > \"$2\";;\n\
             esac; shift; done\necho '{\"packets\": 6, \"outgoing\": 0, \"cut\": 0}'\n";
        fs::write(&binary, script).unwrap();
        fs::set_permissions(&binary, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let corpus = directory.path().to_string_lossy().into_owned();
        for (given, expected) in [(&["--open-connections"][..], Some(3)), (&[], None)] {
            let fixed = ["score", "--json", "--corpus", &corpus, "--binary", binary.to_str().unwrap()];
            let line = Line::try_parse_from([&fixed[..], given].concat()).unwrap();
            run(&line.options).unwrap();
            let text = fs::read_to_string(directory.path().join("floodwall.told")).unwrap();
            let told: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(told["connections"].as_array().map(Vec::len), expected, "{told}");
            assert_eq!(told["services"][0], "tcp/443", "the rest is told as ever");
        }
    }
}
