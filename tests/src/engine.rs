//! The two engines that run the decision core, behind one face.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use floodwall::{
    kernel::Kernel,
    tables::{
        Capacity, Prefix, SharedTables,
        prefixes::{List, PrefixTable},
    },
};
use floodwall_common::{
    decide::{PacketContext, decide_on},
    frame::Captured,
    wire::{BucketSpec, Reason, Settings},
};

/// Small enough to be made for each test.
const CAPACITY: Capacity = Capacity { prefixes: 10_000, sources: 4_096, flows: 4_096 };
/// A time well after boot, ns: bucket times are compared with what was.
pub const START: u64 = 1_000_000_000_000;
const SECOND: u64 = 1_000_000_000;

/// An engine with its tables.
pub struct Engine {
    /// `kernel` or `model`.
    pub name: &'static str,
    tables: Arc<SharedTables>,
    /// Locked, as senders on many threads share an engine.
    prefixes: Mutex<PrefixTable>,
    kernel: Option<Kernel>,
    now: u64,
}

impl Engine {
    /// The host build of the core over plain memory.
    pub fn model() -> anyhow::Result<Self> {
        let tables = Arc::new(SharedTables::in_memory(&CAPACITY).context("making tables in memory")?);
        Self::over("model", tables, None)
    }

    /// The same with room for so many sources.
    pub fn model_with_room(sources: u32) -> anyhow::Result<Self> {
        let capacity = Capacity { sources, ..CAPACITY };
        let tables = Arc::new(SharedTables::in_memory(&capacity).context("making tables in memory")?);
        Self::over("model", tables, None)
    }

    /// The program in the kernel, shown frames by `BPF_PROG_TEST_RUN`. Needs root.
    pub fn kernel() -> anyhow::Result<Self> {
        let kernel = Kernel::load(None, CAPACITY)?;
        Self::over("kernel", kernel.tables(), Some(kernel))
    }

    fn over(name: &'static str, tables: Arc<SharedTables>, kernel: Option<Kernel>) -> anyhow::Result<Self> {
        let settings = &tables.settings[0];
        for (seed, value) in
            settings.seed.iter().zip([0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03, 0x1234_5677])
        {
            seed.store(value);
        }
        let prefixes = Mutex::new(PrefixTable::new(Arc::clone(&tables), CAPACITY.prefixes)?);
        let mut engine = Self { name, tables, prefixes, kernel, now: START };
        engine.pass_time(0.0);
        Ok(engine)
    }

    fn prefixes(&mut self) -> &mut PrefixTable {
        self.prefixes.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Allows a prefix.
    pub fn allow(&mut self, prefix: &str) -> anyhow::Result<()> {
        Ok(self.prefixes().insert(List::Allow, prefix.parse::<Prefix>()?, 1)?)
    }

    /// Blocks a prefix.
    pub fn block(&mut self, prefix: &str) -> anyhow::Result<()> {
        Ok(self.prefixes().insert(List::Block, prefix.parse::<Prefix>()?, 1)?)
    }

    /// Takes a prefix off the blocklist.
    pub fn unblock(&mut self, prefix: &str) -> anyhow::Result<()> {
        Ok(self.prefixes().remove(List::Block, prefix.parse::<Prefix>()?)?)
    }

    /// Limits each source to so many packets/s.
    pub fn limit_packets(&self, rate: u64, burst: u64) {
        let bucket = BucketSpec::new(rate, burst).unwrap_or_default();
        self.tables.settings[0].packet_bucket.store(bucket.pack());
    }

    /// Limits each source to so many SYN/s.
    pub fn limit_syn(&self, rate: u64, burst: u64) {
        let bucket = BucketSpec::new(rate, burst).unwrap_or_default();
        self.tables.settings[0].syn_bucket.store(bucket.pack());
    }

    /// Lets time pass.
    pub fn pass_time(&mut self, seconds: f64) {
        self.now += (seconds * SECOND as f64) as u64;
        self.tables.settings[0].clock.store(self.now);
    }

    /// Says what time it is, ns; [`START`] is when all began.
    pub fn tell_time(&self, now: u64) {
        self.tables.settings[0].clock.store(now);
    }

    /// What the controller tells the core.
    pub fn settings(&self) -> &Settings {
        &self.tables.settings[0]
    }

    /// What becomes of a frame.
    pub fn judge(&self, frame: &[u8]) -> anyhow::Result<Reason> {
        match &self.kernel {
            Some(kernel) => Ok(kernel.judge(frame)?.reason),
            None => {
                let mut context = PacketContext::default();
                decide_on(&*self.tables, &Captured::whole(frame), &mut context);
                Ok(context.reason())
            }
        }
    }

    /// How often a blocked prefix decided.
    pub fn hits(&mut self, prefix: &str) -> anyhow::Result<u64> {
        Ok(self.prefixes().hits(List::Block, prefix.parse::<Prefix>()?)?)
    }

    /// Instructions that the verifier walked through; `None` for the model.
    pub fn verified_instructions(&self) -> anyhow::Result<Option<u32>> {
        self.kernel.as_ref().map_or(Ok(None), Kernel::verified_instructions)
    }
}

/// Runs a test on each engine; the kernel's is skipped, with its reason, where it cannot be had.
#[macro_export]
macro_rules! on_both_engines {
    (|$engine:ident| $test:block) => {{
        let run = |mut $engine: $crate::engine::Engine| -> anyhow::Result<()> {
            $test;
            Ok(())
        };
        run($crate::engine::Engine::model()?)?;
        match floodwall_lab::skip::require_root() {
            Ok(()) => run($crate::engine::Engine::kernel()?)?,
            Err(reason) => floodwall_lab::skip!("kernel engine: {reason}"),
        }
        Ok(())
    }};
}
