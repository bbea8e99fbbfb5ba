//! How far long work is: a bar on a terminal, a line a piece elsewhere, both on standard error.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const BAR: &str = "{prefix}: {wide_bar} {pos} of {len}, {msg} {elapsed}, {eta} left";

/// Work in a known number of pieces.
#[derive(Debug)]
pub(crate) struct Progress {
    task: &'static str,
    bar: ProgressBar,
    start: Instant,
}

impl Progress {
    pub(crate) fn new(task: &'static str, pieces: usize) -> Self {
        let bar = if io::stderr().is_terminal() {
            ProgressBar::new(pieces as u64)
        } else {
            ProgressBar::with_draw_target(Some(pieces as u64), indicatif::ProgressDrawTarget::hidden())
        };
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            bar.set_style(style);
        }
        bar.set_prefix(task);
        // The time goes on while a long piece is at work.
        bar.enable_steady_tick(Duration::from_secs(1));
        Self { task, bar, start: Instant::now() }
    }

    /// A piece begins.
    pub(crate) fn begin(&self, piece: &str) {
        self.bar.set_message(piece.to_owned());
    }

    /// A piece is done.
    pub(crate) fn done(&self, piece: &str) {
        self.bar.inc(1);
        if self.bar.is_hidden() {
            let (done, all) = (self.bar.position(), self.bar.length().unwrap_or(0));
            let left = left(self.start.elapsed(), done, all);
            eprintln!("{}: {done} of {all}  {piece}{left}", self.task);
        }
    }

    /// Nothing is left on the terminal.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// What is left of work that has taken so long for some of its pieces, where it is worth telling.
fn left(elapsed: Duration, done: u64, all: u64) -> String {
    if done == 0 || done >= all {
        return String::new();
    }
    let seconds = elapsed.as_secs_f64() / done as f64 * (all - done) as f64;
    match seconds {
        ..60.0 => String::new(),
        _ => format!("  (some {:.0} min left)", seconds / 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_in_minutes() {
        assert_eq!(left(Duration::from_secs(60), 2, 30), "  (some 14 min left)");
        assert_eq!(left(Duration::from_secs(60), 29, 30), "");
        assert_eq!(left(Duration::from_secs(600), 30, 30), "");
        assert_eq!(left(Duration::ZERO, 0, 30), "");
    }

    #[test]
    fn the_template_is_valid() {
        assert!(ProgressStyle::with_template(BAR).is_ok());
    }
}
