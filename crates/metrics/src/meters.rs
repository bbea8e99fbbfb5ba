//! What the daemon measures of itself.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use floodwall_api::{ImportTraffic, Telling};
use parking_lot::Mutex;
use prometheus_client::metrics::histogram::Histogram;

/// Upper bounds of the classes of lags, seconds. Detection looks four times a second: what is older than two looks is late.
const LAGS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Those of how long requests take: questions take fractions of a millisecond, a change of a full table a second.
const DURATIONS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

/// What the control socket was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// A question.
    Read,
    /// A change.
    Change,
}

/// What the daemon measures of itself, since it was started. Whoever does the work notes it here, and waits for nobody.
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
    /// The kernel has told of a dropped packet, and that it did not tell of so many since the last time.
    pub fn drop_told(&self, untold: u32) {
        self.drops.fetch_add(1, Ordering::Relaxed);
        self.drops_untold.fetch_add(untold.into(), Ordering::Relaxed);
    }

    /// Detection has looked at so many samples, the oldest of which was taken so long ago.
    pub fn samples_read(&self, samples: u64, oldest: Duration) {
        self.samples.fetch_add(samples, Ordering::Relaxed);
        if samples > 0 {
            self.detection_lag.observe(oldest.as_secs_f64());
        }
    }

    /// The control socket has answered.
    pub fn answered(&self, request: Request, took: Duration) {
        let histogram = match request {
            Request::Read => &self.reads,
            Request::Change => &self.changes,
        };
        histogram.observe(took.as_secs_f64());
    }

    /// It was looked at what imports hold, which takes too long for each scrape.
    pub fn imports_looked_at(&self, imports: Vec<ImportTraffic>) {
        *self.imports.lock() = imports;
    }

    /// What imports hold, as it was looked at last.
    pub fn imports(&self) -> Vec<ImportTraffic> {
        self.imports.lock().clone()
    }

    /// What was told of what happens, as far as it is counted here.
    pub fn telling(&self) -> Telling {
        Telling {
            drops: self.drops.load(Ordering::Relaxed),
            drops_untold: self.drops_untold.load(Ordering::Relaxed),
            samples: self.samples.load(Ordering::Relaxed),
            ..Telling::default()
        }
    }
}
