//! What a replay leaves behind: lines of verdicts, counts, and a bar for whoever waits.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::replay::{
    controller::Mark,
    run::{Observer, Played},
    summary::Summary,
    verdicts::Verdicts,
};

/// Observes a replay.
pub(super) struct Observed {
    verdicts: Option<Verdicts>,
    summary: Summary,
    bar: ProgressBar,
}

impl Observed {
    pub(super) fn new(verdicts: Option<Verdicts>, summary: Summary, bar: ProgressBar) -> Self {
        Self { verdicts, summary, bar }
    }

    /// Ends the files, and gives the counts.
    pub(super) fn finish(self) -> anyhow::Result<Summary> {
        self.bar.finish_and_clear();
        if let Some(verdicts) = self.verdicts {
            verdicts.finish()?;
        }
        Ok(self.summary)
    }
}

impl Observer for Observed {
    fn begins(&mut self, capture: usize, unix_ns: u64, moved: i128) {
        self.summary.begins(capture, unix_ns, moved);
    }

    fn packet(&mut self, played: &Played) -> anyhow::Result<()> {
        self.summary.count(played);
        match (&mut self.verdicts, played) {
            (Some(verdicts), Played::Judged(seen)) => verdicts.write(seen),
            _ => Ok(()),
        }
    }

    fn mark(&mut self, unix_ns: u64, mark: Mark) {
        self.summary.mark(unix_ns, mark.what);
    }

    fn read(&mut self, stored_bytes: u64) {
        self.bar.set_position(stored_bytes);
    }
}

const BAR: &str = "replaying {wide_bar} {bytes}/{total_bytes} {eta}";
const SPINNER: &str = "{spinner} replaying {bytes} {elapsed}";

/// How far a file was read.
pub(super) fn bar(length: u64) -> ProgressBar {
    ProgressBar::new(length)
        .with_style(ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// How much of a pipe was read.
pub(super) fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template(SPINNER).unwrap_or_else(|_| ProgressStyle::default_spinner());
    let spinner = ProgressBar::new_spinner().with_style(style);
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_valid() {
        for template in [BAR, SPINNER] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
