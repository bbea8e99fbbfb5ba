//! The files of a state directory of format 1, by their names.

use std::{collections::BTreeSet, path::Path};

use crate::{
    files::{SNAPSHOT, names},
    records::Origin,
};

/// What is being written, and takes the place of what has the name without this.
const NEW: &str = "new";
/// What an import's list was, until it was sure that it had changed.
const BEFORE: &str = "before";

pub(super) fn journal_name(number: u64) -> String {
    format!("journal-{number}.jsonl")
}

pub(super) fn list_name(origin: Origin) -> String {
    format!("{origin}.list")
}

/// What there is of format 1 in a state directory.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) snapshot: bool,
    pub(super) journals: BTreeSet<u64>,
    pub(super) lists: BTreeSet<Origin>,
    /// What a crash has left in the middle of writing a file.
    pub(super) leftovers: BTreeSet<String>,
}

impl Contents {
    pub(super) fn of(directory: &Path) -> anyhow::Result<Self> {
        let mut contents = Self::default();
        names(directory)?.iter().for_each(|name| contents.enter(name));
        Ok(contents)
    }

    /// The names of all these files.
    pub(super) fn all(&self) -> Vec<String> {
        let Self { snapshot, journals, lists, leftovers } = self;
        let snapshot = snapshot.then(|| SNAPSHOT.to_owned());
        let numbered = journals.iter().copied().map(journal_name);
        let lists = lists.iter().copied().map(list_name);
        snapshot.into_iter().chain(numbered).chain(lists).chain(leftovers.iter().cloned()).collect()
    }

    fn enter(&mut self, name: &str) {
        let leftover = [NEW, BEFORE].iter().find_map(|ending| name.strip_suffix(ending)?.strip_suffix('.'));
        if leftover.is_some_and(|of| Self::default().take(of)) {
            self.leftovers.insert(name.to_owned());
        } else {
            self.take(name);
        }
    }

    /// Whether the name is one of the state's own files.
    fn take(&mut self, name: &str) -> bool {
        let number =
            |beginning, ending| name.strip_prefix(beginning)?.strip_suffix(ending)?.parse::<u64>().ok();
        let list = name.strip_suffix(".list").and_then(|origin| origin.parse::<Origin>().ok());
        // `journal-07.jsonl` is somebody else's.
        if let Some(number) = number("journal-", ".jsonl").filter(|number| journal_name(*number) == name) {
            self.journals.insert(number)
        } else if let Some(origin) = list.filter(|origin| origin.has_list()) {
            self.lists.insert(origin)
        } else {
            let is_snapshot = name == SNAPSHOT;
            self.snapshot |= is_snapshot;
            is_snapshot
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_the_states_own_is_taken_for_it() {
        let mut contents = Contents::default();
        let names = [
            "snapshot.jsonl",
            "snapshot.jsonl.new",
            "snapshot.jsonl.bak",
            "journal-7.jsonl",
            "journal-07.jsonl",
            "journal-7.jsonl.bak",
            "journal-x.jsonl",
            "import-1.list",
            "import-4096.list",
            "import-0.list",
            "import-01.list",
            "import-4097.list",
            "feed-2.list",
            "manual.list",
            "import-1.list.before",
            "import-2.list.new",
            "baseline.json.gz",
            "lock",
            "set-aside-1",
            "notes.new",
        ];
        names.iter().for_each(|name| contents.enter(name));
        let Contents { snapshot, journals, lists, leftovers } = contents;
        assert!(snapshot);
        assert_eq!(journals.into_iter().collect::<Vec<_>>(), [7]);
        let expected = [Origin::Import(1), Origin::Import(4_096), Origin::Feed(2)];
        assert_eq!(lists.into_iter().collect::<Vec<_>>(), expected);
        let expected = ["import-1.list.before", "import-2.list.new", "snapshot.jsonl.new"];
        assert_eq!(leftovers.into_iter().collect::<Vec<_>>(), expected);
    }
}
