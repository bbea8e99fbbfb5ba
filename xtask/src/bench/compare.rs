//! Ratios between two builds that were measured in turn.

use anyhow::{Result, ensure};
use serde::Serialize;

use super::outcome::{Outcome, Row};

/// The most that the number of verified instructions may grow, by that of the old build.
const INSTRUCTIONS: f64 = 1.05;
/// Shares of packets judged as expected that are further apart are not of the same judgement.
const JUDGED_ALIKE: f64 = 0.01;
/// Costs below this are noise, and make no ratio, ns.
const LEAST: f64 = 1.0;

/// What both builds came to in a round.
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub(super) old: Outcome,
    pub(super) new: Outcome,
}

/// Two builds beside each other.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Comparison {
    pub(super) rows: Vec<Ratio>,
    /// What could not be compared, and why.
    pub(super) left_out: Vec<String>,
    pub(super) instructions: Instructions,
}

/// A row's costs above a program that only drops, and new by old.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Ratio {
    pub(super) packets: String,
    pub(super) state: &'static str,
    /// Medians, ns.
    pub(super) old_ns: f64,
    pub(super) new_ns: f64,
    /// The median of the ratios, and what a quarter of them is below and above.
    pub(super) ratio: f64,
    pub(super) lower_quartile: f64,
    pub(super) upper_quartile: f64,
    /// Of each round.
    pub(super) ratios: Vec<f64>,
    pub(super) finding: Finding,
}

/// What a ratio says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Finding {
    /// Within the tolerance.
    Same,
    Slower,
    Faster,
    /// The builds do not judge the packets alike, so the ratio says nothing.
    JudgedOtherwise,
}

/// Instructions that the verifier walked through; `None` where the kernel does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Instructions {
    pub(super) old: Option<u32>,
    pub(super) new: Option<u32>,
    /// Whether there are too many more.
    pub(super) grown: bool,
}

impl Instructions {
    fn new(old: Option<u32>, new: Option<u32>) -> Self {
        let grown = old.zip(new).is_some_and(|(old, new)| f64::from(new) > INSTRUCTIONS * f64::from(old));
        Self { old, new, grown }
    }
}

impl Comparison {
    /// Takes the medians over the rounds, none of which may be empty.
    ///
    /// # Errors
    /// When the two sides have no row in common.
    pub(super) fn new(rounds: &[Round], tolerance: f64) -> Result<Self> {
        let Some(first) = rounds.first() else { anyhow::bail!("there was no round") };
        let (mut rows, mut left_out) = (Vec::new(), Vec::new());
        for row in first.new.cells.keys() {
            match Ratio::new(row, rounds, tolerance) {
                Ok(ratio) => rows.push(ratio),
                Err(why) => left_out.push(format!("{}, {}: {why}", row.packets, row.state)),
            }
        }
        for row in first.old.cells.keys().filter(|row| first.new.same(row).is_none()) {
            left_out.push(format!("{}, {}: only the old build measures it", row.packets, row.state));
        }
        ensure!(!rows.is_empty(), "the two builds have no row in common: {}", left_out.join("; "));
        let instructions = Instructions::new(first.old.verified, first.new.verified);
        Ok(Self { rows, left_out, instructions })
    }

    /// Whether the new build costs what the old one does.
    pub(super) fn good(&self) -> bool {
        self.rows.iter().all(|row| row.finding == Finding::Same) && !self.instructions.grown
    }
}

impl Ratio {
    fn new(row: &Row, rounds: &[Round], tolerance: f64) -> Result<Self, String> {
        let (mut old, mut new, mut ratios, mut alike) = (Vec::new(), Vec::new(), Vec::new(), true);
        for round in rounds {
            let Some((one, other)) = round.old.same(row).zip(round.new.same(row)) else {
                return Err("only the new build measures it".to_owned());
            };
            alike &= (one.as_expected - other.as_expected).abs() <= JUDGED_ALIKE;
            old.push(one.cost);
            new.push(other.cost);
            if one.cost >= LEAST && other.cost >= LEAST {
                ratios.push(other.cost / one.cost);
            }
        }
        let sorted = sorted(&ratios);
        if 2 * sorted.len() < rounds.len() || sorted.is_empty() {
            return Err(format!("in most rounds below {LEAST} ns, which is noise"));
        }
        let ratio = quantile(&sorted, 0.5);
        let finding = match ratio {
            _ if !alike => Finding::JudgedOtherwise,
            ratio if ratio > 1.0 + tolerance => Finding::Slower,
            ratio if ratio < 1.0 - tolerance => Finding::Faster,
            _ => Finding::Same,
        };
        Ok(Self {
            packets: row.packets.clone(),
            state: row.state,
            old_ns: quantile(&self::sorted(&old), 0.5),
            new_ns: quantile(&self::sorted(&new), 0.5),
            ratio,
            lower_quartile: quantile(&sorted, 0.25),
            upper_quartile: quantile(&sorted, 0.75),
            ratios,
            finding,
        })
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The value that this share of the sorted ones is below, between two of them in proportion.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::super::outcome::tests::printed;
    use super::*;

    fn round(old: &str, new: &str) -> Round {
        Round { old: Outcome::parse(old).unwrap(), new: Outcome::parse(new).unwrap() }
    }

    /// Rounds in which the old build costs this, and the new one so many times that.
    fn rounds(all: &[(f64, f64)]) -> Vec<Round> {
        let both = |(old, ratio): &(f64, f64)| round(&printed(*old, 1_000), &printed(old * ratio, 1_000));
        all.iter().map(both).collect()
    }

    #[test]
    fn a_ratio_is_the_median_over_rounds_and_not_of_medians() {
        // The machine is twice as slow in one round, and something disturbs the new build in another.
        let all = rounds(&[(100.0, 1.02), (200.0, 1.02), (100.0, 3.0), (100.0, 1.0), (100.0, 1.04)]);
        let comparison = Comparison::new(&all, 0.07).unwrap();
        let row = &comparison.rows[0];
        assert!((row.ratio - 1.02).abs() < 1e-9, "{row:?}");
        assert!((row.lower_quartile - 1.02).abs() < 1e-9 && (row.upper_quartile - 1.04).abs() < 1e-9);
        assert_eq!((row.ratios.len(), row.finding, row.old_ns), (5, Finding::Same, 100.0));
        assert!(comparison.good());
    }

    #[test]
    fn what_is_outside_the_tolerance_is_found_on_either_side() {
        for (ratio, tolerance, finding) in [
            (1.06, 0.07, Finding::Same),
            (1.08, 0.07, Finding::Slower),
            (1.08, 0.1, Finding::Same),
            (0.94, 0.07, Finding::Same),
            (0.92, 0.07, Finding::Faster),
        ] {
            let comparison = Comparison::new(&rounds(&[(100.0, ratio)]), tolerance).unwrap();
            assert_eq!(comparison.rows[0].finding, finding, "{ratio}");
            assert_eq!(comparison.good(), finding == Finding::Same);
        }
    }

    #[test]
    fn instructions_may_grow_by_a_twentieth() {
        for (old, new, grown) in
            [(Some(40_000), Some(42_000), false), (Some(40_000), Some(42_001), true), (None, Some(9), false)]
        {
            assert_eq!(Instructions::new(old, new).grown, grown);
        }
        let more = [round(&printed(100.0, 1_000), &printed(100.0, 1_100))];
        assert!(!Comparison::new(&more, 0.07).unwrap().good());
    }

    #[test]
    fn packets_that_are_judged_otherwise_make_no_ratio() {
        let new = printed(100.0, 1).replace("\"share_as_expected\":1.0", "\"share_as_expected\":0.9");
        let comparison = Comparison::new(&[round(&printed(100.0, 1), &new)], 0.07).unwrap();
        assert_eq!(comparison.rows[0].finding, Finding::JudgedOtherwise);
        assert!(!comparison.good());
    }

    #[test]
    fn rows_of_one_side_are_left_out_with_the_reason() {
        let old = printed(100.0, 1);
        let new = old.replace("\"signed\"", "\"unlisted\"");
        let comparison = Comparison::new(&[round(&old, &new)], 0.07).unwrap();
        assert_eq!(comparison.rows.len(), 1);
        assert_eq!(
            comparison.left_out,
            [
                "IPv4 clean, nothing listed: only the new build measures it",
                "IPv4 clean, 64 signatures: only the old build measures it"
            ]
        );
        let none = Comparison::new(&[round(&old, &old.replace("IPv4", "IPv6"))], 0.07).unwrap_err();
        assert!(none.to_string().contains("no row in common"));
        let noise = Comparison::new(&rounds(&[(0.2, 1.0)]), 0.07).unwrap_err();
        assert!(noise.to_string().contains("which is noise"), "{noise}");
    }

    #[test]
    fn quantiles() {
        assert_eq!(
            [0.0, 0.25, 0.5, 1.0].map(|share| quantile(&[1.0, 2.0, 4.0], share)),
            [1.0, 1.5, 2.0, 4.0]
        );
        assert_eq!(quantile(&[3.0], 0.75), 3.0);
    }
}
