//! The time by which entries end: the wall clock, but for a jump of it.
//!
//! What is listed for a time ends at a time of the wall clock, so that it does so after a restart as well. A wall clock can
//! be set wrong, by hand or by a time server that is: a jump forward would take back for good whatever ends before where
//! it lands. So a jump forward counts only once the clock has stayed there for [`HELD`]; until then time goes on from
//! where it was. One that goes back takes nothing back, and counts at once.

use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};
use tracing::warn;

/// How long a clock that has jumped forward has to stay there until it is believed.
pub(super) const HELD: Duration = Duration::from_secs(3_600);
/// What a clock may be ahead of the time that has passed without having jumped: it is slewed by up to 0.05 %, and looked at
/// often.
const SLACK: Duration = Duration::from_secs(5);

/// The clock.
#[derive(Debug, Default)]
pub(super) struct Steady {
    /// The time it was at last, and the time since boot then.
    last: Option<(SystemTime, Duration)>,
    /// Time since boot when the wall clock has jumped ahead.
    jumped: Option<Duration>,
}

impl Steady {
    /// The time now.
    pub(super) fn now(&mut self) -> SystemTime {
        let wall = SystemTime::now();
        // Counts while the machine sleeps, too; without it there is but the wall clock.
        match clock_gettime(ClockId::CLOCK_BOOTTIME) {
            Ok(since_boot) => self.at(wall, since_boot.into()),
            Err(_) => wall,
        }
    }

    /// The time when the wall clock says this, so long after boot.
    fn at(&mut self, wall: SystemTime, since_boot: Duration) -> SystemTime {
        let Some((last, then)) = self.last else {
            self.last = Some((wall, since_boot));
            return wall;
        };
        let passed = last + since_boot.saturating_sub(then);
        let ahead = wall.duration_since(passed).unwrap_or_default();
        let now = if ahead <= SLACK {
            self.jumped = None;
            wall
        } else {
            let jumped = *self.jumped.get_or_insert_with(|| {
                warn!(
                    seconds = ahead.as_secs(),
                    "the clock has jumped forward; what would end by that stays for an hour, should it be a mistake"
                );
                since_boot
            });
            if since_boot.saturating_sub(jumped) < HELD { passed } else { wall }
        };
        self.last = Some((now, since_boot));
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn after(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_jump_forward_counts_once_the_clock_has_stayed_there() {
        let mut steady = Steady::default();
        assert_eq!(steady.at(at(1_000), after(50)), at(1_000));
        assert_eq!(steady.at(at(1_012), after(60)), at(1_012), "it is slewed");
        assert_eq!(steady.at(at(DAY), after(61)), at(1_013), "it jumps");
        assert_eq!(steady.at(at(DAY + 600), after(661)), at(1_613));
        assert_eq!(steady.at(at(1_713), after(761)), at(1_713), "it was a mistake");
        assert_eq!(steady.at(at(DAY), after(800)), at(1_752), "it jumps again");
        assert_eq!(steady.at(at(DAY + 3_599), after(800 + 3_599)), at(1_752 + 3_599));
        assert_eq!(steady.at(at(DAY + 3_600), after(800 + 3_600)), at(DAY + 3_600), "it is right, then");
    }

    #[test]
    fn a_jump_back_counts_at_once_and_a_sleep_is_none() {
        let mut steady = Steady::default();
        steady.at(at(DAY), after(0));
        assert_eq!(steady.at(at(1_000), after(1)), at(1_000));
        assert_eq!(steady.at(at(1_000 + DAY), after(1 + DAY)), at(1_000 + DAY));
    }
}
