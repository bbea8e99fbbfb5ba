//! `floodwall man`: the manual, out of the same definitions as `--help`.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};

use super::{
    Cli,
    exit::{Done, Failed, Kind, Stop},
    session::Session,
};

#[derive(Debug, Args)]
pub(super) struct Man {
    /// Write a page for every command into this directory, instead of printing the first.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(super) fn apply(&self, session: &mut Session<'_>) -> Result<Done, Stop> {
        match &self.dir {
            Some(directory) => clap_mangen::generate_to(Cli::command(), directory).map_err(|error| {
                let message = format!("writing the manual to {}: {error}", directory.display());
                Failed::new(Kind::of_io(&error), message)
            })?,
            None => {
                let mut page = Vec::new();
                clap_mangen::Man::new(Cli::command()).render(&mut page)?;
                session.out.write_all(&page)?;
            }
        }
        Ok(Done::Plain)
    }
}
