//! What a command works with: the daemon, the output, and who looks at it.

use std::io::{self, IsTerminal as _, Write};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    exit::{Failed, Kind, Stop},
    style::Style,
};
use crate::client::Client;

/// What a command works with.
pub(super) struct Session<'a> {
    /// The daemon.
    pub(super) client: Client,
    /// Standard output. Writing to it stops the command quietly once nobody reads it.
    pub(super) out: Box<dyn Write + Send + 'a>,
    /// Scripts want JSON.
    pub(super) json: bool,
    /// Colours, or none.
    pub(super) style: Style,
    /// A person looks at standard error, and wants to see how far things are.
    pub(super) watched: bool,
    /// Standard output is a terminal, on which what was shown can be shown over.
    pub(super) redraws: bool,
    /// A person can be asked: both ends are a terminal.
    pub(super) interactive: bool,
}

impl Session<'_> {
    /// The session of this process.
    pub(super) fn of_process(client: Client, json: bool) -> Self {
        let watched = io::stderr().is_terminal() && !json;
        Self {
            client,
            out: Box::new(io::BufWriter::new(io::stdout())),
            json,
            style: Style::of_terminal(io::stdout().is_terminal() && !json),
            watched,
            redraws: io::stdout().is_terminal() && !json,
            interactive: watched && io::stdin().is_terminal(),
        }
    }

    /// Rows of the terminal, where there is one.
    pub(super) fn rows(&self) -> Option<usize> {
        let size = self.redraws.then(crossterm::terminal::size)?;
        size.ok().map(|(_, rows)| rows.into())
    }

    /// Writes a value as one line of JSON.
    pub(super) fn write_json(&mut self, value: &(impl Serialize + JsonSchema)) -> Result<(), Stop> {
        #[cfg(test)]
        super::schemas::assert_described(value);
        let mut line = serde_json::to_vec(value)
            .map_err(|error| Failed::new(Kind::Internal, format!("writing JSON: {error}")))?;
        line.push(b'\n');
        Ok(self.out.write_all(&line)?)
    }

    /// Writes a value as JSON, or as `human` words it.
    pub(super) fn answer<T: Serialize + JsonSchema>(
        &mut self,
        value: &T,
        human: impl FnOnce(&T, &mut dyn Write, Style) -> io::Result<()>,
    ) -> Result<(), Stop> {
        if self.json { self.write_json(value) } else { Ok(human(value, &mut *self.out, self.style)?) }
    }
}

#[cfg(test)]
impl<'a> Session<'a> {
    /// A session with a daemon at `socket` whose output goes to `out`, and nobody looks at.
    pub(super) fn of_test(socket: &std::path::Path, json: bool, out: &'a mut Vec<u8>) -> Self {
        Self {
            client: Client::new(socket),
            out: Box::new(out),
            json,
            style: Style::plain(),
            watched: false,
            redraws: false,
            interactive: false,
        }
    }
}
