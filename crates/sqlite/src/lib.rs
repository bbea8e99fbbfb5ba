//! SQLite files as floodwall keeps them: readable for nobody else, with a write-ahead log of bounded size, and nothing in them
//! trusted. What is in them is for others to say.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use rusqlite::{Connection, Error, ErrorCode, OpenFlags, Result, ffi};

/// Permissions of a file.
const PRIVATE: u32 = 0o600;
/// Pages of the write-ahead log after which it is brought into the database: a MiB.
const CHECKPOINT: i64 = 256;

/// Creates an empty file, which SQLite would create readable for others. An error if there is one.
pub fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(PRIVATE).open(path)
}

/// The same, unless there is one.
pub fn create_if_missing(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(PRIVATE).open(path)
}

/// To write to a file that is there, by one thread at a time.
pub fn for_writing() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// To read a file that is there, by one thread at a time.
pub fn for_reading() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// Trusts nothing in a file. It comes before anything is read.
pub fn distrust(connection: &Connection) -> Result<()> {
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

/// Writes to a log first, of which `kept` bytes are kept when it starts over.
pub fn write_ahead(connection: &Connection, kept: i64) -> Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", CHECKPOINT, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_size_limit", kept, |_| Ok(()))
}

/// What SQLite says of a damaged file.
pub fn damaged() -> Error {
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), None)
}

/// Whether a file is damaged, or none of SQLite's.
pub fn is_damaged(error: &anyhow::Error) -> bool {
    matches!(code(error), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Whether the disk is full.
pub fn is_full(error: &anyhow::Error) -> bool {
    code(error) == Some(ErrorCode::DiskFull)
}

fn code(error: &anyhow::Error) -> Option<ErrorCode> {
    error.chain().find_map(|cause| cause.downcast_ref::<Error>()).and_then(Error::sqlite_error_code)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_file_is_for_nobody_else_and_is_created_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        create(&path).unwrap();
        assert_eq!(create(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        create_if_missing(&path).unwrap();
        let connection = Connection::open_with_flags(&path, for_writing()).unwrap();
        distrust(&connection).unwrap();
        write_ahead(&connection, 1 << 20).unwrap();
        connection.execute_batch("CREATE TABLE a (b)").unwrap();
        for file in ["a.db", "a.db-wal"] {
            let mode = directory.path().join(file).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }

    #[test]
    fn what_is_wrong_is_found_below_what_was_being_done() {
        let full = || Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None);
        let error = |error: Error| anyhow::Error::new(error).context("writing");
        assert!(is_full(&error(full())) && !is_full(&error(damaged())));
        assert!(is_damaged(&error(damaged())) && !is_damaged(&error(full())));
        assert!(!is_damaged(&anyhow::anyhow!("another mistake")));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        std::fs::write(&path, [b'x'; 4_096]).unwrap();
        let connection = Connection::open_with_flags(&path, for_reading()).unwrap();
        let read = connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
        assert!(is_damaged(&read.context("reading").unwrap_err()));
    }
}
