//! When the detector acts.

/// Time between two calls of [`Detector::tick`](super::Detector::tick), ns.
pub const TICK: u64 = 50_000_000;

/// Ticks in a second.
pub(super) const PER_SECOND: f64 = 1e9 / TICK as f64;

/// A point in time.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The clock that packets are judged by, ns.
    pub now_ns: u64,
    /// Second of the day, UTC.
    pub second_of_day: u32,
    /// The host's queues of requests for connections are full, and so it answers none.
    pub queues_are_full: bool,
    /// It is known that the host can take more: nobody is turned away for coming often. Of a replay that is not known.
    pub host_has_room: bool,
}

impl Moment {
    /// A moment by both clocks, the other one in seconds since 1970.
    pub fn new(now_ns: u64, unix_seconds: u64) -> Self {
        Self {
            now_ns,
            second_of_day: (unix_seconds % 86_400) as u32,
            queues_are_full: false,
            host_has_room: false,
        }
    }
}
