//! The tests of one class of what has not proven itself, and how much of it is usual at least.

use floodwall_common::wire::{Unproven, UnprovenTotals};

use super::{
    allowance::Allowance,
    class::{Class, STREAM},
    exceeds::{Excess, SECOND, Test},
    series::Series,
};
use crate::{moment::PER_SECOND, visits::Returning};

/// Sources that begin to upload or download in the same second, each with thousands of packets, and are no flood.
const FEW_STREAMS: f64 = 3.0;
/// Seconds of the clock in which a source that goes on is counted before it is known. A crowd of such sources raises no
/// alarm, as one that completes its handshakes raises none.
const COUNTED_UNTIL_KNOWN: f64 = 3.0;
/// Sources that are excused so in a tick, 3,000 a second: who forges each address twice cannot hide more. As many new names are
/// that are found to exist: who asks for random ones of a zone in which there is each (a wildcard) cannot hide more.
const MOST_EXCUSED: f64 = 3_000.0 / PER_SECOND;
/// Sources of datagrams that are excused a second, or at once, as they were answered: of more, though it answers each, a service may
/// answer whoever was forged.
const MOST_ANSWERED: f64 = 1_000.0;

/// What proves itself at the same time, a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proving {
    /// Handshakes that are completed.
    pub(super) completing: f64,
    /// New names that are found to exist.
    pub(super) existing: f64,
}

/// One class's tests, and whether it is in alarm.
#[derive(Clone, Debug)]
pub(super) struct Tests {
    pub(super) class: Class,
    pub(super) tests: Vec<Test>,
    /// Packets that were not the first of their source in a second.
    repeated: Series,
    /// What is excused of it as its sources were answered.
    answered: Allowance,
    /// When it was last above its bound, in an alarm, ns.
    pub(super) above_ns: Option<u64>,
}

impl Tests {
    pub(super) fn of(class: Class) -> Self {
        Self {
            class,
            tests: class.tests(),
            repeated: Series::default(),
            answered: Allowance::of(MOST_ANSWERED),
            above_ns: None,
        }
    }

    /// Takes what came in a tick. The first excess.
    pub(super) fn take(
        &mut self,
        came: &UnprovenTotals,
        returning: Returning,
        calm: bool,
        growth: f64,
        proving: Proving,
    ) -> Option<Excess> {
        let repeated =
            self.class.place().map_or(0, |place| came.capped[place].saturating_sub(came.sources[place]));
        self.repeated.push(repeated as f64);
        let mut excess = None;
        for (place, count) in self.counts(came, returning).into_iter().enumerate() {
            let least = self.least(place, proving);
            let Some(test) = self.tests.get_mut(place) else { break };
            excess = excess.or(test.take(count, calm, growth, least));
        }
        excess
    }

    /// Whether no more comes than usually does at most.
    pub(super) fn are_below(&self, growth: f64, proving: Proving) -> bool {
        let is_below = |(place, test): (usize, &Test)| test.is_below(growth, self.least(place, proving));
        self.tests.iter().enumerate().all(is_below)
    }

    /// How much is usual at least of what the test in this place counts.
    fn least(&self, place: usize, proving: Proving) -> f64 {
        match (self.class, place) {
            (Class::Openings, _) => proving.completing,
            (Class::Names, _) => proving.existing,
            (Class::Datagrams | Class::Others, 2) if self.is_of_few() => STREAM,
            _ => 0.0,
        }
    }

    /// Whether of the sources of the last second a few at most have sent more than some packets. Of each up to
    /// [`Unproven::CAP`] are counted in each of the two seconds of the clock that it touches.
    fn is_of_few(&self) -> bool {
        self.repeated.window(SECOND) <= (2.0 * FEW_STREAMS + 1.0) * (Unproven::CAP - 1) as f64
    }

    /// What came of the class, for each of its tests, less what is excused.
    fn counts(&mut self, came: &UnprovenTotals, returning: Returning) -> [f64; 3] {
        let Some(place) = self.class.place() else {
            return match self.class {
                Class::Fruitless => [came.fruitless as f64, 0.0, 0.0],
                Class::Returning => [returning.sources as f64, returning.requests as f64, 0.0],
                Class::Names => [came.names as f64 - excused(came.existing_names, 1.0), 0.0, 0.0],
                _ => [came.openings as f64 - came.completed as f64, 0.0, 0.0],
            };
        };
        let has_answers = self.class == Class::Datagrams;
        let answered = self.answered.take(if has_answers { came.answered as f64 } else { 0.0 });
        // Who goes on is answered as well: none is excused twice.
        let excused = excused(came.acquainted[place], COUNTED_UNTIL_KNOWN).max(answered);
        let [sources, capped, packets] =
            [came.sources[place], came.capped[place], came.packets[place]].map(|count| count as f64);
        [sources - excused, capped - answered, packets]
    }
}

/// How much of what came in a tick is excused by what has proven itself in it, of which each has been counted so often.
pub(super) fn excused(proven: u64, counted: f64) -> f64 {
    (proven as f64 * counted).min(MOST_EXCUSED)
}
