//! What packets are judged by: tables, lists and limits, as a configuration wants them.

use std::sync::Arc;

use anyhow::Context as _;
use parking_lot::FairMutex;

use crate::{
    config::Config,
    state::{DEFAULT_LIMITS, bucket},
    tables::{
        Prefix, SharedTables,
        prefixes::{self, Changes, List, PrefixTable, TableError},
    },
};

/// In place of secrets of the source table's hash that are drawn anew at each boot: who replays a capture wants the
/// same again. The multipliers are odd.
const SEEDS: [u64; 3] = [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03, 0x1234_5677];
/// Who wants the prefixes that are listed from the start.
const OWNER: u32 = 1;

/// What packets are judged by.
pub struct World {
    /// What engine and controller share.
    pub tables: Arc<SharedTables>,
    /// The lists.
    pub prefixes: FairMutex<PrefixTable>,
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
        for (seed, value) in settings.seed.iter().zip(SEEDS) {
            seed.store(value);
        }
        settings.packet_bucket.store(bucket("packets", config.limits.packets)?.pack());
        settings.syn_bucket.store(bucket("syn", config.limits.syn)?.pack());
        let table = PrefixTable::new(Arc::clone(&tables), config.capacity.prefixes)
            .context("taking up the prefix table")?;
        let world = Self { tables, prefixes: FairMutex::new(table) };
        let owned = |prefixes: Vec<Prefix>| prefixes.into_iter().map(|prefix| (prefix, OWNER));
        let changes =
            Changes::new().insert(List::Allow, owned(lists.allow)).insert(List::Block, owned(lists.block));
        prefixes::apply(&world.prefixes, changes.prepare(), no_wait, |_, _| ())
            .context("listing the prefixes")?;
        Ok(world)
    }
}

impl World {
    /// INTERIM, until policies are compiled.
    pub fn describe(&self, host: &super::host::Host, flows: bool) {
        use floodwall_common::{
            service::byte_of,
            wire::{BucketSpec, Port, knowledge},
        };
        let settings = &self.tables.settings[0];
        for service in &host.services {
            let byte = byte_of(service.protocol, service.port);
            let word = &self.tables.ports[byte as usize / 8];
            let port = Port { service: 0, offered: true };
            word.store(word.load() | u64::from(port.pack()) << (byte % 8 * 8));
        }
        let mut known = knowledge::CALM;
        if !host.services.is_empty() {
            known |= knowledge::PORTS;
        }
        if flows {
            known |= knowledge::FLOWS;
        }
        settings.knowledge.store(known);
        settings.suspect_bucket.store(BucketSpec::new(50, 50).unwrap_or_default().pack());
        // Who has set a limit of his own gets that.
        if bucket("syn", DEFAULT_LIMITS.syn).is_ok_and(|default| default.pack() == settings.syn_bucket.load())
        {
            settings.syn_bucket.store(BucketSpec::new(100, 200).unwrap_or_default().pack());
        }
        settings.syn_ban.store(60_000_000_000);
        settings.sample_interval.store(250_000);
        self.tables.services[0].sample_every.store(1);
    }
}

/// Nobody reads the tables while they are changed, as packets come one at a time: there is nothing to wait for.
///
/// # Errors
///
/// None.
pub fn no_wait() -> Result<(), TableError> {
    Ok(())
}
