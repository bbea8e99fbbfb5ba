//! Answers Prometheus, where the configuration says so.

use std::{sync::Arc, time::Duration};

use floodwall_listen::{Listen, Listener};
use tokio::time::MissedTickBehavior;
use tracing::{error, info};

use crate::server::{self, Context};

/// How often it is looked at what imports hold.
const IMPORTS: Duration = Duration::from_secs(60);

/// Answers for ever; ends if nobody can be listened to there, and is tried again then.
pub(super) async fn serve(listen: Listen, context: Context) {
    let listener = match Listener::bind(&listen).await {
        Ok(listener) => listener,
        Err(error) => return error!(%error, "metrics are not to be had"),
    };
    info!(%listen, "metrics are to be had");
    let meters = Arc::clone(&context.meters);
    floodwall_metrics::serve(listener, move || server::look(context.clone()), meters).await;
}

/// Looks every now and then at what imports hold, for ever.
pub(super) async fn look_at_imports(context: Context) {
    let mut tick = tokio::time::interval(IMPORTS);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Context { filter, meters, .. } = context.clone();
        let look = move || meters.imports_looked_at(filter.imports());
        if let Err(error) = tokio::task::spawn_blocking(look).await {
            return error!(%error, "looking at what imports hold failed");
        }
    }
}
