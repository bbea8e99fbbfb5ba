//! State directories as crashes leave them, and damaged ones: what is told, what is read, and what stays as it was.

mod crashes;
mod damage;
mod faults;
mod import;
mod migration;
mod offline;

use std::{collections::BTreeMap, fs, path::Path};

use floodwall_api::ListName;
use floodwall_tables::Prefix;
use tempfile::TempDir;

use super::{Damaged, Kept, Opened, Store};
use crate::records::{Change, Origin, Records};

/// Names of files, and what is in them.
type Files = BTreeMap<String, Vec<u8>>;

const WITNESS: &str = "witness";
const DATABASE: &str = "state-1.db";
const LOG: &str = "state-1.db-wal";
const STONE: &str = "snapshot.jsonl";

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn add(text: &str) -> Change {
    Change::Add { list: ListName::Block, prefix: prefix(text), since: 1, expires: None, note: None }
}

fn line(change: &Change) -> Vec<u8> {
    format!("{}\n", serde_json::to_string(change).unwrap()).into_bytes()
}

fn import(name: &str) -> Change {
    Change::Import { origin: Origin::import(1).unwrap(), name: name.to_owned(), since: 1, expires: None }
}

/// All that was read, in words.
fn read(opened: &Opened) -> Vec<String> {
    let Opened { records, lists, .. } = opened;
    let mut all: Vec<_> = records.noted().map(|(_, prefix)| prefix.to_string()).collect();
    for (origin, record) in records.imports() {
        let prefixes = lists.get(&origin).into_iter().flatten();
        all.extend(prefixes.map(|prefix| format!("{} {prefix}", record.name)));
    }
    all
}

fn open(directory: &Path, accept: bool) -> Opened {
    Store::open(directory, accept).expect("it opens")
}

fn store(opened: Opened) -> (Store, Records) {
    match opened.kept {
        Kept::OnDisk(store) => (*store, opened.records),
        Kept::Nowhere(damaged) => panic!("{}", damaged.report()),
    }
}

fn damaged(opened: Opened) -> Damaged {
    match opened.kept {
        Kept::OnDisk(_) => panic!("nothing is damaged"),
        Kept::Nowhere(damaged) => damaged,
    }
}

/// Writes changes down, and takes note of them.
fn keep(store: &mut Store, records: &mut Records, changes: &[Change]) {
    store.append(changes).unwrap();
    changes.iter().for_each(|change| records.apply(change));
}

fn save_list(store: &mut Store, records: &mut Records, prefixes: &[&str]) {
    let change = import("list");
    let prefixes: Vec<_> = prefixes.iter().map(|text| prefix(text)).collect();
    store.save_import(Origin::import(1).unwrap(), prefixes.iter(), std::slice::from_ref(&change)).unwrap();
    records.apply(&change);
}

/// The files of a directory, apart from the lock.
fn files(directory: &Path) -> Files {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.is_file() && !path.ends_with("lock"));
    files
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect()
}

/// In memory, where there is such a place: thousands of them are made.
fn quick_directory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn directory_of(files: &Files) -> TempDir {
    let directory = quick_directory();
    files.iter().for_each(|(name, text)| fs::write(directory.path().join(name), text).unwrap());
    directory
}

fn set_aside(directory: &Path) -> Files {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut asides = entries.filter(|path| path.is_dir());
    let aside = asides.next().expect("something was set aside");
    assert_eq!(asides.next(), None);
    assert!(aside.file_name().unwrap().to_str().unwrap().starts_with("set-aside-1"), "{}", aside.display());
    files(&aside)
}

/// What is told of the directory starts like this; nothing in it changes; this can be read, and accepted.
fn assert_damaged(before: &Files, told: &[&str], held: &[&str]) {
    let directory = directory_of(before);
    let path = directory.path();
    for _ in 0..2 {
        let opened = open(path, false);
        let damaged = damaged_with(&opened);
        let alike =
            damaged.len() == told.len() && damaged.iter().zip(told).all(|(is, told)| is.starts_with(told));
        assert!(alike, "{damaged:#?} is not {told:#?}");
        assert_eq!(read(&opened), held);
        let what_to_do = self::damaged(opened).report().to_string();
        assert!(what_to_do.contains(&damaged[0]) && what_to_do.contains("--accept-state"), "{what_to_do}");
        assert_eq!(&files(path), before, "something was changed");
    }

    let opened = open(path, true);
    assert_eq!(read(&opened), held, "accepted");
    let (mut store, mut records) = store(opened);
    keep(&mut store, &mut records, &[add("192.0.2.99/32")]);
    drop(store);
    let (aside, after) = (set_aside(path), files(path));
    for (name, text) in before {
        assert!(after.get(name) == Some(text) || aside.get(name) == Some(text), "{name} is lost");
    }
    let opened = open(path, false);
    let mut all: Vec<_> = held.iter().map(ToString::to_string).chain(["192.0.2.99/32".to_owned()]).collect();
    all.sort();
    assert_eq!(read(&opened), all, "at the next start");
    assert!(matches!(opened.kept, Kept::OnDisk(_)));
}

fn damaged_with(opened: &Opened) -> Vec<String> {
    match &opened.kept {
        Kept::OnDisk(_) => Vec::new(),
        Kept::Nowhere(damaged) => damaged.report().damage.iter().map(ToString::to_string).collect(),
    }
}

/// Nothing is damaged; this can be read, now and at the next start.
fn assert_sound(before: &Files, held: &[&str], what: &str) {
    let directory = directory_of(before);
    for _ in 0..2 {
        let opened = open(directory.path(), false);
        assert_eq!(damaged_with(&opened), [""; 0], "{what}");
        assert_eq!(read(&opened), held, "{what}");
    }
    let after = files(directory.path());
    let databases = after.keys().filter(|name| name.ends_with(".db")).count();
    assert_eq!((databases, after.len()), (1, 3), "{what}: {:?}", after.keys());
}

fn all<'a>(parts: &[&[&'a str]]) -> Vec<&'a str> {
    parts.concat()
}

/// The files, changed.
fn with(files: &Files, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Files {
    let mut files = files.clone();
    change(files.entry(name.to_owned()).or_default());
    files
}

fn without(files: &Files, names: &[&str]) -> Files {
    files
        .iter()
        .filter(|(name, _)| !names.contains(&name.as_str()))
        .map(|(n, t)| (n.clone(), t.clone()))
        .collect()
}

/// Puts another line in place of one, from 1.
fn replace_line(text: &mut Vec<u8>, number: usize, with: &[u8]) {
    let mut lines: Vec<_> = text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    lines[number - 1] = [with, b"\n"].concat();
    *text = lines.concat();
}
