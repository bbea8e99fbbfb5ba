//! The scores, for people and for machines.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::measure::Score;
use crate::corpus::Told;

/// A column: its heading, its name in JSON, and what stands in it.
type Column = (&'static str, &'static str, fn(&Score) -> Option<f64>);

const COLUMNS: [Column; 9] = [
    ("att.drop", "attack_dropped", |score| score.attack_dropped),
    (">3s", "attack_dropped_after_3s", |score| score.attack_dropped_after_3s),
    ("1st1000", "attack_dropped_first_1000", |score| score.attack_dropped_first_1000),
    (T95, "t95_seconds", |score| score.t95_seconds),
    ("leg.pass", "legit_passed", |score| score.legit_passed),
    ("before", "legit_passed_before", |score| score.legit_passed_before),
    ("during", "legit_passed_during", |score| score.legit_passed_during),
    ("after", "legit_passed_after", |score| score.legit_passed_after),
    ("scan.drop", "scan_dropped", |score| score.scan_dropped),
];
/// The one column in which less is better.
const T95: &str = "t95";

/// The worst and the mean of a column.
#[derive(Debug, Serialize)]
struct Extremes {
    worst: Option<f64>,
    mean: Option<f64>,
}

/// A group of scores, as machines see it.
#[derive(Debug, Serialize)]
struct Group<'a> {
    scenarios: &'a [Score],
    summary: BTreeMap<&'static str, Extremes>,
}

/// One document: the groups by name, with worst and mean.
///
/// # Errors
///
/// When a number cannot be written as JSON, which none is.
pub(super) fn json(groups: &[(Told, Vec<Score>)]) -> Result<String> {
    let groups: BTreeMap<&str, Group<'_>> = groups
        .iter()
        .map(|(told, scores)| (told.folder(), Group { scenarios: scores, summary: summary(scores) }))
        .collect();
    serde_json::to_string_pretty(&groups).context("writing the scores as JSON")
}

fn summary(scores: &[Score]) -> BTreeMap<&'static str, Extremes> {
    COLUMNS.iter().map(|column| (column.1, extremes(column, scores))).collect()
}

fn extremes(&(heading, _, value): &Column, scores: &[Score]) -> Extremes {
    let values: Vec<f64> = scores.iter().filter_map(value).collect();
    let never =
        heading == T95 && scores.iter().any(|score| score.attack_packets > 0 && value(score).is_none());
    let worst = if heading == T95 {
        values.iter().copied().reduce(f64::max)
    } else {
        values.iter().copied().reduce(f64::min)
    };
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    Extremes { worst: worst.filter(|_| !never), mean: (!values.is_empty()).then_some(mean) }
}

/// A table a group.
pub(super) fn text(groups: &[(Told, Vec<Score>)]) -> String {
    let mut text = String::new();
    for (told, scores) in groups {
        // A string takes all that is written to it.
        let _ = writeln!(text, "\n{} (shares in per cent, t95 in seconds)\n", told.title());
        let headings: Vec<_> = COLUMNS.iter().map(|column| format!("{:>9}", column.0)).collect();
        let _ = writeln!(text, "{:<28} {:>7} {:>7} {}", "scenario", "attack", "legit", headings.join(" "));
        for score in scores {
            row(&mut text, score);
        }
        let all: Vec<_> = COLUMNS.iter().map(|column| extremes(column, scores)).collect();
        for (name, of) in
            [("worst", (|all| all.worst) as fn(&Extremes) -> Option<f64>), ("mean", |all| all.mean)]
        {
            let cells: Vec<_> = all.iter().map(|all| cell(of(all), "-")).collect();
            let _ = writeln!(text, "{name:<44} {}", cells.join(" "));
        }
    }
    text
}

fn row(text: &mut String, score: &Score) {
    let cells: Vec<_> = COLUMNS
        .iter()
        .map(|(heading, _, value)| {
            let never = *heading == T95 && score.attack_packets > 0;
            cell(value(score), if never { "never" } else { "-" })
        })
        .collect();
    let Score { scenario, attack_packets, legit_packets, .. } = score;
    let _ = writeln!(text, "{scenario:<28} {attack_packets:>7} {legit_packets:>7} {}", cells.join(" "));
    for (what, kinds) in
        [("legit dropped", &score.legit_dropped_kinds), ("attack passed", &score.attack_passed_kinds)]
    {
        for (kind, count) in kinds {
            let _ = writeln!(text, "    {what:<14} {count:>7}  {kind}");
        }
    }
}

fn cell(value: Option<f64>, otherwise: &str) -> String {
    value.map_or_else(|| format!("{otherwise:>9}"), |value| format!("{value:>9.2}"))
}
