//! Writes down who has asked for which change, on a thread of its own: a disk that does not answer holds up no request.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, SyncSender, TrySendError},
    },
    time::{Duration, SystemTime},
};

use axum::extract::State;
use floodwall_units::unix;
use nix::unistd::{Uid, User};
use serde::Deserialize;
use tokio::sync::oneshot;
use tracing::warn;

use super::{
    Context,
    answer::{Answer, Parameters, Refused, answer},
};
use crate::{
    api::{AuditEntry, AuditPage},
    store::{self, AuditLog},
};

/// Entries that may wait for the disk.
const WAITING: usize = 4_096;
/// How long an answer waits for its entry to be on disk.
const PATIENCE: Duration = Duration::from_millis(50);
/// Entries of a page, unless another number is asked for, and at the most.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 5_000;

type Written = (AuditEntry, oneshot::Sender<()>);

/// Where changes that were asked for are written down.
#[derive(Clone)]
pub struct Audit {
    directory: PathBuf,
    entries: Option<SyncSender<Written>>,
    lost: Arc<AtomicU64>,
}

impl Audit {
    /// In this directory; nowhere, if it is to be left as it is.
    ///
    /// # Errors
    ///
    /// If there is no thread to be had.
    pub fn start(directory: &Path, is_kept: bool) -> std::io::Result<Self> {
        let lost = Arc::new(AtomicU64::new(0));
        let mut audit = Self { directory: directory.to_owned(), entries: None, lost: Arc::clone(&lost) };
        if is_kept {
            let (entries, waiting) = mpsc::sync_channel::<Written>(WAITING);
            let directory = directory.to_owned();
            let work = move || {
                let mut log = None;
                for (entry, written) in waiting {
                    let outcome = write(&mut log, &directory, entry);
                    if let Err(error) = outcome {
                        if lost.fetch_add(1, Ordering::Relaxed) == 0 {
                            warn!(error = format!("{error:#}"), "the audit log cannot be written");
                        }
                        log = None;
                    }
                    // Whoever waited may not do so any more.
                    let _ = written.send(());
                }
            };
            std::thread::Builder::new().name("audit".to_owned()).spawn(work)?;
            audit.entries = Some(entries);
        }
        Ok(audit)
    }

    /// Writes an entry down, and waits a moment for it to be on disk.
    pub(super) async fn record(&self, entry: AuditEntry) {
        if let Some(written) = self.hand_over(entry) {
            drop(tokio::time::timeout(PATIENCE, written).await);
        }
    }

    /// Writes down what a signal has asked for, and what became of it. The kernel does not tell who has sent it.
    pub(crate) fn signalled(&self, command: &str, result: String) {
        drop(self.hand_over(AuditEntry { result, ..nobodys(command) }));
    }

    /// Has it written down that the daemon has done something by itself.
    pub fn note(&self, command: &str, request: String, result: &str) {
        let entry = AuditEntry {
            pid: i32::try_from(std::process::id()).ok(),
            process: Some("floodwall".to_owned()),
            request: Some(request),
            result: result.to_owned(),
            ..nobodys(command)
        };
        drop(self.hand_over(entry));
    }

    /// Entries that were not written since the daemon has started.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Has an entry written down.
    pub(super) fn hand_over(&self, entry: AuditEntry) -> Option<oneshot::Receiver<()>> {
        let (written, waits) = oneshot::channel();
        match self.entries.as_ref()?.try_send((entry, written)) {
            Ok(()) => Some(waits),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }
}

/// An entry of now, of which nobody is known.
fn nobodys(command: &str) -> AuditEntry {
    AuditEntry {
        number: 0,
        time: unix::seconds(SystemTime::now()),
        uid: None,
        user: None,
        pid: None,
        process: None,
        command: command.to_owned(),
        request: None,
        result: String::new(),
    }
}

fn write(log: &mut Option<AuditLog>, directory: &Path, mut entry: AuditEntry) -> anyhow::Result<()> {
    // Looked up here, as it may ask a directory service.
    let user = entry.uid.and_then(|uid| User::from_uid(Uid::from_raw(uid)).ok().flatten());
    entry.user = user.map(|user| user.name);
    let open = match log.take() {
        Some(open) => open,
        None => AuditLog::open(directory)?,
    };
    log.insert(open).append(entry)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    before: Option<u64>,
    limit: Option<usize>,
}

/// The latest entries.
pub(super) async fn page(
    State(context): State<Context>,
    Parameters(query): Parameters<PageQuery>,
) -> Answer<AuditPage> {
    let limit = query.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    answer(&context, move |context| {
        let audit = &context.audit;
        let entries = store::read_audit(&audit.directory, query.before, limit)
            .map_err(|error| Refused::internal(&error))?;
        Ok(AuditPage { entries, lost: audit.lost.load(Ordering::Relaxed) })
    })
    .await
}
