//! `floodwall reload`: another configuration, as a difference.

use std::io::{self, Write};

use clap::Args;

use crate::{
    api::{Changed, ReloadReport, ReloadRequest, path},
    cli::{
        exit::{Done, Stop},
        session::Session,
        style::Style,
        trial::{self, OnTrial},
    },
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Reload {
    /// Only say what would change.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    trial: OnTrial,
}

impl Reload {
    pub(in crate::cli) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let target = self.trial.target(path::RELOAD);
        let report: Changed<ReloadReport> = if self.dry_run || session.json {
            session.client.post(&target, &ReloadRequest { dry_run: self.dry_run }).await?
        } else {
            // Said before it is done.
            let said: ReloadReport =
                session.client.post(path::RELOAD, &ReloadRequest { dry_run: true }).await?;
            said.differences.iter().try_for_each(|line| writeln!(session.out, "{line}"))?;
            session.out.flush()?;
            let Changed { answer: done, trial }: Changed<ReloadReport> =
                session.client.post(&target, &ReloadRequest { dry_run: false }).await?;
            let differences =
                if done.differences == said.differences { Vec::new() } else { done.differences };
            let nothing = said.differences.is_empty() && differences.is_empty();
            let report = ReloadReport { differences, ..done };
            match nothing {
                true => writeln!(session.out, "nothing has changed in {}", report.path)?,
                false => render(&report, &mut *session.out, session.style)?,
            }
            if let Some(trial) = &trial {
                trial::notice(trial, &mut *session.out, session.style)?;
            }
            return Ok(Done::Plain);
        };
        session.changed(&report, render)?;
        Ok(Done::Plain)
    }
}

fn render(report: &ReloadReport, out: &mut dyn Write, _: Style) -> io::Result<()> {
    let ReloadReport { path, differences, applied } = report;
    differences.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    match applied {
        true => writeln!(out, "{path} is in force"),
        false if differences.is_empty() => writeln!(out, "{path} would change nothing"),
        false => writeln!(out, "{path} would change this; nothing was changed"),
    }
}
