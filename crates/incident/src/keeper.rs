//! Keeps incidents on disk, on a thread of its own, and answers who asks: a disk that is full or does not answer holds up
//! nothing else.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use floodwall_api::{Incident, IncidentPhase, IncidentReport, IncidentSecond};
use parking_lot::{Condvar, Mutex};
use tracing::warn;

use crate::{
    database::{self, Batch, Database, Limits},
    evidence::Frame,
    pcapng,
    recorder::{Changes, Kept, Recorder},
};

/// The name of the file.
pub const FILE: &str = "incidents.db";
/// A transaction at most so often.
const PAUSE: Duration = Duration::from_secs(1);
/// How often it is tidied up.
const TIDY: Duration = Duration::from_secs(600);
/// Seconds that may wait for the disk; then the oldest are lost.
const WAITING: usize = 7_200;
/// Seconds of which the rates are known without the disk.
const TAIL: usize = 900;
/// Packets that may wait for the disk; then the oldest are lost.
const FRAMES: usize = 4_096;
/// Points of a report, unless another number is asked for.
pub const POINTS: usize = 600;

/// What is known of incidents, for whoever asks.
#[derive(Clone, Debug)]
pub struct Shelf {
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
    /// All, without their timelines.
    all: BTreeMap<u64, Incident>,
    /// Those that go on, or are not on disk yet.
    whole: BTreeMap<u64, Kept>,
    unwritten: BTreeSet<u64>,
    seconds: VecDeque<(u64, IncidentSecond)>,
    tail: VecDeque<(u64, IncidentSecond)>,
    frames: VecDeque<(u64, Frame)>,
    lost: u64,
    problem: Option<String>,
    limits: Limits,
    is_ending: bool,
}

/// The thread that writes.
#[derive(Debug)]
pub struct Keeper {
    shelf: Shelf,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Opens the record in a state directory, and goes on with it; with `None` nothing is written anywhere.
    ///
    /// # Errors
    ///
    /// If there can be no thread. That the record cannot be opened is no error: it is then kept in memory, and said so.
    pub fn start(directory: Option<&Path>, limits: Limits) -> std::io::Result<(Self, Recorder)> {
        let path = directory.map(|directory| directory.join(FILE));
        let mut known = Known { limits, ..Known::default() };
        let (database, found) = match path.as_deref().map(Database::open) {
            // Why it is left as it is, is told by whoever leaves it.
            None => (None, database::Found { next_id: 1, incidents: Vec::new() }),
            Some(Ok((database, found))) => (Some(database), found),
            Some(Err(error)) => {
                warn!(error = format!("{error:#}"), "incidents are kept in memory only");
                known.problem = Some(format!("incidents are kept in memory only: {error:#}"));
                (None, database::Found { next_id: 1, incidents: Vec::new() })
            }
        };
        let is_open = |kept: &Kept| kept.incident.phase != IncidentPhase::Resolved;
        known.all = found.incidents.iter().map(|kept| (kept.incident.id, without_lines(kept))).collect();
        let open = found.incidents.into_iter().filter(is_open).collect();
        let recorder = Recorder::new(found.next_id, open, unix().as_millis() as u64);
        let shared = Arc::new(Shared { known: Mutex::new(known), wakes: Condvar::new() });
        let shelf = Shelf { shared, path };
        let thread = match database {
            None => None,
            Some(database) => {
                let shared = Arc::clone(&shelf.shared);
                let work = move || shared.write_on(database);
                Some(std::thread::Builder::new().name("incidents".to_owned()).spawn(work)?)
            }
        };
        Ok((Self { shelf, thread }, recorder))
    }

    /// Where it is asked.
    pub fn shelf(&self) -> Shelf {
        self.shelf.clone()
    }

    /// Writes what is left, if the disk takes it within a moment.
    pub fn end(self) {
        const PATIENCE: Duration = Duration::from_secs(2);
        self.shelf.shared.known.lock().is_ending = true;
        self.shelf.shared.wakes.notify_one();
        let Some(thread) = self.thread else { return };
        let deadline = Instant::now() + PATIENCE;
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Shared {
    /// Writes, until the end.
    fn write_on(&self, mut database: Database) {
        let mut last = Instant::now().checked_sub(PAUSE).unwrap_or_else(Instant::now);
        let mut tidied: Option<Instant> = None;
        loop {
            let is_ending = {
                let mut known = self.known.lock();
                let has_to_wait = |known: &Known| !known.is_ending && !known.has_unwritten();
                while has_to_wait(&known) && tidied.is_some_and(|at| at.elapsed() < TIDY) {
                    self.wakes.wait_for(&mut known, TIDY);
                }
                // At most one transaction a second, but for the last.
                while !known.is_ending && last.elapsed() < PAUSE {
                    let left = PAUSE.saturating_sub(last.elapsed());
                    self.wakes.wait_for(&mut known, left);
                }
                known.is_ending
            };
            let written = self.write(&mut database);
            last = Instant::now();
            if written && is_ending {
                return;
            }
            if is_ending {
                // The disk does not take it, and nobody waits for ever.
                return;
            }
            if tidied.is_none_or(|at| at.elapsed() >= TIDY) {
                tidied = Some(Instant::now());
                self.tidy(&mut database);
            }
        }
    }

    /// Writes what there is; says whether that succeeded.
    fn write(&self, database: &mut Database) -> bool {
        let batch = self.known.lock().take_batch();
        if batch == Batch::default() {
            return true;
        }
        let outcome = database.write(&batch);
        let mut known = self.known.lock();
        match outcome {
            Ok(()) => {
                known.problem = None;
                known.forget_written(&batch);
                true
            }
            Err(error) => {
                let error = format!("{error:#}");
                if known.problem.is_none() {
                    warn!(error, "the record of incidents cannot be written; it is tried again each second");
                }
                known.problem = Some(format!("the record of incidents cannot be written: {error}"));
                known.put_back(batch);
                false
            }
        }
    }

    fn tidy(&self, database: &mut Database) {
        let limits = self.known.lock().limits;
        match database.tidy(unix().as_secs(), &limits) {
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
        while self.seconds.len() > WAITING {
            self.seconds.pop_front();
            self.lost += 1;
        }
        while self.frames.len() > FRAMES {
            self.frames.pop_front();
        }
        while self.tail.len() > TAIL {
            self.tail.pop_front();
        }
    }

    /// What is on disk and does not change any more need not be in memory.
    fn forget_written(&mut self, batch: &Batch) {
        for Kept { incident, .. } in &batch.incidents {
            let is_over = incident.phase == IncidentPhase::Resolved;
            if is_over && !self.unwritten.contains(&incident.id) {
                self.whole.remove(&incident.id);
            }
        }
    }
}

impl Shelf {
    /// Takes what has changed, to be written; waits for nothing.
    pub fn put(&self, changes: Changes) {
        let Changes { incidents, seconds, frames, news: _ } = changes;
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

    /// Says how much is to be kept from now on.
    pub fn limit(&self, limits: Limits) {
        self.shared.known.lock().limits = limits;
    }

    /// Incidents before the one with this number, the latest first, without their timelines.
    pub fn list(&self, before: Option<u64>, limit: usize) -> Vec<Incident> {
        let known = self.shared.known.lock();
        known.all.range(..before.unwrap_or(u64::MAX)).rev().take(limit).map(|(_, one)| one.clone()).collect()
    }

    /// Why the record is not kept as it should be.
    pub fn problem(&self) -> Option<String> {
        let known = self.shared.known.lock();
        let lost = (known.lost > 0).then(|| format!("{} seconds of it were lost", known.lost));
        match (&known.problem, lost) {
            (Some(problem), Some(lost)) => Some(format!("{problem}; {lost}")),
            (Some(problem), None) => Some(problem.clone()),
            (None, lost) => lost.map(|lost| format!("{lost} as the disk did not take them")),
        }
    }

    /// The incident with a number as it is known without the disk, if it is: those that go on.
    pub fn live(&self, id: u64) -> Option<Incident> {
        self.shared.known.lock().whole.get(&id).map(|kept| kept.incident.clone())
    }

    /// An incident as far as it is known without the disk, and why that is not all.
    pub fn without_disk(&self, id: u64, points: usize, why: &str) -> Option<IncidentReport> {
        let known = self.shared.known.lock();
        let whole = known.whole.get(&id).map(|kept| &kept.incident);
        let incident = whole.or_else(|| known.all.get(&id))?.clone();
        let series = fitted(tail_of(&known.tail, id), points);
        Some(IncidentReport { incident, series, incomplete: Some(why.to_owned()) })
    }

    /// An incident with its rates; `None` if there is none of that number. May wait for the disk.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
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
}

impl Shelf {
    /// What is kept of the packets of an incident, as a capture; `None` if there is no such incident. May wait for the disk.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
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

/// At most so many points.
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

fn without_lines(kept: &Kept) -> Incident {
    Incident { timeline: Vec::new(), ..kept.incident.clone() }
}

/// Time since 1970.
fn unix() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests;
