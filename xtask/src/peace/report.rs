//! What came out of all draws, for people and for machines.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::{Value, json};

use super::draw::{Draw, SECONDS};
use crate::corpus::Told;
use crate::replayed::{Outcome, Part};

/// Seconds of an hour.
const HOUR: f64 = 3_600.0;

/// How long the parts of a run took, on the clock, each of as many as are at work at once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Took {
    pub(super) generating: Duration,
    pub(super) replaying: Duration,
}

/// What one filter saw, twice: by [`Told::ALL`].
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) draws: Vec<Draw>,
    pub(super) outcomes: [Outcome; 2],
    pub(super) took: Took,
}

impl Run {
    /// `quiet`, or how many alarms and drops there were.
    pub(super) fn in_words(&self) -> String {
        let parts = || self.outcomes.iter().flat_map(|outcome| &outcome.parts);
        let alarms: usize = parts().map(|part| part.alarms.len()).sum();
        let dropped: u64 = parts().map(|part| part.dropped).sum();
        if alarms == 0 && dropped == 0 {
            "quiet".to_owned()
        } else {
            format!("{alarms} alarms, {dropped} dropped")
        }
    }
}

/// Of all draws, under one telling.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Total {
    packets: u64,
    alarms: usize,
    /// Those that pass when they come again included.
    dropped: u64,
    retry: u64,
    drops: BTreeMap<String, u64>,
}

/// Everything that came out.
#[derive(Debug)]
pub(super) struct Report {
    skipped: Option<String>,
    warm: bool,
    seed: u64,
    runs: Vec<Run>,
    /// The command that repeats what was not quiet.
    pub(super) repeat: Option<String>,
}

impl Report {
    pub(super) fn new(runs: Vec<Run>, warm: bool, seed: u64) -> Self {
        Self { skipped: None, warm, seed, runs, repeat: None }
    }

    /// Nothing was drawn.
    pub(super) fn skipped(reason: String) -> Self {
        Self { skipped: Some(reason), ..Self::new(Vec::new(), false, 0) }
    }

    /// Each draw, what it was told, and what became of it.
    fn rows(&self) -> impl Iterator<Item = (&Draw, Told, &Part)> {
        self.runs.iter().flat_map(|run| {
            let told = Told::ALL.into_iter().zip(&run.outcomes);
            told.flat_map(|(told, outcome)| {
                run.draws.iter().zip(&outcome.parts).map(move |(draw, part)| (draw, told, part))
            })
        })
    }

    /// Numbers of the draws that were not quiet.
    pub(super) fn failed_draws(&self) -> Vec<u32> {
        let loud = self.rows().filter(|(_, _, part)| part.dropped > 0 || !part.alarms.is_empty());
        let mut failed: Vec<_> = loud.map(|(draw, _, _)| draw.draw).collect();
        failed.sort_unstable();
        failed.dedup();
        failed
    }

    pub(super) fn last_failed(&self) -> Option<u32> {
        self.failed_draws().last().copied()
    }

    /// Whether there was no alarm, and nothing was dropped.
    pub(super) fn good(&self) -> bool {
        self.failed_draws().is_empty()
    }

    fn totals(&self) -> [Total; 2] {
        let mut totals = [Total::default(), Total::default()];
        for run in &self.runs {
            for (total, outcome) in totals.iter_mut().zip(&run.outcomes) {
                total.retry += outcome.retry;
                for (reason, packets) in &outcome.drops {
                    *total.drops.entry(reason.clone()).or_default() += packets;
                }
                for part in &outcome.parts {
                    total.packets += part.packets;
                    total.dropped += part.dropped;
                    total.alarms += part.alarms.len();
                }
            }
        }
        totals
    }

    fn draws(&self) -> usize {
        self.runs.iter().map(|run| run.draws.len()).sum()
    }

    fn took(&self) -> Took {
        self.runs.iter().fold(Took::default(), |all, run| Took {
            generating: all.generating + run.took.generating,
            replaying: all.replaying + run.took.replaying,
        })
    }

    /// One document.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which it can.
    pub(super) fn json(&self) -> Result<String> {
        let rows = self.rows().map(|(draw, told, part)| {
            json!({"draw": draw.draw, "rate": draw.rate, "rush": draw.rush, "told": told, "packets": part.packets,
                "dropped": part.dropped, "alarms": part.alarms})
        });
        let totals: BTreeMap<_, _> = Told::ALL.map(Told::folder).into_iter().zip(self.totals()).collect();
        let took = self.took();
        let document = json!({
            "skipped": self.skipped,
            "good": self.good(),
            "warm": self.warm,
            "seed": self.seed,
            "draws": rows.collect::<Vec<Value>>(),
            "totals": totals,
            "hours": self.hours(),
            "failed": self.failed_draws(),
            "repeat": self.repeat,
            "generating_seconds": took.generating.as_secs_f64(),
            "replaying_seconds": took.replaying.as_secs_f64(),
        });
        serde_json::to_string_pretty(&document).context("writing the draws as JSON")
    }

    /// Of traffic, under one telling.
    fn hours(&self) -> f64 {
        self.draws() as f64 * f64::from(SECONDS) / HOUR
    }

    /// What was not quiet, and the totals.
    pub(super) fn text(&self) -> String {
        if let Some(reason) = &self.skipped {
            return format!("skipped   {reason}\n");
        }
        let mut text = String::new();
        for (draw, told, part) in
            self.rows().filter(|(_, _, part)| part.dropped > 0 || !part.alarms.is_empty())
        {
            let told = told.title();
            line(
                &mut text,
                &format!("LOUD  {draw}, {told}: {} of {} packets dropped", part.dropped, part.packets),
            );
            for alarm in &part.alarms {
                line(&mut text, &format!("      {:6.2} s  {}", alarm.seconds, alarm.what));
            }
        }
        let how = if self.warm { "one after the other before one filter" } else { "each on a fresh install" };
        let (draws, hours) = (self.draws(), self.hours());
        line(&mut text, &format!("{draws} draws of {SECONDS} s of ordinary traffic ({hours:.1} h), {how}:"));
        for (told, total) in Told::ALL.into_iter().zip(self.totals()) {
            let [packets, dropped, retry] =
                [total.packets, total.dropped, total.retry].map(floodwall_units::count);
            let alarms = total.alarms;
            line(
                &mut text,
                &format!(
                    "  {}: {alarms} alarms; of {packets} packets {dropped} dropped, {retry} of them once{}",
                    told.title(),
                    by_reason(&total.drops)
                ),
            );
        }
        let took = self.took();
        let each = |of: Duration| of.as_secs_f64() / draws.max(1) as f64;
        line(
            &mut text,
            &format!(
                "a draw took {:.1} s to generate, and {:.1} s to replay twice (on the clock, several at once)",
                each(took.generating),
                each(took.replaying)
            ),
        );
        if let Some(repeat) = &self.repeat {
            line(&mut text, &format!("again: {repeat}"));
        }
        text
    }
}

/// `: signature 3, syn-rate 1`, or nothing.
fn by_reason(drops: &BTreeMap<String, u64>) -> String {
    let reasons: Vec<_> = drops.iter().map(|(reason, packets)| format!("{reason} {packets}")).collect();
    if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join(", ")) }
}

fn line(text: &mut String, line: &str) {
    // A string takes all that is written to it.
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replayed::Alarm;

    fn outcome(parts: &[(u64, u64, usize)]) -> Outcome {
        let alarm = Alarm { seconds: 7.25, what: "attack 1: 9 a, where 8 are usual at most".to_owned() };
        let part = |&(packets, dropped, alarms): &(u64, u64, usize)| Part {
            packets,
            dropped,
            alarms: vec![alarm.clone(); alarms],
        };
        let dropped: u64 = parts.iter().map(|part| part.1).sum();
        let drops = (dropped > 0).then(|| ("syn-rate".to_owned(), dropped)).into_iter().collect();
        Outcome { parts: parts.iter().map(part).collect(), retry: 0, drops }
    }

    fn run(numbers: &[u32], told: &[(u64, u64, usize)], alone: &[(u64, u64, usize)]) -> Run {
        Run {
            draws: numbers.iter().map(|&number| Draw::new(1, number, false)).collect(),
            outcomes: [outcome(told), outcome(alone)],
            took: Took { generating: Duration::from_secs(3), replaying: Duration::from_secs(1) },
        }
    }

    #[test]
    fn what_is_loud_is_named_and_the_rest_is_added_up() {
        let runs = vec![
            run(&[1], &[(1_000, 0, 0)], &[(1_000, 0, 0)]),
            run(&[2], &[(2_000, 0, 0)], &[(2_000, 0, 1)]),
            run(&[3], &[(4_000, 5, 0)], &[(4_000, 0, 0)]),
        ];
        assert_eq!(runs[0].in_words(), "quiet");
        let report = Report::new(runs, false, 1);
        assert!(!report.good());
        assert_eq!((report.failed_draws(), report.last_failed()), (vec![2, 3], Some(3)));
        let text = report.text();
        for part in [
            "not told of them: 1 alarms; of 7,000 packets 0 dropped, 0 of them once\n",
            "opened: 0 alarms; of 7,000 packets 5 dropped, 0 of them once: syn-rate 5\n",
            "  7.25 s  attack 1: 9 a",
            "opened: 5 of 4000 packets dropped\n",
            "3 draws of 120 s of ordinary traffic (0.1 h), each on a fresh install",
            "took 3.0 s to generate, and 1.0 s to replay",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert_eq!(text.matches("LOUD").count(), 2, "{text}");
        let json: Value = serde_json::from_str(&report.json().unwrap()).unwrap();
        assert_eq!((&json["failed"], &json["totals"]["alone"]["alarms"]), (&json!([2, 3]), &json!(1)));
        assert_eq!(json["draws"].as_array().map(Vec::len), Some(6));
    }

    #[test]
    fn of_one_filter_the_draw_that_was_loud_is_known() {
        let runs = vec![run(&[1, 2], &[(10, 0, 0), (20, 0, 2)], &[(10, 0, 0), (20, 0, 0)])];
        let report = Report::new(runs, true, 1);
        assert_eq!(report.failed_draws(), [2]);
        assert_eq!(report.totals()[0].packets, 30);
        let quiet = Report::new(vec![run(&[1], &[(10, 0, 0)], &[(10, 0, 0)])], true, 1);
        assert!(quiet.good() && quiet.text().contains("before one filter"));
    }

    #[test]
    fn what_was_not_done_is_no_failure_and_is_said() {
        let report = Report::skipped("needs the corpus".to_owned());
        assert!(report.good() && report.text() == "skipped   needs the corpus\n");
    }
}
