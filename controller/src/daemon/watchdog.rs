//! The service manager's watchdog, which starts a daemon anew that is stuck.

use std::sync::Arc;

use floodwall_systemd::{Progress, ServiceManager};
use tracing::warn;

use super::periodically::every;
use crate::{lock::Mutex, tables::SharedTables};

/// Keeps the watchdog satisfied while the daemon works: while this task runs, and the threads that renew the lease, which are
/// detection and the look at the host, have done so since the previous beat.
pub(super) async fn feed(tables: Arc<SharedTables>, service_manager: Arc<Mutex<ServiceManager>>) {
    let Some(interval) = service_manager.lock().beat_interval() else { return std::future::pending().await };
    let mut tick = every(interval);
    let mut progress = Progress::default();
    loop {
        tick.tick().await;
        if progress.has_advanced(tables.settings[0].lease_until.load()) {
            service_manager.lock().beat();
        } else {
            warn!("detection, or the look at the host, is stuck: the watchdog is not fed");
        }
    }
}
