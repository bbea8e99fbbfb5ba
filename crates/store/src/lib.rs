//! What outlives a reboot: a snapshot, a journal of the changes since, and a file for each import.
//!
//! ```text
//! STATE/snapshot.jsonl         changes, a line each; the first line names the journal that follows
//! STATE/journal-7.jsonl        changes since, a line each, synced before they are answered
//! STATE/import-3.list          the prefixes of the import with number 3, a line each
//! STATE/baseline.json.gz       what is usual, now and then; no loss if it is lost
//! STATE/lock                   held by the daemon that uses the directory
//! STATE/set-aside-1796000000/  files as they were when an operator went on without all of what they held
//! ```
//!
//! The first start makes a snapshot of nothing, so that one that is not there has been lost; only versions before
//! this did without, with a journal of the number 0.
//!
//! A crash can cut off the journal's last line, which was then never answered, and leave files that are not needed
//! yet, or not any more: the next start cuts the line off and removes the files. Anything else that cannot be read
//! or is not there is [`Damage`]: whoever opens the directory is given what could be read, and nothing is changed in
//! it, until an operator puts right what is damaged or accepts what is there.

mod accept;
mod baseline;
mod claim;
mod damage;
mod files;
mod journal;
mod lines;
mod lists;
mod reading;
pub mod records;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow};
use floodwall_tables::Prefix;
use nix::fcntl::Flock;
use tracing::{error, warn};

pub use self::{
    baseline::{keep_baseline, kept_baseline},
    claim::claim,
    damage::{Damage, DamageReport, Damaged, Flaw},
};
use self::{
    files::{
        Contents, LOCK, SNAPSHOT, absent_or, before, journal_name, list_name, replace_file, sync_directory,
        write_beside,
    },
    journal::Journal,
    reading::{Found, Header, VERSION},
};
use crate::records::{Change, Origin, Records};

/// Journal lines after which a new snapshot is made.
const JOURNAL_LINES: u64 = 10_000;

/// The state directory.
pub struct Store {
    directory: PathBuf,
    journal: Journal,
    _lock: Flock<File>,
}

/// A state directory, and all that could be read of it.
pub struct Opened {
    /// The directory.
    pub kept: Kept,
    /// What is known.
    pub records: Records,
    /// The prefixes of imports that there are records of; one that is missing could not be read.
    pub lists: BTreeMap<Origin, Vec<Prefix>>,
}

/// Where changes are kept, if they are.
pub enum Kept {
    /// On disk.
    OnDisk(Store),
    /// Nowhere: the directory is damaged.
    Nowhere(Damaged),
}

impl Store {
    /// Opens the directory, or makes it, and reads what it holds. Where it is damaged, nothing in it is changed,
    /// unless what can be read is accepted as all that there is.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read or written at all, another process uses it, or it is of another version's format.
    pub fn open(directory: &Path, accept: bool) -> anyhow::Result<Opened> {
        fs::create_dir_all(directory)
            .with_context(|| format!("creating the state directory {}", directory.display()))?;
        let lock = lock(directory)?;
        let found = Found::read(directory)?;
        let directory = directory.to_owned();
        let kept = if found.damage.is_empty() {
            Kept::OnDisk(Self::resume(directory, lock, &found)?)
        } else if accept {
            Kept::OnDisk(Self::accept(directory, lock, &found)?)
        } else {
            for damage in &found.damage {
                error!("{damage}: {}", damage.remedy());
            }
            let report = DamageReport { directory, damage: found.damage };
            error!("what could be read is enforced, and no change is taken: {report}");
            Kept::Nowhere(Damaged { report, _lock: lock })
        };
        Ok(Opened { kept, records: found.records, lists: found.lists })
    }

    /// Goes on where the last daemon has ended, however it did.
    fn resume(directory: PathBuf, lock: Flock<File>, found: &Found) -> anyhow::Result<Self> {
        let journal = Journal::resume(&directory, found.end)?;
        let mut store = Self { directory, journal, _lock: lock };
        if !found.contents.snapshot {
            // Journal 0, perhaps made just now, says that there was no snapshot before. It has to be on disk before
            // there is a journal 1.
            sync_directory(&store.directory).context("making the first journal")?;
        }
        if !found.contents.snapshot || store.wants_snapshot() {
            store.snapshot(&found.records)?;
        } else {
            store.tidy(&found.records)?;
        }
        Ok(store)
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
        // On disk before anything names it.
        let journal = Journal::create(&self.directory, number)?;
        let path = self.directory.join(SNAPSHOT);
        let writing = "writing the snapshot";
        let new = write_beside(&path, |file| write_snapshot(file, number, records)).context(writing)?;
        fs::rename(new, &path).context(writing)?;
        // Even if it is not sure yet which snapshot a crash would leave: changes in a journal of before the snapshot are
        // not looked at, and those in one that is later are.
        self.journal = journal;
        sync_directory(&self.directory).context(writing)?;
        self.tidy(records)
    }

    /// Takes back what was appended last.
    pub fn retract(&mut self) -> anyhow::Result<()> {
        self.journal
            .retract()
            .with_context(|| format!("taking back what was written to {}", self.directory.display()))
    }

    /// Saves the prefixes of an import, in place of those that were saved for it before, and the changes that tell of
    /// it: all, or nothing. To be confirmed, or retracted.
    pub fn save_import<'a>(
        &mut self,
        origin: Origin,
        prefixes: impl Iterator<Item = &'a Prefix>,
        changes: &[Change],
    ) -> anyhow::Result<()> {
        let path = self.directory.join(list_name(origin));
        let writing = || format!("writing {}", path.display());
        // Another name for the old file: to put it back takes no room, which may be what is lacking then.
        let old = before(&path);
        let had_one = match fs::hard_link(&path, &old) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error).with_context(writing),
        };
        let saved = replace_file(&path, |file| lists::write(file, prefixes))
            .with_context(writing)
            .and_then(|()| self.append(changes));
        if saved.is_err() {
            restore(&path, had_one)?;
        }
        saved
    }

    /// What was saved of an import last is to stay: what was there before is not needed any more.
    pub fn confirm_import(&mut self, origin: Origin) {
        let old = before(&self.directory.join(list_name(origin)));
        if let Err(error) = absent_or(fs::remove_file(&old)) {
            warn!(file = %old.display(), %error, "left behind; the next start removes it");
        }
    }

    /// Takes back what was saved of an import last; `had_one`: there was one before.
    pub fn retract_import(&mut self, origin: Origin, had_one: bool) -> anyhow::Result<()> {
        let retracted = self.retract();
        restore(&self.directory.join(list_name(origin)), had_one)?;
        retracted
    }

    /// The prefixes of an import.
    pub fn load_import(&self, origin: Origin) -> anyhow::Result<Vec<Prefix>> {
        let path = self.directory.join(list_name(origin));
        let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let (prefixes, flaw) = lists::read(&text);
        match flaw {
            None => Ok(prefixes),
            Some(flaw) => Err(anyhow!("{}", Damage { file: path.display().to_string(), flaw })),
        }
    }

    /// Removes files that nothing refers to: journals of before the snapshot, lists of forgotten imports, and what
    /// a crash has left.
    fn tidy(&self, records: &Records) -> anyhow::Result<()> {
        let Contents { snapshot: _, journals, lists, leftovers } = Contents::of(&self.directory)?;
        let journals = journals.into_iter().filter(|number| *number != self.journal.number());
        let lists = lists.into_iter().filter(|origin| records.import(*origin).is_none());
        for name in journals.map(journal_name).chain(lists.map(list_name)).chain(leftovers) {
            let path = self.directory.join(name);
            fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        }
        Ok(())
    }
}

/// Puts a list back as it was before it was replaced.
fn restore(path: &Path, had_one: bool) -> anyhow::Result<()> {
    let restored = if had_one { fs::rename(before(path), path) } else { absent_or(fs::remove_file(path)) };
    restored.with_context(|| format!("restoring {}", path.display()))
}

fn lock(directory: &Path) -> anyhow::Result<Flock<File>> {
    let path = directory.join(LOCK);
    let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    claim(file).map_err(|error| {
        anyhow!(
            "another floodwall uses the state directory {} ({error}); stop it, or name another --state-dir",
            directory.display()
        )
    })
}

/// Writes a snapshot that the journal of this number follows.
fn write_snapshot(file: &mut impl io::Write, journal: u64, records: &Records) -> io::Result<()> {
    writeln!(file, "{}", serde_json::to_string(&Header { version: VERSION, journal })?)?;
    records.changes().try_for_each(|change| writeln!(file, "{}", serde_json::to_string(&change)?))
}
