//! The files of a state directory: their names, and how one is written so that a crash leaves the old one or the new.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::records::Origin;

pub(super) const SNAPSHOT: &str = "snapshot.jsonl";
pub(super) const BASELINE: &str = "baseline.json.gz";
pub(super) const LOCK: &str = "lock";
/// Begins the name of a directory of files that somebody has gone on without; a Unix time follows.
pub(super) const SET_ASIDE: &str = "set-aside-";
/// What is being written, and takes the place of what has the name without this.
const NEW: &str = "new";
/// What an import's list was, until it is sure that it has changed.
const BEFORE: &str = "before";

pub(super) fn journal_name(number: u64) -> String {
    format!("journal-{number}.jsonl")
}

pub(super) fn list_name(origin: Origin) -> String {
    format!("{origin}.list")
}

/// What there is in a state directory, apart from what is not floodwall's and from what it can do without.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) snapshot: bool,
    pub(super) journals: BTreeSet<u64>,
    pub(super) lists: BTreeSet<Origin>,
    /// What a crash has left in the middle of writing a file.
    pub(super) leftovers: BTreeSet<String>,
}

impl Contents {
    pub(super) fn of(directory: &Path) -> anyhow::Result<Self> {
        let mut contents = Self::default();
        let listing = || format!("listing the state directory {}", directory.display());
        for entry in fs::read_dir(directory).with_context(listing)? {
            if let Some(name) = entry.with_context(listing)?.file_name().to_str() {
                contents.enter(name);
            }
        }
        Ok(contents)
    }

    fn enter(&mut self, name: &str) {
        let leftover = [NEW, BEFORE].iter().find_map(|ending| name.strip_suffix(ending)?.strip_suffix('.'));
        if leftover.is_some_and(|of| of == BASELINE || Self::default().take(of)) {
            self.leftovers.insert(name.to_owned());
        } else {
            self.take(name);
        }
    }

    /// Whether the name is one of the state's own files.
    fn take(&mut self, name: &str) -> bool {
        let number =
            |beginning, ending| name.strip_prefix(beginning)?.strip_suffix(ending)?.parse::<u64>().ok();
        let list = name.strip_suffix(".list").and_then(|origin| origin.parse::<Origin>().ok());
        // `journal-07.jsonl` is somebody else's.
        if let Some(number) = number("journal-", ".jsonl").filter(|number| journal_name(*number) == name) {
            self.journals.insert(number)
        } else if let Some(origin) = list.filter(|origin| origin.has_list()) {
            self.lists.insert(origin)
        } else {
            let is_snapshot = name == SNAPSHOT;
            self.snapshot |= is_snapshot;
            is_snapshot
        }
    }
}

/// The name under which a file is written before it takes its place.
pub(super) fn new_of(path: &Path) -> PathBuf {
    with_ending(path, NEW)
}

/// The name under which a file stays until it is sure that the new one is wanted.
pub(super) fn before(path: &Path) -> PathBuf {
    with_ending(path, BEFORE)
}

pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// What is not there is fine, too.
pub(super) fn absent_or(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes what is to take a file's place beside it, on disk when this returns.
pub(super) fn write_beside(
    path: &Path,
    write: impl FnOnce(&mut io::BufWriter<File>) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let new = new_of(path);
    let mut file = io::BufWriter::with_capacity(1 << 20, File::create(&new)?);
    write(&mut file)?;
    file.flush()?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(new)
}

/// Writes a file anew, so that after a crash there is the old one or the new one.
pub(super) fn replace_file(
    path: &Path,
    write: impl FnOnce(&mut io::BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    fs::rename(write_beside(path, write)?, path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Waits until files that have come, gone or changed their names have done so on disk.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_the_states_own_is_taken_for_it() {
        let mut contents = Contents::default();
        let names = [
            "snapshot.jsonl",
            "snapshot.jsonl.new",
            "snapshot.jsonl.bak",
            "journal-7.jsonl",
            "journal-07.jsonl",
            "journal-7.jsonl.bak",
            "journal-x.jsonl",
            "import-1.list",
            "import-4096.list",
            "import-0.list",
            "import-01.list",
            "import-4097.list",
            "feed-2.list",
            "manual.list",
            "import-1.list.before",
            "import-2.list.new",
            "baseline.json.gz",
            "baseline.json.gz.new",
            "lock",
            "set-aside-1",
            "notes.new",
        ];
        names.iter().for_each(|name| contents.enter(name));
        let Contents { snapshot, journals, lists, leftovers } = contents;
        assert!(snapshot);
        assert_eq!(journals.into_iter().collect::<Vec<_>>(), [7]);
        let expected = [Origin::Import(1), Origin::Import(4_096), Origin::Feed(2)];
        assert_eq!(lists.into_iter().collect::<Vec<_>>(), expected);
        let expected =
            ["baseline.json.gz.new", "import-1.list.before", "import-2.list.new", "snapshot.jsonl.new"];
        assert_eq!(leftovers.into_iter().collect::<Vec<_>>(), expected);
    }
}
