//! Telling how a series of steps goes: a spinner on a terminal, plain lines elsewhere.

use std::collections::VecDeque;
use std::fmt::Arguments;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::shell;

/// Lines of a failed program that are shown.
const LAST_LINES: usize = 25;

/// Where the steps are told.
#[derive(Debug)]
pub(crate) struct Steps {
    /// The steps are what was asked for: tell those too that had nothing to do, on standard
    /// output. Else they are a remark beside another task's output.
    pub(crate) verbose: bool,
}

impl Steps {
    /// A step found everything in place.
    pub(crate) fn ok(&self, what: &str, found: &str) {
        if self.verbose {
            self.tell(format_args!("ok          {what}: {found}"));
        }
    }

    /// Something is not there, and that can be lived with.
    pub(crate) fn lacking(&self, what: &str, consequence: &str) {
        self.tell(format_args!("lacking     {what}: {consequence}"));
    }

    /// Runs a program that installs `what`; its output is shown line by line on a terminal, and
    /// its end only if it fails.
    pub(crate) fn install(&self, what: &str, command: &mut Command) -> Result<()> {
        let line = shell::line_of(command);
        let start = Instant::now();
        let bar = spinner(what);
        if bar.is_hidden() {
            self.tell(format_args!("installing  {what} … ({line})"));
        }
        let (reader, writer) = io::pipe().context("making a pipe")?;
        let errors = writer.try_clone().context("making a pipe")?;
        // A backtrace would push the reason out of the lines that are shown.
        command.stdin(Stdio::null()).stdout(writer).stderr(errors).env("RUST_BACKTRACE", "0");
        let mut child = command.spawn().with_context(|| format!("running `{line}`"))?;
        // The command keeps our ends of the pipe, and we would wait for them for ever.
        command.stdout(Stdio::null()).stderr(Stdio::null());

        let mut last = VecDeque::with_capacity(LAST_LINES);
        for said in BufReader::new(reader).split(b'\n') {
            let said = said.with_context(|| format!("reading what `{line}` says"))?;
            // A progress bar redraws its line; the last drawing counts.
            let said = String::from_utf8_lossy(said.rsplit(|&byte| byte == b'\r').next().unwrap_or_default());
            if last.len() == LAST_LINES {
                last.pop_front();
            }
            bar.set_message(said.trim().to_owned());
            last.push_back(said.into_owned());
        }
        let status = child.wait().with_context(|| format!("waiting for `{line}`"))?;
        bar.finish_and_clear();
        if !status.success() {
            for said in last {
                eprintln!("  | {said}");
            }
            bail!("`{line}` failed ({status}); its last lines are above");
        }
        self.tell(format_args!("installed   {what} ({:.0} s)", start.elapsed().as_secs_f64()));
        Ok(())
    }

    fn tell(&self, text: Arguments<'_>) {
        if self.verbose {
            println!("{text}");
        } else {
            eprintln!("{text}");
        }
    }

    /// Does something quick that changes the machine.
    pub(crate) fn change(&self, what: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        work()?;
        self.tell(format_args!("installed   {what}"));
        Ok(())
    }
}

/// A spinner with the time and the last line said; hidden when standard error is no terminal.
fn spinner(what: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} installing {prefix} {elapsed} {wide_msg:.dim}")
    {
        bar.set_style(style);
    }
    bar.set_prefix(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
