//! The wanted state: in force, on disk, and known.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use parking_lot::{FairMutex, Mutex};
use tracing::{info, warn};

use super::{
    change::{Change, Origin},
    lifelines::{Danger, address_of},
    limits::{bucket, limits_of},
    records::Records,
    regime::Regime,
};
use crate::{
    api::{AddResponse, ImportReport, LimitChange, Limits, ListName},
    config::Config,
    host::Lifelines,
    store::Store,
    tables::{
        Capacity, Prefix, SharedTables,
        memory::grace_period,
        prefixes::{self, Changes, List, Listed, PrefixTable, TableError},
    },
};

/// Why a request is refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It cannot be done as it was said.
    #[error("{0}")]
    Invalid(String),
    /// What it is about is not there.
    #[error("{0}")]
    NotFound(String),
    /// It would cut off the host, or the one who asks.
    #[error("{0}; force does it anyway")]
    Dangerous(String),
    /// A list has lines that are not understood.
    #[error("{} of {} lines were refused, and so nothing was imported; skip-bad imports the others", report.refused, report.lines)]
    BadList {
        /// What was found.
        report: Box<ImportReport>,
    },
    /// A list cannot be read at all.
    #[error("{0}")]
    Unreadable(String),
    /// There is no room.
    #[error("{0}")]
    Full(String),
    /// floodwall's own fault.
    #[error("{0}")]
    Internal(String),
}

impl From<TableError> for Refusal {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Full { .. } | TableError::OutOfMemory { .. } | TableError::OutOfRules => {
                Self::Full(format!("{error}; --max-prefixes makes a larger one at the next start"))
            }
            TableError::NotThere { .. } => Self::NotFound(error.to_string()),
            TableError::AlreadyThere { .. } => Self::Invalid(error.to_string()),
            _ => Self::Internal(error.to_string()),
        }
    }
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(format!("{error:#}"))
    }
}

/// What is wanted, and its way into force.
///
/// Locks are taken in the order in which they stand here, and the table's never for long.
pub struct Filter {
    /// One change of many prefixes at a time.
    pub(super) bulk: Mutex<()>,
    pub(super) books: Mutex<Books>,
    pub(super) table: FairMutex<PrefixTable>,
    pub(super) tables: Arc<SharedTables>,
    pub(super) capacity: Capacity,
    pub(super) regime: Mutex<Regime>,
    pub(super) started: Instant,
}

/// What is on disk, and what is known.
pub(super) struct Books {
    pub(super) store: Store,
    pub(super) records: Records,
}

impl Filter {
    /// Brings into force what the store holds, in place of whatever the tables held.
    pub fn open(
        tables: Arc<SharedTables>,
        store: Store,
        records: Records,
        config: &Config,
    ) -> anyhow::Result<Self> {
        let table = PrefixTable::new(Arc::clone(&tables), config.capacity.prefixes)
            .context("taking up the prefix table")?;
        let regime = Regime::new(config.policy.clone(), records.limits());
        let filter = Self {
            bulk: Mutex::new(()),
            books: Mutex::new(Books { store, records }),
            table: FairMutex::new(table),
            tables,
            capacity: config.capacity.clone(),
            regime: Mutex::new(regime),
            started: Instant::now(),
        };
        filter.configure(config)?;
        filter.restore()?;
        Ok(filter)
    }

    /// Writes the settings that come from the configuration.
    fn configure(&self, config: &Config) -> anyhow::Result<()> {
        let settings = &self.tables.settings[0];
        if settings.seed[0].load() == 0 {
            for seed in &settings.seed {
                // The multipliers must be odd; an odd third one does no harm.
                seed.store(getrandom::u64().context("drawing the seed of the source table")? | 1);
            }
        }
        let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u64);
        let interval = match config.events_per_second {
            0 => 0,
            events => cpus * 1_000_000_000 / events,
        };
        settings.event_interval.store(interval);
        settings.clock.store(0);
        self.regime.lock().enforce(&self.tables)?;
        Ok(())
    }

    /// Puts the store's prefixes into the tables, all at once.
    fn restore(&self) -> anyhow::Result<()> {
        let books = self.books.lock();
        let now = unix_seconds(SystemTime::now());
        let mut wanted = [Vec::new(), Vec::new()];
        for (list, prefix) in books.records.noted() {
            wanted[List::from(list) as usize].push((prefix, Origin::HAND.bit()));
        }
        for (origin, record) in books.records.imports() {
            if record.expires.is_some_and(|at| at <= now) {
                continue;
            }
            let prefixes = books.store.load_import(origin)?;
            info!(name = record.name, prefixes = prefixes.len(), "import restored");
            wanted[List::Block as usize].extend(prefixes.into_iter().map(|prefix| (prefix, origin.bit())));
        }
        drop(books);
        let [allow, block] = wanted;
        let changes = Changes::new().replace(List::Allow, allow).replace(List::Block, block);
        self.apply(changes, &mut |_, _| ()).context("bringing the stored prefixes into force")?;
        Ok(())
    }

    /// Lists prefixes by hand: all or none. In force and on disk when it returns.
    pub fn add(
        &self,
        list: ListName,
        wanted: &[Prefix],
        lifetime: Option<Duration>,
        note: Option<String>,
        lifelines: Option<&Lifelines>,
    ) -> Result<AddResponse, Refusal> {
        if list == ListName::Block
            && let Some(lifelines) = lifelines
        {
            refuse_dangers(wanted, lifelines)?;
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
            return Err(error.into());
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
        let mut books = self.books.lock();
        {
            let table = self.table.lock();
            if let Some(missing) = prefixes.iter().find(|prefix| table.get(list.into(), **prefix).is_none()) {
                let why = match table.covering(missing.address()).find(|found| found.list == List::from(list))
                {
                    Some(found) => format!("; {} is, and covers it", found.prefix),
                    None => String::new(),
                };
                return Err(Refusal::NotFound(format!(
                    "{missing} is not in the {}list{why}",
                    List::from(list)
                )));
            }
        }
        self.take_back(
            &mut books,
            prefixes.iter().map(|prefix| Change::Remove { list, prefix: *prefix }).collect(),
        )
    }

    /// Applies removals to disk, then to the tables: should the disk fail, nothing has changed.
    fn take_back(&self, books: &mut Books, changes: Vec<Change>) -> Result<u64, Refusal> {
        let noted: Vec<_> = changes.clone();
        books.store.append(&noted).context("writing the journal")?;
        let mut removed = 0;
        for change in &changes {
            if let Change::Remove { list, prefix } = change {
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

    /// When something is to be taken back next.
    pub fn next_expiry(&self) -> Option<SystemTime> {
        let at = self.books.lock().records.next_expiry()?;
        Some(UNIX_EPOCH + Duration::from_secs(at))
    }

    /// Takes back what has expired; returns how many prefixes and imports.
    pub fn expire(&self, now: SystemTime) -> Result<u64, Refusal> {
        let _bulk = self.bulk.lock();
        let mut books = self.books.lock();
        let (imports, mut changes): (Vec<_>, Vec<_>) = books
            .records
            .expired(unix_seconds(now))
            .into_iter()
            .partition(|change| matches!(change, Change::Forget { .. }));
        // A prefix that an import wants, too, stays listed on its account.
        let mut expired = changes.len() as u64;
        changes.retain(|change| {
            let Change::Remove { list, prefix } = change else { return true };
            match self.table.lock().leave((*list).into(), *prefix, Origin::HAND.bit()) {
                Ok(_) | Err(TableError::NotThere { .. }) => true,
                Err(error) => {
                    warn!(%prefix, %error, "an expired prefix is still in force; trying again");
                    false
                }
            }
        });
        books.keep(&changes)?;
        drop(books);
        for import in imports {
            if let Change::Forget { origin } = import {
                self.forget(origin)?;
                expired += 1;
            }
        }
        Ok(expired)
    }

    /// Frees memory that no packet can be reading any more. May wait for the kernel.
    pub fn reclaim(&self) {
        if let Err(error) = prefixes::reclaim(&self.table, grace) {
            warn!(%error, "memory of the prefix table could not be reclaimed");
        }
    }

    /// The limits in force.
    pub fn limits(&self) -> Limits {
        limits_of(&self.regime.lock().policy())
    }

    /// Changes limits; they hold from the next packet on.
    pub fn set_limits(&self, change: LimitChange) -> Result<Limits, Refusal> {
        let mut books = self.books.lock();
        let mut regime = self.regime.lock();
        let old = limits_of(&regime.policy());
        let limits =
            Limits { packets: change.packets.unwrap_or(old.packets), syn: change.syn.unwrap_or(old.syn) };
        for (what, limit) in [("packets", limits.packets), ("syn", limits.syn)] {
            bucket(what, limit)?;
        }
        let before = books.records.limits();
        regime.set_limits(&self.tables, Some(limits))?;
        if let Err(error) = books.keep(&[Change::Limit { limits }]) {
            regime.set_limits(&self.tables, before)?;
            return Err(error.into());
        }
        Ok(limits)
    }

    /// The end of a search for this address, as the kernel would find it.
    pub(super) fn listed(&self, address: IpAddr) -> Vec<Listed> {
        self.table.lock().covering(address_of(address)).collect()
    }

    /// Puts a change of many prefixes into force; clears away what was before.
    pub(super) fn apply(
        &self,
        changes: Changes,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<prefixes::Committed, Refusal> {
        let committed = prefixes::apply(&self.table, changes.prepare(), grace, |done, total| {
            progress(done as u64, total as u64);
        })?;
        self.reclaim();
        Ok(committed)
    }
}

impl Books {
    /// Writes changes to disk, and takes note of them.
    pub(super) fn keep(&mut self, changes: &[Change]) -> anyhow::Result<()> {
        self.store.append(changes).context("writing the journal")?;
        changes.iter().for_each(|change| self.records.apply(change));
        self.snapshot_if_due();
        Ok(())
    }

    fn snapshot_if_due(&mut self) {
        if self.store.wants_snapshot()
            && let Err(error) = self.store.snapshot(&self.records)
        {
            warn!(error = format!("{error:#}"), "no snapshot could be made; the journal goes on growing");
        }
    }
}

/// Waits until no packet can be reading what has been replaced.
fn grace() -> Result<(), Refusal> {
    grace_period()
        .map_err(|error| Refusal::Internal(format!("waiting for the kernel to let go of memory: {error}")))
}

fn refuse_dangers(prefixes: &[Prefix], lifelines: &Lifelines) -> Result<(), Refusal> {
    match prefixes.iter().find_map(|prefix| Danger::of(*prefix, lifelines).map(|danger| (prefix, danger))) {
        Some((prefix, danger)) => Err(Refusal::Dangerous(format!("{prefix} {danger}"))),
        None => Ok(()),
    }
}

/// The end of a lifetime that starts now, rounded up to a second.
pub(super) fn expiry(now: SystemTime, lifetime: Duration) -> Result<u64, Refusal> {
    let far = || Refusal::Invalid("that is too far ahead".to_owned());
    if lifetime.is_zero() {
        return Err(Refusal::Invalid("a lifetime of nothing: name a time, or none for ever".to_owned()));
    }
    let at = now.checked_add(lifetime).ok_or_else(far)?.duration_since(UNIX_EPOCH).map_err(|_| far())?;
    Ok(at.as_secs() + u64::from(at.subsec_nanos() > 0))
}

pub(super) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl From<ListName> for List {
    fn from(list: ListName) -> Self {
        match list {
            ListName::Allow => Self::Allow,
            ListName::Block => Self::Block,
        }
    }
}

impl From<List> for ListName {
    fn from(list: List) -> Self {
        match list {
            List::Allow => Self::Allow,
            List::Block => Self::Block,
        }
    }
}
