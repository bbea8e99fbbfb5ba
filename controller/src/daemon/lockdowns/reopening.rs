//! Opens a service that is closed step by step, as far as it stands it.
//!
//! With each step a greater share of those who are not known gets in. A step that the service has borne for a while is followed
//! by the next; once it suffers, all of them are out again at once, and the next try comes later each time.

use std::time::{Duration, Instant};

/// Shares of others that get in, per cent.
const STEPS: [f64; 6] = [0.0, 1.0, 5.0, 20.0, 50.0, 100.0];
/// How long a step has to be borne: as long as the longest window that an alarm is told by.
const HOLD: Duration = Duration::from_secs(10);
/// How long a service stays closed that has suffered, at first and at most: twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Turn {
    /// This share of others gets in, per cent.
    Admit(f64),
    /// Nobody else gets in for this time at least: the service suffers with this share, per cent.
    Shut(f64, Duration),
    /// The service is open.
    Open,
}

/// How far a service is opened.
#[derive(Clone, Debug)]
pub(super) struct Reopening {
    step: usize,
    /// When the next step comes at the soonest.
    next: Instant,
    /// How long it stays closed should it suffer.
    pause: Duration,
}

impl Reopening {
    /// Of a service that lets this share of others in, per cent.
    pub(super) fn new(admitted: f64, now: Instant) -> Self {
        let step = STEPS.iter().rposition(|step| *step <= admitted).unwrap_or(0);
        Self { step, next: now + HOLD, pause: FIRST_PAUSE }
    }

    /// The share of others that gets in now, per cent.
    pub(super) fn admitted(&self) -> f64 {
        STEPS.get(self.step).copied().unwrap_or(100.0)
    }

    /// That of the next step; `None`: the service is open then.
    pub(super) fn next_share(&self) -> Option<f64> {
        STEPS.get(self.step + 1).copied()
    }

    /// When that comes at the soonest.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// What is to be done now that the service suffers, or does not.
    pub(super) fn look(&mut self, suffers: bool, now: Instant) -> Option<Turn> {
        if suffers && self.step == 0 {
            // What does not come from those who get in is waited for.
            self.next = self.next.max(now + HOLD);
            return None;
        }
        if suffers {
            let (share, pause) = (self.admitted(), self.pause);
            self.step = 0;
            self.next = now + pause;
            self.pause = (pause * 2).min(LONGEST_PAUSE);
            return Some(Turn::Shut(share, pause));
        }
        if now < self.next {
            return None;
        }
        let Some(share) = self.next_share() else { return Some(Turn::Open) };
        self.step += 1;
        self.next = now + HOLD;
        Some(Turn::Admit(share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is done in each of so many seconds, with the second.
    fn turns(
        reopening: &mut Reopening,
        start: Instant,
        seconds: u64,
        suffers: impl Fn(u64, f64) -> bool,
    ) -> Vec<(u64, Turn)> {
        let look = |second| {
            let suffers = suffers(second, reopening.admitted());
            Some((second, reopening.look(suffers, start + Duration::from_secs(second))?))
        };
        (0..seconds).filter_map(look).collect()
    }

    #[test]
    fn a_service_that_bears_it_is_open_after_a_minute() {
        let start = Instant::now();
        let mut reopening = Reopening::new(0.0, start);
        let expected: Vec<_> = [1.0, 5.0, 20.0, 50.0, 100.0]
            .into_iter()
            .zip(1..)
            .map(|(share, step)| (10 * step, Turn::Admit(share)))
            .chain([(60, Turn::Open)])
            .collect();
        assert_eq!(turns(&mut reopening, start, 61, |_, _| false), expected);
    }

    #[test]
    fn one_that_suffers_is_closed_at_once_and_tried_again_later_each_time() {
        let start = Instant::now();
        let mut reopening = Reopening::new(0.0, start);
        let shut = |second, pause| (second, Turn::Shut(5.0, Duration::from_secs(pause)));
        let suffers = |_, admitted| admitted >= 5.0;
        assert_eq!(
            turns(&mut reopening, start, 140, suffers),
            [
                (10, Turn::Admit(1.0)),
                (20, Turn::Admit(5.0)),
                shut(21, 30),
                (51, Turn::Admit(1.0)),
                (61, Turn::Admit(5.0)),
                shut(62, 60),
                (122, Turn::Admit(1.0)),
                (132, Turn::Admit(5.0)),
                shut(133, 120),
            ]
        );
        assert_eq!((reopening.admitted(), reopening.next_share()), (0.0, Some(1.0)));
        for _ in 0..9 {
            reopening.pause = (reopening.pause * 2).min(LONGEST_PAUSE);
        }
        assert_eq!(reopening.pause, LONGEST_PAUSE);
    }

    #[test]
    fn one_that_suffers_though_it_is_closed_is_waited_for() {
        let start = Instant::now();
        let mut reopening = Reopening::new(0.0, start);
        let suffers = |second, _| second < 100;
        assert_eq!(turns(&mut reopening, start, 112, suffers), [(109, Turn::Admit(1.0))]);
    }

    #[test]
    fn it_goes_on_where_it_was() {
        let start = Instant::now();
        for (admitted, expected) in [(20.0, 50.0), (7.5, 20.0), (0.5, 1.0)] {
            let mut reopening = Reopening::new(admitted, start);
            assert_eq!(turns(&mut reopening, start, 11, |_, _| false), [(10, Turn::Admit(expected))]);
        }
    }
}
