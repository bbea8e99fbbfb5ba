//! How a database takes the place of whatever there was, all at once.
//!
//! It is made under another name, on disk in full before it gets its own, which nothing refers to yet. Then the witness
//! is replaced by one that names it: that is the step. What was there before is moved aside, first by names of its own in
//! a directory of its own; so a crash leaves the old state, or the new one.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::Context as _;
use floodwall_tables::Prefix;
use floodwall_units::unix;

use super::{
    compaction::copy,
    files::{
        Contents, SET_ASIDE, SNAPSHOT, WITNESS, database_name, log_name, new_of, replace_file, sync_directory,
    },
    format_1,
    open::Lock,
    record::{FORMAT, List, Position, Sum},
    sqlite::Database,
    store::{At, Store, put_parts},
    witness::Witness,
};
use crate::records::{Origin, Records};

/// What a floodwall of format 1 reads first, and what it refuses.
#[derive(serde::Serialize)]
struct Stone {
    version: u32,
    state: &'static str,
}

/// Makes a database of all this that takes the place of what is in the directory; returns it, and the directory to which
/// the files went that were there, if there were any.
pub(super) fn replace(
    directory: PathBuf,
    lock: Lock,
    records: &Records,
    prefixes: &BTreeMap<Origin, Vec<Prefix>>,
) -> anyhow::Result<(Store, Option<PathBuf>)> {
    let contents = Contents::of(&directory)?;
    let number = contents.databases.last().map_or(Some(1), |last| last.checked_add(1));
    let number = number.context("there is no number left for a database")?;
    let path = directory.join(database_name(number));
    let aside = link_aside(&directory, &contents)?;
    let filled = fill(&path, records, prefixes);
    if let (Err(_), Some(aside)) = (&filled, &aside) {
        // Nothing in it has no other name, and the next start would make one more.
        drop(fs::remove_dir_all(aside));
    }
    let (at, lists) = filled?;
    // Under its own name, whole, before anything names it.
    fs::rename(new_of(&path), &path)
        .and_then(|()| sync_directory(&directory))
        .with_context(|| format!("naming {}", path.display()))?;
    let witness = Witness::create(&directory.join(WITNESS), number, at.base, at.last)?;
    // From here on the new one holds.
    let database = Database::open(&path)?;
    let store = Store::new(directory, database, witness, at, lists, lock);
    if let Err(error) = tidy(&store.directory, number) {
        tracing::warn!(error = format!("{error:#}"), "the state directory could not be tidied");
    }
    Ok((store, aside))
}

/// Makes a database under a name that is not its own yet.
fn fill(
    path: &Path,
    records: &Records,
    prefixes: &BTreeMap<Origin, Vec<Prefix>>,
) -> anyhow::Result<(At, BTreeMap<Origin, List>)> {
    let new = new_of(path);
    for ending in ["", "-wal", "-journal"] {
        let mut leftover = new.clone().into_os_string();
        leftover.push(ending);
        absent_or(fs::remove_file(&leftover)).with_context(|| format!("removing {}", leftover.display()))?;
    }
    let making = || format!("making {}", path.display());
    let mut drawn = [0; 16];
    getrandom::fill(&mut drawn).context("drawing a number for the state")?;
    let start = Position { seq: 0, link: Sum(drawn) };
    let mut database = Database::create(&new)?;
    let written = database.write(start, |writer| {
        let mut lists = BTreeMap::new();
        for (number, (origin, _)) in (1..).zip(records.imports()) {
            let prefixes = prefixes.get(&origin).map_or(&[][..], Vec::as_slice);
            lists.insert(origin, put_parts(writer, origin, number, prefixes)?);
        }
        copy(writer, records, &lists)?;
        Ok(lists)
    });
    let (lists, last) = written.with_context(making)?;
    database.finish().with_context(making)?;
    Ok((At { base: 1, copied: last.seq, last }, lists))
}

/// The files of format 1, without the one that tells of this format.
fn of_lines(directory: &Path) -> anyhow::Result<Vec<String>> {
    let is_marked = format_1::told_format(directory) == Some(FORMAT);
    Ok(format_1::names(directory)?.into_iter().filter(|name| !is_marked || name != SNAPSHOT).collect())
}

/// Gives the files that are to go another name, in a directory of their own.
fn link_aside(directory: &Path, contents: &Contents) -> anyhow::Result<Option<PathBuf>> {
    let mut names: Vec<String> = Vec::new();
    names.extend(contents.databases.iter().copied().map(database_name));
    names.extend(contents.logs.iter().copied().map(log_name));
    names.extend(contents.witness.then(|| WITNESS.to_owned()));
    names.extend(of_lines(directory)?);
    if names.is_empty() && contents.leftovers.is_empty() {
        return Ok(None);
    }
    let aside = new_directory(directory)?;
    let setting = |name: &str| format!("setting aside {name} in {}", aside.display());
    for name in &names {
        fs::hard_link(directory.join(name), aside.join(name)).with_context(|| setting(name))?;
    }
    // What is made next may have the name of one of these, and would be written over it.
    for name in &contents.leftovers {
        fs::rename(directory.join(name), aside.join(name)).with_context(|| setting(name))?;
    }
    sync_directory(&aside).and_then(|()| sync_directory(directory)).with_context(|| setting("files"))?;
    Ok(Some(aside))
}

/// Removes what a database does not need that the witness names by now: what was made in vain, and what has another name
/// in a directory of its own; whatever has not gets one. Has a floodwall of format 1 refuse the directory.
pub(super) fn tidy(directory: &Path, number: u64) -> anyhow::Result<()> {
    let contents = Contents::of(directory)?;
    let others = |numbers: &std::collections::BTreeSet<u64>| {
        numbers.iter().copied().filter(|other| *other != number).collect::<std::collections::BTreeSet<_>>()
    };
    let old = Contents {
        witness: false,
        databases: others(&contents.databases),
        logs: others(&contents.logs),
        leftovers: Default::default(),
    };
    let is_marked = format_1::told_format(directory) == Some(FORMAT);
    let mut gone: Vec<String> = old.databases.iter().copied().map(database_name).collect();
    gone.extend(old.logs.iter().copied().map(log_name));
    gone.extend(of_lines(directory)?);
    let single: Vec<_> = gone.iter().filter(|name| has_one_name(&directory.join(name))).collect();
    if !single.is_empty() {
        let aside = new_directory(directory)?;
        for name in single {
            fs::hard_link(directory.join(name), aside.join(name))
                .with_context(|| format!("setting aside {name} in {}", aside.display()))?;
        }
        sync_directory(&aside).with_context(|| format!("setting files aside in {}", aside.display()))?;
        tracing::warn!(aside = %aside.display(), "files that are not of the state were set aside");
    }
    if !is_marked {
        let stone = Stone { version: FORMAT, state: "in the database that `witness` names" };
        replace_file(&directory.join(SNAPSHOT), |file| writeln!(file, "{}", serde_json::to_string(&stone)?))
            .context("telling earlier versions of floodwall that the state is of a later format")?;
    }
    let leftovers = contents.leftovers.into_iter();
    for name in gone.into_iter().filter(|name| name != SNAPSHOT).chain(leftovers) {
        let path = directory.join(name);
        absent_or(fs::remove_file(&path)).with_context(|| format!("removing {}", path.display()))?;
    }
    sync_directory(directory).with_context(|| format!("tidying {}", directory.display()))
}

/// Whether a file would be gone for good if it were removed.
fn has_one_name(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(path).is_ok_and(|metadata| metadata.nlink() == 1 && metadata.len() > 0)
}

fn new_directory(directory: &Path) -> anyhow::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt as _;
    let now = unix::seconds(SystemTime::now());
    let mut at = now;
    loop {
        let aside = directory.join(format!("{SET_ASIDE}{at}"));
        match fs::DirBuilder::new().mode(0o700).create(&aside) {
            Ok(()) => return Ok(aside),
            // From another time within this second.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => at += 1,
            Err(error) => return Err(error).with_context(|| format!("creating {}", aside.display())),
        }
    }
}

/// What is not there is fine, too.
fn absent_or(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_aside_within_a_second_gets_names_in_their_order() {
        let directory = tempfile::tempdir().unwrap();
        let made: Vec<_> = (0..3).map(|_| new_directory(directory.path()).unwrap()).collect();
        assert!(made.is_sorted() && made.windows(2).all(|pair| pair[0] != pair[1]), "{made:?}");
    }

    #[test]
    fn what_is_empty_or_has_another_name_is_not_lost_when_it_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let (single, empty) = (file("single", "text"), file("empty", ""));
        assert!(has_one_name(&single) && !has_one_name(&empty));
        fs::hard_link(&single, directory.path().join("other")).unwrap();
        assert!(!has_one_name(&single) && !has_one_name(&directory.path().join("missing")));
    }
}
