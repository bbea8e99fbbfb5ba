//! Attacks, as they are noticed and acted upon.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use floodwall_common::{
    frame::Captured,
    tables::Tables as _,
    wire::{Reason, SampleEvent},
};
use parking_lot::Mutex;
use tracing::{error, info, warn};

use super::protect::Protection;
use crate::{
    detect::{Counts, Detector, Moment, Sample, TICK},
    kernel::SampleReader,
    state::Filter,
    store::{keep_baseline, kept_baseline},
    tables::{SharedTables, memory::grace_period},
};

/// How often what is usual is kept.
const KEEP_INTERVAL: Duration = Duration::from_secs(600);

/// Takes up what was usual, and brings the signatures into force that operators want.
pub(super) fn restore(detector: &mut Detector, filter: &Filter, state_dir: &Path) {
    let tables = filter.tables();
    if let Some(memory) = kept_baseline(state_dir, filter.keeps_changes())
        && let Err(error) = detector.recall(memory, |name| filter.service_number(name))
    {
        warn!(%error, "what was usual is learnt anew");
    }
    if detector.is_fresh() {
        info!("it is not known yet what is usual here: assumptions of what clients send stand in for it");
    } else {
        info!(samples = detector.baseline_len(), "it is known from before what is usual here");
    }
    for (signature, enforced) in filter.pinned_signatures() {
        let now_ns = tables.clock();
        if detector.pin(signature, enforced, now_ns, tables, &|| drop(grace_period())).is_none() {
            error!("more signatures are pinned than there is room for");
        }
    }
}

/// Keeps what is usual every now and then, for ever.
pub(super) async fn keep(detector: Arc<Mutex<Detector>>, filter: Arc<Filter>, state_dir: PathBuf) {
    loop {
        tokio::time::sleep(KEEP_INTERVAL).await;
        let (detector, filter, state_dir) = (Arc::clone(&detector), Arc::clone(&filter), state_dir.clone());
        let work = move || keep_now(&detector, &filter, &state_dir);
        if let Err(error) = tokio::task::spawn_blocking(work).await {
            error!(%error, "the task that keeps what is usual failed");
        }
    }
}

/// Keeps what is usual; but a state that is damaged is left as it is, all of it.
pub(super) fn keep_now(detector: &Mutex<Detector>, filter: &Filter, state_dir: &Path) {
    if !filter.keeps_changes() {
        return;
    }
    let memory = detector.lock().remember(|number| filter.service_name(number));
    if let Err(error) = keep_baseline(state_dir, &memory) {
        error!(error = format!("{error:#}"), "what is usual could not be kept");
    }
}

/// Watches what comes, for ever.
pub(super) async fn run(
    mut samples: SampleReader,
    protection: Arc<Protection>,
    tables: Arc<SharedTables>,
    filter: Arc<Filter>,
    detector: Arc<Mutex<Detector>>,
) {
    let mut tick = tokio::time::interval(Duration::from_nanos(TICK));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let (protection, tables, filter, detector) =
            (Arc::clone(&protection), Arc::clone(&tables), Arc::clone(&filter), Arc::clone(&detector));
        let work = move || {
            let observe = filter.is_observing();
            let mut detector = detector.lock();
            detector.observe(observe, tables.clock());
            look(&mut samples, &protection, &tables, &mut detector);
            samples
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(reader) => samples = reader,
            Err(error) => {
                error!(%error, "watching failed; attacks are not noticed any more");
                return;
            }
        }
    }
}

fn look(samples: &mut SampleReader, protection: &Protection, tables: &SharedTables, detector: &mut Detector) {
    samples.read(|event| {
        if let Some(sample) = sample(event, tables) {
            detector.sample(sample);
        }
    });
    let services = match protection.services() {
        Ok(services) => services,
        Err(error) => return error!(error = format!("{error:#}"), "the counters could not be read"),
    };
    let counts: Vec<_> = services
        .into_iter()
        .map(|(number, totals)| Counts::new(number, totals.packets, totals.dropped))
        .collect();
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let moment = Moment::new(tables.clock(), unix.as_secs());
    // Packets may still be judged by the half that is written next.
    let grace = || drop(grace_period());
    for event in detector.tick(moment, &counts, tables, &grace) {
        info!("{}", event.in_words(tables));
    }
}

fn sample(event: &SampleEvent, tables: &SharedTables) -> Option<Sample> {
    let reason = Reason::from_index(event.reason)?;
    let bytes = event.bytes.get(..usize::from(event.captured))?;
    let sample = Sample::read(tables, &Captured::cut(bytes, event.length), event.time_ns, reason)?;
    Some(Sample { known: event.known != 0, answers: event.answers != 0, ..sample })
}
