//! `floodwall run`: wires state, kernel and server together, and nothing more.

mod bans;
mod expiry;
mod feed;
mod health;
mod links;
mod protect;
mod role;
mod socket;
mod wards;
mod watch;

use std::sync::Arc;

use anyhow::Context as _;
use parking_lot::Mutex;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{Notify, broadcast},
};
use tracing::{info, warn};

use crate::{
    config::Config,
    detect::Detector,
    host::Netlink,
    kernel::{Kernel, preflight},
    options::RunOptions,
    server::{self, Context},
    state::Filter,
    store::Store,
};

use self::protect::Protection;

/// Events that a slow reader may fall behind by.
const EVENTS_HELD: usize = 1_024;

/// Protects the interfaces until SIGTERM, SIGINT, or the last one is detached.
///
/// The order is what keeps packets filtered throughout: the tables are filled first, then the program takes
/// over each interface through its link, then commands are taken. Ending leaves the filter in force. Whatever
/// another daemon may be using (state, socket, pins) is claimed before anything of it is touched.
pub async fn run(options: RunOptions, config: Config) -> anyhow::Result<()> {
    preflight(Some(&options.bpffs))?;
    let opened = Store::open(&options.state_dir, options.accept_state)?;
    let (listener, socket) = socket::bind(&options.socket).await?;
    let netlink = Netlink::open()?;
    let mut kernel = Kernel::load(Some(&options.bpffs), config.capacity.clone())?;
    let filter = Arc::new(Filter::open(kernel.tables(), opened, &config)?);
    let events = kernel.take_events()?;
    let log = kernel.take_log()?;
    let samples = kernel.take_samples()?;
    let bans = kernel.take_bans()?;
    filter.configured_from(options.config.as_deref(), options.observe);
    config.policy.warnings().iter().for_each(|warning| warn!("{warning}"));
    let tables = kernel.tables();
    let mut detector = Detector::default();
    watch::restore(&mut detector, &filter, &options.state_dir);
    let detector = Arc::new(Mutex::new(detector));
    let all_detached = Arc::new(Notify::new());
    let (sender, _) = broadcast::channel(EVENTS_HELD);
    let told = sender.clone();
    let protection =
        Protection::start(kernel, netlink, &options, config.mode, told, Arc::clone(&all_detached)).await?;
    let protection = Arc::new(protection);
    health::look(&filter, &protection, Default::default());

    let tasks = [
        tokio::spawn(feed::forward(events, sender.clone())),
        tokio::spawn(feed::forward_log(log)),
        tokio::spawn(expiry::run(Arc::clone(&filter))),
        tokio::spawn(expiry::reclaim(Arc::clone(&filter))),
        tokio::spawn(Arc::clone(&protection).watch()),
        tokio::spawn(bans::note(bans, Arc::clone(&filter), Arc::clone(&protection))),
        tokio::spawn(bans::tend(Arc::clone(&filter), Arc::clone(&protection))),
        tokio::spawn(bans::spare(Arc::clone(&filter), Arc::clone(&protection))),
        tokio::spawn(health::run(Arc::clone(&filter), Arc::clone(&protection))),
        tokio::spawn(watch::keep(Arc::clone(&detector), Arc::clone(&filter), options.state_dir.clone())),
        tokio::spawn(watch::run(
            samples,
            Arc::clone(&protection),
            tables,
            Arc::clone(&filter),
            Arc::clone(&detector),
        )),
    ];
    let ended = Arc::new(Notify::new());
    let serving = {
        let context = Context::new(Arc::clone(&filter), protection.clone(), Arc::clone(&detector), sender);
        let ended = Arc::clone(&ended);
        tokio::spawn(
            async move { server::serve(listener, context, async move { ended.notified().await }).await },
        )
    };
    info!(socket = %options.socket.display(), "ready");
    let detached = wait_for_the_end(&all_detached).await?;
    ended.notify_one();
    // Streams such as `events` never end by themselves; what is under way gets a moment.
    if tokio::time::timeout(std::time::Duration::from_secs(2), serving).await.is_err() {
        info!("some clients were still connected");
    }
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    watch::keep_now(&detector, &filter, &options.state_dir);
    drop(socket);
    if detached {
        info!("every interface of this run was detached");
    } else {
        info!("stopping; the filter stays in force until `floodwall detach`");
    }
    Ok(())
}

/// Resolves to whether it was the last detach that ends the daemon.
async fn wait_for_the_end(all_detached: &Notify) -> anyhow::Result<bool> {
    let mut terminate = signal(SignalKind::terminate()).context("watching for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("watching for SIGINT")?;
    Ok(tokio::select! {
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
        () = all_detached.notified() => true,
    })
}
