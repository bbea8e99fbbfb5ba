//! floodwall under measure: the real program, its tables filled as the daemon fills them.

use std::{os::fd::BorrowedFd, sync::Arc, thread};

use anyhow::Context as _;
use floodwall::{
    config::Config,
    kernel::{Kernel, ReasonTotals},
    lock::FairMutex,
    policy::bucket,
    tables::{
        Capacity, Prefix, SharedTables,
        memory::grace_period,
        prefixes::{Changes, List, PrefixTable, apply, reclaim},
    },
};
use floodwall_common::wire::{BucketSpec, spared};
use floodwall_lab::random::Random;
use tokio::{runtime::Builder, sync::oneshot};

use crate::signatures;

/// Whoever wants the prefixes; anything will do.
pub(crate) const OWNER: u32 = 1;

/// The limits that sources are held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limits {
    /// Those of a fresh install, for everybody.
    Default,
    /// Likewise, and they leave alone whom they do there: sources that are known, in peace, and flows in which both ends speak.
    Sparing,
    /// So high (15.6 million packets/s) that a single source passes at the benchmark's full speed, and is
    /// charged for each packet.
    OutOfReach,
}

/// The program in the kernel with its tables.
pub(crate) struct Floodwall {
    kernel: Kernel,
    pub(crate) tables: Arc<SharedTables>,
    pub(crate) table: FairMutex<PrefixTable>,
    /// Ends the reader of events when it is dropped.
    _reader: oneshot::Sender<()>,
}

impl Floodwall {
    /// Loads the program, with nothing listed and the settings of a fresh install.
    pub(crate) fn load(capacity: Capacity) -> anyhow::Result<Self> {
        let mut kernel = Kernel::load(None, capacity.clone())?;
        let tables = kernel.tables();
        let settings = &tables.settings[0];
        let mut random = Random::new(0xf100_d3a1);
        for seed in &settings.seed {
            // The multipliers have to be odd.
            seed.store(random.bits() | 1);
        }
        let per_second = Config::default().events_per_second.max(1);
        settings.event_interval.store(1_000_000_000 / per_second);
        let table =
            PrefixTable::new(Arc::clone(&tables), capacity.prefixes).context("opening the prefix table")?;
        let reader = drain(&mut kernel)?;
        let floodwall = Self { kernel, tables, table: FairMutex::new(table), _reader: reader };
        floodwall.limit(Limits::Default)?;
        signatures::write(&floodwall)?;
        Ok(floodwall)
    }

    /// Sets the limits.
    pub(crate) fn limit(&self, limits: Limits) -> anyhow::Result<()> {
        let [packets, syn] = match limits {
            Limits::Default | Limits::Sparing => {
                let limits = Config::default().limits();
                let bucket = |what, limit| bucket(what, limit).map_err(anyhow::Error::msg);
                [bucket("packets", limits.packets)?, bucket("syn", limits.syn)?]
            }
            Limits::OutOfReach => [BucketSpec { increment: 1, tolerance: 1 << 28 }; 2],
        };
        let settings = &self.tables.settings[0];
        settings.packet_bucket.store(packets.pack());
        settings.syn_bucket.store(syn.pack());
        let known = spared::PACKETS_OF_KNOWN | spared::SYNS_OF_KNOWN | spared::FLOWS;
        settings.spared.store(if limits == Limits::Sparing { known } else { 0 });
        Ok(())
    }

    /// Puts the signatures in force, or none.
    pub(crate) fn sign(&self, signed: bool) {
        self.tables.settings[0].signatures.store(if signed { signatures::HALF } else { 0 });
    }

    /// Makes the blocklist these prefixes, all at once, and frees what they replace.
    pub(crate) fn block(&self, prefixes: &[&[Prefix]]) -> anyhow::Result<()> {
        let prefixes = prefixes.iter().copied().flatten().map(|prefix| (*prefix, OWNER));
        let sets = Arc::clone(self.table.lock().sets());
        apply(&self.table, Changes::new().replace(List::Block, prefixes).prepare(&sets), grace, |_, _| ())?;
        reclaim(&self.table, grace)
    }

    /// The program.
    pub(crate) fn program(&self) -> anyhow::Result<BorrowedFd<'_>> {
        self.kernel.program_fd()
    }

    /// The program at the egress of interfaces.
    pub(crate) fn outgoing_program(&self) -> anyhow::Result<BorrowedFd<'_>> {
        self.kernel.egress_fd()
    }

    /// Counters by reason.
    pub(crate) fn counters(&self) -> anyhow::Result<Vec<ReasonTotals>> {
        self.kernel.counters()
    }

    /// Instructions that the verifier walked through.
    pub(crate) fn verified_instructions(&self) -> anyhow::Result<Option<u32>> {
        self.kernel.verified_instructions()
    }
}

/// Waits until no packet can be reading what was replaced.
pub(crate) fn grace() -> anyhow::Result<()> {
    grace_period().context("waiting for a grace period")
}

/// Reads events until the sender is dropped, as the daemon does: a ring buffer that stays full is another load.
fn drain(kernel: &mut Kernel) -> anyhow::Result<oneshot::Sender<()>> {
    let runtime = Builder::new_current_thread().enable_io().build().context("starting a reader of events")?;
    let mut events = {
        let _inside = runtime.enter();
        kernel.take_events()?
    };
    let (sender, stopped) = oneshot::channel::<()>();
    thread::spawn(move || {
        runtime.block_on(async {
            let reading = async { while events.read(|_| ()).await.is_ok() {} };
            tokio::select! {
                () = reading => {}
                _ = stopped => {}
            }
        });
    });
    Ok(sender)
}
