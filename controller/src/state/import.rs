//! Lists from files: many prefixes come or go at once.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use super::{
    change::{Change, Origin},
    expiry::{expiry, unix_seconds},
    filter::Filter,
    lifelines::Danger,
    refusal::Refusal,
};
use crate::{
    api::{ImportProblem, ImportReport, ListName},
    host::Lifelines,
    lists::{self, MAX_PROBLEMS, ParsedList},
    tables::{
        Prefix,
        prefixes::{Changes, List},
    },
};

/// How a list is to be imported.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// What the import is called.
    pub name: String,
    /// Import what is right of a list that has bad lines.
    pub skip_bad: bool,
    /// Take off the list what an import of this name brought before and this one does not.
    pub replace: bool,
    /// Take all of it back after so long.
    pub lifetime: Option<Duration>,
    /// What must not be cut off; `None` if it is to be done anyway.
    pub lifelines: Option<Lifelines>,
}

/// How far an import has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// What is being done.
    pub stage: &'static str,
    /// Units done.
    pub done: u64,
    /// Units in all.
    pub total: u64,
}

/// Longest name of an import, characters.
const MAX_NAME: usize = 64;

impl Filter {
    /// Imports a list into the blocklist, all of it or nothing, visible to packets all at once. In force and on
    /// disk when it returns.
    pub fn import(
        &self,
        text: &[u8],
        options: &ImportOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<ImportReport, Refusal> {
        let start = Instant::now();
        self.check_changeable()?;
        check_name(&options.name)?;
        let expires = options.lifetime.map(|lifetime| expiry(SystemTime::now(), lifetime)).transpose()?;
        let mut told = |done, total| progress(Progress { stage: "reading", done, total });
        let list = lists::parse(text, text.len() as u64, &mut told)
            .map_err(|error| Refusal::Unreadable(format!("import {}: {error}", options.name)))?;
        let (prefixes, mut report) = accepted(list, options.lifelines.as_ref());
        if report.refused > 0 && !options.skip_bad {
            return Err(Refusal::BadList { report: Box::new(report) });
        }
        if prefixes.is_empty() && options.replace && options.lifelines.is_some() {
            return Err(Refusal::Dangerous(format!(
                "the list holds no prefix, and would leave nothing of {}; did its download fail?",
                options.name
            )));
        }

        let _bulk = self.bulk.lock();
        let known = self.books.lock().records.origin_of(&options.name);
        let origin = match known {
            Some(origin) => origin,
            None => self.books.lock().records.free_origin().ok_or_else(|| {
                let most = Origin::MAX_IMPORTS;
                Refusal::Full(format!(
                    "{most} imports are kept apart at most; flush one, or import under its name"
                ))
            })?,
        };
        let kept = match known {
            Some(_) if !options.replace => self.books.lock().load_import(origin)?,
            _ => Vec::new(),
        };

        let wanted = prefixes.iter().map(|prefix| (*prefix, origin.bit()));
        let mut changes = Changes::new();
        if options.replace {
            changes = changes.withdraw(List::Block, origin.bit());
        }
        let changes = changes.insert(List::Block, wanted);
        let committed =
            self.apply(changes, &mut |done, total| progress(Progress { stage: "building", done, total }))?;
        report.added = committed.added;
        report.removed = committed.removed;
        report.duplicate += committed.present;

        let total = (prefixes.len() + kept.len()) as u64;
        progress(Progress { stage: "saving", done: 0, total });
        let saved = self.save(origin, options, expires, prefixes, kept);
        if let Err(error) = saved {
            // Not on disk: out of force again, so that nothing is enforced that a restart would lose. What a
            // replacement took away stands in the old file still, and comes back with it.
            self.restore_import(origin, known.is_some())?;
            return Err(error);
        }
        progress(Progress { stage: "saving", done: total, total });
        report.milliseconds = start.elapsed().as_millis() as u64;
        Ok(report)
    }

    fn save(
        &self,
        origin: Origin,
        options: &ImportOptions,
        expires: Option<u64>,
        mut prefixes: Vec<Prefix>,
        kept: Vec<Prefix>,
    ) -> Result<(), Refusal> {
        prefixes.extend(kept);
        prefixes.sort_unstable();
        prefixes.dedup();
        let mut books = self.books.lock();
        let since = unix_seconds(SystemTime::now());
        let change = Change::Import { origin, name: options.name.clone(), since, expires };
        books.store()?.save_import(origin, prefixes.iter(), &change)?;
        books.records.apply(&change);
        books.snapshot_if_due();
        Ok(())
    }

    /// Gives an import back the prefixes that are on disk for it.
    fn restore_import(&self, origin: Origin, known: bool) -> Result<(), Refusal> {
        let old = if known { self.books.lock().load_import(origin)? } else { Vec::new() };
        let changes = Changes::new()
            .withdraw(List::Block, origin.bit())
            .insert(List::Block, old.into_iter().map(|prefix| (prefix, origin.bit())));
        self.apply(changes, &mut |_, _| ())?;
        Ok(())
    }

    /// Takes everything off a list, or what an import of this name brought. Returns how many prefixes left.
    pub fn flush(&self, list: ListName, name: Option<&str>) -> Result<u64, Refusal> {
        self.check_changeable()?;
        let _bulk = self.bulk.lock();
        let Some(name) = name else {
            self.books.lock().keep(&[Change::Flush { list }])?;
            let removed = self.apply(Changes::new().clear(list.into()), &mut |_, _| ())?.removed;
            if list == ListName::Block {
                self.unmark_all();
            }
            return Ok(removed);
        };
        let records = &self.books.lock().records.clone();
        let origin = records.origin_of(name).ok_or_else(|| {
            let names: Vec<_> = records.imports().map(|(_, record)| record.name.as_str()).collect();
            let there = if names.is_empty() {
                "there is none".to_owned()
            } else {
                format!("there are {}", names.join(", "))
            };
            Refusal::NotFound(format!("there is no import {name}; {there}"))
        })?;
        self.books.lock().keep(&[Change::Forget { origin }])?;
        self.withdraw(origin)
    }

    /// Takes the prefixes of an import off the list that nobody else wants. The caller holds the lock on bulk changes.
    pub(super) fn withdraw(&self, origin: Origin) -> Result<u64, Refusal> {
        Ok(self.apply(Changes::new().withdraw(List::Block, origin.bit()), &mut |_, _| ())?.removed)
    }
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let sound = !name.is_empty() && name.chars().count() <= MAX_NAME && !name.chars().any(char::is_control);
    if sound {
        return Ok(());
    }
    Err(Refusal::Invalid(format!("an import's name has 1 to {MAX_NAME} printable characters")))
}

/// The prefixes of a list that may be blocked, and the report so far.
fn accepted(list: ParsedList, lifelines: Option<&Lifelines>) -> (Vec<Prefix>, ImportReport) {
    let mut report = ImportReport {
        lines: list.lines,
        duplicate: list.duplicates,
        refused: list.refused,
        timeouts: list.timeouts,
        problems: list.problems,
        ..ImportReport::default()
    };
    let mut dangers = BTreeMap::new();
    let prefixes = list.prefixes.into_iter().map(Prefix::from).filter(|prefix| {
        match lifelines.and_then(|lifelines| Danger::of(*prefix, lifelines)) {
            Some(danger) => {
                dangers.insert(*prefix, danger);
                false
            }
            None => true,
        }
    });
    let prefixes = prefixes.collect();
    report.refused += dangers.len() as u64;
    for (prefix, danger) in dangers {
        if report.problems.len() < MAX_PROBLEMS {
            let message = format!("{danger}; force imports it anyway");
            report.problems.push(ImportProblem { line: 0, text: prefix.to_string(), message });
        }
    }
    (prefixes, report)
}
