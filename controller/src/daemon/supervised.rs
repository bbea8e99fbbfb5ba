//! What the service manager is told while the daemon runs, if there is one.

use std::{sync::Arc, time::Duration};

use floodwall_systemd::{Heartbeat, Supervisor};
use tracing::{error, warn};

use crate::{
    lock::Mutex,
    server::{Context, headline},
    tables::SharedTables,
};

/// How often it is looked whether the line that says how the filter stands is another one.
const LOOK: Duration = Duration::from_secs(2);

/// Tells how the filter stands, for ever. One that cannot be told, as something is stuck, holds up nothing else.
pub(super) async fn tell(context: Context, supervisor: Arc<Mutex<Supervisor>>) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let context = context.clone();
        match tokio::task::spawn_blocking(move || headline(&context)).await {
            Ok(line) => supervisor.lock().status(&line),
            Err(error) => error!(%error, "how the filter stands could not be told to the service manager"),
        }
    }
}

/// Tells the watchdog that the daemon goes on, for as long as it does: that this task runs, and that both who decide by
/// themselves, detection and whoever looks at the host, have renewed the lease since.
pub(super) async fn beat(tables: Arc<SharedTables>, supervisor: Arc<Mutex<Supervisor>>) {
    let Some(interval) = supervisor.lock().beat_interval() else { return std::future::pending().await };
    let mut tick = tokio::time::interval(interval);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut heartbeat = Heartbeat::default();
    loop {
        tick.tick().await;
        if heartbeat.goes_on(tables.settings[0].lease_until.load()) {
            supervisor.lock().beat();
        } else {
            warn!(
                "detection, or the look at the host, is stuck: the watchdog is not told that the daemon goes on"
            );
        }
    }
}
