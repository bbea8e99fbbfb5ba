//! Bans, as the kernel makes them, and as they end.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use floodwall_common::wire::BanEvent;
use tokio::sync::Mutex;
use tracing::{error, info, warn};

use super::{
    periodically::{blocking, every},
    protection::Protection,
};
use crate::{host::all_login_addresses, kernel::EventReader, policy::Lifelines, state::Filter};

/// How late a ban may end.
const TICK: Duration = Duration::from_millis(20);
/// How often it is asked whether bans were lost on their way.
const LOSS_TICKS: u32 = 5;
/// How often the source table is looked through for bans that nobody told of, though none was lost.
const SWEEP: Duration = Duration::from_secs(30);
/// How often it is asked who is not to be banned.
const SPARE: Duration = Duration::from_secs(2);

/// Makes bans durable that the kernel tells of, for ever.
pub(super) async fn note(
    events: Arc<Mutex<EventReader<BanEvent>>>,
    filter: Arc<Filter>,
    protection: Arc<Protection>,
) {
    let mut events = events.lock().await;
    loop {
        let mut bans = Vec::new();
        if let Err(error) = events.read(|event| bans.push(event)).await {
            error!(error = format!("{error:#}"), "reading bans failed; they are found where they stand");
            return;
        }
        let (filter, protection) = (Arc::clone(&filter), Arc::clone(&protection));
        let work = move || filter.note_bans(&bans, &protection.spared());
        if let Some(Err(refusal)) = blocking("the task that keeps bans failed", work).await {
            error!(%refusal, "bans could not be kept");
        }
    }
}

/// Ends bans, and finds those that nobody told of, for ever.
pub(super) async fn tend(filter: Arc<Filter>, protection: Arc<Protection>) {
    let mut tick = every(TICK);
    let mut sweeps = tokio::time::Instant::now();
    let (mut ticks, mut lost) = (0_u32, 0);
    loop {
        tick.tick().await;
        ticks = ticks.wrapping_add(1);
        let loss = ticks.is_multiple_of(LOSS_TICKS) && filter.has_lost_bans(&mut lost);
        let find = loss || sweeps.elapsed() > SWEEP;
        if find {
            sweeps = tokio::time::Instant::now();
        }
        let ends = filter.next_ban_end().is_some_and(|at| at <= SystemTime::now());
        if !find && !ends {
            continue;
        }
        let (filter, protection) = (Arc::clone(&filter), Arc::clone(&protection));
        let work = move || {
            let ended = if ends { filter.end_bans(SystemTime::now()) } else { Ok(0) };
            let found = if find { filter.find_bans(&protection.spared()) } else { Ok(0) };
            (ended, found)
        };
        let Some((ended, found)) = blocking("the task that ends bans failed", work).await else { continue };
        if let Err(refusal) = ended {
            warn!(%refusal, "bans could not be ended; trying again");
        }
        match found {
            Ok(0) => {}
            Ok(bans) => info!(bans, "found bans that were not told of"),
            Err(refusal) => warn!(%refusal, "bans could not be looked for"),
        }
    }
}

/// Keeps sources from being banned that the host lives by: itself, its gateways and resolvers, those that it has connected
/// to, and those that somebody is logged in from; for ever.
pub(super) async fn spare(filter: Arc<Filter>, protection: Arc<Protection>) {
    let mut tick = every(SPARE);
    let mut before = BTreeSet::new();
    loop {
        tick.tick().await;
        let (filter, protection) = (Arc::clone(&filter), Arc::clone(&protection));
        let mut spared = std::mem::take(&mut before);
        let work = move || {
            protection.set_logins(all_login_addresses());
            let lifelines: Lifelines = protection.spared();
            filter.spare(lifelines.all().collect(), &mut spared);
            spared
        };
        let failed = "the task that looks who is not to be banned failed";
        before = blocking(failed, work).await.unwrap_or_default();
    }
}
