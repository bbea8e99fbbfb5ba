//! Lists from files: many prefixes come or go at once.

use std::{
    collections::BTreeMap,
    sync::mpsc::{self, Sender},
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context as _;

use super::{
    caller::Caller,
    expiry::expiry,
    filter::{Filter, list_of},
    ledger::Transaction,
    lifeline_check::Danger,
    refusal::Refusal,
};
use floodwall_api::{ImportProblem, ImportReport, ListName};
use floodwall_event::What;
use floodwall_policy::Lifelines;
use floodwall_policy::lists::{self, MAX_PROBLEMS, ParsedList, Problem};
use floodwall_store::Store;
use floodwall_store::records::{Change, Origin};
use floodwall_tables::{
    Prefix,
    prefixes::{Changes, Committed, List},
};
use floodwall_units::unix;

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

/// Memory for sets of imports that want the same prefix, beyond which there is none for another import, bytes.
const MOST_SETS: usize = 64 << 20;
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
        if options.lifelines.is_some() {
            self.refuse_most(ListName::Block, &prefixes)?;
        }
        if report.refused > 0 && !options.skip_bad {
            return Err(Refusal::BadList { report: Box::new(report) });
        }
        if prefixes.is_empty() && options.replace && options.lifelines.is_some() {
            return Err(Refusal::Dangerous(format!(
                "the list holds no prefix, and would leave nothing of {}; did its download fail?",
                options.name
            )));
        }

        let (told, progressed) = mpsc::channel();
        let (answer, answered) = mpsc::channel();
        let import = Import {
            name: options.name.clone(),
            replace: options.replace,
            expires,
            prefixes,
            kept: Vec::new(),
            origin: None,
            brought: Brought::default(),
            progress: told,
        };
        // Progress is passed on while the change is made; the last word of it comes before the answer.
        std::thread::scope(|scope| {
            let caller = Caller::current();
            scope.spawn(move || drop(answer.send(caller.asks(|| self.transact(import)))));
            progressed.iter().for_each(&mut *progress);
        });
        let ended = |_| Refusal::Internal("the import was not answered".to_owned());
        let Brought { added, removed, present } = answered.recv().map_err(ended)??;
        (report.added, report.removed) = (added, removed);
        report.duplicate += present;
        report.milliseconds = start.elapsed().as_millis() as u64;
        Ok(report)
    }

    /// Takes everything off a list, or what an import of this name brought. Returns how many prefixes left.
    pub fn flush(&self, list: ListName, name: Option<&str>) -> Result<u64, Refusal> {
        match name {
            None => self.transact(Flush { list, removed: 0 }),
            Some(name) => self.transact(Forget::named(name)),
        }
    }
}

/// Brings a list in.
struct Import {
    name: String,
    replace: bool,
    expires: Option<u64>,
    prefixes: Vec<Prefix>,
    /// What an import of this name brought before, and is to stay.
    kept: Vec<Prefix>,
    /// Which it is.
    origin: Option<Origin>,
    brought: Brought,
    progress: Sender<Progress>,
}

/// What an import has changed.
#[derive(Clone, Copy, Debug, Default)]
struct Brought {
    added: u64,
    removed: u64,
    present: u64,
}

impl Import {
    fn tell(&self, stage: &'static str, done: u64, total: u64) {
        // Whoever asked may have gone.
        let _ = self.progress.send(Progress { stage, done, total });
    }
}

impl Transaction for Import {
    type Outcome = Brought;

    fn take(&mut self, filter: &Filter, store: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        let (known, free) = {
            let records = filter.records.lock();
            (records.origin_of(&self.name), records.free_origin())
        };
        let origin = known.or(free).ok_or_else(|| {
            let most = Origin::MOST;
            Refusal::Full(format!(
                "{most} imports are kept apart at most; flush one, or import under its name"
            ))
        })?;
        // An import makes of each set another one at most. What is known already may need some room to change, too.
        let most_sets = if known.is_some() { 2 * MOST_SETS } else { MOST_SETS };
        if filter.sets.bytes() > most_sets {
            filter.table.lock().forget_sets();
            if filter.sets.bytes() > most_sets {
                return Err(Refusal::Full(format!(
                    "the prefixes of the imports that there are stand in {} different sets of them, for which there is no \
                     more room; flush an import",
                    filter.sets.len()
                )));
            }
        }
        if let (Some(store), true, false) = (store, known.is_some(), self.replace) {
            self.kept = filter.load_import(store, origin)?;
        }
        self.origin = Some(origin);
        let since = unix::seconds(SystemTime::now());
        Ok(vec![Change::Import { origin, name: self.name.clone(), since, expires: self.expires }])
    }

    fn write(&mut self, store: &mut Store, changes: &[Change]) -> anyhow::Result<()> {
        let mut prefixes = std::mem::take(&mut self.kept);
        prefixes.extend(&self.prefixes);
        prefixes.sort_unstable();
        prefixes.dedup();
        let total = prefixes.len() as u64;
        self.tell("saving", 0, total);
        let origin = self.origin.context("an import without a number")?;
        store.save_import(origin, prefixes.iter(), changes)?;
        self.tell("saving", total, total);
        Ok(())
    }

    fn unwrite(&mut self, store: &mut Store) -> anyhow::Result<()> {
        let origin = self.origin.context("an import without a number")?;
        store.retract_import(origin)
    }

    fn enforce(&mut self, filter: &Filter) -> Result<(), Refusal> {
        let Some(origin) = self.origin else { return Ok(()) };
        let owners = filter.owned_by(origin);
        let wanted = std::mem::take(&mut self.prefixes).into_iter().map(|prefix| (prefix, owners));
        let mut changes = Changes::new();
        if self.replace {
            changes = changes.withdraw(List::Block, owners);
        }
        let changes = changes.insert(List::Block, wanted);
        let committed = filter.apply(changes, &mut |done, total| self.tell("building", done, total))?;
        let Committed { added, removed, present, .. } = committed;
        self.brought = Brought { added, removed, present };
        Ok(())
    }

    fn tell(&self) -> Option<What> {
        let Brought { added, removed, .. } = self.brought;
        let account = format!("import {}", self.name);
        Some(What::List { list: ListName::Block.name(), added, removed, account })
    }

    fn finish(self, _: &Filter, store: Option<&mut Store>) -> Brought {
        if let (Some(store), Some(origin)) = (store, self.origin) {
            store.confirm_import(origin);
        }
        self.brought
    }
}

/// Takes everything off a list.
struct Flush {
    list: ListName,
    removed: u64,
}

impl Transaction for Flush {
    type Outcome = u64;

    fn take(&mut self, _: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        Ok(vec![Change::Flush { list: self.list }])
    }

    fn enforce(&mut self, filter: &Filter) -> Result<(), Refusal> {
        self.removed = filter.apply(Changes::new().clear(list_of(self.list)), &mut |_, _| ())?.removed;
        if self.list == ListName::Block {
            filter.unmark_all();
        }
        Ok(())
    }

    fn tell(&self) -> Option<What> {
        let account = "flush".to_owned();
        Some(What::List { list: self.list.name(), added: 0, removed: self.removed, account })
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) -> u64 {
        self.removed
    }
}

/// Takes the prefixes of an import off the list that nobody else wants.
struct Forget {
    name: String,
    removed: u64,
}

impl Forget {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), removed: 0 }
    }
}

impl Transaction for Forget {
    type Outcome = u64;

    fn take(&mut self, filter: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        let records = filter.records.lock();
        let origin = records.origin_of(&self.name).ok_or_else(|| {
            let names: Vec<_> = records.imports().map(|(_, record)| record.name.as_str()).collect();
            let there = if names.is_empty() {
                "there is none".to_owned()
            } else {
                format!("there are {}", names.join(", "))
            };
            Refusal::NotFound(format!("there is no import {}; {there}", self.name))
        })?;
        Ok(vec![Change::Forget { origin }])
    }

    fn enforce(&mut self, filter: &Filter) -> Result<(), Refusal> {
        let origin = filter.records.lock().origin_of(&self.name);
        if let Some(origin) = origin {
            self.removed = filter.withdraw(origin)?;
        }
        Ok(())
    }

    fn tell(&self) -> Option<What> {
        let account = format!("flush of import {}", self.name);
        Some(What::List { list: ListName::Block.name(), added: 0, removed: self.removed, account })
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) -> u64 {
        self.removed
    }
}

impl Filter {
    /// The prefixes of an import that are in force on its account.
    fn load_import(&self, store: &Store, origin: Origin) -> Result<Vec<Prefix>, Refusal> {
        let mut prefixes = store.load_import(origin)?;
        let records = self.records.lock();
        prefixes.retain(|prefix| !records.is_withheld(origin, *prefix));
        Ok(prefixes)
    }

    /// Takes the prefixes of an import off the list that nobody else wants.
    pub(super) fn withdraw(&self, origin: Origin) -> Result<u64, Refusal> {
        let owners = self.owned_by(origin);
        Ok(self.apply(Changes::new().withdraw(List::Block, owners), &mut |_, _| ())?.removed)
    }
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let sound = !name.is_empty() && name.chars().count() <= MAX_NAME && !name.chars().any(char::is_control);
    if sound {
        return Ok(());
    }
    Err(Refusal::Invalid(format!("an import's name has 1 to {MAX_NAME} printable characters")))
}

fn as_told(Problem { line, text, message }: Problem) -> ImportProblem {
    ImportProblem { line, text, message }
}

/// The prefixes of a list that may be blocked, and the report so far.
fn accepted(list: ParsedList, lifelines: Option<&Lifelines>) -> (Vec<Prefix>, ImportReport) {
    let mut report = ImportReport {
        lines: list.lines,
        duplicate: list.duplicates,
        refused: list.refused,
        timeouts: list.timeouts,
        problems: list.problems.into_iter().map(as_told).collect(),
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
