//! What comes for one service, and whether that is more than usual.

use super::{
    kind::Kind,
    moment::{Moment, TICK},
    sample::Sample,
    usual::{Habit, Pulse, UsualRate},
};

/// Packets/s of a kind that are always usual.
const KIND_FLOOR: f64 = 30.0;
/// Share of the packets that is taken to be sampled at least.
const LEAST_SAMPLED: f64 = 1e-6;
/// How fast the share of sampled packets is followed: by this part of the difference each tick.
const SAMPLED_FOLLOWS: f64 = 0.3;
/// Samples/s of one service that are asked for at most.
const WANTED: f64 = 4_000.0;
const PER_SECOND: f64 = 1e9 / TICK as f64;

/// Packets of one service so far, those of lists and of control aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Number of the service.
    pub service: u8,
    /// All of them.
    pub all: u64,
    /// Those that passed.
    pub passed: u64,
}

impl Counts {
    /// Of a service that got so many, and lost so many of them.
    pub fn new(service: u8, packets: u64, dropped: u64) -> Self {
        Self { service, all: packets, passed: packets.saturating_sub(dropped) }
    }
}

/// Rates of one service.
#[derive(Debug, Default)]
pub(super) struct Load {
    /// All that comes.
    all: UsualRate,
    /// What passes.
    passing: UsualRate,
    /// What of each kind comes, but no segments, and how much of it was sampled since the last tick.
    kinds: [UsualRate; 3],
    came: [f64; 3],
    /// All samples since then.
    samples: u64,
    /// Share of the packets that is sampled, lately.
    sampled: Option<f64>,
    before: Option<Counts>,
}

/// How a service stands against what is usual.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    /// Of all that comes.
    pub(super) all: Pulse,
    /// UsualRate packets/s of what passes.
    pub(super) usually_passes: f64,
    /// More passes than usual.
    pub(super) too_much_passes: bool,
    /// Share of the packets that is sampled.
    pub(super) sampled: f64,
}

impl Load {
    /// Takes a sampled packet.
    pub(super) fn sample(&mut self, sample: &Sample) {
        self.samples += 1;
        if !sample.answers
            && let Some(came) = self.came.get_mut(Kind::of(&sample.features) as usize)
        {
            *came += 1.0;
        }
    }

    /// Takes what came since the last [`TICK`].
    pub(super) fn take(&mut self, counts: Counts, calm: bool, moment: Moment) -> Standing {
        let time = moment.second_of_day;
        let before = self.before.replace(counts).unwrap_or(counts);
        let packets = counts.all.saturating_sub(before.all);
        let passed = counts.passed.saturating_sub(before.passed);
        let samples = std::mem::take(&mut self.samples);
        if packets > 0 {
            let share = (samples as f64 / packets as f64).min(1.0);
            let lately = self.sampled.get_or_insert(share);
            *lately += (share - *lately) * SAMPLED_FOLLOWS;
        }
        let sampled = self.sampled.unwrap_or(1.0).max(LEAST_SAMPLED);
        let all = self.all.take(packets as f64 * PER_SECOND, calm, time);
        let scale = PER_SECOND / sampled;
        let all = self.kinds.iter_mut().zip(&mut self.came).fold(all, |all, (usual, came)| {
            let kind = usual.take_above(std::mem::take(came) * scale, calm, time, KIND_FLOOR);
            Pulse { excess: all.excess || kind.lasting, back: all.back && kind.back, ..all }
        });
        let passing = self.passing.take(passed as f64 * PER_SECOND, calm, time);
        Standing { all, usually_passes: passing.usual, too_much_passes: !passing.back, sampled }
    }

    /// One packet in how many is to be sampled, so that about as many are as are wanted.
    pub(super) fn sample_every(&self) -> u64 {
        (self.all.second() / WANTED).round().max(1.0) as u64
    }

    /// Takes what comes now as usual.
    pub(super) fn accept(&mut self, moment: Moment) {
        let usuals = [&mut self.all, &mut self.passing].into_iter().chain(&mut self.kinds);
        usuals.for_each(|usual| usual.accept(moment.second_of_day));
    }

    /// What is to be kept over a restart: of all, of what passes, and of each kind.
    pub(super) fn habits(&self) -> Vec<Habit> {
        [&self.all, &self.passing].into_iter().chain(&self.kinds).map(UsualRate::habit).collect()
    }

    /// Takes up what was kept; `None` if that is not what [`Self::habits`] gives.
    pub(super) fn of(habits: Vec<Habit>) -> Option<Self> {
        let [all, passing, kinds @ ..] = <[Habit; 5]>::try_from(habits).ok()?.map(UsualRate::of);
        Some(Self { all, passing, kinds, ..Self::default() })
    }
}
