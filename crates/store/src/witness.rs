//! The witness: which record was the last one that was acknowledged, in a file that the database knows nothing of.
//!
//! A database gives back what its last sound commit left. Where a later one was damaged or is gone, that is less than
//! what was answered, and the database does not say so. The witness does: a change is answered only once the database has
//! it on disk *and* the witness names it. A crash between the two leaves a record more than the witness names, which
//! nobody was told of; a record less is always damage.
//!
//! There are two slots that take turns, each in a block of the disk of its own, so that a crash in the middle of
//! writing one leaves the other. They are written in place, which takes no room on a disk that is full.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use super::{
    files::{PRIVATE, replace_file},
    record::{FORMAT, Position, Sum},
};

/// Bytes of a slot.
const SLOT: usize = 4_096;
const SLOTS: usize = 2;

/// What the witness says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    /// Form of the state.
    pub(super) format: u32,
    /// Number of the database.
    pub(super) database: u64,
    /// Counts what was said: the later holds.
    pub(super) turn: u64,
    /// Number of the first record.
    pub(super) base: u64,
    /// The last record that was acknowledged.
    pub(super) last: Position,
}

/// What every slot of whatever format has.
#[derive(Deserialize)]
struct AnySaid {
    format: u32,
}

/// What a witness file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// This; `whole`: both slots can be read.
    Said { said: Said, whole: bool },
    /// It was written by a later version of floodwall.
    Newer(u32),
    /// Nothing that could be read.
    Unreadable,
}

/// The witness, open.
pub(super) struct Witness {
    file: File,
    path: PathBuf,
    said: Said,
}

impl Witness {
    /// Makes one, in place of any that there was; on disk when this returns.
    pub(super) fn create(path: &Path, database: u64, base: u64, last: Position) -> anyhow::Result<Self> {
        let said = Said { format: FORMAT, database, turn: 1, base, last };
        let writing = || format!("writing {}", path.display());
        let earlier = encode(&Said { turn: 0, ..said }).with_context(writing)?;
        let now = encode(&said).with_context(writing)?;
        replace_file(path, |file| {
            io::Write::write_all(file, &earlier)?;
            io::Write::write_all(file, &now)
        })
        .with_context(writing)?;
        let file = open(path).with_context(writing)?;
        Ok(Self { file, path: path.to_owned(), said })
    }

    /// Goes on with one that was read.
    pub(super) fn resume(path: &Path, said: Said) -> anyhow::Result<Self> {
        let file = open(path).with_context(|| format!("opening {}", path.display()))?;
        Ok(Self { file, path: path.to_owned(), said })
    }

    pub(super) fn said(&self) -> Said {
        self.said
    }

    /// Says that this is the last record; on disk when this returns.
    pub(super) fn say(&mut self, base: u64, last: Position) -> anyhow::Result<()> {
        let said = Said { turn: self.said.turn + 1, base, last, ..self.said };
        let at = said.turn % SLOTS as u64 * SLOT as u64;
        self.file
            .write_all_at(&encode(&said)?, at)
            .and_then(|()| self.file.sync_data())
            .with_context(|| format!("writing {}", self.path.display()))?;
        self.said = said;
        Ok(())
    }

    /// Whether the file has its name still.
    ///
    /// # Errors
    ///
    /// If it was removed, or another one has its name: what is written goes nowhere.
    pub(super) fn check_place(&self) -> anyhow::Result<()> {
        is_in_place(&self.file, &self.path)
    }
}

/// Fails if a file that is open does not have its name any more.
pub(super) fn is_in_place(file: &File, path: &Path) -> anyhow::Result<()> {
    let gone = || format!("{} was removed while floodwall was using it", path.display());
    let (ours, there) = (file.metadata()?, std::fs::metadata(path).with_context(gone)?);
    ensure!(
        (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        "another file has taken the place of {} while floodwall was using it",
        path.display()
    );
    Ok(())
}

/// What a witness file says, as far as it can be read.
pub(super) fn read(bytes: &[u8]) -> Found {
    let slots: Vec<_> = bytes.chunks(SLOT).take(SLOTS).map(decode).collect();
    let newer = slots.iter().filter_map(|slot| slot.as_ref().err().copied().flatten()).max();
    if let Some(format) = newer {
        return Found::Newer(format);
    }
    let said = slots.iter().flatten().max_by_key(|said| said.turn).copied();
    let whole = bytes.len() == SLOT * SLOTS && slots.iter().all(Result::is_ok);
    match said {
        // A file of another length was cut: it is never written so.
        Some(said) if bytes.len() == SLOT * SLOTS => Found::Said { said, whole },
        _ => Found::Unreadable,
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).mode(PRIVATE).open(path)
}

/// A line of JSON, a space and its sum, and spaces up to the end of the slot.
fn encode(said: &Said) -> io::Result<Vec<u8>> {
    let line = serde_json::to_string(said)?;
    let mut slot = format!("{line} {}\n", Sum::of(&[line.as_bytes()])).into_bytes();
    slot.resize(SLOT, b' ');
    Ok(slot)
}

/// What a slot says; that it is of a later format; or nothing.
fn decode(slot: &[u8]) -> Result<Said, Option<u32>> {
    let end = slot.iter().position(|byte| *byte == b'\n').ok_or(None)?;
    let text = str::from_utf8(&slot[..end]).map_err(|_| None)?;
    let (line, sum) = text.rsplit_once(' ').ok_or(None)?;
    if Sum::of(&[line.as_bytes()]).to_string() != sum {
        return Err(None);
    }
    let AnySaid { format } = serde_json::from_str(line).map_err(|_| None)?;
    if format > FORMAT {
        return Err(Some(format));
    }
    serde_json::from_str(line).map_err(|_| None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_slot_holds_and_one_that_was_torn_leaves_the_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("witness");
        let at = |seq| Position { seq, link: Sum::of(&[&[seq as u8]]) };
        let mut witness = Witness::create(&path, 3, 1, at(1)).unwrap();
        let bytes = || std::fs::read(&path).unwrap();
        let said = |bytes: &[u8]| match read(bytes) {
            Found::Said { said, whole } => (said.last.seq, whole),
            other => panic!("{other:?}"),
        };
        assert_eq!(said(&bytes()), (1, true));
        for seq in 2..6 {
            witness.say(1, at(seq)).unwrap();
            assert_eq!(said(&bytes()), (seq, true));
        }
        let newer = bytes().chunks(SLOT).position(|slot| decode(slot).unwrap().last.seq == 5).unwrap();
        for place in [0, 40, 120] {
            let mut torn = bytes();
            torn[newer * SLOT + place] ^= 1;
            assert_eq!(said(&torn), (4, false));
            torn[(1 - newer) * SLOT + place] ^= 1;
            assert_eq!(read(&torn), Found::Unreadable);
        }
        for length in [0, 1, SLOT, 2 * SLOT - 1] {
            assert_eq!(read(&bytes()[..length]), Found::Unreadable, "{length}");
        }
        witness.check_place().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(witness.check_place().unwrap_err().to_string().contains("was removed"));
        std::fs::write(&path, b"").unwrap();
        assert!(witness.check_place().unwrap_err().to_string().contains("another file"));
    }

    #[test]
    fn a_later_format_is_told_from_damage() {
        let said = Said { format: 9, database: 1, turn: 1, base: 1, last: Position::default() };
        let slot = encode(&said).unwrap();
        assert_eq!(read(&[slot.clone(), slot].concat()), Found::Newer(9));
    }
}
