//! Any bytes in the place of a file of a sound state directory: it is read, or refused, and what is damaged is left as it is.
//!
//! The first byte says which file, and whether the rest is all of it or written over it from some place on.
#![no_main]

use std::{collections::BTreeMap, fs, path::Path, sync::OnceLock};

use floodwall_fuzz::{directory_in_memory, sound_state};
use floodwall_store::{Kept, Store, check, export, import};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

type Files = BTreeMap<String, Vec<u8>>;

static SOUND: OnceLock<Files> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let sound = SOUND.get_or_init(|| sound_state().unwrap_or_else(|error| panic!("{error:#}")));
    let names: Vec<_> = sound.keys().collect();
    let choice = usize::from(*choice);
    let mut files = sound.clone();
    if let Some(file) = files.get_mut(names[choice % names.len()]) {
        match (choice / names.len()).is_multiple_of(2) {
            true => *file = rest.to_vec(),
            false => overwrite(file, rest),
        }
    }
    let directory = directory_of(&files);
    drop(check(directory.path()));
    let mut text = Vec::new();
    let exported = export(directory.path(), &mut text);
    let Ok(opened) = Store::open(directory.path(), false) else { return };
    if let Kept::Nowhere(_) = opened.kept {
        assert_eq!(files_of(directory.path(), sound), files, "a damaged directory was changed");
    }
    drop(opened);
    if exported.is_ok() {
        let other = in_memory();
        let path = other.path().join("text");
        write(&path, &text);
        let file = fs::File::open(&path).unwrap_or_else(|error| panic!("{error}"));
        if let Err(error) = import(&other.path().join("state"), file, false) {
            panic!("what was exported cannot be imported: {error:#}");
        }
    }
});

/// Two bytes say where.
fn overwrite(file: &mut [u8], with: &[u8]) {
    let Some((place, with)) = with.split_at_checked(2) else { return };
    let place = usize::from(u16::from_le_bytes([place[0], place[1]]));
    for (old, new) in file.iter_mut().skip(place).zip(with) {
        *old = *new;
    }
}

fn in_memory() -> TempDir {
    directory_in_memory().unwrap_or_else(|error| panic!("{error:#}"))
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap_or_else(|error| panic!("writing {}: {error}", path.display()));
}

fn directory_of(files: &Files) -> TempDir {
    let directory = in_memory();
    files.iter().for_each(|(name, bytes)| write(&directory.path().join(name), bytes));
    directory
}

/// Those files that a sound state has; the lock is made anew.
fn files_of(directory: &Path, sound: &Files) -> Files {
    let read = |name: &String| Some((name.clone(), fs::read(directory.join(name)).ok()?));
    sound.keys().filter_map(read).collect()
}
