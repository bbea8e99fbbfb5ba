//! What a state directory holds, as far as it can be read, and what is wrong with it. Changes nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use floodwall_api::ListName;
use floodwall_tables::Prefix;
use floodwall_units::unix;

use super::{
    damage_report::{Damage, Flaw},
    files::{Contents, SNAPSHOT, WITNESS, database_name, log_name},
    format_1, lists,
    record::{Entry, FORMAT, List, Sum},
    sqlite::{Reader, list_of_row, part_of_row},
    verification::{Blamed, Rows, Sound, verify},
    witness::{self, Said},
};
use crate::records::{Change, Origin, Records};

/// What a state directory holds.
#[derive(Default)]
pub(super) struct Found {
    pub(super) contents: Contents,
    pub(super) records: Records,
    /// The prefixes of every import that there is a record of.
    pub(super) lists: BTreeMap<Origin, Vec<Prefix>>,
    pub(super) form: Form,
    pub(super) damage: Vec<Damage>,
}

/// In which form it is.
#[derive(Default)]
pub(super) enum Form {
    /// There is nothing yet.
    #[default]
    New,
    /// Format 1.
    Lines,
    /// This one.
    Database(Option<Resume>),
}

/// What is needed to go on with a database that is sound.
pub(super) struct Resume {
    pub(super) said: Said,
    /// Both slots of the witness can be read.
    pub(super) whole: bool,
    pub(super) sound: Sound,
    pub(super) lists: BTreeMap<Origin, List>,
    /// There are parts of lists that nothing tells of any more.
    pub(super) unused: bool,
}

impl Found {
    /// Reads a state directory.
    ///
    /// # Errors
    ///
    /// If it cannot be listed, or is of another version's format.
    pub(super) fn read(directory: &Path) -> anyhow::Result<Self> {
        let mut found = Self { contents: Contents::of(directory)?, ..Self::default() };
        if found.contents.witness {
            found.read_database(directory)?;
            return Ok(found);
        }
        let told = format_1::told_format(directory);
        if let Some(format) = told.filter(|format| *format > FORMAT) {
            return Err(newer(&directory.join(SNAPSHOT), format));
        }
        let of_lines = format_1::is_there(directory)?;
        if told == Some(FORMAT)
            || (!found.contents.databases.is_empty() && !of_lines && !found.was_being_made(directory))
        {
            found.damaged(WITNESS, Flaw::Missing);
            found.read_database(directory)?;
        } else if of_lines || directory.join(SNAPSHOT).exists() {
            let format_1::Found { records, lists, damage, .. } = format_1::Found::read(directory)?;
            found = Self { records, lists, damage, form: Form::Lines, ..found };
        }
        Ok(found)
    }

    fn damaged(&mut self, file: impl Into<String>, flaw: Flaw) {
        self.damage.push(Damage { file: file.into(), flaw });
    }

    /// Whether a crash has ended the making of the very first database: there is one, the first, with nothing in it yet,
    /// and no file that would have been made after the witness.
    fn was_being_made(&self, directory: &Path) -> bool {
        let is_first = self.contents.databases.iter().eq([&1]) && !directory.join(SNAPSHOT).exists();
        let mut records = 0;
        let read = Reader::open(&directory.join(database_name(1)), self.contents.logs.contains(&1))
            .and_then(|reader| reader.records(0..=0, &mut |_, _| records += 1));
        is_first && read.is_ok() && records <= 1
    }

    /// What the witness says, if that can be read, and whether all of it could.
    fn read_witness(&mut self, directory: &Path) -> anyhow::Result<Option<(Said, bool)>> {
        if !self.contents.witness {
            return Ok(None);
        }
        let path = directory.join(WITNESS);
        let flaw = match fs::read(&path) {
            Ok(bytes) if bytes.is_empty() => Flaw::Empty,
            Ok(bytes) => match witness::read(&bytes) {
                witness::Found::Said { said, whole } => return Ok(Some((said, whole))),
                witness::Found::Newer(format) => return Err(newer(&path, format)),
                witness::Found::Unreadable => {
                    Flaw::Unreadable { why: "it is not as it was written".to_owned() }
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Flaw::Missing,
            Err(error) => Flaw::Unreadable { why: error.to_string() },
        };
        self.damaged(WITNESS, flaw);
        Ok(None)
    }

    fn read_database(&mut self, directory: &Path) -> anyhow::Result<()> {
        self.form = Form::Database(None);
        let told = self.read_witness(directory)?;
        let said = told.map(|(said, _)| said);
        let last = self.contents.databases.last().copied();
        let Some(number) = said.map(|said| said.database).or(last) else {
            self.damaged(database_name(1), Flaw::Missing);
            return Ok(());
        };
        let file = database_name(number);
        let path = directory.join(&file);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.len() > 0 => {}
            Ok(_) => {
                self.damaged(file, Flaw::Empty);
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.damaged(file, Flaw::Missing);
                return Ok(());
            }
            Err(error) => {
                self.damaged(file, Flaw::Unreadable { why: error.to_string() });
                return Ok(());
            }
        }
        let log = log_name(number);
        let is_file =
            |name: &str| fs::metadata(directory.join(name)).is_ok_and(|metadata| metadata.is_file());
        let mut has_log = self.contents.logs.contains(&number);
        if has_log && !is_file(&log) {
            // SQLite would read nothing at all.
            self.damaged(log, Flaw::Unreadable { why: "something else is in its place".to_owned() });
            has_log = false;
        }
        // SQLite takes away the log of a file that it does not take for a database.
        let has_log = has_log && is_database(&path);
        let (rows, flaw) = read_rows(&path, has_log, said.as_ref());
        if let Some(why) = flaw {
            self.damaged(&file, Flaw::Structure { why });
        }
        let verified = verify(&rows, said.as_ref());
        let sound = match verified {
            Ok(sound) => Some(sound),
            Err(flaws) => {
                for (blamed, flaw) in flaws {
                    let file = if blamed == Blamed::Witness { WITNESS } else { file.as_str() };
                    self.damaged(file, flaw);
                }
                None
            }
        };
        let mut told_of = Told::default();
        let mut unread = Vec::new();
        for record in rows.values().flatten() {
            match record.read() {
                Ok(entry) => told_of.take(entry, &mut self.records),
                Err(_) => unread.push(record.seq),
            }
        }
        // As it was written, and yet not understood: by another version, which has not said so.
        if let Some(first) = unread.first() {
            self.damaged(&file, Flaw::Records { first: *first, count: unread.len() as u64 });
        }
        let reader = Reader::open(&path, has_log).ok();
        let part_rows = reader.as_ref().map(Reader::part_rows).unwrap_or_default();
        if let Some(reader) = &reader
            && !self.damage.is_empty()
        {
            self.claim_lists(&path, reader, &part_rows, &mut told_of);
        }
        self.read_lists(&file, reader.as_ref(), &told_of);
        told_of.lists.retain(|origin, _| self.records.import(*origin).is_some());
        let wanted: BTreeSet<u64> = told_of.lists.values().map(|list| list.list).collect();
        let unused = part_rows.iter().any(|row| !wanted.contains(&list_of_row(*row)));
        if let (true, Some((said, whole)), Some(sound)) = (self.damage.is_empty(), told, sound) {
            self.form = Form::Database(Some(Resume { said, whole, sound, lists: told_of.lists, unused }));
        }
        Ok(())
    }

    /// Takes lists for imports that no record tells of, as records are lost: what was forgotten or replaced has a
    /// record that says so, or was removed with what told of it.
    fn claim_lists(&mut self, path: &Path, reader: &Reader, part_rows: &[i64], told: &mut Told) {
        if told.flushed {
            return;
        }
        let written = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let since = written.map_or(0, unix::seconds);
        let known: BTreeSet<u64> = told.lists.values().map(|list| list.list).collect();
        let mut parts = BTreeMap::<u64, u64>::new();
        for row in part_rows {
            let (list, part) = (list_of_row(*row), part_of_row(*row));
            let most = parts.entry(list).or_default();
            *most = part.max(*most);
        }
        for (list, last) in parts.into_iter().filter(|(list, _)| !known.contains(list)) {
            let origin = (0..=last).find_map(|part| Some(lists::decode(&reader.part(list, part)?.0)?.0));
            let Some(origin) = origin.filter(|origin| !told.of.contains(origin)) else { continue };
            let name = format!("recovered-{}", origin.to_string().trim_start_matches("import-"));
            self.records.apply(&Change::Import { origin, name: name.clone(), since, expires: None });
            told.of.insert(origin);
            told.lists
                .insert(origin, List { origin, list, parts: last + 1, prefixes: 0, sum: Default::default() });
            told.claimed.insert(origin);
            self.damaged(format!("list {list} of {}", file_name(path)), Flaw::Unclaimed { name });
        }
    }

    fn read_lists(&mut self, file: &str, reader: Option<&Reader>, told: &Told) {
        let imports: Vec<_> =
            self.records.imports().map(|(origin, record)| (origin, record.name.clone())).collect();
        for (origin, name) in imports {
            let Some(list) = told.lists.get(&origin) else {
                self.damaged(file, Flaw::Prefixes { name, of: 0, read: 0 });
                continue;
            };
            let part_of = |part| reader.and_then(|reader| reader.part(list.list, part));
            let (prefixes, is_whole) = read_list(&part_of, list);
            if !is_whole && !told.claimed.contains(&origin) {
                let read = prefixes.len() as u64;
                self.damaged(file, Flaw::Prefixes { name, of: list.prefixes, read });
            }
            self.lists.insert(origin, prefixes);
        }
    }
}

/// What records tell beside the changes.
#[derive(Default)]
struct Told {
    lists: BTreeMap<Origin, List>,
    /// Imports that a record tells of; what is gone has one that says so.
    of: BTreeSet<Origin>,
    /// A record has emptied the blocklist of all imports.
    flushed: bool,
    /// Imports that nothing has told of but their prefixes.
    claimed: BTreeSet<Origin>,
}

impl Told {
    fn take(&mut self, entry: Entry, records: &mut Records) {
        match entry {
            Entry::Base(_) => {}
            Entry::List(list) => {
                self.of.insert(list.origin);
                self.lists.insert(list.origin, list);
            }
            Entry::Change(change) => {
                match &change {
                    Change::Import { origin, .. } | Change::Forget { origin } => {
                        self.of.insert(*origin);
                    }
                    Change::Flush { list: ListName::Block } => self.flushed = true,
                    _ => {}
                }
                records.apply(&change);
            }
        }
    }
}

/// Whether a file begins like a database.
fn is_database(path: &Path) -> bool {
    use std::io::Read as _;
    let mut start = [0; 4_096];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start.starts_with(b"SQLite format 3\0")
}

/// The rows of a database's records, and what is wrong with its structure.
fn read_rows(path: &Path, has_log: bool, said: Option<&Said>) -> (Rows, Option<String>) {
    let mut rows = Rows::new();
    let expected = said.map_or(0..=0, |said| said.base..=said.last.seq);
    let read = Reader::open(path, has_log).and_then(|reader| {
        reader.records(expected, &mut |seq, record| {
            let there = rows.entry(seq).or_default();
            if there.is_none() {
                *there = record;
            }
        })?;
        reader.format()
    });
    let why = match read {
        Ok(FORMAT) => None,
        Ok(format) => Some(format!("its header tells of format {format}")),
        Err(error) => Some(error.to_string()),
    };
    (rows, why)
}

/// The prefixes of a list that can be read, and whether that is all of them.
pub(super) fn read_list(part_of: &dyn Fn(u64) -> Option<(Vec<u8>, Sum)>, list: &List) -> (Vec<Prefix>, bool) {
    let mut prefixes = Vec::new();
    let mut sums = Vec::new();
    for part in 0..list.parts {
        let Some((body, sum)) = part_of(part) else { continue };
        let Some((origin, more)) = lists::decode(&body) else { continue };
        if origin == list.origin {
            prefixes.extend(more);
            sums.push(sum);
        }
    }
    let is_whole = prefixes.len() as u64 == list.prefixes
        && sums.len() as u64 == list.parts
        && lists::total(&sums) == list.sum;
    (prefixes, is_whole)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn newer(file: &Path, format: u32) -> anyhow::Error {
    anyhow::anyhow!(
        "{} is of format {format}, and this floodwall reads format {FORMAT}; run the version that wrote it, or start with \
         another --state-dir",
        file.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_begins_like_one_and_has_a_page() {
        let directory = tempfile::tempdir().unwrap();
        let begins = |name: &str, start: &[u8], length: usize| {
            let mut bytes = start.to_vec();
            bytes.resize(length, 0);
            let path = directory.path().join(name);
            fs::write(&path, bytes).unwrap();
            is_database(&path)
        };
        let magic = b"SQLite format 3\0";
        assert!(begins("sound", magic, 4_096));
        assert!(!begins("cut", magic, 4_095) && !begins("other", b"else", 4_096));
        assert!(!is_database(&directory.path().join("missing")));
    }
}
