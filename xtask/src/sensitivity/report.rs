//! What came of all changes, for people and for machines.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::bench::Outcomes;
use super::edit::Factor;
use super::figures::{By, ByScenario, Figure, Moved, moves};

/// What came of a change.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) constant: String,
    pub(super) factor: Factor,
    /// Why the filter cannot be built with it.
    pub(super) not_built: Option<String>,
    pub(super) moved: Vec<Moved>,
}

/// Everything that came out.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// What was not done, and why.
    pub(super) skipped: Option<String>,
    pub(super) commit: String,
    /// Of the filter as it is.
    pub(super) unchanged: ByScenario,
    pub(super) rows: Vec<Row>,
}

impl Row {
    pub(super) fn new(constant: &str, factor: Factor, unchanged: &ByScenario, outcomes: &Outcomes) -> Self {
        let (not_built, moved) = match outcomes {
            Outcomes::Judged(now) => (None, moves(unchanged, now)),
            Outcomes::NotBuilt(why) => (Some(why.clone()), Vec::new()),
        };
        Self { constant: constant.to_owned(), factor, not_built, moved }
    }

    /// Whether it moves something by more than a point, a second, or at all an alarm.
    pub(super) fn is_worth_telling(&self) -> bool {
        self.moved.iter().any(|moved| moved.is_worth_telling)
    }

    /// Of a figure: how much it moves at most, and where.
    fn cell(&self, figure: Figure) -> String {
        let most = self.moved.iter().find(|moved| moved.figure == figure);
        most.map_or(String::new(), |Moved { scenario, by, .. }| {
            let scenario = scenario.split('-').next().unwrap_or(scenario);
            format!("{} {scenario}", in_words(figure, *by))
        })
    }

    fn name(&self) -> String {
        format!("{} {}", self.constant, self.factor.sign())
    }

    fn cells(&self) -> Vec<String> {
        Figure::ALL.map(|figure| self.cell(figure)).into()
    }
}

fn in_words(figure: Figure, by: By) -> String {
    match by {
        By::Much(much) if figure == Figure::AlarmsInPeace => format!("{much:+.0}"),
        By::Much(much) => format!("{much:+.2}"),
        By::Comes => "comes".to_owned(),
        By::Goes => "never".to_owned(),
    }
}

impl Report {
    /// Nothing was measured.
    pub(super) fn skipped(reason: String) -> Self {
        Self { skipped: Some(reason), commit: String::new(), unchanged: ByScenario::new(), rows: Vec::new() }
    }

    /// One document.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which it can.
    pub(super) fn json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).context("writing the figures as JSON")
    }

    /// A line for each change, those marked that move something by more than a point.
    pub(super) fn text(&self) -> String {
        if let Some(reason) = &self.skipped {
            return format!("skipped   {reason}\n");
        }
        let mut text = String::new();
        let headings = Figure::ALL.map(Figure::heading);
        let line = |text: &mut String, mark: &str, name: &str, cells: &[String]| {
            let cells: Vec<_> = cells
                .iter()
                .zip(headings)
                .map(|(cell, heading)| format!("{cell:>0$}", heading.len().max(11)))
                .collect();
            // A string takes all that is written to it.
            let _ = writeln!(text, "{mark:<1} {name:<46} {}", cells.join("  "));
        };
        line(&mut text, "", &format!("at {}", self.commit), &headings.map(str::to_owned));
        for row in &self.rows {
            match &row.not_built {
                Some(why) => {
                    let _ = writeln!(text, "! {:<46} is not built: {why}", row.name());
                }
                None => {
                    let mark = if row.is_worth_telling() { "*" } else { "" };
                    line(&mut text, mark, &row.name(), &row.cells());
                }
            }
        }
        let marked = self.rows.iter().filter(|row| row.is_worth_telling()).count();
        let _ = writeln!(
            text,
            "{marked} of {} changes move a share by more than a point, a delay by more than a second, or raise or \
             spare an alarm in peace (*); told is the most that each moves, and where",
            self.rows.len()
        );
        text
    }

    /// A table of what is worth telling, for a page.
    pub(super) fn markdown(&self) -> String {
        if let Some(reason) = &self.skipped {
            return format!("Skipped: {reason}\n");
        }
        let headings = Figure::ALL.map(Figure::heading).join(" | ");
        let mut text =
            format!("| at {} | {headings} |\n|---|{}\n", self.commit, "---|".repeat(Figure::ALL.len()));
        for row in self.rows.iter().filter(|row| row.is_worth_telling()) {
            let _ = writeln!(text, "| {} | {} |", row.name(), row.cells().join(" | "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::Figures;
    use super::*;

    fn report() -> Report {
        let of = |attack, alarms| {
            let figures =
                Figures { attack_dropped: Some(attack), alarms_in_peace: alarms, ..Figures::default() };
            ByScenario::from([("d01-flood".to_owned(), figures)])
        };
        let unchanged = of(99.0, 0);
        let row = |name: &str, factor, outcomes| Row::new(name, factor, &unchanged, &outcomes);
        let rows = vec![
            row("L", Factor::Half, Outcomes::Judged(of(98.5, 0))),
            row("L", Factor::Double, Outcomes::Judged(of(91.0, 0))),
            row("B", Factor::Half, Outcomes::Judged(of(99.0, 2))),
            row("B", Factor::Double, Outcomes::NotBuilt("error: no room".to_owned())),
        ];
        Report { skipped: None, commit: "0123456789".to_owned(), unchanged: unchanged.clone(), rows }
    }

    #[test]
    fn what_moves_more_than_a_point_is_marked() {
        let text = report().text();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[1].starts_with("  L ÷ 2") && lines[1].contains("-0.50 d01"), "{text}");
        assert!(lines[2].starts_with("* L × 2") && lines[2].contains("-8.00 d01"), "{text}");
        assert!(lines[3].starts_with("* B ÷ 2") && lines[3].contains("+2 d01"), "{text}");
        assert!(
            lines[4].starts_with("! B × 2") && lines[4].ends_with("is not built: error: no room"),
            "{text}"
        );
        assert!(lines[5].starts_with("2 of 4 changes"), "{text}");
    }

    #[test]
    fn a_page_has_what_is_marked() {
        let table = report().markdown();
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 4, "{table}");
        assert_eq!(lines[2], "| L × 2 | -8.00 d01 |  |  |  |  |  |");
        assert!(lines.iter().all(|line| line.matches('|').count() == 8), "{table}");
    }
}
