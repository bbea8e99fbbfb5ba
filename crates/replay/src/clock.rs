//! Virtual time: that of the packets, moved so that it begins well after boot.

/// How often the controller acts, ns.
pub use floodwall_detect::TICK;

/// Where virtual time begins, ns. Times of the tables are compared with what was before, so not at 0.
pub const START: u64 = 1_000_000_000_000;
/// Where it ends at the latest, ns: captures may claim any time.
const END: u64 = u64::MAX / 2;
/// A packet that was captured so long before the one before it, ns, tells that the capture's clock was set back; a shorter
/// time, that the two have changed places on their way into the file.
const SET_BACK: i128 = 1_000_000_000;
/// Ticks that are gone through in a silence (10 minutes); what is left of a longer one is passed over at once.
const SILENCE: u64 = 12_000;
/// A capture that begins so soon after the one before has ended, ns, keeps its own time: it goes on with that one, as
/// files do that were written in turn.
const SOON: i128 = 60_000_000_000;
/// So long after that, ns, any other begins.
const FOLLOWS: i128 = TICK as i128;

/// The clock of a replay. It never goes back. A packet whose time lies a little before that of an earlier one comes at the
/// same time as that. Where the capture's own clock was set back, time goes on from there: what came in the hour after does
/// not come all at once. Where it jumps to and fro between two times, as when captures of two machines were put together,
/// both are followed.
#[derive(Debug, Default)]
pub struct Clock {
    /// Time of the first packet, ns since 1970.
    first: u64,
    /// What the capture's clock has lost, all in all, by being set back, ns.
    lost: i128,
    /// The same, before it was last set.
    lost_before: i128,
    /// How often it was set back.
    steps: u64,
    /// Virtual time, ns.
    now: u64,
    /// When the controller acts next.
    next_tick: u64,
}

impl Clock {
    /// A clock that stands at the first packet's time, ns since 1970.
    pub fn starting_at(first: u64) -> Self {
        Self { first, now: START, next_tick: START, ..Self::default() }
    }

    /// Moves on to the packet that was captured at this time, ns since 1970, and returns the virtual time.
    pub fn advance(&mut self, unix_ns: u64) -> u64 {
        let ahead_if_never_set = self.since_start(unix_ns) - i128::from(self.now);
        let ahead = |lost: i128| ahead_if_never_set + lost;
        let fits = |lost: i128| ahead(lost).abs() <= SET_BACK;
        if !fits(self.lost) && fits(self.lost_before) {
            std::mem::swap(&mut self.lost, &mut self.lost_before);
        } else if ahead(self.lost) < -SET_BACK {
            self.lost_before = self.lost;
            self.lost -= ahead(self.lost);
            self.steps += 1;
        }
        self.now = self.now.max(self.at(unix_ns));
        self.now
    }

    /// What the times of a capture have to be moved by, ns, that begins at this one, ns since 1970, so that it comes after
    /// all that was played. `moved`: what those of the capture before were.
    pub fn moves(&self, first: u64, moved: i128) -> i128 {
        let (first, end) = (i128::from(first), i128::from(self.unix_ns(self.now)));
        if (0..=SOON).contains(&(first + moved - end)) { moved } else { end + FOLLOWS - first }
    }

    /// How often the capture's clock was set back.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The virtual time of a moment, ns since 1970.
    pub fn at(&self, unix_ns: u64) -> u64 {
        (self.since_start(unix_ns) + self.lost).clamp(0, i128::from(END)) as u64
    }

    /// The same, as if the capture's clock had never been set.
    fn since_start(&self, unix_ns: u64) -> i128 {
        i128::from(START) + i128::from(unix_ns) - i128::from(self.first)
    }

    /// The moment of a virtual time, ns since 1970, as the capture's clock has it now.
    pub fn unix_ns(&self, virtual_ns: u64) -> u64 {
        let since_start = i128::from(virtual_ns) - self.lost - i128::from(START);
        (i128::from(self.first) + since_start).clamp(0, i128::from(u64::MAX)) as u64
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

    const SECOND: u64 = 1_000_000_000;

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
        assert_eq!(clock.steps(), 0);
    }

    #[test]
    fn it_goes_on_where_that_of_the_capture_is_set_back() {
        let hour = 3_600 * SECOND;
        let mut clock = Clock::starting_at(hour);
        assert_eq!(clock.advance(hour + 20 * SECOND), START + 20 * SECOND);
        for second in 0..100 {
            let unix_ns = 20 * SECOND + second * SECOND;
            assert_eq!(clock.advance(unix_ns), START + (20 + second) * SECOND);
            assert_eq!(clock.unix_ns(START + (20 + second) * SECOND), unix_ns);
        }
        assert_eq!(clock.steps(), 1);
        // Once more, by less; then it is put right again.
        assert_eq!(clock.advance(60 * SECOND), START + 119 * SECOND);
        assert_eq!(clock.advance(61 * SECOND), START + 120 * SECOND);
        assert_eq!(clock.advance(121 * SECOND), START + 121 * SECOND);
        assert_eq!((clock.advance(122 * SECOND), clock.steps()), (START + 122 * SECOND, 2));
        // A silence is one, whatever was before.
        assert_eq!(clock.advance(222 * SECOND), START + 222 * SECOND);
    }

    #[test]
    fn two_clocks_in_turn_make_time_go_no_faster() {
        let mut clock = Clock::starting_at(100 * SECOND);
        for second in 0..50 {
            let now = START + second * SECOND;
            assert_eq!(clock.advance((100 + second) * SECOND), now);
            assert_eq!(clock.advance((70 + second) * SECOND), now);
        }
        assert_eq!(clock.steps(), 1);
    }

    #[test]
    fn a_capture_follows_the_one_before_and_keeps_its_time_if_that_is_soon() {
        let second = i128::from(SECOND);
        let mut clock = Clock::starting_at(100 * SECOND);
        clock.advance(160 * SECOND);
        assert_eq!(clock.moves(160 * SECOND, 0), 0, "it goes on");
        assert_eq!(clock.moves(220 * SECOND, 0), 0);
        assert_eq!(clock.moves(221 * SECOND, 0), -61 * second + FOLLOWS, "days later");
        assert_eq!(clock.moves(100 * SECOND, 0), 60 * second + FOLLOWS, "taken at the same time");
        // After one that was moved, its own time is moved likewise.
        assert_eq!(clock.moves(30 * SECOND, 150 * second), 150 * second);
        // Where a clock was set back, from where it stands.
        clock.advance(110 * SECOND);
        assert_eq!(clock.moves(111 * SECOND, 0), 0);
        clock.advance(u64::MAX);
        assert!(clock.moves(0, 0) > 0);
    }

    #[test]
    fn absurd_times_neither_overflow_nor_take_for_ever() {
        let mut clock = Clock::starting_at(0);
        ticks(&mut clock);
        clock.advance(u64::MAX);
        assert_eq!(ticks(&mut clock).len() as u64, SILENCE + 1);
        clock.advance(u64::MAX);
        assert!(ticks(&mut clock).is_empty());
        for unix_ns in [0, u64::MAX, 1, u64::MAX / 2, 0] {
            assert!(clock.advance(unix_ns) <= END);
            ticks(&mut clock);
        }
        assert!(clock.unix_ns(clock.now) < SECOND);
    }
}
