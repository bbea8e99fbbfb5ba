//! The audit log: who has asked for which change, and what became of it.
//!
//! Lines of JSON in `audit.jsonl`, numbered. When that has grown to a MiB it becomes `audit-1.jsonl`, that `audit-2.jsonl`, and
//! so on; the oldest goes. It is no part of the state: should a line be lost, nothing is enforced otherwise, and the
//! numbers tell that it is.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use floodwall_api::AuditEntry;

use super::files::PRIVATE;

/// Bytes at which a file is full.
const FULL: u64 = 1 << 20;
/// Full files that are kept.
const KEPT: u32 = 3;

/// The audit log, to be written.
pub struct AuditLog {
    directory: PathBuf,
    file: File,
    length: u64,
    /// Number of the next entry.
    next: u64,
}

fn path(directory: &Path, number: u32) -> PathBuf {
    directory.join(if number == 0 { "audit.jsonl".to_owned() } else { format!("audit-{number}.jsonl") })
}

impl AuditLog {
    /// Opens it, or makes it.
    ///
    /// # Errors
    ///
    /// If it cannot be read or written.
    pub fn open(directory: &Path) -> anyhow::Result<Self> {
        let last = read(directory, None, 1)?.pop().map_or(0, |entry| entry.number);
        let (file, length) = open(&path(directory, 0))?;
        Ok(Self { directory: directory.to_owned(), file, length, next: last + 1 })
    }

    /// Writes an entry, with the next number in place of its own; on disk when this returns.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn append(&mut self, entry: AuditEntry) -> anyhow::Result<()> {
        super::witness::is_in_place(&self.file, &path(&self.directory, 0))?;
        if self.length >= FULL {
            self.turn()?;
        }
        let mut line = serde_json::to_vec(&AuditEntry { number: self.next, ..entry })?;
        line.push(b'\n');
        // What a crash or a full disk has cut off ends there.
        if self.length > 0 && !ends_with_a_line(&path(&self.directory, 0)) {
            line.insert(0, b'\n');
        }
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        written.with_context(|| format!("writing {}", path(&self.directory, 0).display()))?;
        self.length += line.len() as u64;
        self.next += 1;
        Ok(())
    }

    /// Begins another file.
    fn turn(&mut self) -> anyhow::Result<()> {
        for number in (0..KEPT).rev() {
            let (from, to) = (path(&self.directory, number), path(&self.directory, number + 1));
            match fs::rename(&from, &to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("renaming {}", from.display()));
                }
                _ => {}
            }
        }
        (self.file, self.length) = open(&path(&self.directory, 0))?;
        Ok(())
    }
}

fn open(path: &Path) -> anyhow::Result<(File, u64)> {
    let opening = || format!("opening {}", path.display());
    let file = OpenOptions::new().append(true).create(true).mode(PRIVATE).open(path).with_context(opening)?;
    let length = file.metadata().with_context(opening)?.len();
    Ok((file, length))
}

fn ends_with_a_line(path: &Path) -> bool {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut last = [0];
    let read = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)
    });
    read.is_ok() && last == *b"\n"
}

/// The latest entries before this number, the latest last. A line that cannot be read is left out; its number is
/// missing then.
///
/// # Errors
///
/// If a file cannot be read.
pub fn read(directory: &Path, before: Option<u64>, limit: usize) -> anyhow::Result<Vec<AuditEntry>> {
    let mut entries: Vec<AuditEntry> = Vec::new();
    for number in 0..=KEPT {
        let path = path(directory, number);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        for line in text.split(|byte| *byte == b'\n').rev() {
            if let Ok(entry) = serde_json::from_slice::<AuditEntry>(line)
                && before.is_none_or(|before| entry.number < before)
            {
                entries.push(entry);
                if entries.len() == limit {
                    entries.reverse();
                    return Ok(entries);
                }
            }
        }
    }
    entries.reverse();
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(request: &str) -> AuditEntry {
        AuditEntry {
            number: 0,
            time: 1,
            uid: Some(0),
            user: None,
            pid: None,
            process: None,
            command: "block add".to_owned(),
            request: Some(request.to_owned()),
            result: "done".to_owned(),
        }
    }

    #[test]
    fn entries_are_numbered_over_restarts_and_the_oldest_go() {
        let directory = tempfile::tempdir().unwrap();
        let long = "x".repeat(10_000);
        for _ in 0..6 {
            let mut log = AuditLog::open(directory.path()).unwrap();
            (0..100).for_each(|_| log.append(entry(&long)).unwrap());
        }
        let all = read(directory.path(), None, usize::MAX).unwrap();
        assert_eq!(all.last().unwrap().number, 600);
        let latest = fs::read(path(directory.path(), 0)).unwrap();
        assert!(latest.starts_with(b"{"), "a file begins with an entry, not with an empty line");
        assert!(all.windows(2).all(|two| two[0].number + 1 == two[1].number));
        let size: u64 =
            fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
        assert!((3 * FULL..5 * FULL).contains(&size), "{size}");
        let numbers = |before, limit| -> Vec<u64> {
            read(directory.path(), before, limit).unwrap().iter().map(|entry| entry.number).collect()
        };
        assert_eq!(numbers(None, 2), [599, 600]);
        assert_eq!(numbers(Some(599), 2), [597, 598]);
    }

    #[test]
    fn a_log_that_is_removed_or_replaced_takes_no_more_entries() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = AuditLog::open(directory.path()).unwrap();
        log.append(entry("a")).unwrap();
        let file = path(directory.path(), 0);
        fs::rename(&file, directory.path().join("elsewhere")).unwrap();
        assert!(log.append(entry("b")).is_err());
        fs::write(&file, "").unwrap();
        assert!(log.append(entry("b")).is_err());
        let mut log = AuditLog::open(directory.path()).unwrap();
        log.append(entry("c")).unwrap();
        assert_eq!(read(directory.path(), None, 9).unwrap().len(), 1);
    }

    #[test]
    fn a_line_that_was_cut_off_costs_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = AuditLog::open(directory.path()).unwrap();
        (0..3).for_each(|_| log.append(entry("a")).unwrap());
        let path = path(directory.path(), 0);
        let length = fs::metadata(&path).unwrap().len();
        File::options().write(true).open(&path).unwrap().set_len(length - 5).unwrap();
        let mut log = AuditLog::open(directory.path()).unwrap();
        log.append(entry("b")).unwrap();
        let numbers: Vec<u64> =
            read(directory.path(), None, 10).unwrap().iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, [1, 2, 3], "the one that was cut off was the third");
    }
}
