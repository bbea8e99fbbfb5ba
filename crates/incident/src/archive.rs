//! The archive of incidents. A thread writes it, so that a disk that is full or does not answer delays nothing else.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context as _;
use floodwall_api::{Incident, IncidentPhase, IncidentReport, IncidentSecond};
use floodwall_units::unix;
use parking_lot::{Condvar, Mutex};
use tracing::warn;

use crate::{
    database::{self, Batch, Database, Limits},
    evidence::Frame,
    pcapng,
    recorder::{Changes, Recorder, StoredIncident},
};

/// The name of the database file in the state directory.
pub const FILE: &str = "incidents.db";
/// Least time between two transactions.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);
/// How often old records are thinned and removed.
const TIDY_INTERVAL: Duration = Duration::from_secs(600);
/// Most seconds of rates that wait to be written; the oldest of more are lost.
const MAX_WAITING_SECONDS: usize = 7_200;
/// Most seconds of rates that are kept in memory.
const TAIL: usize = 900;
/// Most packets that wait to be written; the oldest of more are lost.
const MAX_WAITING_FRAMES: usize = 4_096;
/// Default number of points in the rates of a report.
pub const POINTS: usize = 600;

/// Reads the archive, and passes changes to its writer.
#[derive(Clone, Debug)]
pub struct Archive {
    shared: Arc<Shared>,
    path: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Shared {
    known: Mutex<Known>,
    wakes: Condvar,
}

#[derive(Debug, Default)]
struct Known {
    /// All incidents, without their timelines.
    all: BTreeMap<u64, Incident>,
    /// Incidents that are open or not on disk yet.
    whole: BTreeMap<u64, StoredIncident>,
    unwritten: BTreeSet<u64>,
    seconds: VecDeque<(u64, IncidentSecond)>,
    tail: VecDeque<(u64, IncidentSecond)>,
    frames: VecDeque<(u64, Frame)>,
    lost: u64,
    problem: Option<String>,
    limits: Limits,
    is_ending: bool,
}

/// The thread that writes the archive.
#[derive(Debug)]
pub struct ArchiveWriter {
    archive: Archive,
    thread: Option<JoinHandle<()>>,
}

impl ArchiveWriter {
    /// Opens the archive in a state directory, and a recorder that continues it. Without a directory it is kept in memory.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started. If the database cannot be opened, the archive is kept in memory, and reports that as
    /// its problem.
    pub fn start(directory: Option<&Path>, limits: Limits) -> std::io::Result<(Self, Recorder)> {
        let path = directory.map(|directory| directory.join(FILE));
        let mut known = Known { limits, ..Known::default() };
        let (database, found) = match path.as_deref().map(Database::open) {
            // The caller reports why there is no directory.
            None => (None, database::Found { next_id: 1, incidents: Vec::new() }),
            Some(Ok((database, found))) => (Some(database), found),
            Some(Err(error)) => {
                warn!(error = format!("{error:#}"), "incidents are kept in memory only");
                known.problem = Some(format!("incidents are kept in memory only: {error:#}"));
                (None, database::Found { next_id: 1, incidents: Vec::new() })
            }
        };
        let is_open = |kept: &StoredIncident| kept.incident.phase != IncidentPhase::Resolved;
        known.all = found.incidents.iter().map(|kept| (kept.incident.id, without_lines(kept))).collect();
        let open = found.incidents.into_iter().filter(is_open).collect();
        let recorder = Recorder::new(found.next_id, open, unix::millis(SystemTime::now()));
        let shared = Arc::new(Shared { known: Mutex::new(known), wakes: Condvar::new() });
        let archive = Archive { shared, path };
        let thread = match database {
            None => None,
            Some(database) => {
                let shared = Arc::clone(&archive.shared);
                let work = move || shared.write_on(database);
                Some(std::thread::Builder::new().name("incidents".to_owned()).spawn(work)?)
            }
        };
        Ok((Self { archive, thread }, recorder))
    }

    /// The archive, for reading and for passing changes.
    pub fn archive(&self) -> Archive {
        self.archive.clone()
    }

    /// Writes what is left, and waits for at most two seconds.
    pub fn end(self) {
        const PATIENCE: Duration = Duration::from_secs(2);
        self.archive.shared.known.lock().is_ending = true;
        self.archive.shared.wakes.notify_one();
        let Some(thread) = self.thread else { return };
        let deadline = Instant::now() + PATIENCE;
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Shared {
    /// Writes until the archive is closed.
    fn write_on(&self, mut database: Database) {
        let mut last = Instant::now().checked_sub(WRITE_INTERVAL).unwrap_or_else(Instant::now);
        let mut tidied: Option<Instant> = None;
        loop {
            let is_ending = {
                let mut known = self.known.lock();
                let has_to_wait = |known: &Known| !known.is_ending && !known.has_unwritten();
                while has_to_wait(&known) && tidied.is_some_and(|at| at.elapsed() < TIDY_INTERVAL) {
                    self.wakes.wait_for(&mut known, TIDY_INTERVAL);
                }
                while !known.is_ending && last.elapsed() < WRITE_INTERVAL {
                    let left = WRITE_INTERVAL.saturating_sub(last.elapsed());
                    self.wakes.wait_for(&mut known, left);
                }
                known.is_ending
            };
            self.write(&mut database);
            last = Instant::now();
            // At the end a failed write is not repeated.
            if is_ending {
                return;
            }
            if tidied.is_none_or(|at| at.elapsed() >= TIDY_INTERVAL) {
                tidied = Some(Instant::now());
                self.tidy(&mut database);
            }
        }
    }

    /// Writes everything that waits, or puts it back if that fails.
    fn write(&self, database: &mut Database) {
        let batch = self.known.lock().take_batch();
        if batch == Batch::default() {
            return;
        }
        let outcome = database.write(&batch);
        let mut known = self.known.lock();
        match outcome {
            Ok(()) => {
                known.problem = None;
                known.forget_written(&batch);
                let bytes = known.limits.bytes;
                drop(known);
                self.make_room(database, bytes);
            }
            Err(error) => {
                let error = format!("{error:#}");
                if known.problem.is_none() {
                    warn!(error, "the record of incidents cannot be written; it is tried again each second");
                }
                known.problem = Some(format!("the record of incidents cannot be written: {error}"));
                known.put_back(batch);
            }
        }
    }

    fn make_room(&self, database: &mut Database, bytes: u64) {
        let mut gone = Vec::new();
        let made = database.make_room(bytes, &mut gone);
        if !gone.is_empty() {
            let mut known = self.known.lock();
            gone.iter().for_each(|id| drop(known.all.remove(id)));
        }
        if let Err(error) = made {
            warn!(error = format!("{error:#}"), "the record of incidents could not be kept within its size");
        }
    }

    fn tidy(&self, database: &mut Database) {
        let limits = self.known.lock().limits;
        match database.tidy(unix::seconds(SystemTime::now()), &limits) {
            Ok((gone, redacted)) => {
                let mut known = self.known.lock();
                gone.iter().for_each(|id| drop(known.all.remove(id)));
                for kept in redacted {
                    known.all.insert(kept.incident.id, without_lines(&kept));
                }
            }
            Err(error) => warn!(error = format!("{error:#}"), "the record of incidents could not be thinned"),
        }
    }
}

impl Known {
    fn has_unwritten(&self) -> bool {
        !self.unwritten.is_empty() || !self.seconds.is_empty() || !self.frames.is_empty()
    }

    fn take_batch(&mut self) -> Batch {
        let unwritten = std::mem::take(&mut self.unwritten);
        let incidents = unwritten.iter().filter_map(|id| self.whole.get(id).cloned()).collect();
        let (seconds, frames) = (self.seconds.drain(..).collect(), self.frames.drain(..).collect());
        Batch { incidents, seconds, frames }
    }

    fn put_back(&mut self, batch: Batch) {
        self.unwritten.extend(batch.incidents.iter().map(|kept| kept.incident.id));
        batch.seconds.into_iter().rev().for_each(|second| self.seconds.push_front(second));
        batch.frames.into_iter().rev().for_each(|frame| self.frames.push_front(frame));
        self.bound();
    }

    fn bound(&mut self) {
        while self.seconds.len() > MAX_WAITING_SECONDS {
            self.seconds.pop_front();
            self.lost += 1;
        }
        while self.frames.len() > MAX_WAITING_FRAMES {
            self.frames.pop_front();
        }
        while self.tail.len() > TAIL {
            self.tail.pop_front();
        }
    }

    /// Removes incidents from memory that are over and on disk.
    fn forget_written(&mut self, batch: &Batch) {
        for StoredIncident { incident, .. } in &batch.incidents {
            let is_over = incident.phase == IncidentPhase::Resolved;
            if is_over && !self.unwritten.contains(&incident.id) {
                self.whole.remove(&incident.id);
            }
        }
    }
}

impl Archive {
    /// Takes changes, to be written. It does not block.
    pub fn put(&self, changes: Changes) {
        let Changes { incidents, seconds, frames, events: _ } = changes;
        if incidents.is_empty() && seconds.is_empty() && frames.is_empty() {
            return;
        }
        let mut known = self.shared.known.lock();
        for kept in incidents {
            let id = kept.incident.id;
            known.all.insert(id, without_lines(&kept));
            known.whole.insert(id, kept);
            known.unwritten.insert(id);
        }
        known.tail.extend(seconds.iter().cloned());
        if self.path.is_some() {
            known.seconds.extend(seconds);
            known.frames.extend(frames);
        }
        known.bound();
        drop(known);
        self.shared.wakes.notify_one();
    }

    /// Sets how much is kept from now on.
    pub fn limit(&self, limits: Limits) {
        self.shared.known.lock().limits = limits;
    }

    /// Incidents before the one with the number `before`, the latest first, without their timelines.
    pub fn list(&self, before: Option<u64>, limit: usize) -> Vec<Incident> {
        let known = self.shared.known.lock();
        known.all.range(..before.unwrap_or(u64::MAX)).rev().take(limit).map(|(_, one)| one.clone()).collect()
    }

    /// Why the archive is not complete on disk.
    pub fn problem(&self) -> Option<String> {
        let known = self.shared.known.lock();
        let lost = (known.lost > 0).then(|| format!("{} seconds of it were lost", known.lost));
        match (&known.problem, lost) {
            (Some(problem), Some(lost)) => Some(format!("{problem}; {lost}")),
            (Some(problem), None) => Some(problem.clone()),
            (None, lost) => lost.map(|lost| format!("{lost} as the disk did not take them")),
        }
    }

    /// An incident that is open, or over and not on disk yet, from memory.
    pub fn live(&self, id: u64) -> Option<Incident> {
        self.shared.known.lock().whole.get(&id).map(|kept| kept.incident.clone())
    }

    /// The report on an incident as far as it is in memory. `why` becomes the report's reason for being incomplete.
    pub fn without_disk(&self, id: u64, points: usize, why: &str) -> Option<IncidentReport> {
        let known = self.shared.known.lock();
        let whole = known.whole.get(&id).map(|kept| &kept.incident);
        let incident = whole.or_else(|| known.all.get(&id))?.clone();
        let series = fitted(tail_of(&known.tail, id), points);
        Some(IncidentReport { incident, series, incomplete: Some(why.to_owned()) })
    }

    /// The report on an incident with its rates; `None` if there is no incident of that number. It may block on the disk.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub fn report(&self, id: u64, points: usize) -> anyhow::Result<Option<IncidentReport>> {
        let (on_disk, mut series) = match &self.path {
            Some(path) if path.exists() => {
                database::read(path, id).with_context(|| format!("looking up incident {id}"))?
            }
            _ => (None, Vec::new()),
        };
        let known = self.shared.known.lock();
        let whole = known.whole.get(&id).map(|kept| kept.incident.clone());
        let Some(incident) = whole.or(on_disk) else { return Ok(None) };
        let last = series.last().map_or(0, |second| second.time);
        series.extend(tail_of(&known.tail, id).into_iter().filter(|second| second.time > last));
        let incomplete = match (&known.problem, &self.path) {
            (Some(problem), _) => Some(problem.clone()),
            (None, None) => Some("incidents are kept in memory only".to_owned()),
            (None, Some(_)) => (known.lost > 0).then(|| format!("{} seconds were lost", known.lost)),
        };
        drop(known);
        Ok(Some(IncidentReport { incident, series: fitted(series, points), incomplete }))
    }

    /// The packets of an incident that are kept as evidence, as a capture; `None` if there is no incident of that number. It
    /// may block on the disk.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub fn capture(&self, id: u64) -> anyhow::Result<Option<Vec<u8>>> {
        let Some(incident) = self.shared.known.lock().all.get(&id).cloned() else { return Ok(None) };
        let mut frames = match &self.path {
            Some(path) => database::frames(path, id)?,
            None => Vec::new(),
        };
        let known = self.shared.known.lock();
        frames.extend(known.frames.iter().filter(|(of, _)| *of == id).map(|(_, frame)| frame.clone()));
        drop(known);
        let title = format!(
            "{} ({}): a sample of packets, each with verdict and reason as they were recorded",
            crate::report::title(&incident),
            incident.key
        );
        Ok(Some(pcapng::capture(&title, &frames)))
    }
}

fn tail_of(tail: &VecDeque<(u64, IncidentSecond)>, id: u64) -> Vec<IncidentSecond> {
    tail.iter().filter(|(of, _)| *of == id).map(|(_, second)| second.clone()).collect()
}

/// Merges seconds until there are at most `points`.
fn fitted(mut series: Vec<IncidentSecond>, points: usize) -> Vec<IncidentSecond> {
    let points = points.max(1);
    let mut step = 2;
    let whole = series.clone();
    while series.len() > points {
        series = database::thinned(&whole, step);
        step = step.saturating_mul(2);
    }
    series
}

fn without_lines(kept: &StoredIncident) -> Incident {
    Incident { timeline: Vec::new(), ..kept.incident.clone() }
}

#[cfg(test)]
mod tests;
