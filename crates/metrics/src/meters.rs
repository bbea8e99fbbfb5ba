//! What the daemon measures of itself.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use floodwall_api::{ImportTraffic, Telling};
use parking_lot::Mutex;
use prometheus_client::metrics::histogram::Histogram;

/// Upper bounds of the buckets of detection lag, s. Detection runs every 250 ms, so that more than 0.5 s is late.
const LAGS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper bounds of the buckets of request durations, s. Reading takes a fraction of a millisecond, changing a full table
/// about a second.
const DURATIONS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

/// A kind of request to the control socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// One that only reads.
    Read,
    /// One that changes something.
    Change,
}

/// What the daemon has measured of itself since it was started. Recording never blocks for long.
#[derive(Debug)]
pub struct Meters {
    pub(crate) detection_lag: Histogram,
    pub(crate) reads: Histogram,
    pub(crate) changes: Histogram,
    drops: AtomicU64,
    drops_untold: AtomicU64,
    samples: AtomicU64,
    imports: Mutex<Vec<ImportTraffic>>,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            detection_lag: Histogram::new(LAGS),
            reads: Histogram::new(DURATIONS),
            changes: Histogram::new(DURATIONS),
            drops: AtomicU64::new(0),
            drops_untold: AtomicU64::new(0),
            samples: AtomicU64::new(0),
            imports: Mutex::default(),
        }
    }
}

impl Meters {
    /// Records that the kernel has reported a dropped packet, and how many it has suppressed since its last report.
    pub fn drop_told(&self, untold: u32) {
        self.drops.fetch_add(1, Ordering::Relaxed);
        self.drops_untold.fetch_add(untold.into(), Ordering::Relaxed);
    }

    /// Records that detection has read samples, and the age of the oldest.
    pub fn samples_read(&self, samples: u64, oldest: Duration) {
        self.samples.fetch_add(samples, Ordering::Relaxed);
        if samples > 0 {
            self.detection_lag.observe(oldest.as_secs_f64());
        }
    }

    /// Records how long the control socket took to answer a request.
    pub fn answered(&self, request: Request, took: Duration) {
        let histogram = match request {
            Request::Read => &self.reads,
            Request::Change => &self.changes,
        };
        histogram.observe(took.as_secs_f64());
    }

    /// Records the imports' prefixes and hits. Reading them takes too long to do at each scrape.
    pub fn set_imports(&self, imports: Vec<ImportTraffic>) {
        *self.imports.lock() = imports;
    }

    /// The imports' prefixes and hits as recorded last.
    pub fn imports(&self) -> Vec<ImportTraffic> {
        self.imports.lock().clone()
    }

    /// The counts of reports that are kept here; the other fields are left at 0.
    pub fn telling(&self) -> Telling {
        Telling {
            drops: self.drops.load(Ordering::Relaxed),
            drops_untold: self.drops_untold.load(Ordering::Relaxed),
            samples: self.samples.load(Ordering::Relaxed),
            ..Telling::default()
        }
    }
}
