//! Format 1, which earlier versions of floodwall wrote, as far as it can be read, and what is wrong with it.
//!
//! ```text
//! snapshot.jsonl   changes, a line each; the first line names the journal that follows
//! journal-7.jsonl  changes since, a line each
//! import-3.list    the prefixes of the import with number 3, a line each
//! ```
//!
//! Nothing is written in this format any more, and nothing is changed here. A crash could cut off the journal's last line,
//! which was then never answered, and leave files that were not needed yet or any more. Nothing in it tells a file that
//! was cut between two lines from one in which less was written.

mod files;
mod lines;
mod lists;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use anyhow::bail;
use floodwall_api::ListName;
use floodwall_tables::Prefix;
use floodwall_units::unix;
use serde::Deserialize;

use self::{
    files::{Contents, journal_name, list_name},
    lines::Lines,
};
use super::{
    damage_report::{BadLines, Damage, Flaw},
    files::SNAPSHOT,
};
use crate::records::{Change, Origin, Records};

/// Format of the files.
const VERSION: u32 = 1;

/// The first line of a snapshot.
#[derive(Deserialize)]
struct Header {
    /// Number of the journal that follows.
    journal: u64,
}

/// What every header of whatever version has.
#[derive(Deserialize)]
struct AnyHeader {
    version: u32,
}

/// Whether a directory holds a state of this format, apart from a snapshot.
pub(super) fn is_there(directory: &Path) -> anyhow::Result<bool> {
    let Contents { snapshot: _, journals, lists, leftovers: _ } = Contents::of(directory)?;
    Ok(!journals.is_empty() || !lists.is_empty())
}

/// The names of all files of this format, a snapshot that is none of this format among them.
pub(super) fn names(directory: &Path) -> anyhow::Result<Vec<String>> {
    Ok(Contents::of(directory)?.all())
}

/// The format that a snapshot's first line tells, if it tells any.
pub(super) fn told_format(directory: &Path) -> Option<u32> {
    let text = fs::read(directory.join(SNAPSHOT)).ok()?;
    let first = text.split(|byte| *byte == b'\n').next()?;
    serde_json::from_slice::<AnyHeader>(first).ok().map(|header| header.version)
}

/// What a state directory holds.
#[derive(Default)]
pub(super) struct Found {
    contents: Contents,
    pub(super) records: Records,
    /// The prefixes of every import that there is a record of.
    pub(super) lists: BTreeMap<Origin, Vec<Prefix>>,
    pub(super) damage: Vec<Damage>,
    /// Imports that a line tells of; what is gone has a line that says so.
    told_of: BTreeSet<Origin>,
    /// A line has emptied the blocklist of all imports.
    flushed: bool,
}

impl Found {
    /// Reads a state directory.
    ///
    /// # Errors
    ///
    /// If it cannot be listed, or is of another version's format.
    pub(super) fn read(directory: &Path) -> anyhow::Result<Self> {
        let mut found = Self { contents: Contents::of(directory)?, ..Self::default() };
        let named = found.read_snapshot(directory)?;
        found.read_journals(directory, named);
        if !found.damage.is_empty() {
            found.claim_lists(directory);
        }
        found.read_lists(directory);
        Ok(found)
    }

    fn damaged(&mut self, file: impl Into<String>, flaw: Flaw) {
        self.damage.push(Damage { file: file.into(), flaw });
    }

    /// A file's bytes; that there are none is damage.
    fn bytes(&mut self, directory: &Path, file: &str) -> Option<Vec<u8>> {
        match fs::read(directory.join(file)) {
            Ok(bytes) => return Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.damaged(file, Flaw::Missing),
            Err(error) => self.damaged(file, Flaw::Unreadable { why: error.to_string() }),
        }
        None
    }

    /// Reads the snapshot; says which journal follows it, if that is known.
    fn read_snapshot(&mut self, directory: &Path) -> anyhow::Result<Option<u64>> {
        if !self.contents.snapshot {
            return Ok(if self.precedes_snapshots() {
                Some(0)
            } else {
                self.damaged(SNAPSHOT, Flaw::Missing);
                None
            });
        }
        let Some(text) = self.bytes(directory, SNAPSHOT) else { return Ok(None) };
        let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if let Ok(AnyHeader { version }) = serde_json::from_slice(first)
            && version != VERSION
        {
            bail!(
                "{} is of format {version}, and this floodwall reads format {VERSION}; run the version that wrote it, \
                 or start with another --state-dir",
                directory.join(SNAPSHOT).display(),
            );
        }
        if text.is_empty() {
            self.damaged(SNAPSHOT, Flaw::Empty);
            return Ok(None);
        }
        let (named, unheaded) = match serde_json::from_slice::<Header>(first) {
            Ok(header) => (Some(header.journal), false),
            Err(error) => {
                self.damaged(SNAPSHOT, Flaw::Header { why: words(&error) });
                (None, true)
            }
        };
        let lines = Lines::of(&text);
        let mut bad = BadLines::default();
        for (number, line) in lines.whole() {
            // Where the header should be, there may be a change all the same.
            match serde_json::from_slice(line) {
                Ok(change) => self.take(&change),
                Err(_) if number == 1 => {}
                Err(error) => bad.add(number, words(&error)),
            }
        }
        if !unheaded || lines.count() > 0 {
            lines.report_torn(&mut bad);
        }
        bad.flaw().into_iter().for_each(|flaw| self.damaged(SNAPSHOT, flaw));
        Ok(named)
    }

    /// Whether there is no snapshot because none has been made yet: nothing has been kept so far, or everything is in
    /// the journal that there is before the first snapshot. A crash while that one is made leaves the next, empty
    /// journal as well.
    fn precedes_snapshots(&self) -> bool {
        let Contents { journals, lists, .. } = &self.contents;
        (journals.is_empty() && lists.is_empty()) || journals.contains(&0)
    }

    /// Reads the journal that follows the snapshot, and whatever comes after it; all that there are, if it is not known
    /// which one follows, or that one is missing.
    fn read_journals(&mut self, directory: &Path, named: Option<u64>) {
        let journals = self.contents.journals.clone();
        let follows = named.filter(|number| journals.contains(number));
        if let Some(number) = named
            && self.contents.snapshot
            && follows.is_none()
        {
            self.damaged(journal_name(number), Flaw::Missing);
        }
        for number in journals.range(follows.unwrap_or(0)..).copied() {
            let name = journal_name(number);
            let Some(text) = self.bytes(directory, &name) else { continue };
            let lines = Lines::of(&text);
            // A crash while a snapshot is made leaves the journal that is to follow it, without a line.
            if named.is_some_and(|named| number > named) && !text.is_empty() {
                self.damaged(&name, Flaw::Ahead);
            }
            let mut bad = BadLines::default();
            for (number, line) in lines.whole() {
                match serde_json::from_slice(line) {
                    Ok(change) => self.take(&change),
                    Err(error) => bad.add(number, words(&error)),
                }
            }
            bad.flaw().into_iter().for_each(|flaw| self.damaged(&name, flaw));
        }
    }

    fn take(&mut self, change: &Change) {
        match change {
            Change::Import { origin, .. } | Change::Forget { origin } => drop(self.told_of.insert(*origin)),
            Change::Flush { list: ListName::Block } => self.flushed = true,
            _ => {}
        }
        self.records.apply(change);
    }

    /// Takes lists for imports that no line tells of, as lines are lost: a list whose import was taken back has a line
    /// that says so, or was removed with the snapshot after.
    fn claim_lists(&mut self, directory: &Path) {
        if self.flushed {
            return;
        }
        let unclaimed: Vec<_> = self.contents.lists.difference(&self.told_of).copied().collect();
        for origin in unclaimed {
            let file = list_name(origin);
            let written = fs::metadata(directory.join(&file)).and_then(|metadata| metadata.modified()).ok();
            let since = written.map_or(0, unix::seconds);
            let origin_name = origin.to_string();
            let name = format!("recovered-{}", origin_name.strip_prefix("import-").unwrap_or(&origin_name));
            self.records.apply(&Change::Import { origin, name: name.clone(), since, expires: None });
            self.damaged(file, Flaw::Unclaimed { name });
        }
    }

    fn read_lists(&mut self, directory: &Path) {
        let origins: Vec<_> = self.records.imports().map(|(origin, _)| origin).collect();
        for origin in origins {
            let file = list_name(origin);
            let Some(text) = self.bytes(directory, &file) else { continue };
            let (prefixes, flaw) = lists::read(&text);
            self.lists.insert(origin, prefixes);
            flaw.into_iter().for_each(|flaw| self.damaged(&file, flaw));
        }
    }
}

/// What is wrong with a line, without the place, which would count from the line's beginning.
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(words, _)| words).to_owned()
}
