//! Turns snapshots of the counters into rates.

use std::collections::{BTreeMap, VecDeque};

use floodwall_api::IncidentSecond;

use crate::input::{ServiceCounts, Snapshot};

/// Seconds before the beginning of an incident whose rates are recorded with it.
const PRELUDE: usize = 30;

/// How the counters have grown between two snapshots.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Growth {
    /// Packets and bytes of all services.
    pub(crate) second: IncidentSecond,
    /// Dropped bytes.
    pub(crate) dropped_bytes: u64,
    /// Growth of the counters of each service.
    pub(crate) services: BTreeMap<String, ServiceCounts>,
}

/// The latest snapshot, and the rates of the seconds before an incident.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rates {
    before: Option<Snapshot>,
    /// The end of the last interval, Unix time in s. If the clock goes back, the next interval begins there nevertheless.
    until: u64,
    prelude: VecDeque<IncidentSecond>,
}

impl Rates {
    /// The growth since the previous snapshot; `None` at the first one.
    pub(crate) fn advance(&mut self, snapshot: &Snapshot) -> Option<Growth> {
        let before = self.before.replace(snapshot.clone())?;
        let span = snapshot.time_ms.saturating_sub(before.time_ms).div_ceil(1_000).clamp(1, 3_600);
        let span = if snapshot.time_ms.saturating_sub(before.time_ms) < 1_500 { 1 } else { span };
        let time = (snapshot.time_ms / 1_000).saturating_sub(span).max(self.until);
        self.until = time + span;
        let mut second = IncidentSecond {
            time,
            span: span as u32,
            link_percent: snapshot.link_percent,
            cpu_percent: snapshot.cpu_percent,
            ..IncidentSecond::default()
        };
        let mut dropped_bytes = 0;
        for (reason, now) in &snapshot.reasons {
            let then = before.reasons.get(reason).copied().unwrap_or_default();
            // A counter that has decreased was reset.
            let packets = now.packets.checked_sub(then.packets).unwrap_or(now.packets);
            let bytes = now.bytes.checked_sub(then.bytes).unwrap_or(now.bytes);
            if packets == 0 {
                continue;
            }
            second.packets += packets;
            second.bytes += bytes;
            if now.drops {
                second.dropped += packets;
                dropped_bytes += bytes;
            }
            second.reasons.insert((*reason).to_owned(), packets);
        }
        let services = snapshot.services.iter().map(|(name, now)| {
            let then = before.services.get(name).copied().unwrap_or_default();
            let growth = ServiceCounts {
                packets: now.packets.checked_sub(then.packets).unwrap_or(now.packets),
                bytes: now.bytes.checked_sub(then.bytes).unwrap_or(now.bytes),
                dropped: now.dropped.checked_sub(then.dropped).unwrap_or(now.dropped),
            };
            (name.clone(), growth)
        });
        let services = services.collect();
        Some(Growth { second, dropped_bytes, services })
    }

    /// Keeps the rates of a second outside an incident, as part of what precedes the next one.
    pub(crate) fn keep(&mut self, second: IncidentSecond) {
        if self.prelude.len() == PRELUDE {
            self.prelude.pop_front();
        }
        self.prelude.push_back(second);
    }

    /// Takes the rates from before an incident, and their mean in packets/s.
    pub(crate) fn take_prelude(&mut self) -> (Vec<IncidentSecond>, Option<f64>) {
        let seconds: u64 = self.prelude.iter().map(|second| u64::from(second.span)).sum();
        let packets: u64 = self.prelude.iter().map(|second| second.packets).sum();
        let rate = (seconds > 0).then(|| packets as f64 / seconds as f64);
        (self.prelude.drain(..).collect(), rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::ReasonCounts;

    fn snapshot(time_ms: u64, clean: u64, dropped: u64) -> Snapshot {
        let counted = |packets, drops| ReasonCounts { packets, bytes: packets * 60, drops };
        Snapshot {
            time_ms,
            reasons: BTreeMap::from([
                ("clean", counted(clean, false)),
                ("signature", counted(dropped, true)),
            ]),
            ..Snapshot::default()
        }
    }

    #[test]
    fn intervals_follow_each_other_whatever_clock_and_counters_do() {
        let mut rates = Rates::default();
        assert_eq!(rates.advance(&snapshot(10_000, 100, 0)), None);
        let growth = rates.advance(&snapshot(11_020, 150, 7)).unwrap();
        let Growth { second, dropped_bytes, .. } = growth;
        assert_eq!((second.time, second.span, second.packets, second.dropped), (10, 1, 57, 7));
        assert_eq!((second.bytes, dropped_bytes), (57 * 60, 420));
        let second = rates.advance(&snapshot(14_010, 150, 37)).unwrap().second;
        assert_eq!((second.time, second.span, second.packets), (11, 3, 30), "a machine that paused");
        assert_eq!(second.reasons.len(), 1, "what did not come is not told");
        let second = rates.advance(&snapshot(3_000, 1, 37)).unwrap().second;
        assert_eq!((second.time, second.packets), (14, 1), "the clock and a counter went back");
    }

    #[test]
    fn the_rates_of_half_a_minute_are_kept() {
        let mut rates = Rates::default();
        for time in 0..100 {
            rates.keep(IncidentSecond { time, span: 1, packets: 10, ..IncidentSecond::default() });
        }
        let (prelude, rate) = rates.take_prelude();
        assert_eq!((prelude.len(), prelude[0].time, rate), (30, 70, Some(10.0)));
        assert_eq!(rates.take_prelude(), (vec![], None));
    }
}
