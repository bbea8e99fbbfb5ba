//! Serves metrics to Prometheus, if the configuration has `[metrics]`.

use std::{sync::Arc, time::Duration};

use floodwall_listen::{ListenAddress, Listener};
use tracing::{error, info};

use super::periodically::{blocking, every};
use crate::server::{self, Context};

/// How often the imports' prefixes and hits are read.
const IMPORTS_INTERVAL: Duration = Duration::from_secs(60);

/// Serves for ever. Returns if the address cannot be listened at, for the caller to try again.
pub(super) async fn serve(listen: ListenAddress, context: Context) {
    let listener = match Listener::bind(&listen).await {
        Ok(listener) => listener,
        Err(error) => return error!(%error, "metrics cannot be served"),
    };
    info!(%listen, "metrics are served");
    let meters = Arc::clone(&context.meters);
    floodwall_metrics::serve(listener, move || server::read_overview(context.clone()), meters).await;
}

/// Reads the imports' prefixes and hits once a minute, for ever.
pub(super) async fn measure_imports(context: Context) {
    let mut tick = every(IMPORTS_INTERVAL);
    loop {
        tick.tick().await;
        let Context { filter, meters, .. } = context.clone();
        let measure = move || meters.set_imports(filter.imports());
        if blocking("reading the imports' hits failed", measure).await.is_none() {
            return;
        }
    }
}
