//! The scores, for people and for machines.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::measure::Score;
use crate::corpus::Told;

/// A column of the table.
struct Column {
    heading: &'static str,
    /// Its name in JSON.
    name: &'static str,
    value: fn(&Score) -> Option<f64>,
    worst: Worst,
}

/// Which of several scores is the worst.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Worst {
    Least,
    Most,
    /// The most, and worse than that, where there was an attack: none.
    Never,
}

const fn column(
    heading: &'static str,
    name: &'static str,
    worst: Worst,
    value: fn(&Score) -> Option<f64>,
) -> Column {
    Column { heading, name, value, worst }
}

const COLUMNS: [Column; 12] = [
    column("att.drop", "attack_dropped", Worst::Least, |score| score.attack_dropped),
    column(">3s", "attack_dropped_after_3s", Worst::Least, |score| score.attack_dropped_after_3s),
    column("1st1000", "attack_dropped_first_1000", Worst::Least, |score| score.attack_dropped_first_1000),
    column("t95", "t95_seconds", Worst::Never, |score| score.t95_seconds),
    column("leg.pass", "legit_passed", Worst::Least, |score| score.legit_passed),
    column("before", "legit_passed_before", Worst::Least, |score| score.legit_passed_before),
    column("during", "legit_passed_during", Worst::Least, |score| score.legit_passed_during),
    column("after", "legit_passed_after", Worst::Least, |score| score.legit_passed_after),
    column("scan.drop", "scan_dropped", Worst::Least, |score| score.scan_dropped),
    column("new.refus", "newcomers_refused", Worst::Most, |score| score.newcomers_refused),
    column("src.lost", "new_sources_lost", Worst::Most, |score| score.new_sources_lost),
    column("leg.delay", "legit_delayed", Worst::Most, |score| score.legit_delayed),
];

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
    COLUMNS.iter().map(|column| (column.name, extremes(column, scores))).collect()
}

fn extremes(column: &Column, scores: &[Score]) -> Extremes {
    let values: Vec<f64> = scores.iter().filter_map(column.value).collect();
    let never = scores.iter().any(|score| column.is_never(score));
    let worst = values.iter().copied().reduce(match column.worst {
        Worst::Least => f64::min,
        Worst::Most | Worst::Never => f64::max,
    });
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    Extremes { worst: worst.filter(|_| !never), mean: (!values.is_empty()).then_some(mean) }
}

impl Column {
    /// Whether what should have happened has not.
    fn is_never(&self, score: &Score) -> bool {
        self.worst == Worst::Never && score.attack_packets > 0 && (self.value)(score).is_none()
    }
}

/// A table a group.
pub(super) fn text(groups: &[(Told, Vec<Score>)]) -> String {
    let mut text = String::new();
    for (told, scores) in groups {
        // A string takes all that is written to it.
        let _ = writeln!(text, "\n{} (shares in per cent, t95 in seconds)\n", told.title());
        let headings: Vec<_> = COLUMNS.iter().map(|column| format!("{:>9}", column.heading)).collect();
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
        .map(|column| cell((column.value)(score), if column.is_never(score) { "never" } else { "-" }))
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

#[cfg(test)]
mod tests {
    use super::super::measure;
    use super::super::scenario::Scenario;
    use super::*;

    fn score(change: impl Fn(&mut Score)) -> Score {
        let nothing = Scenario {
            name: "s".to_owned(),
            windows: Vec::new(),
            surge: None,
            offered: Vec::new(),
            times: Vec::new(),
            heads: Vec::new(),
            labels: Vec::new(),
        };
        let mut score = measure::score(&nothing, &[], 0);
        change(&mut score);
        score
    }

    #[test]
    fn the_worst_is_the_least_of_what_should_be_much_and_the_most_of_the_rest() {
        let scores = [
            score(|score| {
                score.attack_dropped = Some(90.0);
                score.newcomers_refused = Some(7.0);
                score.legit_delayed = Some(1.0);
            }),
            score(|score| {
                (score.attack_packets, score.attack_dropped) = (9, Some(80.0));
                score.newcomers_refused = Some(5.0);
                score.t95_seconds = Some(1.0);
            }),
            score(|_| ()),
        ];
        let worst = |scores: &[Score], name| summary(scores)[name].worst;
        assert_eq!(worst(&scores, "attack_dropped"), Some(80.0));
        assert_eq!(worst(&scores, "newcomers_refused"), Some(7.0));
        assert_eq!(worst(&scores, "legit_delayed"), Some(1.0));
        assert_eq!(worst(&scores, "t95_seconds"), Some(1.0), "where there is no attack, none is stopped");
        assert_eq!(summary(&scores)["newcomers_refused"].mean, Some(6.0));
        let never = score(|score| score.attack_packets = 9);
        assert_eq!(worst(&[scores[1].clone(), never.clone()], "t95_seconds"), None);
        let text = text(&[(Told::Alone, vec![never])]);
        assert!(text.contains(" never ") && text.contains("new.refus  src.lost leg.delay"), "{text}");
    }
}
