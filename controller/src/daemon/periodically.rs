//! Work that is done again and again.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};
use tracing::error;

/// Ticks at once, and then at this interval. Ticks that were missed are not made up for.
pub(super) fn every(interval: Duration) -> Interval {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Does work that may block. If it panics, `failed` is logged, and there is no outcome.
pub(super) async fn blocking<T: Send + 'static>(
    failed: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome.inspect_err(|error| error!(%error, "{failed}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_panics_has_no_outcome() {
        assert_eq!(blocking("it failed", || 7).await, Some(7));
        assert_eq!(blocking("it failed", || if true { panic!("on purpose") } else { 7 }).await, None);
    }
}
