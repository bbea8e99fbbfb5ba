//! What outlives a reboot: a snapshot, a journal of the changes since, and a file for each import.
//!
//! ```text
//! STATE/snapshot.jsonl         changes, a line each; the first line names the journal that follows
//! STATE/journal-7.jsonl        changes since, a line each, synced before they are answered
//! STATE/import-3.list          the prefixes of the import with bit 3, a line each
//! STATE/baseline.json.gz       what is usual, now and then; no loss if it is lost
//! STATE/lock                   held by the daemon that uses the directory
//! ```
//!
//! A crash can only cut off the journal's last line, which was then never answered; it is dropped on the next
//! start. Anything else that cannot be read stops the start and is left as it is: a filter that comes up
//! with half its blocklist would be worse than one that says why it does not.

mod baseline;
mod journal;
mod lists;

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow, bail};
use nix::fcntl::Flock;
use serde::{Deserialize, Serialize};
use tracing::warn;

pub use self::baseline::{keep_baseline, kept_baseline};
use self::journal::Journal;
use crate::{
    claim::claim,
    state::{Change, Origin, Records},
    tables::Prefix,
};

const SNAPSHOT: &str = "snapshot.jsonl";
/// Journal lines after which a new snapshot is made.
const JOURNAL_LINES: u64 = 10_000;

/// The first line of a snapshot.
#[derive(Serialize, Deserialize)]
struct Header {
    /// Format of the files.
    version: u32,
    /// Number of the journal that follows.
    journal: u64,
}

const VERSION: u32 = 1;

/// The state directory.
pub struct Store {
    directory: PathBuf,
    journal: Journal,
    _lock: Flock<File>,
}

impl Store {
    /// Opens the directory, or makes it, and reads what it holds.
    pub fn open(directory: &Path) -> anyhow::Result<(Self, Records)> {
        fs::create_dir_all(directory)
            .with_context(|| format!("creating the state directory {}", directory.display()))?;
        let lock = lock(directory)?;
        let (number, mut records) = read_snapshot(&directory.join(SNAPSHOT))?;
        let journal = Journal::open(&journal_path(directory, number), |change| records.apply(change))?;
        let mut store = Self { directory: directory.to_owned(), journal, _lock: lock };
        store.tidy(number, &records)?;
        if store.journal.lines() > JOURNAL_LINES {
            store.snapshot(&records)?;
        }
        Ok((store, records))
    }

    /// Appends changes and waits until they are on disk.
    pub fn append(&mut self, changes: &[Change]) -> anyhow::Result<()> {
        self.journal.append(changes).with_context(|| format!("writing to {}", self.directory.display()))
    }

    /// Whether the journal is long enough for a new snapshot.
    pub fn wants_snapshot(&self) -> bool {
        self.journal.lines() > JOURNAL_LINES
    }

    /// Replaces snapshot and journal by a snapshot of `records` and an empty journal.
    pub fn snapshot(&mut self, records: &Records) -> anyhow::Result<()> {
        let number = self.journal.number() + 1;
        let journal = Journal::open(&journal_path(&self.directory, number), |_| ())?;
        let header = serde_json::to_string(&Header { version: VERSION, journal: number })?;
        replace_file(&self.directory.join(SNAPSHOT), |file| {
            writeln!(file, "{header}")?;
            records.changes().try_for_each(|change| writeln!(file, "{}", serde_json::to_string(&change)?))
        })
        .context("writing the snapshot")?;
        self.journal = journal;
        self.tidy(number, records)
    }

    /// Saves the prefixes of an import, in place of those that were saved for it before, and the change that
    /// tells of it: both, or neither.
    pub fn save_import<'a>(
        &mut self,
        origin: Origin,
        prefixes: impl Iterator<Item = &'a Prefix>,
        change: &Change,
    ) -> anyhow::Result<()> {
        let path = import_path(&self.directory, origin);
        let writing = || format!("writing {}", path.display());
        // Another name for the old file: to put it back takes no room, which may be what is lacking then.
        let before = with_ending(&path, "before");
        match fs::hard_link(&path, &before) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).with_context(writing),
            _ => {}
        }
        let saved = replace_file(&path, |file| lists::write(file, prefixes))
            .with_context(writing)
            .and_then(|()| self.append(std::slice::from_ref(change)));
        match saved {
            Ok(()) => {
                if let Err(error) = absent_or(fs::remove_file(&before)) {
                    warn!(file = %before.display(), %error, "left behind; the next start removes it");
                }
                Ok(())
            }
            Err(error) => {
                absent_or(fs::rename(&before, &path))
                    .with_context(|| format!("restoring {}", path.display()))?;
                Err(error)
            }
        }
    }

    /// The prefixes of an import.
    pub fn load_import(&self, origin: Origin) -> anyhow::Result<Vec<Prefix>> {
        let path = import_path(&self.directory, origin);
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        lists::read(&text).with_context(|| format!("reading {}", path.display()))
    }

    /// Removes files that nothing refers to: journals of before the snapshot, lists of forgotten imports.
    fn tidy(&self, journal: u64, records: &Records) -> anyhow::Result<()> {
        let mut wanted = vec![
            self.directory.join(SNAPSHOT),
            self.directory.join("lock"),
            journal_path(&self.directory, journal),
        ];
        wanted.extend(records.imports().map(|(origin, _)| import_path(&self.directory, origin)));
        let entries = fs::read_dir(&self.directory).context("listing the state directory")?;
        for entry in entries {
            let path = entry.context("listing the state directory")?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let ours = name.starts_with("journal-") || name.starts_with("import-") || name.ends_with(".new");
            if ours && !wanted.contains(&path) {
                fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
            }
        }
        Ok(())
    }
}

fn lock(directory: &Path) -> anyhow::Result<Flock<File>> {
    let path = directory.join("lock");
    let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    claim(file).map_err(|error| {
        anyhow!(
            "another floodwall uses the state directory {} ({error}); stop it, or name another --state-dir",
            directory.display()
        )
    })
}

fn journal_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("journal-{number}.jsonl"))
}

fn import_path(directory: &Path, origin: Origin) -> PathBuf {
    directory.join(format!("import-{}.list", origin.bit().trailing_zeros()))
}

fn read_snapshot(path: &Path) -> anyhow::Result<(u64, Records)> {
    let mut records = Records::default();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, records)),
        Err(error) => return Err(anyhow!(error).context(format!("reading {}", path.display()))),
    };
    let mut lines = text.lines().enumerate();
    let header: Header = match lines.next() {
        Some((_, line)) => {
            serde_json::from_str(line).with_context(|| format!("{} line 1", path.display()))?
        }
        None => bail!("{} is empty; restore it, or start with another --state-dir", path.display()),
    };
    if header.version != VERSION {
        bail!(
            "{} is of format {}, and this floodwall reads format {VERSION}; run the version that wrote it, or start \
             with another --state-dir",
            path.display(),
            header.version
        );
    }
    for (index, line) in lines {
        let change: Change =
            serde_json::from_str(line).with_context(|| format!("{} line {}", path.display(), index + 1))?;
        records.apply(&change);
    }
    Ok((header.journal, records))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// What is not there is fine, too.
fn absent_or(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes a file anew, so that after a crash there is the old one or the new one.
fn replace_file(
    path: &Path,
    write: impl FnOnce(&mut io::BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let new = with_ending(path, "new");
    let mut file = io::BufWriter::with_capacity(1 << 20, File::create(&new)?);
    write(&mut file)?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}
