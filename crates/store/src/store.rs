//! The state, as changes are written to it.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context as _, bail};
use floodwall_tables::Prefix;
use tracing::warn;

use super::{
    lists::{self, PART},
    open::Lock,
    record::{Kind, List, Position, Sum},
    sqlite::{Database, Writer},
    witness::Witness,
};
use crate::records::{Change, Origin};

/// The state directory.
pub struct Store {
    pub(super) directory: PathBuf,
    pub(super) database: Database,
    pub(super) witness: Witness,
    pub(super) at: At,
    /// Where it was before the last change, which can be taken back to there.
    pub(super) before: At,
    pub(super) lists: BTreeMap<Origin, List>,
    /// The list that the last import has replaced, for as long as it may have to be put back.
    pub(super) replaced: Option<(Origin, Option<List>)>,
    /// A change is in force that could not be written: the next copy of all brings it.
    pub(super) behind: bool,
    _lock: Lock,
}

/// Where the records end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    /// Number of the first.
    pub(super) base: u64,
    /// Records of the copy that they begin with.
    pub(super) copied: u64,
    /// The last.
    pub(super) last: Position,
}

impl Store {
    /// A store whose records end there, and in which nothing has changed yet.
    pub(super) fn new(
        directory: PathBuf,
        database: Database,
        witness: Witness,
        at: At,
        lists: BTreeMap<Origin, List>,
        lock: Lock,
    ) -> Self {
        Self {
            directory,
            database,
            witness,
            at,
            before: at,
            lists,
            replaced: None,
            behind: false,
            _lock: lock,
        }
    }

    /// Appends changes and waits until they are on disk, and the witness names them. After an error all is as it was.
    ///
    /// # Errors
    ///
    /// If they cannot be written, or the directory is not there any more.
    pub fn append(&mut self, changes: &[Change]) -> anyhow::Result<()> {
        self.write(|writer| changes.iter().try_for_each(|change| writer.put(Kind::Change, change)))
            .map(drop)
            .with_context(|| format!("writing to {}", self.directory.display()))
    }

    /// Whether a change is in force that could not be written.
    pub fn is_behind(&self) -> bool {
        self.behind
    }

    /// Whether the directory can be written, which it could not be: writes something, and removes it again.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn try_out(&mut self) -> anyhow::Result<()> {
        self.check_place()?;
        self.catch_up()?;
        let list = self.at.last.seq + 1;
        self.database.write(self.at.last, |writer| writer.put_part(list, 0, &[0; 8_192])).map(drop)?;
        self.drop_unused()
    }

    /// Takes note that a change is in force and could not be written.
    pub fn fell_behind(&mut self) {
        self.behind = true;
    }

    /// Takes back what was appended last.
    ///
    /// # Errors
    ///
    /// If the disk does not take it; it may be there at the next start then.
    pub fn retract(&mut self) -> anyhow::Result<()> {
        // The witness first: what it does not name may be there or not.
        self.at = self.before;
        self.witness
            .say(self.at.base, self.at.last)
            .and_then(|()| self.database.cut(self.at.last))
            .with_context(|| format!("taking back what was written to {}", self.directory.display()))
    }

    /// Saves the prefixes of an import, in place of those that were saved for it before, and the changes that tell of
    /// it: all, or nothing. To be confirmed, or retracted.
    ///
    /// # Errors
    ///
    /// As [`Self::append`].
    pub fn save_import<'a>(
        &mut self,
        origin: Origin,
        prefixes: impl Iterator<Item = &'a Prefix>,
        changes: &[Change],
    ) -> anyhow::Result<()> {
        let prefixes: Vec<_> = prefixes.copied().collect();
        let number = self.at.last.seq + 1;
        let list = self
            .write(|writer| {
                changes.iter().try_for_each(|change| writer.put(Kind::Change, change))?;
                put_list(writer, origin, number, &prefixes)
            })
            .with_context(|| format!("writing an import to {}", self.directory.display()))?;
        self.replaced = Some((origin, self.lists.insert(origin, list)));
        Ok(())
    }

    /// What was saved of an import last is to stay: what was there before is not needed any more.
    pub fn confirm_import(&mut self, origin: Origin) {
        if let Some((of, Some(_))) = self.replaced.take()
            && of == origin
            && let Err(error) = self.drop_unused()
        {
            warn!(
                error = format!("{error:#}"),
                "the list that was replaced takes up room until the next start"
            );
        }
    }

    /// Takes back what was saved of an import last.
    ///
    /// # Errors
    ///
    /// As [`Self::retract`].
    pub fn retract_import(&mut self, origin: Origin) -> anyhow::Result<()> {
        if let Some((of, list)) = self.replaced.take()
            && of == origin
        {
            match list {
                Some(list) => self.lists.insert(origin, list),
                None => self.lists.remove(&origin),
            };
        }
        self.retract()?;
        self.drop_unused()
    }

    /// The prefixes of an import.
    ///
    /// # Errors
    ///
    /// If they are not as they were written.
    pub fn load_import(&self, origin: Origin) -> anyhow::Result<Vec<Prefix>> {
        let Some(list) = self.lists.get(&origin) else { bail!("there is no list of {origin}") };
        let (prefixes, is_whole) =
            super::reading::read_list(&|part| self.database.part(list.list, part), list);
        if !is_whole {
            bail!(
                "of the {} prefixes of {origin} only {} can be read; import it anew with --replace",
                list.prefixes,
                prefixes.len()
            );
        }
        Ok(prefixes)
    }

    /// Whether what is written goes where the next start will look for it.
    ///
    /// # Errors
    ///
    /// If the directory or a file in it was removed, or others have their names.
    pub fn check_place(&self) -> anyhow::Result<()> {
        let lost = || {
            format!(
                "the state directory {} is not the one that floodwall has opened; put it back, or start floodwall again",
                self.directory.display()
            )
        };
        self.witness.check_place().and_then(|()| self.database.check_place()).with_context(lost)
    }

    /// Writes a batch of records: on disk, and named by the witness, or nothing of it.
    fn write<T>(&mut self, work: impl Fn(&mut Writer<'_>) -> anyhow::Result<T>) -> anyhow::Result<T> {
        self.check_place()?;
        self.catch_up()?;
        let (outcome, last) = self.database.write(self.at.last, work)?;
        if let Err(error) = self.witness.say(self.at.base, last).and_then(|()| self.check_place()) {
            // What is left of it is taken out by the next change, and was never acknowledged.
            let taken_back =
                self.witness.say(self.at.base, self.at.last).and_then(|()| self.database.cut(self.at.last));
            if let Err(error) = taken_back {
                warn!(
                    error = format!("{error:#}"),
                    "a change that was refused may be there at the next start"
                );
            }
            return Err(error);
        }
        self.before = self.at;
        self.at.last = last;
        Ok(outcome)
    }

    /// Has the witness name what the database has, should it not do so yet.
    pub(super) fn catch_up(&mut self) -> anyhow::Result<()> {
        let said = self.witness.said();
        if (said.base, said.last) == (self.at.base, self.at.last) {
            return Ok(());
        }
        self.witness.say(self.at.base, self.at.last)
    }

    /// Removes lists that nothing refers to.
    pub(super) fn drop_unused(&mut self) -> anyhow::Result<()> {
        let wanted: Vec<_> = self.lists.values().map(|list| list.list).collect();
        self.database.keep_lists(&wanted, self.at.last)
    }
}

/// Writes the prefixes of an import, and the record that tells of them.
pub(super) fn put_list(
    writer: &mut Writer<'_>,
    origin: Origin,
    number: u64,
    prefixes: &[Prefix],
) -> anyhow::Result<List> {
    let list = put_parts(writer, origin, number, prefixes)?;
    writer.put(Kind::List, &list)?;
    Ok(list)
}

/// Writes the prefixes of an import.
pub(super) fn put_parts(
    writer: &mut Writer<'_>,
    origin: Origin,
    number: u64,
    prefixes: &[Prefix],
) -> anyhow::Result<List> {
    let mut sums: Vec<Sum> = Vec::new();
    for (part, prefixes) in (0..).zip(prefixes.chunks(PART)) {
        sums.push(writer.put_part(number, part, &lists::encode(origin, prefixes))?);
    }
    Ok(List {
        origin,
        list: number,
        parts: sums.len() as u64,
        prefixes: prefixes.len() as u64,
        sum: lists::total(&sums),
    })
}
