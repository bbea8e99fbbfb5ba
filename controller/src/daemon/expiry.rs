//! What happens by itself: entries are taken back when their time is over, memory is reused.

use std::{sync::Arc, time::Duration};

use tracing::error;

use super::steady_clock::Steady;
use crate::state::Filter;

/// How late an entry may be taken back.
const TICK: Duration = Duration::from_millis(50);
/// How often retired memory is reclaimed.
const RECLAIM: Duration = Duration::from_millis(500);
/// Pause after something went wrong.
const PAUSE: Duration = Duration::from_secs(5);

/// Takes back what has expired, for ever.
pub(super) async fn run(filter: Arc<Filter>) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut clock = Steady::default();
    loop {
        tick.tick().await;
        let now = clock.now();
        if filter.next_expiry().is_none_or(|at| now < at) {
            continue;
        }
        let worker = Arc::clone(&filter);
        match tokio::task::spawn_blocking(move || worker.expire(now)).await {
            Ok(Ok(_)) => {}
            Ok(Err(refusal)) => {
                error!(%refusal, "expired entries could not be taken back; trying again");
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => error!(%error, "the expiry task failed"),
        }
    }
}

/// Makes memory that packets no longer read available again, and tables that have worn new, for ever.
pub(super) async fn reclaim(filter: Arc<Filter>) {
    let mut tick = tokio::time::interval(RECLAIM);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let worker = Arc::clone(&filter);
        let task = tokio::task::spawn_blocking(move || {
            worker.reclaim();
            worker.renew();
        });
        if let Err(error) = task.await {
            error!(%error, "the reclaiming task failed");
        }
    }
}
