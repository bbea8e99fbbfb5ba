//! Builds a filter with a changed constant, and has it judge the scenarios.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::constants::Constant;
use super::edit::{Factor, edited};
use super::figures::{ByScenario, Figures};
use crate::checkout::Checkout;
use crate::corpus::{self, Engine, Judge, Told};
use crate::replayed::Outcome;
use crate::score::Labelled;
use crate::{build, shell};

/// Quick to build again, as what is changed is small, and quick to run, as the crates of others are not.
const PROFILE: &str = "sensitivity";
const SETTINGS: [&str; 4] =
    ["inherits=\"dev\"", "debug=false", "incremental=true", "package.\"*\".opt-level=2"];

/// What came of a build.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcomes {
    /// How the filter does.
    Judged(ByScenario),
    /// It cannot be built with this constant, and why.
    NotBuilt(String),
}

/// A checkout to be changed, and what it is measured with.
pub(super) struct Bench<'a> {
    checkout: Checkout,
    /// Scenarios.
    folder: &'a Path,
    labelled: BTreeMap<String, Labelled>,
    /// Where verdicts are put.
    verdicts: PathBuf,
    /// Of the filter as it is.
    unchanged: BTreeMap<String, Figures>,
}

impl<'a> Bench<'a> {
    /// Reads the scenarios.
    ///
    /// # Errors
    /// When one is missing or damaged, or there is no room for verdicts.
    pub(super) fn new(
        checkout: Checkout,
        folder: &'a Path,
        names: &[String],
        verdicts: PathBuf,
    ) -> Result<Self> {
        let read = |name: &String| Ok((name.clone(), Labelled::read(folder, name)?));
        let labelled = corpus::in_parallel(names, read)?.into_iter().collect();
        fs::create_dir_all(&verdicts).with_context(|| format!("creating {}", verdicts.display()))?;
        Ok(Self { checkout, folder, labelled, verdicts, unchanged: BTreeMap::new() })
    }

    /// Measures the filter as it is. The verdicts stay there, as most filters judge most scenarios alike.
    ///
    /// # Errors
    /// When it cannot be built or run.
    pub(super) fn unchanged(&mut self) -> Result<ByScenario> {
        let binary = self.build()?.map_err(anyhow::Error::msg).context("building the filter as it is")?;
        self.unchanged = self.judged(&binary, "unchanged")?;
        Ok(self.unchanged.clone())
    }

    /// Measures the filter with a constant changed. The checkout is as it was afterwards.
    ///
    /// # Errors
    /// When the constant is not found, or the filter cannot be run.
    pub(super) fn changed(&self, constant: &Constant, factor: Factor) -> Result<Outcomes> {
        let files = edited(&self.checkout.path, constant.edits, factor)
            .with_context(|| format!("changing `{}`", constant.name))?;
        let mut before = BTreeMap::new();
        for (path, text) in &files {
            let told = || format!("changing {}", path.display());
            before.insert(path, fs::read(path).with_context(told)?);
            fs::write(path, text).with_context(told)?;
        }
        let outcomes = self.build().and_then(|built| match built {
            Ok(binary) => self.judged(&binary, "changed").map(Outcomes::Judged),
            Err(why) => Ok(Outcomes::NotBuilt(why)),
        });
        for (path, text) in before {
            fs::write(path, text).with_context(|| format!("restoring {}", path.display()))?;
        }
        outcomes
    }

    /// The binary; or what the compiler says against it.
    fn build(&self) -> Result<Result<PathBuf, String>> {
        let mut cargo = shell::cargo();
        cargo.current_dir(&self.checkout.path).env("CARGO_TARGET_DIR", shell::target());
        cargo.args([
            "build",
            "--quiet",
            "--package",
            "floodwall",
            "--bin",
            "floodwall",
            "--profile",
            PROFILE,
        ]);
        for setting in SETTINGS {
            cargo.arg("--config").arg(format!("profile.{PROFILE}.{setting}"));
        }
        cargo.arg("--message-format=json-render-diagnostics");
        let line = shell::line_of(&cargo);
        let output = cargo.stdin(Stdio::null()).output().with_context(|| format!("running `{line}`"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let error = said.lines().find(|line| line.starts_with("error"));
            return Ok(Err(error.unwrap_or("the compiler says nothing").to_owned()));
        }
        let built = build::executable_of(&output.stdout, "floodwall");
        Ok(Ok(built.context("cargo built floodwall, but named no executable")?))
    }

    fn judged(&self, binary: &Path, kind: &str) -> Result<ByScenario> {
        let judge =
            Judge { binary, folder: self.folder, hosts: None, config: None, columns: "index,verdict,reason" };
        let names: Vec<_> = self.labelled.keys().collect();
        let figures = corpus::in_parallel(&names, |name| {
            let figures = self.figures(&judge, name, kind).with_context(|| format!("judging {name}"))?;
            Ok(((*name).clone(), figures))
        })?;
        Ok(figures.into_iter().collect())
    }

    fn figures(&self, judge: &Judge<'_>, name: &str, kind: &str) -> Result<Figures> {
        let labelled = self.labelled.get(name).context("it was not read")?;
        let file = |kind: &str| self.verdicts.join(format!("{name}.{kind}.csv"));
        let (now, before) = (file(kind), file("unchanged"));
        let (account, summary) = judge.summary(name, Engine::Model, Told::Egress, &now)?;
        let outcome = Outcome::read(&summary, 1)?;
        let part = outcome.parts.first().context("the summary is about no capture")?;
        let begins = labelled.attack_begins();
        let alarms = part.alarms.iter().map(|alarm| alarm.seconds);
        let known = self.unchanged.get(name).filter(|_| kind != "unchanged" && same(&now, &before));
        let shares = match known {
            // Nothing is judged otherwise: what is counted of the verdicts was counted before.
            Some(known) => known.clone(),
            None => {
                let shares = labelled.shares(&now, &account)?;
                Figures {
                    attack_dropped: shares.attack_dropped,
                    attack_dropped_after_3s: shares.attack_dropped_after_3s,
                    legit_passed: shares.legit_passed,
                    newcomers_refused: shares.newcomers_refused,
                    ..Figures::default()
                }
            }
        };
        Ok(Figures {
            alarms_in_peace: alarms.clone().filter(|seconds| *seconds < begins).count(),
            delay: alarms.map(|seconds| seconds - begins).find(|delay| *delay >= 0.0),
            ..shares
        })
    }
}

/// Whether two files say the same.
fn same(one: &Path, other: &Path) -> bool {
    fs::read(one).is_ok_and(|one| fs::read(other).is_ok_and(|other| one == other))
}

/// Holds the table against a checkout, which may be of another commit than this one.
///
/// # Errors
/// When a constant is not where the table says.
pub(super) fn fits(checkout: &Path, constants: &[&Constant]) -> Result<()> {
    for constant in constants {
        let misfit =
            Factor::ALL.into_iter().find_map(|factor| edited(checkout, constant.edits, factor).err());
        if let Some(error) = misfit {
            bail!("`{}` is not where it should be: {error:#}", constant.name);
        }
    }
    Ok(())
}
