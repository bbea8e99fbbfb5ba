//! Running one test program.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use floodwall_lab::skip::SKIPS_FILE;

use super::tally::Tally;
use crate::shell;

/// A test program with what it is called in the summary.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) command: Command,
    /// The file that its tests tell skips to, which is its own.
    pub(super) skips: PathBuf,
}

impl Part {
    /// Runs it, passes on what it prints, and counts.
    ///
    /// # Errors
    /// When it cannot be run. That it fails or crashes is part of the count.
    pub(super) fn run(mut self, out: &mut dyn Write) -> Result<Tally> {
        let line = shell::line_of(&self.command);
        let skips = &self.skips;
        File::create(skips).with_context(|| format!("emptying the list of skips {}", skips.display()))?;
        // One pipe for both: a skip's line must stay beside the test it belongs to.
        let (reader, writer) = io::pipe().context("making a pipe")?;
        let errors = writer.try_clone().context("making a pipe")?;
        self.command.env(SKIPS_FILE, skips).stdin(Stdio::null()).stdout(writer).stderr(errors);
        if io::stdout().is_terminal() {
            self.command.env("CARGO_TERM_COLOR", "always");
        }
        let mut child = self.command.spawn().with_context(|| format!("running `{line}`"))?;
        // The command keeps our ends of the pipe, and we would wait for them for ever.
        self.command.stdout(Stdio::null()).stderr(Stdio::null());

        let mut tally = Tally::new(&self.name);
        for said in BufReader::new(reader).split(b'\n') {
            let said = said.with_context(|| format!("reading what `{line}` says"))?;
            let said = String::from_utf8_lossy(&said);
            tally.read(&said);
            writeln!(out, "{said}").context("passing on what tests say")?;
        }
        let status = child.wait().with_context(|| format!("waiting for `{line}`"))?;
        let skipped = fs::read_to_string(skips)
            .with_context(|| format!("reading the list of skips {}", skips.display()))?;
        tally.finish(status, &skipped);
        Ok(tally)
    }
}
