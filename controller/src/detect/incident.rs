//! Attacks, and which of them belong together.

/// An attack that begins so soon after another has ended is a wave of the same incident, ns.
const SAME_INCIDENT: u64 = 600_000_000_000;

/// An attack that goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attack {
    pub(super) since_ns: u64,
    /// When what comes was last unusual, ns.
    pub(super) last_unusual_ns: u64,
    /// It was said that nothing is found.
    pub(super) told: bool,
}

/// The last incident.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Incident {
    pub(super) number: u32,
    pub(super) wave: u32,
    pub(super) ended_ns: u64,
}

impl Incident {
    /// Another attack: an incident of its own, or one more wave.
    pub(super) fn next(&mut self, now_ns: u64) -> Self {
        if self.number > 0 && now_ns < self.ended_ns + SAME_INCIDENT {
            self.wave += 1;
        } else {
            *self = Self { number: self.number + 1, wave: 1, ended_ns: 0 };
        }
        *self
    }
}
