//! Reports the state of the daemon to its service manager, if there is one.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use floodwall_systemd::ServiceManager;

use super::{
    periodically::{blocking, every},
    tasks::{Policy, Tasks},
    watchdog,
};
use crate::{
    lock::Mutex,
    server::{Context, headline},
    tables::SharedTables,
};

/// How often the status line is updated.
const STATUS_INTERVAL: Duration = Duration::from_secs(2);

/// Reports that the daemon is ready, and how the filter stands.
pub(super) async fn report_ready(
    context: &Context,
    service_manager: &Mutex<ServiceManager>,
) -> anyhow::Result<()> {
    let context = context.clone();
    let line = tokio::task::spawn_blocking(move || headline(&context)).await;
    service_manager.lock().ready(&line.context("telling how the filter stands")?);
    Ok(())
}

/// Keeps the service manager informed from now on.
pub(super) fn start(
    tasks: &mut Tasks,
    context: &Context,
    tables: &Arc<SharedTables>,
    service_manager: &Arc<Mutex<ServiceManager>>,
) {
    let (context, told) = (context.clone(), Arc::clone(service_manager));
    tasks.run("service manager", Policy::Restart, move || report_status(context.clone(), Arc::clone(&told)));
    let (tables, told) = (Arc::clone(tables), Arc::clone(service_manager));
    tasks.run("watchdog", Policy::Restart, move || watchdog::feed(Arc::clone(&tables), Arc::clone(&told)));
}

/// Reports the status line, for ever. It runs apart from the watchdog, as reading the status may get stuck.
async fn report_status(context: Context, service_manager: Arc<Mutex<ServiceManager>>) {
    let mut tick = every(STATUS_INTERVAL);
    loop {
        tick.tick().await;
        let context = context.clone();
        let failed = "the status could not be reported to the service manager";
        if let Some(line) = blocking(failed, move || headline(&context)).await {
            service_manager.lock().status(&line);
        }
    }
}
