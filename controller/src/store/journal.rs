//! The journal: changes, a line of JSON each.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
};

use anyhow::Context as _;

use crate::state::Change;

/// An open journal, at its end.
pub(super) struct Journal {
    file: File,
    number: u64,
    lines: u64,
    /// Where the last line that was answered ends, bytes.
    end: u64,
}

impl Journal {
    /// Opens a journal, hands each change in it to `apply`, and cuts off a last line that a crash left
    /// unfinished.
    pub(super) fn open(path: &Path, mut apply: impl FnMut(&Change)) -> anyhow::Result<Self> {
        let at = || format!("journal {}", path.display());
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .with_context(|| format!("opening {}", at()))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).with_context(|| format!("reading {}", at()))?;
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let mut lines = 0;
        // A line at a time, as bytes: the crash may have cut a character in half.
        for line in text[..whole].split_inclusive(|&byte| byte == b'\n') {
            lines += 1;
            let change: Change =
                serde_json::from_slice(line).with_context(|| format!("{} line {lines}", at()))?;
            apply(&change);
        }
        file.set_len(whole as u64).with_context(|| format!("cutting {} to its last whole line", at()))?;
        file.seek(SeekFrom::End(0)).with_context(|| format!("opening {}", at()))?;
        let number =
            path.file_stem().and_then(|stem| stem.to_str()?.rsplit_once('-')?.1.parse().ok()).unwrap_or(0);
        Ok(Self { file, number, lines, end: whole as u64 })
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// Appends changes and waits until they are on disk. After an error the journal is as it was.
    pub(super) fn append(&mut self, changes: &[Change]) -> anyhow::Result<()> {
        let mut text = String::new();
        for change in changes {
            text.push_str(&serde_json::to_string(change)?);
            text.push('\n');
        }
        if let Err(error) = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data()) {
            self.file.set_len(self.end)?;
            self.file.seek(SeekFrom::Start(self.end))?;
            return Err(error.into());
        }
        self.end += text.len() as u64;
        self.lines += changes.len() as u64;
        Ok(())
    }
}
