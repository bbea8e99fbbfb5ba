//! Packets that are kept as evidence: the start of a few, spread over an incident, and over the seconds before it.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

/// Bytes of a packet that are kept at most: headers, and the first of what they carry.
pub const SNAP_LENGTH: u32 = 128;
/// Packets of the last seconds that are kept while there is no incident, and for how long, ms.
const RING: usize = 1_500;
const BEFORE: u64 = 15_000;
/// Packets of a second and reason that are kept, in the first minute, in the first ten, and later.
const FIRST_MINUTE: u32 = 20;
const FIRST_TEN: u32 = 5;
const LATER: u32 = 1;
/// Packets of an incident; beyond that nothing is kept but what shows of which kind it is by then.
const MOST: u64 = 20_000;
/// Beyond [`MOST`], one packet of a reason in so many seconds, ms, and then none.
const SPARSELY: u64 = 60_000;
const MOST_OF_ALL: u64 = MOST + MOST / 2;

/// A packet, as the kernel program has shown it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// When it was judged, Unix µs.
    pub time_us: u64,
    /// Bytes on the wire.
    pub length: u32,
    /// Why it was passed or dropped.
    pub reason: String,
    /// Whether it was dropped.
    pub dropped: bool,
    /// Its first bytes, from the Ethernet header on.
    pub bytes: Vec<u8>,
}

/// Chooses which packets are kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    ring: VecDeque<Frame>,
    /// Packets of this second by reason.
    second: u64,
    kept: BTreeMap<String, u32>,
    /// When a packet of a reason was kept last, Unix ms.
    last: BTreeMap<String, u64>,
    /// Packets of the incident.
    count: u64,
}

impl Evidence {
    /// Looks at a packet, in calm times.
    pub(crate) fn calm(&mut self, frame: Frame) {
        if !self.has_room(&frame, FIRST_MINUTE) {
            return;
        }
        if self.ring.len() == RING {
            self.ring.pop_front();
        }
        self.ring.push_back(frame);
    }

    /// An incident begins: the packets of the last seconds.
    pub(crate) fn begin(&mut self, now_ms: u64) -> Vec<Frame> {
        self.count = 0;
        let since = now_ms.saturating_sub(BEFORE) * 1_000;
        let before: Vec<_> = self.ring.drain(..).filter(|frame| frame.time_us >= since).collect();
        self.count += before.len() as u64;
        before
    }

    /// Looks at a packet in the midst of an incident that began then; gives it back if it is to be kept.
    pub(crate) fn during(&mut self, frame: Frame, began_ms: u64) -> Option<Frame> {
        let time_ms = frame.time_us / 1_000;
        let most = match time_ms.saturating_sub(began_ms) {
            0..60_000 => FIRST_MINUTE,
            60_000..600_000 => FIRST_TEN,
            _ => LATER,
        };
        if self.count >= MOST {
            let last = self.last.get(&frame.reason).copied().unwrap_or_default();
            if self.count >= MOST_OF_ALL || time_ms < last + SPARSELY {
                return None;
            }
        }
        if !self.has_room(&frame, most) {
            return None;
        }
        self.count += 1;
        self.last.insert(frame.reason.clone(), time_ms);
        Some(frame)
    }

    /// Takes the room for a packet, if there is any in its second.
    fn has_room(&mut self, frame: &Frame, most: u32) -> bool {
        let second = frame.time_us / 1_000_000;
        if second != self.second {
            self.second = second;
            self.kept.clear();
        }
        match self.kept.get_mut(&frame.reason) {
            Some(kept) if *kept >= most => false,
            Some(kept) => {
                *kept += 1;
                true
            }
            None => {
                self.kept.insert(frame.reason.clone(), 1);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(time_ms: u64, reason: &str) -> Frame {
        Frame {
            time_us: time_ms * 1_000,
            length: 60,
            reason: reason.into(),
            dropped: true,
            bytes: vec![0; 60],
        }
    }

    #[test]
    fn the_seconds_before_and_packets_of_each_reason_all_along() {
        let mut evidence = Evidence::default();
        (0..60_000).for_each(|ms| evidence.calm(frame(ms, "clean")));
        let before = evidence.begin(60_000);
        assert_eq!(before.len(), 15 * FIRST_MINUTE as usize);
        assert!(before[0].time_us >= 45_000_000);
        let mut kept = Vec::new();
        for ms in (60_000..3_660_000).step_by(5) {
            kept.extend(evidence.during(frame(ms, "signature"), 60_000));
            if ms % 10_000 == 0 {
                kept.extend(evidence.during(frame(ms, "source-rate"), 60_000));
            }
        }
        let of = |reason: &str| kept.iter().filter(|frame| frame.reason == reason).count();
        assert_eq!(of("signature"), 60 * 20 + 540 * 5 + 3_000);
        assert_eq!(of("source-rate"), 360, "what is rare is there, too");
        assert_eq!(kept.last().map(|frame| frame.time_us / 1_000_000), Some(3_659));
    }

    #[test]
    fn a_week_long_one_has_a_bound() {
        let mut evidence = Evidence::default();
        evidence.begin(0);
        let packets =
            (0..8 * 86_400).filter_map(|second| evidence.during(frame(second * 1_000, "signature"), 0));
        assert_eq!(packets.count() as u64, MOST_OF_ALL);
    }
}
