//! Attacks, as they are noticed and acted upon.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime},
};

use floodwall_common::{
    frame::Captured,
    tables::Tables as _,
    wire::{Reason, SampleEvent},
};
use floodwall_metrics::Meters;
use floodwall_units::unix;
use tokio::sync::Notify;
use tracing::{error, info, warn};

use super::{incidents::Tap, periodically::blocking, protection::Protection};
use crate::{
    detect::{self, Counts, Detection, Detector, Moment, Owner, Sample, Surroundings, TICK, Turn},
    event::{AttackEvent, Bus, Standing, What},
    kernel::SampleReader,
    signature::Signature,
    state::{Decider, Filter, carry_out},
    store::{Learnt, keep_learnt, kept_learnt},
    tables::{SharedTables, memory::grace_period},
};

/// How often what is usual is kept.
const KEEP_INTERVAL: Duration = Duration::from_secs(600);
/// How long after a change of signatures it is kept.
const KEEP_PAUSE: Duration = Duration::from_millis(500);

/// Takes up what was usual, and brings the signatures into force that operators want.
pub(super) fn restore(detector: &mut Detector, filter: &Filter, state_dir: &Path) {
    let tables = filter.tables();
    let kept: Option<detect::Memory> = kept_learnt(state_dir, Learnt::Usual, filter.keeps_changes());
    if let Some(mut memory) = kept {
        let found = memory.take_found();
        if let Err(error) = detector.recall(memory, |name| filter.service_number(name)) {
            warn!(%error, "what was usual is learnt anew");
        }
        if filter.resumes() && !found.is_empty() {
            info!(signatures = found.len(), "goes on with what was found before the restart");
            detector.resume(&found, |name| filter.service_number(name), tables.clock());
        }
    }
    if detector.is_fresh() {
        info!("it is not known yet what is usual here: assumptions of what clients send stand in for it");
    } else {
        info!(samples = detector.baseline_len(), "it is known from before what is usual here");
    }
    for (signature, enforced) in filter.pinned_signatures() {
        let now_ns = tables.clock();
        if detector.pin(signature, enforced, now_ns).is_none() {
            error!("more signatures are pinned than there is room for");
        }
    }
    detector.restart();
    carry_out(tables, detector.take_actions(), grace);
}

/// Keeps what is usual every now and then, and when signatures have changed, for ever.
pub(super) async fn keep(
    detection: Detection,
    filter: Arc<Filter>,
    state_dir: PathBuf,
    changed: Arc<Notify>,
) {
    loop {
        drop(tokio::time::timeout(KEEP_INTERVAL, changed.notified()).await);
        // Several come at a time.
        tokio::time::sleep(KEEP_PAUSE).await;
        let (detection, filter, state_dir) = (detection.clone(), Arc::clone(&filter), state_dir.clone());
        let work = move || keep_now(&detection, &filter, &state_dir);
        blocking("the task that keeps what is usual failed", work).await;
    }
}

/// Keeps what is usual; but a state that is damaged is left as it is, all of it.
pub(super) fn keep_now(detection: &Detection, filter: &Filter, state_dir: &Path) {
    if !filter.keeps_changes() {
        return;
    }
    let kept = detection.remember().map_err(anyhow::Error::from);
    if let Err(error) = kept.and_then(|memory| keep_learnt(state_dir, Learnt::Usual, &memory)) {
        error!(error = format!("{error:#}"), "what is usual could not be kept");
    }
}

/// What comes, and what it is held against: all that the owner of the detector works with.
pub(super) struct Watch {
    pub(super) samples: SampleReader,
    pub(super) protection: Arc<Protection>,
    pub(super) tables: Arc<SharedTables>,
    pub(super) filter: Arc<Filter>,
    pub(super) bus: Bus,
    /// What is measured of itself.
    pub(super) meters: Arc<Meters>,
    /// Takes a copy of the samples.
    pub(super) tap: Arc<Tap>,
    /// Told when signatures drop that did not, or the other way round.
    pub(super) changed: Arc<Notify>,
}

/// The thread that owns the detector.
pub(super) struct Watching {
    ending: Arc<AtomicBool>,
    thread: JoinHandle<()>,
    /// Is dropped when the thread ends, whyever it does.
    alive: tokio::sync::watch::Receiver<()>,
}

/// Looks for attacks, in a thread of its own that owns the detector.
pub(super) fn spawn(detector: Detector, mut watch: Watch) -> io::Result<(Watching, Detection)> {
    let (mut owner, detection) = Owner::new(detector);
    let ending = Arc::new(AtomicBool::new(false));
    let is_ending = Arc::clone(&ending);
    let (dies, alive) = tokio::sync::watch::channel(());
    let work = move || {
        let _dies = dies;
        let mut next = Instant::now();
        while !is_ending.load(Ordering::Relaxed) {
            // After a pause of the whole machine it goes on from now.
            next = (next + Duration::from_nanos(TICK)).max(Instant::now());
            owner.serve_until(next, &mut watch);
            watch.look(&mut owner);
        }
    };
    let thread = std::thread::Builder::new().name("detection".to_owned()).spawn(work)?;
    Ok((Watching { ending, thread, alive }, detection))
}

impl Watching {
    /// Resolves should the thread end by itself.
    pub(super) async fn failed(&self) {
        let mut alive = self.alive.clone();
        while alive.changed().await.is_ok() {}
    }

    /// Ends it.
    pub(super) fn end(self) {
        self.ending.store(true, Ordering::Relaxed);
        if self.thread.join().is_err() {
            error!("the thread that looks for attacks has failed");
        }
    }
}

impl Watch {
    /// Shows the detector what has come since the last look, and has done what it wants.
    fn look(&mut self, owner: &mut Owner) {
        let detector = &mut owner.detector;
        detector.observe(self.filter.is_observing(), self.tables.clock());
        let mut tapped = self.tap.open();
        let (now_ns, mut samples, mut oldest_ns) = (self.tables.clock(), 0, 0);
        self.samples.read(|event| {
            samples += 1;
            oldest_ns = now_ns.saturating_sub(event.time_ns).max(oldest_ns);
            tapped.take(event);
            if let Some(sample) = sample(event, &self.tables) {
                detector.sample(sample);
            }
        });
        drop(tapped);
        self.meters.samples_read(samples, Duration::from_nanos(oldest_ns));
        let services = match self.protection.services() {
            Ok(services) => services,
            Err(error) => return error!(error = format!("{error:#}"), "the counters could not be read"),
        };
        let counts: Vec<_> = services
            .into_iter()
            .map(|(number, totals)| {
                Counts::new(number, totals.packets, totals.dropped, totals.unproven)
                    .with_requests(totals.syns)
            })
            .collect();
        let moment = Moment {
            queues_are_full: self.protection.queues_are_full(),
            host_has_room: self.protection.has_room(),
            ..Moment::new(self.tables.clock(), unix::seconds(SystemTime::now()))
        };
        let events = detector.tick(moment, &counts, &*self.tables);
        owner.settle(self);
        self.filter.still_decides(Decider::Detection);
        if events.iter().any(|event| matches!(event, detect::Event::Turned { .. })) {
            self.changed.notify_one();
        }
        for event in events {
            let text = event.in_words(&*self.tables, |number| self.filter.service_name(number));
            let named =
                |service| self.filter.service_name(service).unwrap_or_else(|| format!("service {service}"));
            self.bus
                .publish(as_told(&event, text, named, |signature| self.filter.signature_in_words(signature)));
        }
    }
}

/// What the detector tells, for all who want to know, with services and signatures in words.
pub(super) fn as_told(
    event: &detect::Event,
    text: String,
    named: impl Fn(u8) -> String,
    in_words: impl Fn(&Signature) -> String,
) -> What {
    match event {
        detect::Event::AttackBegan { service, incident, wave, cause } => What::Attack(AttackEvent::Began {
            incident: *incident,
            wave: *wave,
            service: named(*service),
            class: cause.class,
            text,
        }),
        detect::Event::AttackEnded { service } => {
            What::Attack(AttackEvent::Ended { service: named(*service), text })
        }
        detect::Event::NothingFound { .. } => What::Attack(AttackEvent::NothingFound { text }),
        detect::Event::Accepted { .. }
        | detect::Event::RefusesFruitless { .. }
        | detect::Event::RefusesReturning { .. }
        | detect::Event::LimitsNames { .. }
        | detect::Event::Settled => What::Attack(AttackEvent::Noted { text }),
        detect::Event::Found { number, signature, .. } => What::Signature {
            number: *number,
            signature: Some(in_words(signature)),
            standing: Standing::Counts,
            text,
        },
        detect::Event::AsksToRepeat { number, .. } => {
            What::Signature { number: *number, signature: None, standing: Standing::Drops, text }
        }
        detect::Event::Turned { number, signature, turn } => What::Signature {
            number: *number,
            signature: Some(in_words(signature)),
            standing: match turn {
                Turn::Enforced | Turn::ForGood => Standing::Drops,
                Turn::Held(_) => Standing::Counts,
                Turn::Withdrawn | Turn::ComesAgain | Turn::Retired | Turn::Useless | Turn::NeededNoMore => {
                    Standing::Gone
                }
            },
            text,
        },
        detect::Event::WouldBan { .. } => What::WouldBan { text },
    }
}

impl Surroundings for Watch {
    fn now_ns(&self) -> u64 {
        self.tables.clock()
    }

    fn carry_out(&mut self, detector: &mut Detector) {
        for place in detector.take_fresh() {
            if let Err(error) = self.protection.clear_signature_counter(place as u32) {
                error!(error = format!("{error:#}"), "a signature's counters tell of an earlier one, too");
            }
        }
        carry_out(&self.tables, detector.take_actions(), grace);
    }

    fn service_name(&self, number: u8) -> Option<String> {
        self.filter.service_name(number)
    }
}

/// Returns once no packet is judged any more by what was in force. Should the kernel refuse the wait, the half that is
/// written next is still one that was left a tick ago at least.
fn grace() {
    drop(grace_period());
}

fn sample(event: &SampleEvent, tables: &SharedTables) -> Option<Sample> {
    let reason = Reason::from_index(event.reason)?;
    let bytes = event.bytes.get(..usize::from(event.captured))?;
    let sample = Sample::read(tables, &Captured::cut(bytes, event.length), event.time_ns, reason)?;
    Some(Sample { known: event.known != 0, answers: event.answers != 0, ..sample })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Config, store::Store, tables::Capacity};

    #[test]
    fn signatures_that_nobody_knows_any_more_go_out_of_force_at_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let config = Config {
            capacity: Capacity { prefixes: 1_000, sources: 1_024, flows: 1_024 },
            ..Config::default()
        };
        let tables = Arc::new(SharedTables::in_memory(&config.capacity).unwrap());
        // As the daemon before has left them, which has found one.
        let mut before = Detector::default();
        before.take_over("udp sport=7 len=28 dport=9".parse().unwrap(), false, true, 1).unwrap();
        carry_out(&tables, before.take_actions(), || ());
        assert_ne!(tables.settings[0].signatures.load(), 0);
        let opened = Store::open(directory.path(), false).unwrap();
        let filter = Filter::open(Arc::clone(&tables), opened, &config, Bus::default()).unwrap();
        restore(&mut Detector::default(), &filter, directory.path());
        assert_eq!(tables.settings[0].signatures.load(), 0);
    }
}
