//! Cost per packet: every candidate in turn, round by round.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context as _, ensure};
use floodwall::kernel::ReasonTotals;
use floodwall_common::wire::Reason;
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use crate::{
    candidate::Candidate,
    floodwall::{Floodwall, Limits},
    frames::Frame,
    situation::{self, Situation},
    sources::Window,
    stand::Stand,
};

/// Candidates that are shown the same packets.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Unique in a report.
    pub(crate) name: String,
    pub(crate) frame: Frame,
    pub(crate) window: Window,
    pub(crate) limits: Limits,
    pub(crate) situation: Situation,
    /// Each source has a connection that the packets belong to.
    pub(crate) connected: bool,
    pub(crate) candidates: Vec<Candidate>,
    /// What floodwall is to do with nearly all of the packets.
    pub(crate) expected: Reason,
}

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) rounds: usize,
    /// Fewest packets in a measurement.
    pub(crate) packets: u32,
    /// Time that a measurement should take, if that many packets take less.
    pub(crate) time: Duration,
}

/// What came of a group: for each candidate its cost per packet above its base in each round, ns.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) group: Group,
    pub(crate) costs: HashMap<Candidate, Vec<f64>>,
    /// Share of the packets that floodwall did with what was expected.
    pub(crate) share: f64,
}

/// Where the candidates are.
pub(crate) struct Bench<'a> {
    pub(crate) stand: &'a Stand,
    /// Behind [`Candidate::Floodwall`] and [`Candidate::Signed`].
    pub(crate) floodwall: &'a Floodwall,
    /// Behind [`Candidate::Unlisted`].
    pub(crate) unlisted: &'a Floodwall,
}

/// Packets that are shown before measuring where there are more sources than any cache holds.
const WARM_UP: usize = 30_000;
/// Most sources that are gone through once before each measurement: they may fit a cache.
const CACHED: usize = 100_000;
/// Most packets that are shown before the first round, so that tables of sources have filled.
const PREFILL: usize = 1_500_000;
/// `XDP_ABORTED`: a program of the benchmark could not do its work.
const ABORTED: u32 = 0;

impl Bench<'_> {
    /// Measures all groups, `pace.rounds` times.
    pub(crate) fn measure(
        &self,
        groups: Vec<Group>,
        pace: Pace,
        mut progress: impl FnMut(usize),
    ) -> anyhow::Result<Vec<Measured>> {
        let mut all: Vec<Measured> =
            groups.into_iter().map(|group| Measured { group, costs: HashMap::new(), share: 1.0 }).collect();
        for measured in &all {
            self.prefill(&measured.group)?;
        }
        for round in 0..pace.rounds {
            progress(round);
            for measured in &mut all {
                let (costs, share) = self.round(&measured.group, pace)?;
                for (candidate, cost) in costs {
                    measured.costs.entry(candidate).or_default().push(cost);
                }
                measured.share = measured.share.min(share);
            }
        }
        Ok(all)
    }

    /// Lets the tables that count sources see them once.
    fn prefill(&self, group: &Group) -> anyhow::Result<()> {
        let packets = group.window.count.min(PREFILL) as u32;
        for candidate in &group.candidates {
            // With signatures it is the same table of sources.
            use Candidate::{Floodwall, LpmAndLru, Lru, Unlisted};
            if packets > 1 && matches!(candidate, Floodwall | Unlisted | Lru | LpmAndLru) {
                self.stand.run(*candidate, group.frame, group.window, packets)?;
            }
        }
        Ok(())
    }

    /// The cost of each candidate above its base, and the share of packets that floodwall judged as expected.
    fn round(&self, group: &Group, pace: Pace) -> anyhow::Result<(Vec<(Candidate, f64)>, f64)> {
        for floodwall in [self.floodwall, self.unlisted] {
            floodwall.limit(group.limits)?;
            group.situation.arrange(floodwall)?;
        }
        if group.connected {
            let sources = self.stand.sources_of(group.window);
            situation::open_connections(self.floodwall, group.window.family, sources)?;
        }
        let before = self.floodwall.counters()?;
        let mut times = HashMap::new();
        let mut order = Vec::new();
        for candidate in &group.candidates {
            for wanted in [candidate.base(), *candidate] {
                if !order.contains(&wanted) {
                    order.push(wanted);
                }
            }
        }
        for candidate in &order {
            times.insert(*candidate, self.one(*candidate, group, pace)?);
        }
        let share = share(&before, &self.floodwall.counters()?, group.expected);
        let costs = order.iter().filter(|candidate| candidate.base() != **candidate);
        let costs = costs.map(|candidate| (*candidate, times[candidate] - times[&candidate.base()]));
        Ok((costs.collect(), share))
    }

    /// Time for a packet, wrapper included, ns.
    fn one(&self, candidate: Candidate, group: &Group, pace: Pace) -> anyhow::Result<f64> {
        let count = group.window.count;
        let warm_up = if count <= CACHED { count.max(CACHED / 4) } else { WARM_UP };
        if candidate == Candidate::Signed {
            self.floodwall.sign(true);
        }
        let trial = self.stand.run(candidate, group.frame, group.window, warm_up as u32)?;
        let repeat = (pace.time.as_nanos() as f64 / trial.nanoseconds.max(1.0))
            .clamp(f64::from(pace.packets), 4e6) as u32;
        let run = self.stand.run(candidate, group.frame, group.window, repeat)?;
        ensure!(run.action != ABORTED, "{} could not judge {}", candidate.name(), group.name);
        if candidate == Candidate::Signed {
            self.floodwall.sign(false);
        }
        Ok(run.nanoseconds)
    }
}

/// The share of the packets between two readings that left with a reason.
pub(crate) fn share(before: &[ReasonTotals], after: &[ReasonTotals], reason: Reason) -> f64 {
    let packets = |which: Option<Reason>| -> u64 {
        let all =
            before.iter().zip(after).filter(|(before, _)| which.is_none_or(|which| before.reason == which));
        all.map(|(before, after)| after.packets - before.packets).sum()
    };
    match packets(None) {
        0 => 1.0,
        all => packets(Some(reason)) as f64 / all as f64,
    }
}

impl Measured {
    /// Median cost above the base, ns.
    pub(crate) fn median(&self, candidate: Candidate) -> Option<f64> {
        median(self.costs.get(&candidate)?)
    }
}

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// Pins the thread to one processor, so that it does not leave its caches behind.
pub(crate) fn stay_on_one_processor() -> anyhow::Result<()> {
    stay_on(processors()?.last().copied().unwrap_or(0))
}

/// The processors that this process may run on.
pub(crate) fn processors() -> anyhow::Result<Vec<usize>> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).context("asking for the processors")?;
    Ok((0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false)).collect())
}

/// Pins the thread to a processor.
pub(crate) fn stay_on(processor: usize) -> anyhow::Result<()> {
    let mut one = CpuSet::new();
    one.set(processor).context("choosing a processor")?;
    sched_setaffinity(Pid::from_raw(0), &one).context("staying on one processor")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn a_share_is_of_what_was_counted_between() {
        let reading = |clean, blocked| {
            [(Reason::Clean, clean), (Reason::Blocked, blocked)].map(|(reason, packets)| ReasonTotals {
                reason,
                packets,
                bytes: 0,
            })
        };
        assert_eq!(share(&reading(5, 1), &reading(8, 2), Reason::Clean), 0.75);
        assert_eq!(share(&reading(5, 1), &reading(5, 1), Reason::Clean), 1.0);
    }
}
