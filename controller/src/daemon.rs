//! `floodwall run`: wires state, kernel and server together, and nothing more.

mod expiry;
mod feed;
mod protect;

use std::{fs, io, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use anyhow::{Context as _, bail};
use tokio::{
    net::UnixListener,
    signal::unix::{SignalKind, signal},
    sync::{Notify, broadcast},
};
use tracing::{info, warn};

use crate::{
    config::Config,
    host::Netlink,
    kernel::Kernel,
    options::RunOptions,
    server::{self, Context},
    state::Filter,
    store::Store,
};

use self::protect::Protection;

/// Events that a slow reader may fall behind by.
const EVENTS_HELD: usize = 1_024;
/// Who may talk to the control socket: its owner and group.
const SOCKET_MODE: u32 = 0o660;

/// Protects the interfaces until SIGTERM, SIGINT, or the last one is detached.
///
/// The order is what keeps packets filtered throughout: the tables are filled first, then the program takes
/// over each interface through its link, then commands are taken. Ending leaves the filter in force.
pub async fn run(options: RunOptions) -> anyhow::Result<()> {
    let config = configure(&options)?;
    let (store, records) = Store::open(&options.state_dir)?;
    let netlink = Netlink::open()?;
    let mut kernel = Kernel::load(Some(&options.bpffs), config.capacity.clone())?;
    let filter = Arc::new(Filter::open(kernel.tables(), store, records, &config)?);
    let events = kernel.take_events()?;
    let log = kernel.take_log()?;
    let all_detached = Arc::new(Notify::new());
    let protection =
        Arc::new(Protection::start(kernel, netlink, &options, config.mode, Arc::clone(&all_detached)).await?);
    let (sender, _) = broadcast::channel(EVENTS_HELD);

    let listener = listen(&options.socket).await?;
    let tasks = [
        tokio::spawn(feed::forward(events, sender.clone())),
        tokio::spawn(feed::forward_log(log)),
        tokio::spawn(expiry::run(Arc::clone(&filter))),
        tokio::spawn(expiry::reclaim(Arc::clone(&filter))),
        tokio::spawn(Arc::clone(&protection).watch_addresses()),
    ];
    let ended = Arc::new(Notify::new());
    let serving = {
        let context = Context::new(Arc::clone(&filter), protection.clone(), sender);
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
    remove_socket(&options.socket);
    if detached {
        info!("every interface was detached; nothing is left in the kernel");
    } else {
        info!("stopping; the filter stays in force until `floodwall detach`");
    }
    Ok(())
}

fn configure(options: &RunOptions) -> anyhow::Result<Config> {
    let mut config = match &options.config {
        Some(path) => Config::read(path)?,
        None => Config::default(),
    };
    if let Some(mode) = options.mode {
        config.mode = mode;
    }
    if let Some(prefixes) = options.max_prefixes {
        config.capacity.prefixes = prefixes;
    }
    if let Some(sources) = options.max_sources {
        config.capacity.sources = sources;
    }
    config.check()?;
    Ok(config)
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

/// Binds the control socket. One that a dead daemon left is replaced; one that answers is not.
async fn listen(path: &Path) -> anyhow::Result<UnixListener> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).with_context(|| format!("creating {}", directory.display()))?;
    }
    if tokio::net::UnixStream::connect(path).await.is_ok() {
        bail!("another floodwall answers on {}; stop it, or name another --socket", path.display());
    }
    match fs::symlink_metadata(path) {
        Ok(found) => {
            use std::os::unix::fs::FileTypeExt as _;
            if !found.file_type().is_socket() {
                bail!("{} is there and not a socket; name another --socket", path.display());
            }
            fs::remove_file(path).with_context(|| format!("removing the stale socket {}", path.display()))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("looking at {}", path.display())),
    }
    let listener =
        UnixListener::bind(path).with_context(|| format!("binding the control socket {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))
        .with_context(|| format!("setting the mode of {}", path.display()))?;
    Ok(listener)
}

fn remove_socket(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        warn!(socket = %path.display(), %error, "the control socket could not be removed");
    }
}
