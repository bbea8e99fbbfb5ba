//! The scenarios of the corpus, and floodwall's verdicts on them.

use std::fs;
use std::num::NonZero;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use serde::Serialize;

use crate::account::Account;
use crate::shell;

/// Where the corpus is looked for.
pub(crate) const DEFAULT: &str = "../shared/corpus";

/// What judges the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Engine {
    /// The program in the kernel (needs root)
    Kernel,
    /// The same code on the host
    Model,
}

impl Engine {
    pub(crate) const ALL: [Self; 2] = [Self::Kernel, Self::Model];

    /// What floodwall calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Model => "model",
        }
    }
}

/// What the filter is told of the flows that the host itself opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Told {
    /// Nothing.
    Alone,
    /// All of them.
    Egress,
}

impl Told {
    pub(crate) const ALL: [Self; 2] = [Self::Egress, Self::Alone];

    /// The folder that verdicts are kept in.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Egress => "egress",
            Self::Alone => "alone",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Egress => "told of the flows that the host itself opened",
            Self::Alone => "not told of them",
        }
    }
}

/// The scenarios of a folder, in order of name: whatever has a NAME.labels.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("looking for scenarios in {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(".labels").map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Whether a name begins with one of these; if there is none of these, any does.
pub(crate) fn begins(name: &str, with: &[String]) -> bool {
    with.is_empty() || with.iter().any(|with| name.starts_with(with))
}

/// The scenarios whose names begin with one of those that were asked for; all, if none was.
///
/// # Errors
/// When there is none of that name.
pub(crate) fn selected(all: &[String], asked: &[String]) -> Result<Vec<String>> {
    ensure!(!all.is_empty(), "there is none");
    for asked in asked {
        ensure!(!asked.is_empty() && all.iter().any(|name| name.starts_with(asked)), "`{asked}` begins none");
    }
    Ok(all.iter().filter(|name| begins(name, asked)).cloned().collect())
}

/// A floodwall, and what it is given with every scenario.
#[derive(Debug)]
pub(crate) struct Judge<'a> {
    pub(crate) binary: &'a Path,
    /// The scenarios.
    pub(crate) folder: &'a Path,
    /// Where NAME.json is that floodwall is told of the host by, if not beside the scenario.
    pub(crate) hosts: Option<&'a Path>,
    /// The default one, if there is none.
    pub(crate) config: Option<&'a Path>,
    /// Of the file of verdicts.
    pub(crate) columns: &'a str,
}

impl Judge<'_> {
    /// Has a scenario judged, and the verdicts written to a file; returns how many there are to be.
    ///
    /// # Errors
    /// When floodwall cannot be run, fails, or does not say how many.
    pub(crate) fn replay(&self, name: &str, engine: Engine, told: Told, verdicts: &Path) -> Result<Account> {
        Ok(self.summary(name, engine, told, verdicts)?.0)
    }

    /// Does the same, and returns beside it the summary that floodwall prints.
    ///
    /// # Errors
    /// As for [`Self::replay`].
    pub(crate) fn summary(
        &self,
        name: &str,
        engine: Engine,
        told: Told,
        verdicts: &Path,
    ) -> Result<(Account, Vec<u8>)> {
        let file = |ending: &str| self.folder.join(format!("{name}{ending}"));
        let mut command = Command::new(self.binary);
        let host = self.hosts.unwrap_or(self.folder).join(format!("{name}.json"));
        command.arg("replay").arg(file(".pcap.gz")).arg("--host").arg(host);
        command.args(["--engine", engine.name(), "--columns", self.columns, "--json"]);
        command.arg("--verdicts").arg(verdicts);
        let egress = file(".egress.csv.gz");
        if told == Told::Egress && egress.exists() {
            command.arg("--egress").arg(egress);
        }
        if let Some(config) = self.config {
            command.arg("--config").arg(config);
        }
        let line = shell::line_of(&command);
        let output = command.stdin(Stdio::null()).output().with_context(|| format!("running `{line}`"))?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            bail!("`{line}` failed: {}", String::from_utf8_lossy(&said).trim());
        }
        let account = Account::read(&output.stdout).with_context(|| format!("asking `{line}`"))?;
        Ok((account, output.stdout))
    }
}

/// Does something for each item, on every CPU; the results are in the order of the items.
///
/// # Errors
/// The first failure, in that order.
pub(crate) fn in_parallel<I: Sync, T: Send>(
    items: &[I],
    work: impl Fn(&I) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = Mutex::new(items.iter().enumerate());
    let done = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(2, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    // The lock must not be held while the work is done.
                    let taken = next.lock().ok().and_then(|mut next| next.next());
                    let Some((number, item)) = taken else { break };
                    let outcome = work(item);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..50).collect();
        let slow_first = |item: &u64| {
            thread::sleep(std::time::Duration::from_millis(u64::from(item.is_multiple_of(7))));
            Ok(item * 2)
        };
        assert_eq!(in_parallel(&items, slow_first).unwrap(), items.iter().map(|i| i * 2).collect::<Vec<_>>());
        let failing = |item: &u64| if *item == 31 { bail!("no 31") } else { Ok(()) };
        assert_eq!(in_parallel(&items, failing).unwrap_err().to_string(), "no 31");
    }

    #[test]
    fn a_scenario_is_what_has_labels() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["d02-b.labels", "d02-b.json", "d01-a.labels", "notes.txt"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(names(folder.path()).unwrap(), ["d01-a", "d02-b"]);
    }
}
