//! The database: SQLite, with a table of records and one of the parts of lists.
//!
//! It is in WAL mode, so that a change costs one write that is waited for, and is held by one connection alone, so that
//! there is no memory shared beside it. Nothing is looked up by anything but a row's number, so that there is no index
//! that could be at odds with its table.

use std::{
    cell::Cell,
    fs::{self, File, OpenOptions},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use floodwall_sqlite::{damaged, distrust, for_reading, for_writing, is_full, write_ahead};
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement, config::DbConfig, params};
use serde::Serialize;

use super::{
    lists,
    record::{FORMAT, Kind, Position, Record, Sum},
};

/// "flwd", in the header of the file.
const APPLICATION: i32 = 0x666c_7764;
/// Bits of a part's row number that number it within its list.
const PART_BITS: u32 = 20;
/// Bytes that the write-ahead log keeps when it starts over.
const LOG_KEPT: i64 = 4 << 20;
/// One of SQLite's ways to files (https://sqlite.org/vfs.html): the usual one, but for locks, of which there are none.
const WITHOUT_LOCKS: &std::ffi::CStr = c"unix-none";

const TABLES: &str = "\
CREATE TABLE record (seq INTEGER PRIMARY KEY, batch INTEGER NOT NULL, kind INTEGER NOT NULL, body BLOB NOT NULL, sum BLOB NOT NULL, link BLOB NOT NULL) STRICT;
CREATE TABLE part (number INTEGER PRIMARY KEY, body BLOB NOT NULL, sum BLOB NOT NULL) STRICT;";

/// The row number of a part of a list.
pub(super) fn part_row(list: u64, part: u64) -> i64 {
    (list << PART_BITS | part) as i64
}

/// The list that the part with this row number is of.
pub(super) fn list_of_row(row: i64) -> u64 {
    row as u64 >> PART_BITS
}

/// Which part of its list that is.
pub(super) fn part_of_row(row: i64) -> u64 {
    row as u64 & ((1 << PART_BITS) - 1)
}

/// The database, to be written.
pub(super) struct Database {
    connection: Connection,
    /// Tells whether the file has its name still.
    file: File,
    path: PathBuf,
    /// Device and inode of the write-ahead log, once there is one.
    log: Cell<Option<(u64, u64)>>,
}

impl Database {
    /// Makes one that is to be filled, and then [finished](Self::finish).
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let creating = || format!("creating {}", path.display());
        let file = floodwall_sqlite::create(path).with_context(creating)?;
        let connection = Connection::open_with_flags(path, for_writing()).with_context(creating)?;
        let database = Self { connection, file, path: path.to_owned(), log: Cell::new(None) };
        let connection = &database.connection;
        settle(connection).map_err(words).with_context(creating)?;
        // What is made is waited for once, at the end.
        let make = || {
            connection.pragma_update(None, "synchronous", "OFF")?;
            connection.pragma_update(None, "application_id", APPLICATION)?;
            connection.pragma_update(None, "user_version", FORMAT)?;
            connection.execute_batch(TABLES)
        };
        make().map_err(words).with_context(creating)?;
        Ok(database)
    }

    /// Has what was made on disk, in one file.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let Self { connection, file, path, log: _ } = self;
        let finishing = || format!("writing {}", path.display());
        checkpoint(&connection).with_context(finishing)?;
        connection.close().map_err(|(_, error)| words(error)).with_context(finishing)?;
        file.sync_all().with_context(finishing)
    }

    /// Opens one that was read and found sound.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let opening = || format!("opening {}", path.display());
        let file = File::open(path).with_context(opening)?;
        let connection =
            Connection::open_with_flags(path, for_writing()).map_err(words).with_context(opening)?;
        settle(&connection).map_err(words).with_context(opening)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(words).with_context(opening)?;
        Ok(Self { connection, file, path: path.to_owned(), log: Cell::new(None) })
    }

    /// Writes records after this one, and no others, and what goes with them: all of it, or nothing. On disk when
    /// this returns. On a disk that is full, what the write-ahead log holds is brought into the database, and then `work` is tried
    /// once more.
    pub(super) fn write<T>(
        &mut self,
        after: Position,
        work: impl Fn(&mut Writer<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<(T, Position)> {
        match self.write_once(after, &work) {
            Err(error) if is_full(&error) && checkpoint(&self.connection).is_ok() => {
                self.write_once(after, &work)
            }
            outcome => outcome,
        }
    }

    fn write_once<T>(
        &mut self,
        after: Position,
        work: &impl Fn(&mut Writer<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<(T, Position)> {
        let transaction = self.connection.transaction().map_err(words)?;
        let outcome = {
            // What was never acknowledged, and could not be taken back at once.
            transaction.execute("DELETE FROM record WHERE seq > ?1", [after.seq as i64]).map_err(words)?;
            let insert =
                "INSERT INTO record (seq, batch, kind, body, sum, link) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let part = "INSERT OR REPLACE INTO part (number, body, sum) VALUES (?1, ?2, ?3)";
            let mut writer = Writer {
                connection: &transaction,
                insert: transaction.prepare(insert).map_err(words)?,
                part: transaction.prepare(part).map_err(words)?,
                at: after,
                batch: after.seq + 1,
            };
            let outcome = work(&mut writer)?;
            (outcome, writer.at)
        };
        transaction.commit().map_err(words)?;
        Ok(outcome)
    }

    /// Takes back the records after this one.
    pub(super) fn cut(&mut self, after: Position) -> anyhow::Result<()> {
        self.write(after, |_| Ok(())).map(drop)
    }

    /// A part of a list, if it is as it was written.
    pub(super) fn part(&self, list: u64, part: u64) -> Option<(Vec<u8>, Sum)> {
        part_of(&self.connection, list, part)
    }

    /// Removes the parts of lists that are not among these.
    pub(super) fn keep_lists(&mut self, wanted: &[u64], after: Position) -> anyhow::Result<()> {
        self.write(after, |writer| writer.keep_lists(wanted)).map(drop)
    }

    /// Whether the file has its name still; see [`Witness::check_place`](super::witness::Witness::check_place).
    pub(super) fn check_place(&self) -> anyhow::Result<()> {
        super::witness::is_in_place(&self.file, &self.path)?;
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        let there = fs::metadata(&log).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        ensure!(
            self.log.get().is_none() || self.log.get() == there,
            "{} was removed or replaced while floodwall was using it",
            log.display()
        );
        self.log.set(there);
        Ok(())
    }
}

/// Writes records within a transaction.
pub(super) struct Writer<'a> {
    connection: &'a Connection,
    insert: Statement<'a>,
    part: Statement<'a>,
    at: Position,
    batch: u64,
}

impl Writer<'_> {
    /// The record that was written last, or that these come after.
    pub(super) fn at(&self) -> Position {
        self.at
    }

    /// Writes the next record.
    pub(super) fn put(&mut self, kind: Kind, body: &impl Serialize) -> anyhow::Result<()> {
        let body = serde_json::to_vec(body)?;
        let record = Record::after(self.at, self.batch, kind, body);
        let Record { seq, batch, kind, body, sum, link } = &record;
        self.insert
            .execute(params![*seq as i64, *batch as i64, *kind as i64, body, sum.0, link.0])
            .map_err(words)?;
        self.at = record.position();
        Ok(())
    }

    /// Writes a part of a list; returns its checksum.
    pub(super) fn put_part(&mut self, list: u64, part: u64, body: &[u8]) -> anyhow::Result<Sum> {
        ensure!(part >> PART_BITS == 0, "a list of more than {} parts", 1 << PART_BITS);
        let sum = lists::sum(list, part, body);
        self.part.execute(params![part_row(list, part), body, sum.0]).map_err(words)?;
        Ok(sum)
    }

    /// Removes all records.
    pub(super) fn clear(&mut self) -> anyhow::Result<()> {
        self.connection.execute("DELETE FROM record", []).map_err(words)?;
        Ok(())
    }

    /// Removes the parts of lists that are not among these.
    pub(super) fn keep_lists(&mut self, wanted: &[u64]) -> anyhow::Result<()> {
        let mut wanted = wanted.to_vec();
        wanted.sort_unstable();
        // What lies between one list and the next.
        let starts = std::iter::once(0).chain(wanted.iter().map(|list| part_row(list + 1, 0)));
        let ends = wanted.iter().map(|list| part_row(*list, 0)).chain([i64::MAX]);
        for (start, end) in starts.zip(ends).filter(|(start, end)| start < end) {
            let statement = "DELETE FROM part WHERE number >= ?1 AND number < ?2";
            self.connection.execute(statement, [start, end]).map_err(words)?;
        }
        Ok(())
    }
}

/// The database, to be read, and left as it is to the last byte.
pub(super) struct Reader {
    connection: Connection,
}

impl Reader {
    /// Opens it.
    pub(super) fn open(path: &Path, has_log: bool) -> rusqlite::Result<Self> {
        let connection = if has_log && is_writable(path) {
            Connection::open_with_flags(path, for_writing())?
        } else if has_log {
            // A lock on what cannot be written is refused, and the directory's own is held.
            Connection::open_with_flags_and_vfs(path, for_reading(), WITHOUT_LOCKS)?
        } else {
            // SQLite would make a log, even of nothing.
            Connection::open_with_flags(immutable(path), for_reading() | OpenFlags::SQLITE_OPEN_URI)?
        };
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        guard(&connection)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(Self { connection })
    }

    /// What the header says of the form.
    pub(super) fn format(&self) -> rusqlite::Result<u32> {
        self.connection.query_row("PRAGMA user_version", [], |row| row.get(0))
    }

    /// Gives each record to `take`, by number: as it was written, or `None`. Where rows are lost with what leads to them,
    /// others are looked up one by one, as far as their numbers lie within `expected`.
    pub(super) fn records(
        &self,
        expected: std::ops::RangeInclusive<u64>,
        take: &mut dyn FnMut(u64, Option<Record>),
    ) -> rusqlite::Result<()> {
        let columns = "SELECT seq, batch, kind, body, sum, link FROM record";
        let ascending = self.walk(&format!("{columns} ORDER BY seq"), false, take);
        let Err(error) = ascending else { return Ok(()) };
        let _ = self.walk(&format!("{columns} ORDER BY seq DESC"), true, take);
        let mut single = self.connection.prepare(&format!("{columns} WHERE seq = ?1"))?;
        for seq in expected.take(MOST_LOOKED_UP) {
            if let Ok(Some((seq, record))) = single.query_row([seq as i64], |row| Ok(record(row))) {
                take(seq, record);
            }
        }
        Err(error)
    }

    fn walk(
        &self,
        query: &str,
        falling: bool,
        take: &mut dyn FnMut(u64, Option<Record>),
    ) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare(query)?;
        let mut rows = statement.query([])?;
        let mut last = None;
        while let Some(row) = rows.next()? {
            let Some((seq, record)) = record(row) else { continue };
            // A tree that leads in circles.
            if last.is_some_and(|last| if falling { seq >= last } else { seq <= last }) {
                return Err(damaged());
            }
            last = Some(seq);
            take(seq, record);
        }
        Ok(())
    }

    /// A part of a list, if it is as it was written.
    pub(super) fn part(&self, list: u64, part: u64) -> Option<(Vec<u8>, Sum)> {
        part_of(&self.connection, list, part)
    }

    /// The row numbers of all parts that can be found.
    pub(super) fn part_rows(&self) -> Vec<i64> {
        let mut found = Vec::new();
        let walked =
            self.connection.prepare("SELECT number FROM part ORDER BY number").and_then(|mut all| {
                let mut rows = all.query([])?;
                while let Some(row) = rows.next()? {
                    let number: i64 = row.get(0)?;
                    if found.last().is_some_and(|last| *last >= number) {
                        return Err(damaged());
                    }
                    found.push(number);
                }
                Ok(())
            });
        // Those that can be found are all that there is to be had.
        drop(walked);
        found
    }
}

fn part_of(connection: &Connection, list: u64, part: u64) -> Option<(Vec<u8>, Sum)> {
    let mut statement = connection.prepare("SELECT body, sum FROM part WHERE number = ?1").ok()?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?));
    let (body, sum) = statement.query_row([part_row(list, part)], read).ok()?;
    let sum = Sum(sum.try_into().ok()?);
    (sum == lists::sum(list, part, &body)).then_some((body, sum))
}

/// Rows that are looked up one by one where their table is damaged.
const MOST_LOOKED_UP: usize = 5_000_000;

/// A row's number, and its record if it is as it was written; `None` if it does not even have a number.
fn record(row: &rusqlite::Row<'_>) -> Option<(u64, Option<Record>)> {
    let seq = u64::try_from(row.get::<_, i64>(0).ok()?).ok()?;
    let read = || {
        let batch = u64::try_from(row.get::<_, i64>(1).ok()?).ok()?;
        let kind = row.get(2).ok()?;
        let (sum, link) = (row.get_ref(4).ok()?.as_blob().ok()?, row.get_ref(5).ok()?.as_blob().ok()?);
        Record::found(seq, batch, kind, row.get(3).ok()?, (sum, link))
    };
    Some((seq, read()))
}

/// Settings of a connection that writes.
fn settle(connection: &Connection) -> rusqlite::Result<()> {
    guard(connection)?;
    write_ahead(connection, LOG_KEPT)
}

/// Settings of every connection, before anything is read: nobody else may use the file, and nothing in it is trusted.
fn guard(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
    distrust(connection)
}

/// Brings all of the write-ahead log into the database.
fn checkpoint(connection: &Connection) -> anyhow::Result<()> {
    let busy: i64 =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(words)?;
    ensure!(busy == 0, "the write-ahead log could not be brought into the database");
    Ok(())
}

/// Whether a file can be written to, as it cannot on a file system that is read-only.
fn is_writable(path: &Path) -> bool {
    OpenOptions::new().append(true).open(path).is_ok()
}

/// A path as a URI that says that nothing changes the file meanwhile.
fn immutable(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri + "?immutable=1"
}

/// Errors in the words that a system has for them.
fn words(error: rusqlite::Error) -> anyhow::Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            anyhow::Error::new(error).context("No space left on the disk of the state")
        }
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn database(directory: &Path) -> Database {
        Database::create(&directory.join("state-1.db")).expect("a database")
    }

    #[test]
    fn a_row_number_tells_the_list_and_the_part() {
        for (list, part) in [(0, 0), (0, 1), (1, 0), (7, 5), (7, (1 << PART_BITS) - 1)] {
            let row = part_row(list, part);
            assert_eq!((list_of_row(row), part_of_row(row)), (list, part));
        }
    }

    #[test]
    fn every_part_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let mut database = database(directory.path());
        let parts = [(1, 0), (1, 1), (3, 0)];
        let put = |writer: &mut Writer<'_>| {
            parts.iter().try_for_each(|(list, part)| writer.put_part(*list, *part, b"text").map(drop))
        };
        database.write(Position::default(), put).unwrap();
        database.finish().unwrap();
        let reader = Reader::open(&directory.path().join("state-1.db"), false).unwrap();
        assert_eq!(reader.part_rows(), parts.map(|(list, part)| part_row(list, part)));
        assert_eq!(reader.part(1, 1).map(|(body, _)| body), Some(b"text".to_vec()));
        assert_eq!(reader.part(1, 2), None);
    }

    #[test]
    fn what_fails_is_tried_again_on_a_full_disk_alone() {
        let directory = tempfile::tempdir().unwrap();
        let mut database = database(directory.path());
        let tries = |database: &mut Database, error: fn() -> anyhow::Error| {
            let tries = Cell::new(0);
            let outcome = database.write(Position::default(), |_| {
                tries.set(tries.get() + 1);
                Err::<(), _>(error())
            });
            assert!(outcome.is_err());
            tries.get()
        };
        assert_eq!(tries(&mut database, || anyhow::anyhow!("another mistake")), 1);
        assert_eq!(tries(&mut database, || words(full())), 2);
    }

    #[test]
    fn a_full_disk_is_told_in_the_words_of_the_system() {
        assert!(words(full()).to_string().contains("No space left"));
        assert!(is_full(&words(full())) && !is_full(&words(damaged())));
    }

    fn full() -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None)
    }
}
