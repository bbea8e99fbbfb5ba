//! The wanted state: in force, on disk, and known.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Instant, SystemTime},
};

use anyhow::Context as _;
use parking_lot::{FairMutex, Mutex};
use tracing::{info, warn};

use super::{
    change::{Change, Origin},
    expiry::unix_seconds,
    lifelines::address_of,
    records::Records,
    refusal::Refusal,
    regime::Regime,
    rules::event_interval,
};
use crate::{
    api::ListName,
    config::Config,
    store::Store,
    tables::{
        Capacity, Prefix, SharedTables,
        memory::grace_period,
        prefixes::{self, Changes, List, Listed, PrefixTable},
    },
};

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
        let regime = Regime::new(config.policy.clone(), config.observe, &records);
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
        settings.clock.store(0);
        settings.event_interval.store(event_interval(&self.tables, config.events_per_second));
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
            let prefixes = books.load_import(origin)?;
            info!(name = record.name, prefixes = prefixes.len(), "import restored");
            wanted[List::Block as usize].extend(prefixes.into_iter().map(|prefix| (prefix, origin.bit())));
        }
        let banned = books.records.bans.after(None).map(|(prefix, _)| (prefix, Origin::BAN.bit()));
        wanted[List::Block as usize].extend(banned);
        drop(books);
        let [allow, block] = wanted;
        let changes = Changes::new().replace(List::Allow, allow).replace(List::Block, block);
        self.apply(changes, &mut |_, _| ()).context("bringing the stored prefixes into force")?;
        Ok(())
    }

    /// Frees memory that no packet can be reading any more. May wait for the kernel.
    pub fn reclaim(&self) {
        if let Err(error) = prefixes::reclaim(&self.table, grace) {
            warn!(%error, "memory of the prefix table could not be reclaimed");
        }
    }

    /// Builds the prefix table anew where packets look in vain for much that has left; see [`prefixes::renew`].
    pub fn renew(&self) {
        let Some(_bulk) = self.bulk.try_lock() else { return };
        if let Err(error) = prefixes::renew(&self.table, grace) {
            warn!(%error, "the prefix table could not be built anew; IPv6 packets may take longer");
        }
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

    /// The prefixes of an import that are in force on its account.
    pub(super) fn load_import(&self, origin: Origin) -> anyhow::Result<Vec<Prefix>> {
        let mut prefixes = self.store.load_import(origin)?;
        prefixes.retain(|prefix| !self.records.is_withheld(origin, *prefix));
        Ok(prefixes)
    }

    pub(super) fn snapshot_if_due(&mut self) {
        if self.store.wants_snapshot()
            && let Err(error) = self.store.snapshot(&self.records)
        {
            warn!(error = format!("{error:#}"), "no snapshot could be made; the journal goes on growing");
        }
    }
}

/// Waits until no packet can be reading what has been replaced.
pub(super) fn grace() -> Result<(), Refusal> {
    grace_period()
        .map_err(|error| Refusal::Internal(format!("waiting for the kernel to let go of memory: {error}")))
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
