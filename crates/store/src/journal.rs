//! The journal: changes, a line of JSON each.

use std::{
    fs::{File, OpenOptions},
    io::{Seek as _, SeekFrom, Write as _},
    path::Path,
};

use anyhow::{Context as _, ensure};

use super::files::{journal_name, sync_directory};
use crate::records::Change;

/// Where a journal goes on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Position {
    /// Number of the journal.
    pub(super) number: u64,
    /// Lines in it.
    pub(super) lines: u64,
    /// Where the last of them ends, bytes.
    pub(super) end: u64,
}

/// An open journal, at its end.
pub(super) struct Journal {
    file: File,
    /// The end: that of the last line that was answered.
    at: Position,
    /// The end before that.
    before: Position,
}

impl Journal {
    /// Makes a journal that is there, and empty, after a crash, too.
    pub(super) fn create(directory: &Path, number: u64) -> anyhow::Result<Self> {
        let path = directory.join(journal_name(number));
        let creating = || format!("creating {}", path.display());
        let file = open(&path).with_context(creating)?;
        let length = file.metadata().with_context(creating)?.len();
        ensure!(length == 0, "{} is there already, and not empty", path.display());
        sync_directory(directory).with_context(creating)?;
        Ok(Self::at(file, Position { number, ..Position::default() }))
    }

    /// Opens a journal that has been read, and cuts off a last line that a crash left unfinished.
    pub(super) fn resume(directory: &Path, at: Position) -> anyhow::Result<Self> {
        let path = directory.join(journal_name(at.number));
        let mut file = open(&path).with_context(|| format!("opening {}", path.display()))?;
        file.set_len(at.end)
            .and_then(|()| file.seek(SeekFrom::Start(at.end)))
            .with_context(|| format!("cutting {} to its last whole line", path.display()))?;
        Ok(Self::at(file, at))
    }

    fn at(file: File, at: Position) -> Self {
        Self { file, at, before: at }
    }

    pub(super) fn number(&self) -> u64 {
        self.at.number
    }

    pub(super) fn lines(&self) -> u64 {
        self.at.lines
    }

    /// Appends changes and waits until they are on disk. After an error the journal is as it was.
    pub(super) fn append(&mut self, changes: &[Change]) -> anyhow::Result<()> {
        let mut text = String::new();
        for change in changes {
            text.push_str(&serde_json::to_string(change)?);
            text.push('\n');
        }
        if let Err(error) = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data()) {
            self.cut()?;
            return Err(error.into());
        }
        self.before = self.at;
        self.at.end += text.len() as u64;
        self.at.lines += changes.len() as u64;
        Ok(())
    }

    /// Takes back what was appended last, on disk as well; there is no more than that to take back.
    pub(super) fn retract(&mut self) -> anyhow::Result<()> {
        self.at = self.before;
        self.cut()?;
        Ok(self.file.sync_data()?)
    }

    /// Cuts off what is after the end.
    fn cut(&mut self) -> std::io::Result<()> {
        self.file.set_len(self.at.end)?;
        self.file.seek(SeekFrom::Start(self.at.end)).map(drop)
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}
