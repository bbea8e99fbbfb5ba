//! Keeps the known clients over a reboot.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tracing::{error, info};

use super::periodically::blocking;
use crate::{
    state::{Clients, Filter},
    store::{Learnt, keep_learnt, kept_learnt},
};

/// How often the clients are written. A client that is lost is known again once it is served.
const KEEP_INTERVAL: Duration = Duration::from_secs(3_600);

/// Restores the clients, if the tables were just made.
pub(super) fn restore(filter: &Filter, state_dir: &Path) {
    let kept: Option<Clients> = kept_learnt(state_dir, Learnt::Clients, filter.keeps_changes());
    let clients = kept.map_or(0, |kept| filter.recall_clients(&kept));
    if clients > 0 {
        info!(clients, "clients that were served before are known");
    }
}

/// Writes the clients every hour.
pub(super) async fn keep(filter: Arc<Filter>, state_dir: PathBuf) {
    loop {
        tokio::time::sleep(KEEP_INTERVAL).await;
        let (filter, state_dir) = (Arc::clone(&filter), state_dir.clone());
        let work = move || keep_now(&filter, &state_dir);
        blocking("the task that keeps the known clients failed", work).await;
    }
}

/// Writes the clients now. Nothing in a damaged state directory is changed.
pub(super) fn keep_now(filter: &Filter, state_dir: &Path) {
    if !filter.keeps_changes() {
        return;
    }
    filter.learn_clients();
    if let Err(error) = keep_learnt(state_dir, Learnt::Clients, &filter.clients()) {
        error!(error = format!("{error:#}"), "the known clients could not be kept");
    }
}
