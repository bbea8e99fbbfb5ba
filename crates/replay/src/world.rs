//! What packets are judged by: tables, lists and limits, as a configuration wants them.

use std::{collections::BTreeSet, sync::Arc};

use anyhow::Context as _;
use floodwall_common::{parse::protocol, wire::knowledge};
use floodwall_tables::lock::FairMutex;

use super::clock::START;
use floodwall_config::Config;
use floodwall_policy::{Enforcement, HostFacts, Listener, Placement, Situation};
use floodwall_tables::{
    Prefix, SharedTables,
    prefixes::{self, Changes, List, PrefixTable, TableError},
};

/// In place of secrets of the source table's hash that are drawn anew at each boot: who replays a capture wants the
/// same again. The multipliers are odd.
const SEEDS: [u64; 3] = [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03, 0x1234_5677];
/// In place of those of the memory of clients, and of challenges.
const SECRETS: [u64; 5] = [0xa5a5_1234_5678_9abd, 0xc3c3_4321_8765_cba9, 0x77, 0x0123_4567_89ab_cdef, 0xfeed];
/// Who wants the prefixes that are listed from the start.
const OWNER: u32 = 1;

/// What packets are judged by.
pub struct World {
    /// What engine and controller share.
    pub tables: Arc<SharedTables>,
    /// The lists.
    pub prefixes: FairMutex<PrefixTable>,
    /// Which number each service and rule has.
    pub placement: Placement,
}

/// Prefixes that are listed from the start.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    /// Those that always pass.
    pub allow: Vec<Prefix>,
    /// Those that are dropped.
    pub block: Vec<Prefix>,
}

impl World {
    /// Brings configuration and lists into force in an engine's tables.
    ///
    /// # Errors
    ///
    /// If a limit is none that the tables can hold, or the prefixes are more.
    pub fn new(tables: Arc<SharedTables>, config: &Config, lists: Lists) -> anyhow::Result<Self> {
        let settings = &tables.settings[0];
        // From here on nothing is held against the machine's own clock, or divided among its CPUs.
        settings.clock.store(START);
        for (seed, value) in settings.seed.iter().zip(SEEDS) {
            seed.store(value);
        }
        for (secret, value) in settings.client_seed.iter().chain(&settings.challenge_key).zip(SECRETS) {
            secret.store(value);
        }
        let asks = knowledge::CHALLENGES | knowledge::TRUNCATION;
        settings.knowledge.store_bits(asks, if config.challenges { asks } else { 0 });
        let mut enforcement = Enforcement::default();
        let situation = Situation { observe: config.observe, ..Situation::default() };
        let placement = enforcement.enforce(&tables, &config.policy, &situation)?.clone();
        let table = PrefixTable::new(Arc::clone(&tables), config.capacity.prefixes)
            .context("taking up the prefix table")?;
        let world = Self { tables, prefixes: FairMutex::new(table), placement };
        // To fill a table anew takes longer than many a capture.
        if lists.allow.is_empty() && lists.block.is_empty() {
            return Ok(world);
        }
        let owned = |prefixes: Vec<Prefix>| prefixes.into_iter().map(|prefix| (prefix, OWNER));
        let changes =
            Changes::new().insert(List::Allow, owned(lists.allow)).insert(List::Block, owned(lists.block));
        let sets = Arc::clone(world.prefixes.lock().sets());
        prefixes::apply(&world.prefixes, changes.prepare(&sets), no_wait, |_, _| ())
            .context("listing the prefixes")?;
        Ok(world)
    }
}

impl World {
    /// Brings the configured rules into force for what is known of the host; `flows`: those that it opens are noted.
    ///
    /// # Errors
    ///
    /// If the rules are more than the tables can hold.
    pub fn describe(&self, config: &Config, host: &super::host::Host, flows: bool) -> anyhow::Result<()> {
        let listener = |service: &super::host::Service| Listener {
            udp: service.protocol == protocol::UDP,
            address: None,
            port: service.port,
        };
        let listening = host.services.iter().map(listener).collect::<BTreeSet<_>>();
        let facts = HostFacts {
            listening: (!listening.is_empty()).then_some(listening),
            flows,
            ..HostFacts::default()
        };
        let situation = Situation { facts, observe: config.observe, ..Situation::default() };
        Enforcement::default().enforce(&self.tables, &config.policy, &situation)?;
        Ok(())
    }
}

/// Nobody reads the tables while they are changed, as packets come one at a time: there is nothing to wait for.
///
/// # Errors
///
/// None.
fn no_wait() -> Result<(), TableError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use floodwall_common::token_bucket;

    use super::*;
    use floodwall_tables::Capacity;

    #[test]
    fn neither_the_clock_nor_the_cpus_of_the_machine_are_in_the_tables() {
        let config = Config::default();
        let tables = Arc::new(SharedTables::in_memory(&Capacity::default()).unwrap());
        assert!(tables.judging_cpus() >= 1, "where no clock is told, those of the machine");
        let world = World::new(tables, &config, Lists::default()).unwrap();
        assert_eq!(world.tables.judging_cpus(), 1);
        let interval = world.tables.settings[0].sample_interval.load();
        assert_eq!(interval, 1_000_000_000 / config.policy.samples_per_second);
        let full = token_bucket::long_time(START);
        assert!(world.tables.rules.iter().all(|rule| rule.full_at.load() <= full), "buckets begin full");
    }
}
