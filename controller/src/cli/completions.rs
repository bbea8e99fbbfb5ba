//! `floodwall completions`: what a shell needs to complete a command line.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{
    Cli,
    exit::{Done, Stop},
    session::Session,
};

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(super) fn apply(&self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "floodwall", &mut script);
        session.out.write_all(&script)?;
        Ok(Done::Plain)
    }
}
