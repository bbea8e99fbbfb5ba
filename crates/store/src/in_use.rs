//! A state directory that a daemon uses, read through a copy of its files: the daemon keeps its database to itself, and is
//! never kept waiting.
//!
//! The files are copied one after the other while the daemon goes on, the witness first: what the others hold beyond it is
//! what was not acknowledged yet when it was copied. Only where the database takes up its log in between is a copy not
//! what the witness says, which is seen as damage; and so a copy that is sound is what the directory held. One that is not is made again, until the files have been the same before and after for [`QUIET`] copies: they are damaged themselves.

use std::{
    collections::BTreeSet,
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt as _,
    path::Path,
    thread,
    time::Duration,
};

use anyhow::Context as _;

use super::{
    files::{Contents, SNAPSHOT, WITNESS, database_name, log_name},
    format_1,
    offline::Obstacle,
    reading::Found,
};

/// Copies that are made at most.
const TRIES: u32 = 25;
/// Pause between two.
const PAUSE: Duration = Duration::from_millis(40);
/// So many copies in a row, of files that stay the same, are believed when they say that something is damaged.
const QUIET: u32 = 3;

/// Reads a directory that another process uses.
///
/// # Errors
///
/// If it cannot be read or copied, is of a later format, or is written all the time.
pub(super) fn read(directory: &Path) -> anyhow::Result<Found> {
    let mut quiet = 0;
    for _ in 0..TRIES {
        let before = stamps(directory)?;
        let copy = tempfile::Builder::new()
            .prefix("floodwall-state-")
            .tempdir()
            .context("making a directory for a copy of the state")?;
        let (witness, others): (Vec<_>, Vec<_>) = before.iter().partition(|stamp| stamp.name == WITNESS);
        for Stamp { name, .. } in witness.into_iter().chain(others) {
            copied(&directory.join(name), &copy.path().join(name))?;
        }
        let found = Found::read(copy.path());
        if found.as_ref().is_ok_and(|found| found.damage.is_empty()) {
            return found;
        }
        quiet = if stamps(directory)? == before { quiet + 1 } else { 0 };
        if quiet == QUIET {
            return found;
        }
        thread::sleep(PAUSE);
    }
    Err(Obstacle::Busy(directory.to_owned()).into())
}

/// A file, and what changes with what it holds.
#[derive(PartialEq, Eq)]
struct Stamp {
    name: String,
    inode: u64,
    length: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

/// The files that a state may consist of, those that are there.
fn stamps(directory: &Path) -> anyhow::Result<Vec<Stamp>> {
    let mut stamps = Vec::new();
    let Contents { witness: _, databases, logs, leftovers } = Contents::of(directory)?;
    let mut names: BTreeSet<String> = format_1::names(directory)?.into_iter().chain(leftovers).collect();
    names.extend([WITNESS, SNAPSHOT].map(str::to_owned));
    names.extend(databases.into_iter().map(database_name));
    names.extend(logs.into_iter().map(log_name));
    for name in names {
        let path = directory.join(&name);
        let stamp = |about: &Metadata| Stamp {
            name: name.clone(),
            inode: about.ino(),
            length: about.len(),
            modified: (about.mtime(), about.mtime_nsec()),
        };
        match fs::symlink_metadata(&path) {
            Ok(about) if about.is_file() => stamps.push(stamp(&about)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("looking at {}", path.display())),
        }
    }
    Ok(stamps)
}

/// Copies a file, unless it has gone meanwhile.
fn copied(from: &Path, to: &Path) -> anyhow::Result<()> {
    match fs::copy(from, to) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("copying {} to {}", from.display(), to.display())),
    }
}
