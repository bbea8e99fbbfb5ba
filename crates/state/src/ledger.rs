//! How every change is made: the one order, and the one thread that keeps it.
//!
//! 1. *take*: what is asked for is held against what is known, and becomes [`Change`]s. Nothing has happened yet.
//! 2. *write*: these are on disk, or the change is refused.
//! 3. *enforce*: packets are judged by it.
//! 4. *record*: it is known to whoever asks, and is told on the [bus](floodwall_event::Bus).
//!
//! Should it not be possible to enforce it, what was enforced of it is undone and what was written is taken back, so
//! that all is as it was. After a crash between two steps, what is on disk holds: the next start enforces it.
//!
//! What comes about by itself (bans, ends of lifetimes) goes the same way; but a disk that fails does not keep it from
//! being enforced, since packets are to be judged rightly all the same.
//!
//! A change whose asker has gone before it was begun is not made: see [`caller`](super::caller).
//!
//! The thread owns the store, so that no lock is held while a disk works, or does not: changes wait for it, and
//! nothing else does.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::{caller::Caller, filter::Filter, refusal::Refusal, trial::Wanted};
use floodwall_event::What;
use floodwall_store::records::Change;
use floodwall_store::{Kept, Store};
use floodwall_tables::lock::assert_none_held;

/// How long a disk may take before operators are told.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often the state directory is looked after while nothing is to be changed.
const TICK: Duration = Duration::from_secs(1);

/// A change on its way.
pub(super) trait Transaction: Send + 'static {
    /// What is answered.
    type Outcome: Send + 'static;
    /// It comes about by itself, and a disk that fails is no reason against it.
    const BY_ITSELF: bool = false;

    /// Holds it against what is known.
    fn take(&mut self, filter: &Filter, store: Option<&Store>) -> Result<Vec<Change>, Refusal>;

    /// Has it on disk.
    fn write(&mut self, store: &mut Store, changes: &[Change]) -> anyhow::Result<()> {
        store.append(changes).context("writing the change down")
    }

    /// Takes back what was written just now.
    fn unwrite(&mut self, store: &mut Store) -> anyhow::Result<()> {
        store.retract()
    }

    /// Puts it in force: all of it, or nothing.
    fn enforce(&mut self, filter: &Filter) -> Result<(), Refusal>;

    /// What is told of it once it is made, if anything is.
    fn tell(&self) -> Option<What> {
        None
    }

    /// Clears up once all is done, and gives the answer.
    fn finish(self, filter: &Filter, store: Option<&mut Store>) -> Self::Outcome;
}

/// What is done once nothing of the filter is in use any more: whoever waits is answered.
type Answer = Box<dyn FnOnce() + Send>;
type Job = Box<dyn FnOnce(&Filter, &mut Kept, &Clock) -> Answer + Send>;

/// The thread that makes changes.
pub(super) struct Ledger {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    clock: Arc<Clock>,
    /// Its other end is dropped when the thread ends, whyever it does.
    alive: watch::Receiver<()>,
}

/// How the disk does.
pub(super) struct Clock {
    start: Instant,
    /// Milliseconds since the start, and one more; 0: it is not waited for.
    since: AtomicU64,
    /// Why nothing can be written, if that is so.
    trouble: Mutex<Option<String>>,
}

impl Clock {
    fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), since: AtomicU64::new(0), trouble: Mutex::new(None) })
    }

    fn is_troubled(&self) -> bool {
        self.trouble.lock().is_some()
    }

    /// Does something with the store, and takes note of whether it can be written.
    fn writing<T>(&self, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let outcome = self.waiting(work);
        *self.trouble.lock() = outcome.as_ref().err().map(|error| format!("{error:#}"));
        outcome
    }

    /// Looks after the store: whether it is in its place, and whether it can be written again if it could not.
    fn look_after(&self, store: &mut Store, filter: &Filter) {
        if !self.is_troubled() && !store.is_behind() {
            if let Err(error) = self.waiting(|| store.check_place()) {
                error!(error = format!("{error:#}"), "nothing can be kept any more");
                *self.trouble.lock() = Some(format!("{error:#}"));
            }
            return;
        }
        // First what costs little: it may be tried for long.
        let mut outcome = self.writing(|| store.try_out());
        if outcome.is_ok() && store.is_behind() {
            let records = filter.records.lock().clone();
            outcome = self.writing(|| store.snapshot(&records));
        }
        if outcome.is_ok() {
            info!("the state can be written again, and is on disk");
        }
    }

    fn waiting<T>(&self, work: impl FnOnce() -> T) -> T {
        assert_none_held("a write to the state directory");
        self.since.store(self.start.elapsed().as_millis() as u64 + 1, Ordering::Relaxed);
        let outcome = work();
        self.since.store(0, Ordering::Relaxed);
        outcome
    }
}

impl Ledger {
    pub(super) fn start(kept: Kept, filter: Weak<Filter>) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::channel::<Job>();
        let clock = Clock::new();
        let of_thread = Arc::clone(&clock);
        let mut kept = kept;
        let (dies, alive) = watch::channel(());
        let work = move || {
            let _dies = dies;
            loop {
                let job = match waiting.recv_timeout(TICK) {
                    Ok(job) => job,
                    Err(RecvTimeoutError::Timeout) => {
                        let Some(filter) = filter.upgrade() else { return };
                        if let Kept::OnDisk(store) = &mut kept {
                            of_thread.look_after(store, &filter);
                        }
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
                };
                let Some(filter) = filter.upgrade() else { return };
                let answer = job(&filter, &mut kept, &of_thread);
                // First: whoever is answered may count on the filter being its own again.
                drop(filter);
                answer();
            }
        };
        let thread = std::thread::Builder::new().name("ledger".to_owned()).spawn(work)?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), clock, alive })
    }

    /// One that makes none.
    pub(super) fn none() -> Self {
        let clock = Clock::new();
        Self { jobs: None, thread: None, clock, alive: watch::channel(()).1 }
    }

    /// Why nothing can be written to the state directory, if that is so.
    pub(super) fn trouble(&self) -> Option<String> {
        self.clock.trouble.lock().clone()
    }

    /// For how long the disk has not answered, if that is long.
    pub(super) fn stalled(&self) -> Option<Duration> {
        let since = self.clock.since.load(Ordering::Relaxed).checked_sub(1)?;
        let waited = self.clock.start.elapsed().saturating_sub(Duration::from_millis(since));
        (waited > PATIENCE).then_some(waited)
    }
}

impl Drop for Ledger {
    /// Waits until the store is closed: another daemon may be about to open it.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            error!("the thread that makes changes has failed");
        }
    }
}

impl Filter {
    /// Resolves should the thread that makes changes end.
    pub async fn failed(&self) {
        let mut alive = self.ledger.alive.clone();
        while alive.changed().await.is_ok() {}
    }

    /// Makes a change; all of it is done when this returns, or nothing.
    pub(super) fn transact<T: Transaction>(&self, transaction: T) -> Result<T::Outcome, Refusal> {
        let (reply, answer) = mpsc::channel();
        let caller = Caller::current();
        let job: Job = Box::new(move |filter, kept, clock| {
            let outcome = if caller.has_gone() {
                info!("a change was not made: whoever asked for it has gone before it was begun");
                Err(Refusal::Internal("whoever asked for it has gone".to_owned()))
            } else {
                execute(transaction, filter, kept, clock, caller.trial())
            };
            // Whoever asked may have gone.
            Box::new(move || drop(reply.send(outcome)))
        });
        let ended = || Refusal::Internal("the thread that makes changes has ended".to_owned());
        let jobs = self.ledger.jobs.as_ref().ok_or_else(ended)?;
        assert_none_held("a change");
        jobs.send(job).map_err(|_| ended())?;
        answer.recv().map_err(|_| ended())?
    }
}

fn execute<T: Transaction>(
    mut transaction: T,
    filter: &Filter,
    kept: &mut Kept,
    clock: &Clock,
    trial: Option<&Wanted>,
) -> Result<T::Outcome, Refusal> {
    let mut store = match kept {
        Kept::OnDisk(store) => Some(&mut **store),
        Kept::Nowhere(damaged) if !T::BY_ITSELF => {
            return Err(Refusal::Damaged(damaged.report().to_string()));
        }
        Kept::Nowhere(_) => None,
    };
    let mut changes = transaction.take(filter, store.as_deref())?;
    let begun = match trial.filter(|_| !changes.is_empty()) {
        Some(wanted) => Some((wanted, wanted.join(filter, &mut changes)?)),
        None => None,
    };
    let mut written = None;
    if let Some(store) = store.as_deref_mut().filter(|_| !changes.is_empty()) {
        match clock.writing(|| transaction.write(store, &changes)) {
            Ok(()) => written = Some(store),
            Err(error) if T::BY_ITSELF => {
                store.fell_behind();
                warn!(
                    error = format!("{error:#}"),
                    "what came about by itself is not on disk: until it can be written, a restart would not know of it"
                );
            }
            Err(error) => return Err(error.into()),
        }
    }
    if let Err(refusal) = transaction.enforce(filter) {
        if let Some(store) = written
            && let Err(error) = clock.waiting(|| transaction.unwrite(store))
        {
            error!(
                error = format!("{error:#}"),
                %refusal,
                "a change that could not be put in force stays on disk: the next start tries again"
            );
        }
        return Err(refusal);
    }
    {
        let mut records = filter.records.lock();
        changes.iter().for_each(|change| records.apply(change));
    }
    if let Some((wanted, trial)) = begun {
        wanted.has_begun(trial);
    }
    if let Some(store) = store.as_deref_mut().filter(|store| store.wants_snapshot() && !clock.is_troubled()) {
        let records = filter.records.lock().clone();
        if let Err(error) = clock.writing(|| store.snapshot(&records)) {
            warn!(
                error = format!("{error:#}"),
                "the state could not be copied; what is written goes on growing"
            );
        }
    }
    if let Some(what) = transaction.tell() {
        filter.bus.publish(what);
    }
    let outcome = transaction.finish(filter, store);
    filter.forget_sets();
    Ok(outcome)
}
