//! The wanted state: in force, on disk, and known.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock, Weak},
    time::{Instant, SystemTime},
};

use anyhow::Context as _;
use floodwall_common::tables::Tables as _;
use tracing::{info, warn};

use super::{
    lease::Lease, ledger::Ledger, policy_state::PolicyState, refusal::Refusal, rules::event_interval,
};
use floodwall_api::ListName;
use floodwall_config::Config;
use floodwall_detect::Detection;
use floodwall_event::Bus;
use floodwall_store::records::{Origin, Records};
use floodwall_store::{DamageReport, Kept, Opened};
use floodwall_tables::lock::{FairMutex, Mutex};
use floodwall_tables::{
    Capacity, Prefix, SharedTables,
    memory::grace_period,
    prefixes::{self, Changes, List, OwnerSets, Owners, PrefixTable},
};
use floodwall_units::unix;

/// What is wanted, and its way into force.
///
/// Locks are taken in the order in which they stand here, and none for long: all that may take long is done by the
/// [ledger](super::ledger), which holds none.
pub struct Filter {
    /// What is known.
    pub(super) records: Mutex<Records>,
    pub(super) table: FairMutex<PrefixTable>,
    /// Who wants the prefixes of the table.
    pub(super) sets: Arc<OwnerSets>,
    pub(super) policy_state: Mutex<PolicyState>,
    pub(super) tables: Arc<SharedTables>,
    pub(super) capacity: Capacity,
    /// What is wrong with the state directory, which is left as it is.
    pub(super) damaged: Option<DamageReport>,
    pub(super) started: Instant,
    /// Where it is told what has changed.
    pub(super) bus: Bus,
    pub(super) ledger: Ledger,
    pub(super) lease: Lease,
    /// What watches for attacks, once it does: it deploys signatures.
    pub(super) detection: OnceLock<Detection>,
    /// What a controller before has decided by itself was still in force at the start.
    resumes: bool,
}

impl Filter {
    /// Brings into force what the store holds, in place of whatever the tables held.
    pub fn open(
        tables: Arc<SharedTables>,
        opened: Opened,
        config: &Config,
        bus: Bus,
    ) -> anyhow::Result<Arc<Self>> {
        let Opened { kept, mut records, lists, set_aside: _ } = opened;
        records.turn_limits(&config.policy);
        let table = PrefixTable::new(Arc::clone(&tables), config.capacity.prefixes)
            .context("taking up the prefix table")?;
        let policy_state = PolicyState::new(config.policy.clone(), config.observe, &records);
        let damaged = match &kept {
            Kept::OnDisk(_) => None,
            Kept::Nowhere(damaged) => Some(damaged.report()),
        };
        let mut started = Ok(());
        let settings = &tables.settings[0];
        let resumes = settings.lease_until.load() != 0 && !settings.lapsed(tables.clock());
        let lease = Lease::new(config.lease, tables.clock());
        let filter = Arc::new_cyclic(|filter| {
            let ledger = Ledger::start(kept, Weak::clone(filter)).unwrap_or_else(|error| {
                started = Err(error);
                Ledger::none()
            });
            Self {
                records: Mutex::new(records),
                sets: Arc::clone(table.sets()),
                table: FairMutex::new(table),
                policy_state: Mutex::new(policy_state),
                tables,
                capacity: config.capacity.clone(),
                damaged,
                started: Instant::now(),
                bus,
                ledger,
                lease,
                detection: OnceLock::new(),
                resumes,
            }
        });
        started.context("starting the thread that makes changes")?;
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
        if settings.challenge_key[0].load() == 0 {
            for key in &settings.challenge_key {
                key.store(getrandom::u64().context("drawing the secret of challenges")?);
            }
        }
        if settings.client_seed[0].load() == 0 {
            for seed in &settings.client_seed {
                seed.store(getrandom::u64().context("drawing the seed of the memory of clients")? | 1);
            }
        }
        settings.clock.store(0);
        settings.lease_until.store(self.lease.ends_ns());
        settings.event_interval.store(event_interval(&self.tables, config.events_per_second));
        self.policy_state.lock().enforce(&self.tables)?;
        Ok(())
    }

    /// Puts the store's prefixes into the tables, all at once.
    fn restore(&self, mut lists: BTreeMap<Origin, Vec<Prefix>>) -> anyhow::Result<()> {
        let records = self.records.lock();
        let now = unix::seconds(SystemTime::now());
        let mut wanted = [Vec::new(), Vec::new()];
        for (list, prefix) in records.noted() {
            wanted[list_of(list) as usize].push((prefix, self.owned_by(Origin::Manual)));
        }
        for (origin, record) in records.imports() {
            if record.expires.is_some_and(|at| at <= now) {
                continue;
            }
            let mut prefixes = lists.remove(&origin).unwrap_or_default();
            prefixes.retain(|prefix| !records.is_withheld(origin, *prefix));
            info!(name = record.name, prefixes = prefixes.len(), "import restored");
            let owners = self.owned_by(origin);
            wanted[List::Block as usize].extend(prefixes.into_iter().map(|prefix| (prefix, owners)));
        }
        let banned = records.bans.after(None).map(|(prefix, ban)| (prefix, self.owned_by(ban.origin)));
        wanted[List::Block as usize].extend(banned);
        drop(records);
        let [allow, block] = wanted;
        let changes = Changes::new().replace(List::Allow, allow).replace(List::Block, block);
        self.apply(changes, &mut |_, _| ()).context("bringing the stored prefixes into force")?;
        Ok(())
    }

    /// Whether what a controller before has decided by itself was still in force at the start.
    pub fn resumes(&self) -> bool {
        self.resumes
    }

    /// Whether changes are kept. If not, the state directory is damaged, and is left as it is.
    pub fn keeps_changes(&self) -> bool {
        self.damaged.is_none()
    }

    /// Refuses what an operator asks for, before anything of it is in force, if it could not be kept.
    pub fn check_changeable(&self) -> Result<(), Refusal> {
        match &self.damaged {
            Some(damaged) => Err(Refusal::Damaged(damaged.to_string())),
            None => Ok(()),
        }
    }

    /// Frees memory that no packet can be reading any more. May wait for the kernel.
    pub fn reclaim(&self) {
        if let Err(error) = prefixes::reclaim(&self.table, grace) {
            warn!(%error, "memory of the prefix table could not be reclaimed");
        }
    }

    /// Builds the prefix table anew where packets look in vain for much that has left; see [`prefixes::renew`].
    pub fn renew(&self) {
        if let Err(error) = prefixes::renew(&self.table, grace) {
            warn!(%error, "the prefix table could not be built anew; IPv6 packets may take longer");
        }
    }

    /// The set of this one alone. To be asked for anew by each change: between two of them sets are forgotten.
    pub(super) fn owned_by(&self, origin: Origin) -> Owners {
        self.sets.one(origin.owner())
    }

    /// The set of those who ban.
    pub(super) fn owned_by_bans(&self) -> Owners {
        self.sets.of(Origin::BANS.map(Origin::owner))
    }

    /// Those in a set.
    pub(super) fn origins(&self, owners: Owners) -> Vec<Origin> {
        self.sets.owners(owners).iter().copied().filter_map(Origin::of_owner).collect()
    }

    /// Forgets sets of owners that no prefix has any more, once there are many. To be called where no change is under way.
    pub(super) fn forget_sets(&self) {
        if self.sets.are_many() {
            self.table.lock().forget_sets();
        }
    }

    /// Puts a change of many prefixes into force; clears away what was before.
    pub(super) fn apply(
        &self,
        changes: Changes,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<prefixes::Committed, Refusal> {
        let committed = prefixes::apply(&self.table, changes.prepare(&self.sets), grace, |done, total| {
            progress(done as u64, total as u64);
        })?;
        self.reclaim();
        Ok(committed)
    }
}

/// Waits until no packet can be reading what has been replaced.
pub(super) fn grace() -> Result<(), Refusal> {
    grace_period()
        .map_err(|error| Refusal::Internal(format!("waiting for the kernel to let go of memory: {error}")))
}

/// The list of that name.
pub(super) const fn list_of(name: ListName) -> List {
    match name {
        ListName::Allow => List::Allow,
        ListName::Block => List::Block,
    }
}

/// The name of a list.
pub(super) const fn name_of(list: List) -> ListName {
    match list {
        List::Allow => ListName::Allow,
        List::Block => ListName::Block,
    }
}
