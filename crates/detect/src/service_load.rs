//! What comes for one service, and whether it is attacked.

use floodwall_common::{
    source::Key,
    wire::{Reason, UnprovenTotals, Verdict},
};
use serde::{Deserialize, Serialize};

use super::{
    alarm::{self, Alarm, Cause, Level, Unheld},
    baseline_rate::{BaselineRate, RateProfile},
    moment::Moment,
    sample::Sample,
    visits::{Returning, Visits},
};

/// Share of the packets that is taken to be sampled at least.
const LEAST_SAMPLED: f64 = 1e-6;
/// How fast the share of sampled packets is followed: by this part of the difference each tick.
const SAMPLED_FOLLOWS: f64 = 0.3;
/// Samples/s of one service that are asked for at most.
const WANTED: f64 = 4_000.0;

/// Packets of one service so far, those of lists and of control aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Number of the service.
    pub service: u8,
    /// All of them.
    pub all: u64,
    /// Those that passed.
    pub passed: u64,
    /// Requests for TCP connections among them.
    pub requests: u64,
    /// What had not proven itself.
    pub unproven: UnprovenTotals,
}

impl Counts {
    /// Of a service that got so many, lost so many of them, and of which so much had not proven itself.
    pub fn new(service: u8, packets: u64, dropped: u64, unproven: UnprovenTotals) -> Self {
        Self { service, all: packets, passed: packets.saturating_sub(dropped), requests: 0, unproven }
    }

    /// The same, with so many requests for TCP connections among them.
    #[must_use]
    pub fn with_requests(self, requests: u64) -> Self {
        Self { requests, ..self }
    }
}

/// Rates of one service.
#[derive(Debug, Default)]
pub(super) struct Load {
    /// All that comes.
    all: BaselineRate,
    /// What passes.
    passing: BaselineRate,
    alarm: Alarm,
    /// All samples since the last tick.
    samples: u64,
    /// Share of the packets that is sampled, lately.
    sampled: Option<f64>,
    before: Option<Counts>,
    visits: Visits,
    /// Requests of new sources that come time and again, since the last tick.
    returning: Returning,
    /// Too many connections were those of such sources at the last tick.
    returning_too_often: bool,
}

/// What is kept over a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Habits {
    all: RateProfile,
    passing: RateProfile,
    unproven: alarm::Usual,
}

/// How a service stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    /// Whether it is attacked.
    pub(super) level: Level,
    /// Why an attack has begun, if one has.
    pub(super) begins: Option<Cause>,
    /// What raises alarms, of the last ten seconds, a second.
    pub(super) lately: f64,
    /// Packets/s that usually pass.
    pub(super) usually_passes: f64,
    /// Far more passes than usual.
    pub(super) too_much_passes: bool,
    /// Of what in particular, in an alarm.
    pub(super) unheld: Unheld,
    /// Sources whose connections come to nothing ask for too many.
    pub(super) fruitless: bool,
    /// Too many connections are those of new sources that come time and again.
    pub(super) returning: bool,
    /// Too many names are asked for that never were before.
    pub(super) names: bool,
    /// Share of the packets that is sampled.
    pub(super) sampled: f64,
}

impl Load {
    /// Takes a sampled packet.
    pub(super) fn sample(&mut self, sample: &Sample) {
        self.samples += 1;
        if !sample.opens() {
            return;
        }
        let Self { visits, returning, .. } = self;
        if sample.reason.verdict() == Verdict::Pass {
            visits.take(sample.source, sample.time_ns, returning);
        } else if sample.reason == Reason::Fruitless {
            visits.refuse(sample.source, sample.time_ns, returning);
        }
    }

    /// New sources that come often.
    pub(super) fn come_often(&self, now_ns: u64) -> impl Iterator<Item = Key> {
        self.visits.come_often(now_ns)
    }

    /// A source is to come time and again once more before it counts.
    pub(super) fn forget(&mut self, source: Key) {
        self.visits.forget(source);
    }

    /// Takes what came since the last [`TICK`](super::TICK).
    pub(super) fn take(&mut self, counts: Counts, calm: bool, moment: Moment) -> Standing {
        let before = self.before.replace(counts).unwrap_or(counts);
        let packets = counts.all.saturating_sub(before.all);
        let passed = counts.passed.saturating_sub(before.passed);
        let mut came = counts.unproven.since(before.unproven);
        if moment.queues_are_full {
            // What is counted else is what the host answers.
            came.openings = came.openings.max(counts.requests.saturating_sub(before.requests));
        }
        let samples = std::mem::take(&mut self.samples);
        if packets > 0 {
            let share = (samples as f64 / packets as f64).min(1.0);
            let lately = self.sampled.get_or_insert(share);
            *lately += (share - *lately) * SAMPLED_FOLLOWS;
        }
        let sampled = self.sampled.unwrap_or(1.0).max(LEAST_SAMPLED);
        let unproven = came.packets.iter().sum::<u64>() + came.openings;
        let mut returning = std::mem::take(&mut self.returning);
        if moment.host_has_room && !self.returning_too_often {
            // As long as all are served, it is no attack that some come often.
            returning = Returning::default();
        }
        let proven = passed.saturating_sub(unproven);
        let finding = self.alarm.take(&came, returning, proven, moment.now_ns);
        self.returning_too_often = finding.returning;
        let calm = calm && finding.level == Level::Calm;
        self.all.take(packets as f64, calm);
        self.passing.take(passed as f64, calm);
        Standing {
            level: finding.level,
            begins: finding.begins,
            lately: self.alarm.lately(),
            usually_passes: self.passing.usual(),
            too_much_passes: self.passing.is_too_much(),
            unheld: finding.unheld,
            fruitless: finding.fruitless,
            returning: finding.returning,
            names: finding.names,
            sampled,
        }
    }

    /// One packet in how many is to be sampled, so that about as many are as are wanted.
    pub(super) fn sample_every(&self) -> u64 {
        (self.all.second() / WANTED).round().max(1.0) as u64
    }

    /// Takes what comes now as usual.
    pub(super) fn accept(&mut self) {
        self.all.accept();
        self.passing.accept();
        self.alarm.accept();
    }

    /// What is to be kept over a restart.
    pub(super) fn habits(&self) -> Habits {
        Habits { all: self.all.profile(), passing: self.passing.profile(), unproven: self.alarm.usual() }
    }

    /// Takes up what was kept.
    pub(super) fn of(habits: Habits) -> Self {
        let Habits { all, passing, unproven } = habits;
        Self {
            all: BaselineRate::of(all),
            passing: BaselineRate::of(passing),
            alarm: Alarm::of(unproven),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use floodwall_common::parse::tcp_flag;

    use super::*;
    use crate::moment::{PER_SECOND, TICK};

    /// A request of a source for a connection, which passes.
    fn request(source: u64, time_ns: u64) -> Sample {
        Sample::segment(tcp_flag::SYN, source, time_ns)
    }

    /// Whether too many are said to come often, of 200 hosts that ask for a connection every two seconds for so many seconds.
    fn too_many(load: &mut Load, seconds: std::ops::Range<u64>, host_has_room: bool) -> bool {
        let per_second = PER_SECOND as u64;
        let ticks = (seconds.start * per_second..seconds.end * per_second).map(|tick| {
            for source in (0..200).filter(|source| tick % (2 * per_second) == source % (2 * per_second)) {
                load.sample(&request(1 + source, tick * TICK));
            }
            let moment = Moment { host_has_room, ..Moment::new(tick * TICK, 0) };
            load.take(Counts::default(), true, moment).returning
        });
        ticks.last().unwrap_or_default()
    }

    #[test]
    fn that_hosts_come_often_is_no_attack_while_all_can_be_served() {
        let mut load = Load::default();
        load.sample(&request(0, 0));
        assert!(!too_many(&mut load, 40..80, true));
        assert!(too_many(&mut load, 80..100, false));
        assert!(
            too_many(&mut load, 100..120, true),
            "as they are refused now, there is room; it is not over by that"
        );
        let mut load = Load::default();
        load.sample(&request(0, 0));
        assert!(too_many(&mut load, 40..80, false));
    }
}
