//! Compaction: a copy of all that is known takes the place of the records that have led to it.

use std::collections::BTreeMap;

use anyhow::Context as _;

use super::{
    record::{Base, FORMAT, Kind, List},
    sqlite::Writer,
    store::{At, Store},
};
use crate::records::{Origin, Records};

/// Records since the last copy of all that is known after which there is a new copy, at the least: it is worth its
/// cost only once there are as many as it had.
const COPY_AFTER: u64 = 10_000;

impl Store {
    /// Whether all that is known should be copied.
    pub fn wants_snapshot(&self) -> bool {
        let since = self.at.last.seq + 1 - self.at.base - self.at.copied;
        self.behind || since > COPY_AFTER.max(self.at.copied)
    }

    /// Replaces all records by a copy of what is known.
    ///
    /// # Errors
    ///
    /// If it cannot be written; the records are as they were then.
    pub fn snapshot(&mut self, records: &Records) -> anyhow::Result<()> {
        self.check_place()?;
        self.catch_up()?;
        let lists = &self.lists;
        let wanted: Vec<_> =
            records.imports().filter_map(|(origin, _)| lists.get(&origin).map(|list| list.list)).collect();
        let written = self.database.write(self.at.last, |writer| {
            writer.clear()?;
            copy(writer, records, lists)?;
            writer.keep_lists(&wanted)
        });
        let ((), last) =
            written.with_context(|| format!("copying the state in {}", self.directory.display()))?;
        let base = self.at.last.seq + 1;
        self.at = At { base, copied: last.seq + 1 - base, last };
        self.lists.retain(|origin, _| records.import(*origin).is_some());
        self.before = self.at;
        self.behind = false;
        // If that fails, the database has more than the witness says, as after a crash; the next change says it first.
        self.catch_up()
    }
}

/// Writes all that is known, as the records that others follow.
pub(super) fn copy(
    writer: &mut Writer<'_>,
    records: &Records,
    lists: &BTreeMap<Origin, List>,
) -> anyhow::Result<()> {
    let by = env!("CARGO_PKG_VERSION").to_owned();
    writer.put(Kind::Base, &Base { format: FORMAT, after: writer.at(), by })?;
    records.changes().try_for_each(|change| writer.put(Kind::Change, &change))?;
    let wanted = records.imports().filter_map(|(origin, _)| lists.get(&origin));
    wanted.into_iter().try_for_each(|list| writer.put(Kind::List, list))
}
