//! Virtual time: that of the packets, moved so that it begins well after boot.

/// How often the controller acts, ns.
pub use crate::detect::TICK;

/// Where virtual time begins, ns. Times of the tables are compared with what was before, so not at 0.
pub const START: u64 = 1_000_000_000_000;
/// Ticks that are gone through in a silence (10 minutes); what is left of a longer one is passed over at once.
const SILENCE: u64 = 12_000;

/// The clock of a replay. It never goes back: a packet whose time lies before that of an earlier one comes at the
/// same time as that.
#[derive(Debug, Default)]
pub struct Clock {
    /// Time of the first packet, ns since 1970.
    first: u64,
    /// Virtual time, ns.
    now: u64,
    /// When the controller acts next.
    next_tick: u64,
}

impl Clock {
    /// A clock that stands at the first packet's time, ns since 1970.
    pub fn starting_at(first: u64) -> Self {
        Self { first, now: START, next_tick: START }
    }

    /// The time of the first packet, ns since 1970.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Moves on to the packet that was captured at this time, ns since 1970, and returns the virtual time.
    pub fn advance(&mut self, unix_ns: u64) -> u64 {
        self.now = self.now.max(self.at(unix_ns));
        self.now
    }

    /// The virtual time of a moment, ns since 1970.
    pub fn at(&self, unix_ns: u64) -> u64 {
        // Captures may claim any time; their arithmetic stays far from the end of the clock.
        (START + unix_ns.min(u64::MAX / 2)).saturating_sub(self.first.min(u64::MAX / 2))
    }

    /// The moment of a virtual time, ns since 1970.
    pub fn unix_ns(&self, virtual_ns: u64) -> u64 {
        self.first.saturating_add(virtual_ns).saturating_sub(START)
    }

    /// The next time, up to now, at which the controller is to act.
    pub fn due(&mut self) -> Option<u64> {
        if self.next_tick > self.now {
            return None;
        }
        let tick = self.next_tick;
        self.next_tick += TICK;
        Some(tick)
    }

    /// To be called before the ticks that a step made due: cuts a long silence short.
    pub fn cut_silence(&mut self) {
        let ahead = self.now.saturating_sub(self.next_tick) / TICK;
        self.next_tick += ahead.saturating_sub(SILENCE) * TICK;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(clock: &mut Clock) -> Vec<u64> {
        clock.cut_silence();
        std::iter::from_fn(|| clock.due()).collect()
    }

    #[test]
    fn the_controller_acts_before_the_first_packet_and_then_at_each_tick() {
        let mut clock = Clock::starting_at(5_000);
        assert_eq!(ticks(&mut clock), [START]);
        assert_eq!(clock.advance(5_000 + 5 * TICK / 2), START + 5 * TICK / 2);
        assert_eq!(ticks(&mut clock), [START + TICK, START + 2 * TICK]);
        assert!(ticks(&mut clock).is_empty());
        assert_eq!(clock.unix_ns(START + 1), 5_001);
    }

    #[test]
    fn time_does_not_go_back() {
        let mut clock = Clock::starting_at(1_000);
        clock.advance(9_000);
        assert_eq!(clock.advance(2_000), START + 8_000);
        assert_eq!(clock.advance(0), START + 8_000);
    }

    #[test]
    fn absurd_times_neither_overflow_nor_take_for_ever() {
        let mut clock = Clock::starting_at(0);
        ticks(&mut clock);
        clock.advance(u64::MAX);
        assert_eq!(ticks(&mut clock).len() as u64, SILENCE + 1);
        clock.advance(u64::MAX);
        assert!(ticks(&mut clock).is_empty());
    }
}
