//! What can be done with a state directory by hand. What changes it is refused while a daemon holds it.

use std::{
    fmt,
    fs::{File, TryLockError},
    io::{BufReader, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    claim::{claim, claim_at_once},
    damage_report::Damage,
    files::{LOCK, make_directory},
    in_use,
    open::{Lock, lock},
    reading::{Form, Found},
    replace::replace,
    store::Store,
    text::{self, Text},
};
use crate::records::Records;

/// Why nothing was done that could have been done to another directory, at another time, or with another text.
#[derive(Debug)]
pub enum Obstacle {
    /// There is no such directory.
    Absent(PathBuf),
    /// It is in use, in words.
    InUse(String),
    /// It is in use, and was changed too often for a copy to be of one moment.
    Busy(PathBuf),
    /// It holds a state already.
    Occupied(PathBuf),
    /// The text cannot be read as a state, in words.
    Text(String),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(directory) => {
                write!(formatter, "there is no directory {}; --state-dir names another", directory.display())
            }
            Self::InUse(why) => formatter.write_str(why),
            Self::Busy(directory) => write!(
                formatter,
                "{} is written all the time, and no copy of it was of one moment; try again",
                directory.display()
            ),
            Self::Occupied(directory) => {
                write!(formatter, "{} holds a state already; --replace sets it aside", directory.display())
            }
            Self::Text(why) => write!(formatter, "reading the text: {why}"),
        }
    }
}

impl std::error::Error for Obstacle {}

/// What a state directory holds, and what is wrong with it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "StateAccount")]
pub struct Account {
    /// The directory.
    pub directory: PathBuf,
    /// Format in which it is; 0: it holds no state.
    pub format: u32,
    /// Prefixes that were listed one by one.
    pub entries: u64,
    /// Imports.
    pub imports: u64,
    /// Their prefixes.
    pub prefixes: u64,
    /// Bans in force, as far as the state tells.
    pub bans: u64,
    /// Signatures that are wanted.
    pub signatures: u64,
    /// Rules of which something was said.
    pub rules: u64,
    /// What is wrong, in words, and what can be done about each.
    pub damage: Vec<Wrong>,
}

/// Something that is wrong.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "StateWrong")]
pub struct Wrong {
    /// What it is.
    pub what: String,
    /// What can be done by whoever has a copy.
    pub remedy: &'static str,
}

impl From<&Damage> for Wrong {
    fn from(damage: &Damage) -> Self {
        Self { what: damage.to_string(), remedy: damage.remedy() }
    }
}

/// What has become of a repair or an import.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "StateReplaced")]
pub struct Replaced {
    /// What the directory holds now.
    pub now: Account,
    /// What was wrong before.
    pub before: Vec<Wrong>,
    /// Where the files are that were there; `None`: nothing was replaced.
    pub set_aside: Option<PathBuf>,
    /// The text that was imported is of a state of which not all could be read.
    pub incomplete: bool,
}

fn account(directory: &Path, format: u32, records: &Records, prefixes: usize, damage: &[Damage]) -> Account {
    Account {
        directory: directory.to_owned(),
        format,
        entries: records.noted().count() as u64,
        imports: records.imports().count() as u64,
        prefixes: prefixes as u64,
        bans: records.bans.len() as u64,
        signatures: records.signatures().count() as u64,
        rules: records.overrides().len() as u64,
        damage: damage.iter().map(Wrong::from).collect(),
    }
}

fn of_found(directory: &Path, found: &Found) -> Account {
    let format = match found.form {
        Form::New => 0,
        Form::Lines => 1,
        Form::Database(_) => super::record::FORMAT,
    };
    let prefixes = found.lists.values().map(Vec::len).sum();
    account(directory, format, &found.records, prefixes, &found.damage)
}

/// Reads a directory, and changes nothing in it: itself where nobody uses it, and else a copy.
fn look(directory: &Path) -> anyhow::Result<(Found, Option<Lock>)> {
    match look_at_unused(directory, claim_at_once) {
        Err(error) if matches!(error.downcast_ref(), Some(Obstacle::InUse(_))) => {
            Ok((in_use::read(directory)?, None))
        }
        looked => looked,
    }
}

/// Reads a directory that nobody uses, and changes nothing in it.
fn look_at_unused(
    directory: &Path,
    claim: fn(File) -> Result<File, TryLockError>,
) -> anyhow::Result<(Found, Option<Lock>)> {
    if !directory.is_dir() {
        return Err(Obstacle::Absent(directory.to_owned()).into());
    }
    // Where nobody has ever locked it, nobody uses it, and nothing is to be made in it.
    let lock = directory.join(LOCK).exists().then(|| lock(directory, claim).map(Arc::new)).transpose()?;
    Ok((Found::read(directory)?, lock))
}

/// Keeps daemons from using the directory.
fn hold(directory: &Path) -> anyhow::Result<Lock> {
    lock(directory, claim).map(Arc::new)
}

/// What a state directory holds, and what is wrong with it. Changes nothing, and may be asked while a daemon uses it.
///
/// # Errors
///
/// If it is not there, it cannot be read, or it is of a later format; [`Obstacle`] tells some of these.
pub fn check(directory: &Path) -> anyhow::Result<Account> {
    look(directory).map(|(found, _lock)| of_found(directory, &found))
}

/// Makes what can be read of a damaged state the whole state; the files as they were are set aside. A state that is
/// sound is left as it is.
///
/// # Errors
///
/// As [`check`], if a daemon uses it, and if it cannot be written.
pub fn repair(directory: &Path) -> anyhow::Result<Replaced> {
    let before = look_at_unused(directory, claim).map(|(found, _lock)| of_found(directory, &found))?;
    if before.damage.is_empty() {
        return Ok(Replaced { now: before, before: Vec::new(), set_aside: None, incomplete: false });
    }
    let opened = Store::open(directory, true)?;
    let set_aside = opened.set_aside.clone();
    drop(opened);
    Ok(Replaced { now: check(directory)?, before: before.damage, set_aside, incomplete: false })
}

/// Writes what a state directory holds as text: all that can be read of it. Says what is wrong with it.
///
/// # Errors
///
/// As [`check`], and if the text cannot be written.
pub fn export(directory: &Path, out: &mut dyn Write) -> anyhow::Result<Account> {
    let (found, _lock) = look(directory)?;
    text::write(out, &found.records, &found.lists, found.damage.is_empty()).context("writing the text")?;
    Ok(of_found(directory, &found))
}

/// Makes a text the state of a directory, which is made if it is not there. One that there is has to be given up with
/// `replace`; its files are set aside then.
///
/// # Errors
///
/// If the text is not as it was written, there is a state already, a daemon uses it, or it cannot be written.
pub fn import(directory: &Path, text: File, replace_it: bool) -> anyhow::Result<Replaced> {
    let Text { records, lists, complete } =
        text::read(BufReader::new(text)).map_err(|error| Obstacle::Text(format!("{error:#}")))?;
    make_directory(directory)?;
    let lock = hold(directory)?;
    let found = Found::read(directory)?;
    let is_new = matches!(found.form, Form::New) && found.damage.is_empty();
    if !is_new && !replace_it {
        return Err(Obstacle::Occupied(directory.to_owned()).into());
    }
    let before = found.damage.iter().map(Wrong::from).collect();
    let (store, set_aside) = replace(directory.to_owned(), lock, &records, &lists)?;
    drop(store);
    let prefixes = lists.values().map(Vec::len).sum();
    let now = account(directory, super::record::FORMAT, &records, prefixes, &[]);
    Ok(Replaced { now, before, set_aside, incomplete: !complete })
}
