//! The same numbers by another program, from the same verdicts.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::measure::Score;
use crate::shell;

/// Both round to three digits.
const ROUNDING: f64 = 0.001_001;
/// What is compared.
const FIELDS: [&str; 19] = [
    "attack_packets",
    "legit_packets",
    "verdicts",
    "attack_dropped",
    "attack_dropped_after_3s",
    "attack_dropped_first_1000",
    "t95_seconds",
    "attack_dropped_by_window",
    "legit_passed",
    "legit_delayed",
    "legit_passed_before",
    "legit_passed_during",
    "legit_passed_after",
    "scan_dropped",
    "newcomers",
    "newcomers_refused",
    "new_sources",
    "new_sources_lost",
    "scenario",
];

/// Asks `program` to score the verdicts.
///
/// # Errors
///
/// When it cannot be run, or comes to other numbers.
pub(super) fn agree(program: &Path, scenarios: &Path, verdicts: &Path, scores: &[Score]) -> Result<()> {
    for score in scores {
        let name = &score.scenario;
        let mut command = Command::new(program);
        command.arg(scenarios.join(name)).arg(verdicts.join(format!("{name}.csv"))).arg("--json");
        let theirs: Value = serde_json::from_str(&shell::output(&mut command)?)
            .with_context(|| format!("reading what {} says of {name}", program.display()))?;
        let ours = serde_json::to_value(score).context("writing a score as JSON")?;
        let theirs = &theirs["scenarios"][0];
        for field in FIELDS {
            ensure!(theirs.get(field).is_some(), "{} says nothing of {field}", program.display());
            if !same(&ours[field], &theirs[field]) {
                bail!("{name}, {field}: {} here, {} by {}", ours[field], theirs[field], program.display());
            }
        }
    }
    Ok(())
}

fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => match (one.as_f64(), other.as_f64()) {
            (Some(one), Some(other)) => (one - other).abs() < ROUNDING,
            _ => false,
        },
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        _ => one == other,
    }
}
