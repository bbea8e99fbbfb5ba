//! How a target fares, for all who ask.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use floodwall_api::NotifyReport;
use parking_lot::Mutex;

use super::target::Target;

/// Counts of one target.
#[derive(Debug, Default)]
pub(crate) struct Status(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    sent: u64,
    failed: u64,
    left_out: u64,
    last_sent: Option<u64>,
    problem: Option<String>,
    next_try: Option<Instant>,
}

impl Status {
    /// A message was taken.
    pub(crate) fn sent(&self) {
        let mut counts = self.0.lock();
        counts.sent += 1;
        counts.last_sent = SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|now| now.as_secs());
        (counts.problem, counts.next_try) = (None, None);
    }

    /// A message will not be tried again.
    pub(crate) fn failed(&self, problem: String) {
        let mut counts = self.0.lock();
        counts.failed += 1;
        (counts.problem, counts.next_try) = (Some(problem), None);
    }

    /// A message will be tried again after this.
    pub(crate) fn waits(&self, problem: String, pause: Duration) {
        let mut counts = self.0.lock();
        (counts.problem, counts.next_try) = (Some(problem), Some(Instant::now() + pause));
    }

    /// There is something wrong, though nothing was sent yet.
    pub(crate) fn suspect(&self, problem: Option<String>) {
        self.0.lock().problem = problem;
    }

    /// A message had to make room for others.
    pub(crate) fn left_out(&self) {
        self.0.lock().left_out += 1;
    }

    pub(crate) fn report(&self, target: &Target, waiting: usize) -> NotifyReport {
        let counts = self.0.lock();
        NotifyReport {
            name: target.name.clone(),
            kind: target.kind.name().to_owned(),
            events: target.filter.events.iter().map(|event| event.name().to_owned()).collect(),
            services: target.filter.services.clone(),
            severity: target.filter.severity,
            sent: counts.sent,
            failed: counts.failed,
            left_out: counts.left_out,
            waiting: waiting as u64,
            last_sent: counts.last_sent,
            problem: counts.problem.clone(),
            next_try_seconds: counts
                .next_try
                .map(|next| next.saturating_duration_since(Instant::now()).as_secs()),
        }
    }
}
