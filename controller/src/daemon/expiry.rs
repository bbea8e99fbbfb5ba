//! What happens by itself: entries are taken back when their time is over, memory is reused.

use std::{sync::Arc, time::Duration};

use tracing::error;

use super::{
    periodically::{blocking, every},
    steady_clock::Steady,
};
use crate::state::Filter;

/// How late an entry may be taken back.
const TICK: Duration = Duration::from_millis(50);
/// How often retired memory is reclaimed.
const RECLAIM: Duration = Duration::from_millis(500);
/// Pause after something went wrong.
const PAUSE: Duration = Duration::from_secs(5);

/// Takes back what has expired, for ever.
pub(super) async fn run(filter: Arc<Filter>) {
    let mut tick = every(TICK);
    let mut clock = Steady::default();
    loop {
        tick.tick().await;
        let now = clock.now();
        if filter.next_expiry().is_none_or(|at| now < at) {
            continue;
        }
        let worker = Arc::clone(&filter);
        let expired = blocking("the expiry task failed", move || worker.expire(now)).await;
        if let Some(Err(refusal)) = expired {
            error!(%refusal, "expired entries could not be taken back; trying again");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Makes memory that packets no longer read available again, and tables that have worn new, for ever.
pub(super) async fn reclaim(filter: Arc<Filter>) {
    let mut tick = every(RECLAIM);
    loop {
        tick.tick().await;
        let worker = Arc::clone(&filter);
        let work = move || {
            worker.reclaim();
            worker.renew();
        };
        blocking("the reclaiming task failed", work).await;
    }
}
