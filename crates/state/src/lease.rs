//! The daemon's half of the lease: for how long what was decided by itself outlives the controller. The other half is in the
//! kernel program, which asks [`Settings::lapsed`](floodwall_common::wire::Settings::lapsed) wherever it is to follow such a decision.
//!
//! Whoever decides by itself says every now and then that it is still there. The program that judges packets is told until when
//! somebody answers for such decisions: for the length of the lease after the last word of the one that has been silent
//! longest. A controller that was killed or stopped, or of which a part is stuck, says nothing any more, and they lapse.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use floodwall_common::tables::Tables as _;

use super::filter::Filter;

/// What decides by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Decider {
    /// Detection: which services are attacked, and by what.
    Detection = 0,
    /// Whoever looks at the host: what listens, and which conditions hold.
    Host = 1,
}

/// How long it is, and when who was heard of last.
#[derive(Debug)]
pub(super) struct Lease {
    length_ns: AtomicU64,
    heard_ns: [AtomicU64; 2],
}

impl Lease {
    /// The start is everybody's first word.
    pub(super) fn new(length: Duration, now_ns: u64) -> Self {
        let lease = Self { length_ns: AtomicU64::default(), heard_ns: [now_ns, now_ns].map(AtomicU64::new) };
        lease.set_length(length);
        lease
    }

    pub(super) fn set_length(&self, length: Duration) {
        self.length_ns.store(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX >> 1), Ordering::Relaxed);
    }

    pub(super) fn length(&self) -> Duration {
        Duration::from_nanos(self.length_ns.load(Ordering::Relaxed))
    }

    /// Until when somebody answers now that this one was heard of.
    fn renewed(&self, by: Decider, now_ns: u64) -> u64 {
        self.heard_ns[by as usize].store(now_ns, Ordering::Relaxed);
        self.ends_ns()
    }

    /// Until when somebody answers.
    pub(super) fn ends_ns(&self) -> u64 {
        let [one, other] = self.heard_ns.each_ref().map(|heard| heard.load(Ordering::Relaxed));
        one.min(other).saturating_add(self.length_ns.load(Ordering::Relaxed))
    }
}

impl Filter {
    /// One that decides by itself is there, and has looked at all that it decides by.
    pub fn still_decides(&self, who: Decider) {
        let until_ns = self.lease.renewed(who, self.tables.clock());
        self.tables.settings[0].lease_until.store(until_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_from_the_last_word_of_whoever_has_been_silent_longest() {
        let lease = Lease::new(Duration::from_nanos(100), 1_000);
        assert_eq!(lease.ends_ns(), 1_100);
        assert_eq!(lease.renewed(Decider::Host, 1_005), 1_100, "detection has not begun");
        assert_eq!(lease.renewed(Decider::Detection, 1_007), 1_105);
        assert_eq!(lease.renewed(Decider::Detection, 1_050), 1_105, "nobody looks at the host");
        assert_eq!(lease.renewed(Decider::Host, 1_060), 1_150);
        lease.set_length(Duration::from_nanos(10));
        assert_eq!(lease.renewed(Decider::Host, 1_070), 1_060);
        assert_eq!(lease.length(), Duration::from_nanos(10));
    }
}
