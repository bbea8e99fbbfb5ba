//! The wanted state: in force, on disk, and known.

use std::{
    collections::BTreeMap,
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
    store::{Damaged, Kept, Opened, Store},
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
///
/// What an operator asks for ([`Books::keep`]) is on disk before it is answered, or refused. What happens by itself
/// ([`Books::note`]) goes on as well while nothing can be kept, as packets are to be judged rightly all the same.
pub(super) struct Books {
    pub(super) kept: Kept,
    pub(super) records: Records,
}

impl Filter {
    /// Brings into force what the store holds, in place of whatever the tables held.
    pub fn open(tables: Arc<SharedTables>, opened: Opened, config: &Config) -> anyhow::Result<Self> {
        let Opened { kept, records, lists } = opened;
        let table = PrefixTable::new(Arc::clone(&tables), config.capacity.prefixes)
            .context("taking up the prefix table")?;
        let regime = Regime::new(config.policy.clone(), config.observe, &records);
        let filter = Self {
            bulk: Mutex::new(()),
            books: Mutex::new(Books { kept, records }),
            table: FairMutex::new(table),
            tables,
            capacity: config.capacity.clone(),
            regime: Mutex::new(regime),
            started: Instant::now(),
        };
        filter.configure(config)?;
        filter.restore(lists)?;
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
    fn restore(&self, mut lists: BTreeMap<Origin, Vec<Prefix>>) -> anyhow::Result<()> {
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
            let mut prefixes = lists.remove(&origin).unwrap_or_default();
            books.drop_withheld(origin, &mut prefixes);
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

    /// Whether changes are kept. If not, the state directory is damaged, and is left as it is.
    pub fn keeps_changes(&self) -> bool {
        matches!(self.books.lock().kept, Kept::OnDisk(_))
    }

    /// Refuses what an operator asks for, before anything of it is in force, if it could not be kept.
    pub fn check_changeable(&self) -> Result<(), Refusal> {
        self.books.lock().store().map(drop)
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
    /// The store, for what an operator asks for.
    pub(super) fn store(&mut self) -> Result<&mut Store, Refusal> {
        match &mut self.kept {
            Kept::OnDisk(store) => Ok(store),
            Kept::Nowhere(damaged) => Err(Refusal::from(&*damaged)),
        }
    }

    /// Writes changes that an operator asks for to disk, and takes note of them.
    pub(super) fn keep(&mut self, changes: &[Change]) -> Result<(), Refusal> {
        self.store()?;
        Ok(self.note(changes)?)
    }

    /// Takes note of changes that come about by themselves; on disk, too, if anything is kept.
    pub(super) fn note(&mut self, changes: &[Change]) -> anyhow::Result<()> {
        if let Kept::OnDisk(store) = &mut self.kept {
            store.append(changes).context("writing the journal")?;
        }
        changes.iter().for_each(|change| self.records.apply(change));
        self.snapshot_if_due();
        Ok(())
    }

    /// The prefixes of an import that are in force on its account.
    pub(super) fn load_import(&mut self, origin: Origin) -> Result<Vec<Prefix>, Refusal> {
        let mut prefixes = self.store()?.load_import(origin)?;
        self.drop_withheld(origin, &mut prefixes);
        Ok(prefixes)
    }

    fn drop_withheld(&self, origin: Origin, prefixes: &mut Vec<Prefix>) {
        prefixes.retain(|prefix| !self.records.is_withheld(origin, *prefix));
    }

    pub(super) fn snapshot_if_due(&mut self) {
        if let Kept::OnDisk(store) = &mut self.kept
            && store.wants_snapshot()
            && let Err(error) = store.snapshot(&self.records)
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

impl From<&Damaged> for Refusal {
    fn from(damaged: &Damaged) -> Self {
        Self::Damaged(damaged.to_string())
    }
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
