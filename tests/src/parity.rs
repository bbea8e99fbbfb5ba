//! Both engines side by side: whatever is shown to one is shown to the other, and must be judged alike and leave the
//! same behind.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use floodwall::{
    config::Config,
    kernel::Judged,
    replay::{
        clock::{Clock, START},
        engine::{Engine, KernelEngine, ModelEngine},
        world::{Lists, World},
    },
    tables::{Capacity, SharedTables, Table},
};
use floodwall_capture::{Direction, Reader};
use floodwall_common::{
    frame::Captured,
    wire::{BucketSpec, Settings, Word, knowledge, signature},
};

use crate::experiment::{Experiment, Poke};

/// Small enough to be cleared for each experiment.
const CAPACITY: Capacity = Capacity { prefixes: 1_000, sources: 1_024, flows: 4_096 };
/// Always listed.
const BLOCKED: [&str; 4] = ["203.0.113.0/24", "2001:db8:bad::/48", "10.0.0.0/8", "198.51.100.77/32"];
const ALLOWED: [&str; 3] = ["203.0.113.128/25", "2001:db8:bad:900d::/64", "192.0.2.53/32"];

/// Tables that packets change, and a controller: the others are only ever read.
pub const WRITTEN: [Table; 12] = [
    Table::Settings,
    Table::Services,
    Table::Rules,
    Table::Sources,
    Table::Aggregates,
    Table::Flows,
    Table::Offered,
    Table::Retransmissions,
    Table::Names,
    Table::Requests,
    Table::Clients,
    Table::Fragments,
];

/// Those that are changed by what leaves.
const LEARNT: [Table; 2] = [Table::Flows, Table::Offered];

/// Both engines, with the same in their tables.
pub struct Both {
    model: ModelEngine,
    kernel: KernelEngine,
    worlds: [World; 2],
    /// Words that are not what they always are.
    poked: Vec<Poke>,
}

/// Words of the settings, by what they are for.
mod setting {
    use super::{Settings, Word};

    const fn index(offset: usize) -> u32 {
        (offset / size_of::<Word>()) as u32
    }

    pub(super) const KNOWLEDGE: u32 = index(std::mem::offset_of!(Settings, knowledge));
    pub(super) const GENERATION: u32 = index(std::mem::offset_of!(Settings, generation));
    /// What the tables themselves, the clock and the secrets are: nothing that a controller changes under way; and
    /// what speaks of events, which only the kernel has.
    pub(super) const FIXED: [u32; 9] = [
        index(std::mem::offset_of!(Settings, abi)),
        index(std::mem::offset_of!(Settings, clock)),
        index(std::mem::offset_of!(Settings, seed)),
        index(std::mem::offset_of!(Settings, seed)) + 1,
        index(std::mem::offset_of!(Settings, seed)) + 2,
        index(std::mem::offset_of!(Settings, source_mask)),
        index(std::mem::offset_of!(Settings, flow_mask)),
        index(std::mem::offset_of!(Settings, event_interval)),
        index(std::mem::offset_of!(Settings, lost_bans)),
    ];
}

impl Both {
    /// Both engines. Needs root.
    pub fn new() -> anyhow::Result<Self> {
        let (model, kernel) = (ModelEngine::new(&CAPACITY)?, KernelEngine::new(&CAPACITY)?);
        let config = Config { capacity: CAPACITY, ..Config::default() };
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse()).collect::<Result<Vec<_>, _>>();
        let lists = Lists { allow: parse(&ALLOWED)?, block: parse(&BLOCKED)? };
        let worlds = [
            World::new(model.tables(), &config, lists.clone())?,
            World::new(kernel.tables(), &config, lists)?,
        ];
        let both = Self { model, kernel, worlds, poked: Vec::new() };
        both.each(|tables| {
            // Every value of every field belongs to every signature, until some are poked.
            for word in tables.signatures.words() {
                word.store(u64::MAX);
            }
            for half in 0..2 {
                let directories = (half * signature::HALF_WORDS + signature::DIRECTORIES) as usize;
                let pages = (half * signature::HALF_WORDS + signature::PAGES) as usize;
                for (number, word) in tables.signatures.words()[directories..pages].iter().enumerate() {
                    word.store(number as u64 % u64::from(signature::MAX_PAGES));
                }
            }
        });
        Ok(both)
    }

    fn each(&self, change: impl Fn(&SharedTables)) {
        for world in &self.worlds {
            change(&world.tables);
        }
    }

    /// Forgets what was before, but for counters, which only grow.
    pub fn clear(&mut self) {
        let poked = std::mem::take(&mut self.poked);
        self.each(|tables| {
            for table in WRITTEN {
                if table != Table::Settings {
                    wipe(words(tables, table));
                }
            }
            wipe(tables.destinations.words());
            for Poke { table, index, value } in poked.iter().rev() {
                words(tables, *table)[*index as usize].store(*value);
            }
            tables.services.iter().flat_map(|service| &service.suspects).for_each(|suspect| suspect.store(0));
            tables.settings[0].retransmissions.store(0);
            tables.settings[0].errors.store(0);
            tables.settings[0].echoes.store(0);
        });
    }

    /// Sets a word in both, until all is forgotten. What a controller never changes stays.
    pub fn poke(&mut self, poke: Poke) {
        let Poke { table, index, mut value } = poke;
        let all = words(&self.worlds[0].tables, table);
        let index = index % all.len() as u32;
        let before = all[index as usize].load();
        if table == Table::Settings {
            if setting::FIXED.contains(&index) {
                return;
            }
            if index == setting::KNOWLEDGE {
                // There is no socket in a test run to be asked for.
                value &= !knowledge::SOCKETS;
            }
            if index == setting::GENERATION {
                // One half has the lists, the other one has none.
                value &= 1;
            }
        }
        self.poked.push(Poke { table, index, value: before });
        self.each(|tables| words(tables, table)[index as usize].store(value));
    }

    /// Rules, services and limits that every stage has something to do with.
    pub fn make_busy(&mut self) {
        let bucket = |rate, burst| BucketSpec::new(rate, burst).unwrap_or_default().pack();
        self.each(|tables| {
            let settings = &tables.settings[0];
            settings.knowledge.store(knowledge::PORTS | knowledge::FLOWS);
            settings.packet_bucket.store(bucket(200, 400));
            settings.syn_bucket.store(bucket(10, 20));
            settings.syn_ban.store(5_000_000_000);
            settings.suspect_bucket.store(bucket(20, 20));
            settings.sample_interval.store(1_000_000);
            settings.signatures.store(1);
            let half = tables.signatures.words();
            half[signature::ENFORCED as usize].store(0);
            half[signature::WATCHED as usize].store(u64::MAX);
            tables.services[0].sample_every.store(3);
            tables.services[0].traits.store(u64::from(u32::MAX));
            tables.services[0].rules.store(0x03_02_01);
            for (number, rule) in tables.rules.iter().take(3).enumerate() {
                // The last one's packets cost fractions of a unit of time.
                rule.bucket.store(if number == 2 {
                    bucket(BucketSpec::MAX_RATE, 100)
                } else {
                    bucket(50, 100)
                });
                // Per source, prefix and service; limit, limit and tell.
                let then: u64 = if number == 2 { 0 } else { 1 };
                let lengths: u64 = 24 << 40 | 48 << 48;
                rule.terms.store(u64::from(u32::MAX) | (number as u64) << 32 | then << 34 | lengths);
            }
        });
    }

    /// Shows a frame to both.
    ///
    /// # Errors
    ///
    /// If they judge it differently, or one fails.
    pub fn judge(&mut self, time_ns: u64, frame: &Captured<'_>) -> anyhow::Result<Judged> {
        let model = self.model.judge(time_ns, frame).context("model engine")?;
        let kernel = self.kernel.judge(time_ns, frame).context("kernel engine")?;
        if model != kernel {
            bail!("the model says {model:?}, and the kernel {kernel:?}");
        }
        Ok(model)
    }

    /// Shows a frame that leaves to both; it has come in by the interface `from` (0: it was made here).
    ///
    /// # Errors
    ///
    /// If they learn different things from it, or one fails.
    pub fn observe(&mut self, time_ns: u64, frame: &Captured<'_>, from: u32) -> anyhow::Result<()> {
        self.model.observe(time_ns, frame, from).context("model engine")?;
        self.kernel.observe(time_ns, frame, from).context("kernel engine")?;
        self.compare_tables(&LEARNT)
    }

    /// How much the two have learnt from what leaves: words in these tables that say something.
    pub fn learnt(&self) -> usize {
        let of = |table| words(&self.worlds[0].tables, table).iter().filter(|word| word.load() != 0).count();
        LEARNT.into_iter().map(of).sum()
    }

    /// New names that both have found to exist, of the service of what no other names.
    ///
    /// # Errors
    ///
    /// If they have not found the same, or one fails.
    pub fn existing_names(&self) -> anyhow::Result<u64> {
        let found = |engine: &dyn Engine| -> anyhow::Result<u64> {
            let services = engine.services()?;
            Ok(services.iter().map(|(_, totals)| totals.unproven.existing_names).sum())
        };
        let (model, kernel) = (found(&self.model)?, found(&self.kernel)?);
        ensure!(model == kernel, "the model has found {model} names, and the kernel {kernel}");
        Ok(model)
    }

    /// Holds what the two have left behind against each other: counters, and these tables.
    ///
    /// # Errors
    ///
    /// If it is not the same.
    pub fn compare(&self, tables: &[Table]) -> anyhow::Result<()> {
        let (model, kernel) = (self.model.totals()?, self.kernel.totals()?);
        if model != kernel {
            bail!("the model has counted {model:?}, and the kernel {kernel:?}");
        }
        // Nobody reads the kernel's events here: when their buffer is full, it counts the bans that it cannot tell of.
        self.each(|tables| tables.settings[0].lost_bans.store(0));
        self.compare_tables(tables)
    }

    fn compare_tables(&self, tables: &[Table]) -> anyhow::Result<()> {
        let [model, kernel] = &self.worlds;
        for &table in tables {
            let (ours, theirs) = (words(&model.tables, table), words(&kernel.tables, table));
            if plain(ours) == plain(theirs) {
                continue;
            }
            let differs = ours.iter().zip(theirs).position(|(our, their)| our.load() != their.load());
            if let Some(at) = differs {
                let (our, their) = (ours[at].load(), theirs[at].load());
                bail!("word {at} of {table:?} is {our:#x} in the model, and {their:#x} in the kernel");
            }
        }
        Ok(())
    }

    /// Carries out an experiment on cleared tables.
    ///
    /// # Errors
    ///
    /// If the two engines differ.
    pub fn run(&mut self, experiment: &Experiment) -> anyhow::Result<()> {
        self.clear();
        for poke in &experiment.pokes {
            self.poke(*poke);
        }
        let mut time_ns = START;
        for (number, shown) in experiment.frames.iter().enumerate() {
            time_ns = time_ns.saturating_add(shown.after_ns);
            let frame = Captured::cut(&shown.bytes, shown.length);
            let shown = match shown.leaves {
                None => self.judge(time_ns, &frame).map(drop),
                Some(from) => self.observe(time_ns, &frame, from),
            };
            shown.with_context(|| format!("frame {number}"))?;
        }
        self.compare(&WRITTEN)
    }

    /// Judges every packet of a capture, or learns from it where it went out; returns how many there were. Damage ends it.
    ///
    /// # Errors
    ///
    /// If the two engines differ.
    pub fn run_capture(&mut self, path: &Path) -> anyhow::Result<u64> {
        self.clear();
        self.make_busy();
        let Ok(mut capture) = Reader::open(path) else { return Ok(0) };
        let mut scratch = Vec::new();
        let mut clock = None;
        let mut packets = 0;
        while let Ok(Some(packet)) = capture.read() {
            let clock = clock.get_or_insert_with(|| Clock::starting_at(packet.nanoseconds));
            let time_ns = clock.advance(packet.nanoseconds);
            let frame = packet.ethernet(&mut scratch);
            let frame = Captured::cut(frame.bytes, frame.length);
            let shown = match packet.direction {
                Some(Direction::Outbound) => self.observe(time_ns, &frame, 0),
                _ => self.judge(time_ns, &frame).map(drop),
            };
            shown.with_context(|| format!("{}, packet {packets}", path.display()))?;
            packets += 1;
        }
        self.compare(&Table::ALL).with_context(|| format!("after {}", path.display()))?;
        Ok(packets)
    }
}

/// Sets every word to 0. Most are already, and what is never written costs no memory.
fn wipe(words: &[Word]) {
    const BLANK: [u64; 512] = [0; 512];
    for part in words.chunks(BLANK.len()) {
        if plain(part) != &BLANK[..part.len()] {
            part.iter().for_each(|word| word.store(0));
        }
    }
}

/// The words as numbers, which are compared many at a time.
fn plain(words: &[Word]) -> &[u64] {
    // SAFETY: a word is a number of 64 bits and nothing else. Nobody writes to it as long as the result is used: the
    // engines only do so while they are shown a frame, and the program is attached nowhere.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), words.len()) }
}

/// The words of a table.
fn words(tables: &SharedTables, table: Table) -> &[Word] {
    match table {
        Table::Settings => tables.settings.words(),
        Table::PrefixRoots => tables.prefix_roots.words(),
        Table::PrefixBitmaps => tables.prefix_bitmaps.words(),
        Table::PrefixLines => tables.prefix_lines.words(),
        Table::Sources => tables.sources.words(),
        Table::Aggregates => tables.aggregates.words(),
        Table::Ports => tables.ports.words(),
        Table::Destinations => tables.destinations.words(),
        Table::Services => tables.services.words(),
        Table::Rules => tables.rules.words(),
        Table::Signatures => tables.signatures.words(),
        Table::Flows => tables.flows.words(),
        Table::Offered => tables.offered.words(),
        Table::Retransmissions => tables.retransmissions.words(),
        Table::Names => tables.names.words(),
        Table::Requests => tables.requests.words(),
        Table::Clients => tables.clients.words(),
        Table::Counted => tables.counted.words(),
        Table::Fragments => tables.fragments.words(),
    }
}
