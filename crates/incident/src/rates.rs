//! What came between two looks at the counters.

use std::collections::{BTreeMap, VecDeque};

use floodwall_api::IncidentSecond;

use crate::told::{Look, OfService};

/// Seconds before its beginning that belong to an incident.
const PRELUDE: usize = 30;

/// What came since the look before.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Came {
    /// In all.
    pub(crate) second: IncidentSecond,
    /// Bytes that were dropped.
    pub(crate) dropped_bytes: u64,
    /// By service.
    pub(crate) services: BTreeMap<String, OfService>,
}

/// The last look, and the last half minute.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rates {
    before: Option<Look>,
    /// Up to when it was counted, Unix seconds: whatever the clock does, no second comes twice.
    until: u64,
    prelude: VecDeque<IncidentSecond>,
}

impl Rates {
    /// What came since the look before; `None` at the first one.
    pub(crate) fn look(&mut self, look: &Look) -> Option<Came> {
        let before = self.before.replace(look.clone())?;
        let span = look.time_ms.saturating_sub(before.time_ms).div_ceil(1_000).clamp(1, 3_600);
        let span = if look.time_ms.saturating_sub(before.time_ms) < 1_500 { 1 } else { span };
        let time = (look.time_ms / 1_000).saturating_sub(span).max(self.until);
        self.until = time + span;
        let mut second = IncidentSecond {
            time,
            span: span as u32,
            link_percent: look.link_percent,
            cpu_percent: look.cpu_percent,
            ..IncidentSecond::default()
        };
        let mut dropped_bytes = 0;
        for (reason, now) in &look.reasons {
            let then = before.reasons.get(reason).copied().unwrap_or_default();
            // Counters that went back are others: the maps were made anew.
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
        let services = look.services.iter().map(|(name, now)| {
            let then = before.services.get(name).copied().unwrap_or_default();
            let came = OfService {
                packets: now.packets.checked_sub(then.packets).unwrap_or(now.packets),
                bytes: now.bytes.checked_sub(then.bytes).unwrap_or(now.bytes),
                dropped: now.dropped.checked_sub(then.dropped).unwrap_or(now.dropped),
            };
            (name.clone(), came)
        });
        let services = services.collect();
        Some(Came { second, dropped_bytes, services })
    }

    /// Keeps what came in a second that is of no incident: of one that begins, it is what was before.
    pub(crate) fn keep(&mut self, second: IncidentSecond) {
        if self.prelude.len() == PRELUDE {
            self.prelude.pop_front();
        }
        self.prelude.push_back(second);
    }

    /// The last half minute, and packets/s in it.
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
    use crate::told::Counted;

    fn look(time_ms: u64, clean: u64, dropped: u64) -> Look {
        let counted = |packets, drops| Counted { packets, bytes: packets * 60, drops };
        Look {
            time_ms,
            reasons: BTreeMap::from([
                ("clean", counted(clean, false)),
                ("signature", counted(dropped, true)),
            ]),
            ..Look::default()
        }
    }

    #[test]
    fn differences_between_looks_whatever_clock_and_counters_do() {
        let mut rates = Rates::default();
        assert_eq!(rates.look(&look(10_000, 100, 0)), None);
        let came = rates.look(&look(11_020, 150, 7)).unwrap();
        let Came { second, dropped_bytes, .. } = came;
        assert_eq!((second.time, second.span, second.packets, second.dropped), (10, 1, 57, 7));
        assert_eq!((second.bytes, dropped_bytes), (57 * 60, 420));
        let second = rates.look(&look(14_010, 150, 37)).unwrap().second;
        assert_eq!((second.time, second.span, second.packets), (11, 3, 30), "a machine that paused");
        assert_eq!(second.reasons.len(), 1, "what did not come is not told");
        let second = rates.look(&look(3_000, 1, 37)).unwrap().second;
        assert_eq!((second.time, second.packets), (14, 1), "the clock and a counter went back");
    }

    #[test]
    fn half_a_minute_is_kept() {
        let mut rates = Rates::default();
        for time in 0..100 {
            rates.keep(IncidentSecond { time, span: 1, packets: 10, ..IncidentSecond::default() });
        }
        let (prelude, rate) = rates.take_prelude();
        assert_eq!((prelude.len(), prelude[0].time, rate), (30, 70, Some(10.0)));
        assert_eq!(rates.take_prelude(), (vec![], None));
    }
}
