//! The files of a state directory: their names, and how one is written so that a crash leaves the old one or the new.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

/// Access to the files: for whoever the daemon runs as, and nobody else. So it is for what SQLite makes, which takes the
/// access of the database for its log.
pub(super) const PRIVATE: u32 = 0o600;
const PRIVATE_DIRECTORY: u32 = 0o700;

pub(super) const WITNESS: &str = "witness";
/// In format 1 the state's own; now it keeps a floodwall of that time from taking the directory for a new one.
pub(super) const SNAPSHOT: &str = "snapshot.jsonl";
pub(super) const BASELINE: &str = "baseline.json.gz";
/// Which clients are known.
pub(super) const CLIENTS: &str = "clients.json.gz";
pub(super) const LOCK: &str = "lock";
/// Begins the name of a directory of files that somebody has gone on without; a Unix time follows.
pub(super) const SET_ASIDE: &str = "set-aside-";
/// What is being written, and takes the place of what has the name without this.
const NEW: &str = "new";

/// The name of a database.
pub(super) fn database_name(number: u64) -> String {
    format!("state-{number}.db")
}

/// The name of a database's write-ahead log.
pub(super) fn log_name(number: u64) -> String {
    format!("state-{number}.db-wal")
}

/// The files of this format in a directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) witness: bool,
    pub(super) databases: BTreeSet<u64>,
    /// Write-ahead logs, by the numbers of their databases.
    pub(super) logs: BTreeSet<u64>,
    /// What a crash has left in the middle of making a file.
    pub(super) leftovers: BTreeSet<String>,
}

impl Contents {
    pub(super) fn of(directory: &Path) -> anyhow::Result<Self> {
        let mut contents = Self::default();
        names(directory)?.iter().for_each(|name| contents.enter(name));
        Ok(contents)
    }

    fn enter(&mut self, name: &str) {
        let number = |name: &str, ending| {
            let number = name.strip_prefix("state-")?.strip_suffix(ending)?.parse::<u64>().ok()?;
            // `state-07.db` is somebody else's.
            (number < u64::MAX && name == format!("state-{number}{ending}")).then_some(number)
        };
        let is_new =
            |of: &str| [BASELINE, CLIENTS, WITNESS, SNAPSHOT].contains(&of) || number(of, ".db").is_some();
        let of_new = |name: &str| {
            let of = name.strip_suffix("-wal").unwrap_or(name).strip_suffix(".new");
            of.is_some_and(is_new)
        };
        if name == WITNESS {
            self.witness = true;
        } else if let Some(number) = number(name, ".db") {
            self.databases.insert(number);
        } else if let Some(number) = number(name, ".db-wal") {
            self.logs.insert(number);
        } else if of_new(name) {
            self.leftovers.insert(name.to_owned());
        }
    }
}

/// The names of what is in a directory, those that are text.
pub(super) fn names(directory: &Path) -> anyhow::Result<Vec<String>> {
    let listing = || format!("listing the state directory {}", directory.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).with_context(listing)? {
        names.extend(entry.with_context(listing)?.file_name().into_string());
    }
    Ok(names)
}

/// Makes the directory if there is none, for whoever the daemon runs as alone. One that there was, and that holds a state,
/// is closed to others.
pub(super) fn make_directory(directory: &Path) -> anyhow::Result<()> {
    let making = || format!("creating the state directory {}", directory.display());
    if let Some(parent) = directory.parent() {
        fs::create_dir_all(parent).with_context(making)?;
    }
    match fs::DirBuilder::new().mode(PRIVATE_DIRECTORY).create(directory) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).with_context(making),
    }
    let of_ours = |name: &String| name == WITNESS || name == SNAPSHOT;
    let open = fs::metadata(directory).with_context(making)?.permissions().mode() & 0o077 != 0;
    if open && names(directory)?.iter().any(of_ours) {
        let closed = fs::Permissions::from_mode(PRIVATE_DIRECTORY);
        if let Err(error) = fs::set_permissions(directory, closed) {
            tracing::warn!(directory = %directory.display(), %error, "others can look into the state directory");
        }
    }
    Ok(())
}

/// The name under which a file is written before it takes its place.
pub(super) fn new_of(path: &Path) -> PathBuf {
    with_ending(path, NEW)
}

pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Writes what is to take a file's place beside it, on disk when this returns.
pub(super) fn write_beside(
    path: &Path,
    write: impl FnOnce(&mut io::BufWriter<File>) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let new = new_of(path);
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(PRIVATE).open(&new)?;
    let mut file = io::BufWriter::with_capacity(1 << 20, file);
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
            "witness",
            "witness.new",
            "witness.bak",
            "state-7.db",
            "state-07.db",
            "state-x.db",
            "state-7.db.bak",
            "state-7.db-wal",
            "state-8.db.new",
            "state-8.db.new-wal",
            "snapshot.jsonl",
            "snapshot.jsonl.new",
            "baseline.json.gz.new",
            "notes.new",
            "lock",
            "set-aside-1",
        ];
        names.iter().for_each(|name| contents.enter(name));
        let leftovers = [
            "baseline.json.gz.new",
            "snapshot.jsonl.new",
            "state-8.db.new",
            "state-8.db.new-wal",
            "witness.new",
        ];
        let expected = Contents {
            witness: true,
            databases: BTreeSet::from([7]),
            logs: BTreeSet::from([7]),
            leftovers: leftovers.map(str::to_owned).into(),
        };
        assert_eq!(contents, expected);
    }

    #[test]
    fn nobody_else_may_look_into_it() {
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let above = tempfile::tempdir().unwrap();
        let directory = above.path().join("one").join("state");
        make_directory(&directory).unwrap();
        assert_eq!(mode(&directory), 0o700);
        // One that is not known to be floodwall's is not touched.
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        make_directory(&directory).unwrap();
        assert_eq!(mode(&directory), 0o755);
        replace_file(&directory.join(WITNESS), |file| file.write_all(b"x")).unwrap();
        make_directory(&directory).unwrap();
        assert_eq!((mode(&directory), mode(&directory.join(WITNESS))), (0o700, 0o600));
    }
}
