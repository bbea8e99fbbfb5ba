//! `floodwall state`: looks after the state directory by hand.

use std::{
    fs::File,
    io::{self, Write},
    path::PathBuf,
};

use clap::{Args, Subcommand};

use super::{
    exit::{Done, Failed, Kind, Stop},
    session::Session,
    style::Style,
};
use crate::store::{self, Account, Obstacle, Replaced};

#[derive(Debug, Subcommand)]
pub(super) enum State {
    /// Say what a state directory holds and whether it is sound; changes nothing. Damage ends with the exit code 13.
    Check(Directory),
    /// Make what can be read of a damaged state the whole state; the files as they were are set aside. Refused
    /// while a daemon uses it.
    Repair(Directory),
    /// Write the state as text, a line of JSON for each thing that it holds: all that can be read.
    Export(Export),
    /// Make a text that `export` has written the state of a directory that no daemon uses.
    Import(Import),
}

/// Which directory.
#[derive(Debug, Args)]
pub(super) struct Directory {
    /// The state directory.
    #[arg(long, value_name = "DIR", default_value = super::STATE_DIR)]
    state_dir: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    directory: Directory,
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// The text.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Set aside a state that there is already.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    directory: Directory,
}

impl State {
    pub(super) fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        match self {
            Self::Check(Directory { state_dir }) => {
                let account = store::check(&state_dir).map_err(|error| failed(&error))?;
                session.answer(&account, render)?;
                Ok(done(&account))
            }
            Self::Repair(Directory { state_dir }) => {
                let replaced = store::repair(&state_dir).map_err(|error| failed(&error))?;
                session.answer(&replaced, render_replaced)?;
                Ok(Done::Plain)
            }
            Self::Export(Export { directory: Directory { state_dir } }) => {
                let account = store::export(&state_dir, &mut session.out).map_err(|error| failed(&error))?;
                // Standard output is the text.
                for wrong in &account.damage {
                    drop(writeln!(io::stderr(), "WARNING: {}: {}", wrong.what, wrong.remedy));
                }
                Ok(done(&account))
            }
            Self::Import(Import { file, replace, directory: Directory { state_dir } }) => {
                let text = File::open(&file).map_err(|error| {
                    Failed::new(Kind::of_io(&error), format!("opening {}: {error}", file.display()))
                })?;
                let replaced = store::import(&state_dir, text, replace).map_err(|error| failed(&error))?;
                session.answer(&replaced, render_replaced)?;
                Ok(Done::Plain)
            }
        }
    }
}

fn done(account: &Account) -> Done {
    if account.damage.is_empty() { Done::Plain } else { Done::StateDamaged }
}

fn failed(error: &anyhow::Error) -> Stop {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    if io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return Stop::Closed;
    }
    let kind = match (error.downcast_ref::<Obstacle>(), io) {
        (Some(Obstacle::Absent(_)), _) => Kind::NotFound,
        (Some(Obstacle::InUse(_) | Obstacle::Busy(_) | Obstacle::Occupied(_)), _) => Kind::Refused,
        (Some(Obstacle::Text(_)), _) => Kind::Invalid,
        (None, Some(error)) if error.kind() == io::ErrorKind::PermissionDenied => Kind::Denied,
        (None, _) => Kind::Internal,
    };
    Failed::new(kind, format!("{error:#}")).into()
}

fn render(account: &Account, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let Account { directory, format, entries, imports, prefixes, bans, signatures, rules, damage } = account;
    for wrong in damage {
        writeln!(out, "{} {}: {}", style.loud("DAMAGED:"), wrong.what, wrong.remedy)?;
    }
    let soundness = match (damage.is_empty(), format) {
        (true, 0) => "no state".to_owned(),
        (true, _) => format!("sound, of format {format}"),
        (false, _) => "damaged; `floodwall state repair` goes on with what can be read, which is".to_owned(),
    };
    writeln!(
        out,
        "{}: {soundness}; {entries} entries, {imports} imports with {prefixes} prefixes, {bans} bans, {signatures} \
         signatures, {rules} rules",
        directory.display()
    )
}

fn render_replaced(replaced: &Replaced, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let Replaced { now, before, set_aside, incomplete } = replaced;
    for wrong in before {
        writeln!(out, "was damaged: {}", wrong.what)?;
    }
    if *incomplete {
        let warning = style.loud("WARNING:");
        writeln!(out, "{warning} the text is of a damaged state, and lacks what could not be read of that")?;
    }
    render(now, out, style)?;
    match set_aside {
        Some(aside) => writeln!(out, "the files as they were are in {}", aside.display()),
        None if before.is_empty() => Ok(()),
        None => writeln!(out, "there was no file to set aside"),
    }
}
