//! `floodwall setup`: proposes, shows, and writes.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use floodwall_setup::{Proposal, ProposedService, changes, write};
use schemars::JsonSchema;
use serde::Serialize;

use super::{CONFIGURATION, agrees, host, place};
use crate::cli::{
    arguments,
    exit::{Done, Failed, Kind, Stop},
    session::Session,
    style::Style,
    units,
};

#[derive(Debug, Args)]
pub(super) struct Propose {
    /// Interface to protect, in place of those that default routes lead by; may be given several times.
    #[arg(long = "iface", value_name = "IF", value_parser = arguments::interface)]
    interfaces: Vec<String>,
    /// Configuration file.
    #[arg(long, value_name = "FILE", default_value = CONFIGURATION)]
    config: PathBuf,
    /// Write it without asking.
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Only say what would be written.
    #[arg(long)]
    dry_run: bool,
}

/// What is proposed, and what became of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct Proposed {
    config: PathBuf,
    #[serde(flatten)]
    proposal: Proposal,
    /// Lines that come and go.
    changes: Vec<String>,
    /// Whether it was written.
    written: bool,
    /// What brings it into force.
    next: String,
}

impl Propose {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let Self { interfaces, config, yes, dry_run } = self;
        let interfaces = if interfaces.is_empty() { host::outward().await? } else { interfaces };
        if interfaces.is_empty() {
            let message = "no default route leads anywhere, so that it cannot be told by which interface packets come; name \
                           it with --iface";
            return Err(Failed::new(Kind::Invalid, message).into());
        }
        let proposal = Proposal::of(interfaces, &host::listening()?);
        let before = place::read(&config)?;
        place::check(&config, &before)?;
        let after = write(&before, &proposal).map_err(|error| {
            Failed::new(Kind::Invalid, format!("{} is left as it is: {error}", config.display()))
        })?;
        place::check(&config, &after)?;
        let mut proposed = Proposed {
            changes: changes(&before, &after),
            next: next(&config),
            written: false,
            config,
            proposal,
        };
        if !session.json {
            render(&proposed, &mut *session.out, session.style)?;
        }
        let is_new = !proposed.changes.is_empty();
        let question = format!("Write {}?", proposed.config.display());
        if is_new && !dry_run {
            if !yes && !agrees(&question, session)? {
                if session.json {
                    session.write_json(&proposed)?;
                    return Ok(Done::Plain);
                }
                let message = "nothing was written; --yes writes it without asking";
                return Err(Failed::new(Kind::Refused, message).into());
            }
            place::write(&proposed.config, &after)?;
            proposed.written = true;
        }
        match (session.json, proposed.written) {
            (true, _) => session.write_json(&proposed)?,
            (false, true) => {
                writeln!(
                    session.out,
                    "written; `{}` brings it into force, and it only counts",
                    proposed.next
                )?;
                writeln!(
                    session.out,
                    "after a day, `floodwall setup enforce` says what would have been dropped"
                )?;
            }
            (false, false) => {}
        }
        Ok(Done::Plain)
    }
}

/// What brings a configuration into force.
fn next(config: &Path) -> String {
    let service = Path::new("/run/systemd/system").is_dir() && config == Path::new(CONFIGURATION);
    match service {
        true => "systemctl restart floodwall".to_owned(),
        false => format!("floodwall run --config {}", config.display()),
    }
}

fn render(proposed: &Proposed, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let Proposed { config, proposal: Proposal { interfaces, services }, changes, .. } = proposed;
    writeln!(out, "{} {}", style.strong("interfaces"), units::printable(&interfaces.join(", ")))?;
    for ProposedService { name, protocol, ports } in services {
        let ports: Vec<_> = ports.iter().map(ToString::to_string).collect();
        writeln!(out, "{}    {name}: {protocol} {}", style.strong("service"), ports.join(", "))?;
    }
    if services.is_empty() {
        writeln!(out, "nothing listens here that can be reached from outside")?;
    }
    if changes.is_empty() {
        return writeln!(out, "{} says so already", config.display());
    }
    writeln!(out, "\n{}:", config.display())?;
    for line in changes {
        let shown = units::printable(line);
        match line.as_bytes().first() {
            Some(b'+') => writeln!(out, "{}", style.good(shown))?,
            Some(b'-') => writeln!(out, "{}", style.bad(shown))?,
            _ => writeln!(out, "{shown}")?,
        }
    }
    writeln!(out)
}
