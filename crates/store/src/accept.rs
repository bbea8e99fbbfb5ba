//! How an operator goes on with what is left of a damaged state.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use nix::fcntl::Flock;
use tracing::warn;

use super::{
    Store,
    files::{Contents, SET_ASIDE, SNAPSHOT, journal_name, list_name, replace_file, sync_directory},
    journal::Journal,
    lists,
    reading::Found,
    write_snapshot,
};

impl Store {
    /// Makes what could be read the whole state, and sets aside the files as they were.
    ///
    /// Each file gets another name before anything takes its place, and the new snapshot comes last: after a crash in
    /// between, what is damaged still is, and can be accepted again.
    pub(super) fn accept(directory: PathBuf, lock: Flock<File>, found: &Found) -> anyhow::Result<Self> {
        let aside = set_aside(&directory, found)?;
        for damage in &found.damage {
            warn!("{damage}: accepted");
        }
        for (origin, record) in found.records.imports() {
            let name = list_name(origin);
            if found.is_damaged(&name) {
                let prefixes = found.lists.get(&origin).map_or(&[][..], Vec::as_slice);
                warn!(
                    import = record.name,
                    prefixes = prefixes.len(),
                    "goes on with the prefixes that could be read"
                );
                replace_file(&directory.join(&name), |file| lists::write(file, prefixes.iter()))
                    .with_context(|| format!("writing {name}"))?;
            }
        }
        let last = found.contents.journals.last().copied().max(Some(found.end.number)).unwrap_or(0);
        let number = last.checked_add(1).context("there is no number left for a journal")?;
        let journal = Journal::create(&directory, number)?;
        replace_file(&directory.join(SNAPSHOT), |file| write_snapshot(file, number, &found.records))
            .context("writing the snapshot")?;
        let store = Self { directory, journal, _lock: lock };
        store.tidy(&found.records)?;
        warn!(
            set_aside = %aside.display(),
            "what could be read of the state is the state now; the files as they were are set aside"
        );
        Ok(store)
    }
}

/// Gives files that are to be replaced or removed another name, in a directory of their own, which it returns.
fn set_aside(directory: &Path, found: &Found) -> anyhow::Result<PathBuf> {
    let aside = new_directory(directory)?;
    let Contents { snapshot, journals, lists, leftovers } = &found.contents;
    let snapshot = snapshot.then(|| SNAPSHOT.to_owned());
    let lists = lists
        .iter()
        .filter(|origin| found.records.import(**origin).is_none() || found.is_damaged(&list_name(**origin)))
        .map(|origin| list_name(*origin));
    let journals = journals.iter().copied().map(journal_name);
    for name in snapshot.into_iter().chain(journals).chain(lists) {
        fs::hard_link(directory.join(&name), aside.join(&name))
            .with_context(|| format!("setting aside {name} in {}", aside.display()))?;
    }
    // What is written next may have the name of one of these, and would be written over it.
    for name in leftovers {
        fs::rename(directory.join(name), aside.join(name))
            .with_context(|| format!("setting aside {name} in {}", aside.display()))?;
    }
    sync_directory(&aside)
        .and_then(|()| sync_directory(directory))
        .with_context(|| format!("setting files aside in {}", aside.display()))?;
    Ok(aside)
}

fn new_directory(directory: &Path) -> anyhow::Result<PathBuf> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut at = now;
    loop {
        let aside = directory.join(format!("{SET_ASIDE}{at}"));
        match fs::create_dir(&aside) {
            Ok(()) => return Ok(aside),
            // From another time within this second.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => at += 1,
            Err(error) => return Err(error).with_context(|| format!("creating {}", aside.display())),
        }
    }
}
