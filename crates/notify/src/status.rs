//! The delivery statistics of a target.

use std::time::{Duration, Instant, SystemTime};

use floodwall_api::NotifyReport;
use floodwall_units::unix;
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
    /// Records that a message was delivered.
    pub(crate) fn sent(&self) {
        let mut counts = self.0.lock();
        counts.sent += 1;
        counts.last_sent = Some(unix::seconds(SystemTime::now()));
        (counts.problem, counts.next_try) = (None, None);
    }

    /// Records that a message was given up.
    pub(crate) fn failed(&self, problem: String) {
        let mut counts = self.0.lock();
        counts.failed += 1;
        (counts.problem, counts.next_try) = (Some(problem), None);
    }

    /// Records a failed attempt that will be repeated after `pause`.
    pub(crate) fn waits(&self, problem: String, pause: Duration) {
        let mut counts = self.0.lock();
        (counts.problem, counts.next_try) = (Some(problem), Some(Instant::now() + pause));
    }

    /// Records a problem that was found without sending one of the queued messages, or that there is none.
    pub(crate) fn set_problem(&self, problem: Option<String>) {
        self.0.lock().problem = problem;
    }

    /// Records that a message was dropped from the full queue.
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
