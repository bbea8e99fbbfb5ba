//! The live picture: redrawn in place on a terminal, a line a second elsewhere.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use super::draw::{bar, sparkline, time, whole};
use super::phase::{Phase, Sample, Story};

const SPARKS: usize = 40;

/// Where the show is seen.
pub(super) struct Screen {
    /// Redraw in place.
    live: bool,
    /// Write to standard error, since standard output is for a machine.
    aside: bool,
    /// Of each phase.
    seconds: u64,
    /// Lines of the picture that stands there.
    drawn: usize,
    phase: Option<Phase>,
}

impl Screen {
    pub(super) fn new(json: bool, seconds: u64) -> Self {
        let live = if json { io::stderr().is_terminal() } else { io::stdout().is_terminal() };
        Self { live, aside: json, seconds, drawn: 0, phase: None }
    }

    /// Tells something between two references.
    pub(super) fn note(&mut self, text: &str) {
        self.leave();
        self.write(&format!("  {text}\n"));
    }

    /// Lets the last picture stand.
    pub(super) fn leave(&mut self) {
        self.drawn = 0;
    }

    /// Shows the last second.
    pub(super) fn show(&mut self, story: &Story, phase: Phase, elapsed: Duration) {
        let Some((_, sample)) = story.samples().last() else { return };
        if self.phase != Some(phase) {
            self.phase = Some(phase);
            self.leave();
            self.write(&format!("\nphase {} of 3: {}\n", phase.number(), phase.title()));
            if phase == Phase::Flood {
                for (what, rate) in &story.attack {
                    self.write(&format!("  {:>7} packets/s  {what}\n", whole(f64::from(*rate))));
                }
            }
        }
        let text =
            if self.live { self.picture(story, sample, elapsed) } else { line(phase, sample, elapsed) };
        let mut whole_text = String::new();
        if self.drawn > 0 {
            // Up to the first line of the old picture, and clear to the end of the screen.
            let _ = write!(whole_text, "\x1b[{}A\x1b[J", self.drawn);
        }
        whole_text.push_str(&text);
        self.drawn = if self.live { text.lines().count() } else { 0 };
        self.write(&whole_text);
    }

    fn picture(&self, story: &Story, sample: &Sample, elapsed: Duration) -> String {
        let history = |value: &dyn Fn(&Sample) -> f64| {
            let values: Vec<f64> = story.samples().iter().map(|(_, sample)| value(sample)).collect();
            sparkline(&values, SPARKS)
        };
        let mut text = format!("  {} s of {}\n", elapsed.as_secs(), self.seconds);
        let mut row = |title: &str, number: f64, rest: &str| {
            let _ = writeln!(text, "  {title:<24}{:>9}  {rest}", whole(number));
        };
        row("customers: answered/s", sample.answered, &history(&|sample| sample.answered));
        let latency = format!("half within {}, 99 % within {}", time(sample.half), time(sample.most));
        row("           failed/s", sample.failed, &latency);
        row(
            "attacker: packets/s",
            sample.per_second(sample.sent),
            &history(&|sample| sample.per_second(sample.sent)),
        );
        match &sample.filter {
            None => text.push_str("  floodwall: off\n"),
            Some(counters) => {
                let dropped = counters.all_dropped();
                let all = (dropped + counters.all_passed()).max(1) as f64;
                let of = |sample: &Sample| {
                    sample.filter.as_ref().map_or(0, super::counters::Counters::all_dropped)
                };
                let picture = history(&|sample| sample.per_second(of(sample)));
                row("floodwall: dropped/s", sample.per_second(dropped), &picture);
                for (reason, &count) in counters.dropped.iter().filter(|(_, count)| **count > 0) {
                    row(&format!("    {reason}"), sample.per_second(count), &bar(count as f64 / all, 30));
                }
                row("           passed/s", sample.per_second(counters.all_passed()), "");
            }
        }
        text
    }

    /// A closed pipe ends nobody's show before it is taken down.
    fn write(&self, text: &str) {
        let _ = if self.aside {
            io::stderr().write_all(text.as_bytes())
        } else {
            let mut out = io::stdout();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        };
    }
}

/// The last second as plain text.
fn line(phase: Phase, sample: &Sample, elapsed: Duration) -> String {
    let mut text = format!(
        "[{}/3 {:>3} s] customers: {} answered/s, {} failed/s, half within {}; attacker: {} packets/s; floodwall: ",
        phase.number(),
        elapsed.as_secs(),
        whole(sample.answered),
        whole(sample.failed),
        time(sample.half),
        whole(sample.per_second(sample.sent)),
    );
    match &sample.filter {
        None => text.push_str("off"),
        Some(counters) => {
            let _ = write!(text, "{} dropped/s", whole(sample.per_second(counters.all_dropped())));
            for (reason, &count) in counters.dropped.iter().filter(|(_, count)| **count > 0) {
                let _ = write!(text, ", {reason} {}", whole(sample.per_second(count)));
            }
            let _ = write!(text, "; {} passed/s", whole(sample.per_second(counters.all_passed())));
        }
    }
    text.push('\n');
    text
}
