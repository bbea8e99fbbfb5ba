//! A comparison, for people and for machines.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::compare::{Comparison, Finding};

/// Everything that came out.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether the new build costs what the old one does.
    pub(super) good: bool,
    /// The commits.
    pub(super) old: String,
    pub(super) new: String,
    /// Whether the new build is of more than was committed.
    pub(super) new_is_changed: bool,
    pub(super) rounds: u16,
    pub(super) quick: bool,
    pub(super) tolerance: f64,
    #[serde(flatten)]
    pub(super) comparison: Comparison,
}

impl Report {
    /// One document.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which it can.
    pub(super) fn json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).context("writing the comparison as JSON")
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let changed = if self.new_is_changed { " and what is not committed" } else { "" };
        line(&mut text, &format!("old: {}", self.old));
        line(&mut text, &format!("new: {}{changed}", self.new));
        let Comparison { rows, left_out, instructions } = &self.comparison;
        line(
            &mut text,
            &format!(
                "ns per packet above a program that only drops, medians of {} rounds; new by old: the median of \
                 the rounds' ratios, and the middle half of them",
                self.rounds
            ),
        );
        line(&mut text, "");
        let width = rows.iter().map(|row| row.packets.chars().count()).max().unwrap_or(0);
        line(
            &mut text,
            &format!("{:width$}  {:<14} {:>7} {:>7} {:>8}", "", "floodwall with", "old", "new", "new/old"),
        );
        for row in rows {
            let finding = match row.finding {
                Finding::Same => "",
                Finding::Slower => "  SLOWER",
                Finding::Faster => "  FASTER",
                Finding::JudgedOtherwise => "  JUDGED OTHERWISE",
            };
            line(
                &mut text,
                &format!(
                    "{:width$}  {:<14} {:>7.0} {:>7.0} {:>8.3}  {:.3} to {:.3}{finding}",
                    row.packets,
                    row.state,
                    row.old_ns,
                    row.new_ns,
                    row.ratio,
                    row.lower_quartile,
                    row.upper_quartile
                ),
            );
        }
        line(&mut text, "");
        let number = |number: Option<u32>| number.map_or("not told".to_owned(), |number| number.to_string());
        let grown = if instructions.grown { "  GROWN" } else { "" };
        let (old, new) = (number(instructions.old), number(instructions.new));
        line(&mut text, &format!("instructions verified: old {old}, new {new}{grown}"));
        for row in left_out {
            line(&mut text, &format!("not compared: {row}"));
        }
        let outside = rows.iter().filter(|row| row.finding != Finding::Same).count();
        line(
            &mut text,
            &format!("{} of {} rows within {:.3} of 1", rows.len() - outside, rows.len(), self.tolerance),
        );
        text
    }
}

fn line(text: &mut String, words: &str) {
    // A string takes all that is written to it.
    let _ = writeln!(text, "{}", words.trim_end());
}

#[cfg(test)]
mod tests {
    use super::super::compare::Round;
    use super::super::outcome::{Outcome, tests::printed};
    use super::*;

    #[test]
    fn a_row_has_both_costs_the_ratio_and_its_spread() {
        let round = |ratio: f64| Round {
            old: Outcome::parse(&printed(100.0, 40_000)).unwrap(),
            new: Outcome::parse(&printed(100.0 * ratio, 44_000)).unwrap(),
        };
        let comparison = Comparison::new(&[round(1.1), round(1.2), round(1.0)], 0.07).unwrap();
        let report = Report {
            good: comparison.good(),
            old: "aaaa".to_owned(),
            new: "bbbb".to_owned(),
            new_is_changed: true,
            rounds: 3,
            quick: false,
            tolerance: 0.07,
            comparison,
        };
        let text = report.text();
        assert!(text.contains("new: bbbb and what is not committed\n"), "{text}");
        assert!(
            text.contains("IPv4 clean  1 M prefixes       100     110    1.100  1.050 to 1.150  SLOWER\n"),
            "{text}"
        );
        assert!(text.contains("instructions verified: old 40000, new 44000  GROWN\n"), "{text}");
        assert!(text.ends_with("0 of 2 rows within 0.070 of 1\n"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
        assert_eq!((&json["good"], &json["rows"][0]["finding"]), (&false.into(), &"slower".into()));
        assert_eq!(json["instructions"]["grown"], true);
    }
}
