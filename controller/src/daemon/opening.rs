//! What is claimed and opened before an interface is touched.

use std::sync::Arc;

use anyhow::Context as _;
use tracing::warn;

use super::{
    background::Readers,
    clients, detection,
    prove_answers::prove_answers,
    socket::{self, Sockets},
    undo_unconfirmed,
};
use crate::{
    config::Config,
    detect::Detector,
    event::{Bus, Log},
    host::Netlink,
    kernel::{Kernel, SampleReader, preflight},
    options::RunOptions,
    server::Descriptors,
    state::Filter,
    store::{Store, records::Trial},
};

/// Everything that is open, and the tables filled.
pub(super) struct Opened {
    pub(super) bus: Bus,
    pub(super) logging: Log,
    pub(super) sockets: Sockets,
    pub(super) netlink: Netlink,
    pub(super) kernel: Kernel,
    pub(super) samples: SampleReader,
    pub(super) readers: Readers,
    pub(super) filter: Arc<Filter>,
    pub(super) detector: Detector,
    /// Changes whose trial was over before this run, and that it has undone.
    pub(super) undone: Vec<Trial>,
}

impl Opened {
    /// Claims state, socket and pins, and fills the tables.
    pub(super) async fn open(options: &RunOptions, config: &Config) -> anyhow::Result<Self> {
        preflight(Some(&options.bpffs))?;
        if let Some(warning) = Descriptors::raise().warning() {
            warn!("{warning}");
        }
        let bus = Bus::default();
        let logging = Log::open(&bus).context("starting the log of events")?;
        let opened = Store::open(&options.state_dir, options.accept_state)?;
        let sockets = socket::open(&options.socket).await?;
        let netlink = Netlink::open()?;
        let mut kernel = Kernel::load(Some(&options.bpffs), config.capacity.clone())?;
        let filter = Filter::open(kernel.tables(), opened, config, bus.clone())?;
        prove_answers(&kernel, config.challenges);
        let samples = kernel.take_samples()?;
        let readers =
            Readers { drops: kernel.take_events()?, log: kernel.take_log()?, bans: kernel.take_bans()? };
        filter.configured_from(options.config.as_deref(), options.observe);
        let undone = undo_unconfirmed::undo_overdue(&filter);
        config.policy.warnings().iter().for_each(|warning| warn!("{warning}"));
        let mut detector = Detector::default();
        detection::restore(&mut detector, &filter, &options.state_dir);
        clients::restore(&filter, &options.state_dir);
        Ok(Self { bus, logging, sockets, netlink, kernel, samples, readers, filter, detector, undone })
    }
}
