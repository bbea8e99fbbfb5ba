//! Prefixes that are named one by one: they come and go at once.

use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use tracing::warn;

use super::{
    change::{Change, Origin},
    expiry::{expiry, unix_seconds},
    filter::{Books, Filter, grace},
    lifelines::Danger,
    refusal::Refusal,
};
use crate::{
    api::{AddResponse, ListName},
    host::Lifelines,
    tables::{
        Prefix,
        prefixes::{self, List},
    },
};

impl Filter {
    /// Lists prefixes by hand: all or none. In force and on disk when it returns.
    pub fn add(
        &self,
        list: ListName,
        wanted: &[Prefix],
        lifetime: Option<Duration>,
        note: Option<String>,
        lifelines: Option<&Lifelines>,
    ) -> Result<AddResponse, Refusal> {
        self.check_changeable()?;
        if let Some(lifelines) = lifelines {
            match list {
                ListName::Block => refuse_dangers(wanted, lifelines)?,
                // To let everything in is as grave as to let nothing in; the host's own addresses are not.
                ListName::Allow => refuse_dangers(wanted, &Lifelines::default())?,
            }
        }
        let mut books = self.books.lock();
        let since = unix_seconds(SystemTime::now());
        let expires = lifetime.map(|lifetime| expiry(SystemTime::now(), lifetime)).transpose()?;
        let mut response = AddResponse::default();
        let mut done = Vec::new();
        for prefix in wanted {
            match self.enforce(list.into(), *prefix) {
                Ok(was) => {
                    done.push((*prefix, was));
                    let told = if was.is_some() { &mut response.updated } else { &mut response.added };
                    told.push(prefix.to_string());
                }
                Err(error) => {
                    self.undo(list.into(), &done);
                    return Err(error);
                }
            }
        }
        let changes: Vec<_> = wanted
            .iter()
            .map(|prefix| Change::Add { list, prefix: *prefix, since, expires, note: note.clone() })
            .collect();
        if let Err(error) = books.keep(&changes) {
            self.undo(list.into(), &done);
            return Err(error);
        }
        Ok(response)
    }

    /// Lists a prefix by hand, in force; says who wanted it before, if it was listed.
    fn enforce(&self, list: List, prefix: Prefix) -> Result<Option<u32>, Refusal> {
        let hand = Origin::HAND.bit();
        prefixes::change(&self.table, grace, |table| {
            let was = table.get(list, prefix).map(|listed| listed.owner);
            match was {
                Some(_) => table.join(list, prefix, hand)?,
                None => table.insert(list, prefix, hand)?,
            }
            Ok(was)
        })
    }

    /// Takes back what [`Self::enforce`] did.
    fn undo(&self, list: List, done: &[(Prefix, Option<u32>)]) {
        let hand = Origin::HAND.bit();
        for (prefix, was) in done {
            if was.is_none_or(|owners| owners & hand == 0)
                && let Err(error) = self.table.lock().leave(list, *prefix, hand)
            {
                warn!(%prefix, %error, "a change that failed could not be taken back");
            }
        }
    }

    /// Takes prefixes off a list, whoever wanted them: all or none. Returns how many.
    pub fn remove(&self, list: ListName, prefixes: &[Prefix]) -> Result<u64, Refusal> {
        self.check_changeable()?;
        let mut books = self.books.lock();
        let mut changes =
            prefixes.iter().map(|prefix| self.removal(list, *prefix)).collect::<Result<Vec<_>, _>>()?;
        let lifted = list == ListName::Block;
        if lifted {
            let banned = prefixes.iter().filter(|prefix| books.records.bans.in_force(**prefix).is_some());
            changes.extend(banned.map(|prefix| Change::Lift { prefix: *prefix }));
        }
        let removed = self.take_back(&mut books, changes)?;
        if lifted {
            prefixes.iter().for_each(|prefix| self.unmark(*prefix));
        }
        Ok(removed)
    }

    /// The change that takes a prefix off a list, if it is there.
    fn removal(&self, list: ListName, prefix: Prefix) -> Result<Change, Refusal> {
        let table = self.table.lock();
        if let Some(listed) = table.get(list.into(), prefix) {
            return Ok(Change::Remove {
                list,
                prefix,
                imports: listed.owner & !Origin::HAND.bit() & !Origin::BAN.bit(),
            });
        }
        let why = match table.covering(prefix.address()).find(|found| found.list == List::from(list)) {
            Some(found) => format!("; {} is, and covers it", found.prefix),
            None => String::new(),
        };
        Err(Refusal::NotFound(format!("{prefix} is not in the {}list{why}", List::from(list))))
    }

    /// Applies removals to disk, then to the tables: should the disk fail, nothing has changed.
    fn take_back(&self, books: &mut Books, changes: Vec<Change>) -> Result<u64, Refusal> {
        books.store()?.append(&changes).context("writing the journal")?;
        let mut removed = 0;
        for change in &changes {
            if let Change::Remove { list, prefix, .. } = change {
                match prefixes::change(&self.table, grace, |table| table.remove((*list).into(), *prefix)) {
                    Ok(()) => removed += 1,
                    // A prefix that was named twice.
                    Err(Refusal::NotFound(_)) => {}
                    Err(error) => warn!(%prefix, %error, "still in force; the next start removes it"),
                }
            }
            books.records.apply(change);
        }
        books.snapshot_if_due();
        Ok(removed)
    }
}

fn refuse_dangers(prefixes: &[Prefix], lifelines: &Lifelines) -> Result<(), Refusal> {
    match prefixes.iter().find_map(|prefix| Danger::of(*prefix, lifelines).map(|danger| (prefix, danger))) {
        Some((prefix, danger)) => Err(Refusal::Dangerous(format!("{prefix} {danger}"))),
        None => Ok(()),
    }
}
