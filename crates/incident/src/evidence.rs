//! Chooses the packets that are kept as evidence: a bounded number from the course of an incident and the seconds before it.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

/// Most bytes of a packet that are kept: its headers and the beginning of its payload.
pub const SNAP_LENGTH: u32 = 128;
/// Size of the ring of packets that is kept while there is no incident, and how far back it reaches, ms.
const RING: usize = 1_500;
const RING_MS: u64 = 15_000;
/// Packets that are kept per second and reason: in the first minute, in the first ten minutes, and later.
const FIRST_MINUTE: u32 = 20;
const FIRST_TEN_MINUTES: u32 = 5;
const LATER: u32 = 1;
/// Packets of an incident after which they are kept sparsely: one per reason and interval, ms.
const MOST: u64 = 20_000;
const SPARSE_INTERVAL: u64 = 60_000;
/// Packets of an incident after which none are kept.
const MOST_OF_ALL: u64 = MOST + MOST / 2;

/// The beginning of a packet that the kernel program has sampled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// When the filter decided on it, Unix time in µs.
    pub time_us: u64,
    /// Bytes on the wire.
    pub length: u32,
    /// Why it was passed or dropped.
    pub reason: String,
    /// What has decided, where that is told: the prefix of a list or a ban, or a signature.
    pub by: Option<String>,
    /// Whether it was dropped.
    pub dropped: bool,
    /// Its first bytes, beginning with the Ethernet header.
    pub bytes: Vec<u8>,
}

/// Chooses the packets that are kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    ring: VecDeque<Frame>,
    /// The current second, and how many packets of each reason were kept in it.
    second: u64,
    kept: BTreeMap<String, u32>,
    /// When a packet of each reason was last kept, Unix time in ms.
    last: BTreeMap<String, u64>,
    /// Packets of the incident that were kept.
    count: u64,
}

impl Evidence {
    /// Adds a packet to the ring, while there is no incident.
    pub(crate) fn calm(&mut self, frame: Frame) {
        if !self.admit(&frame, FIRST_MINUTE) {
            return;
        }
        if self.ring.len() == RING {
            self.ring.pop_front();
        }
        self.ring.push_back(frame);
    }

    /// Begins an incident, and returns the packets of the ring.
    pub(crate) fn begin(&mut self, now_ms: u64) -> Vec<Frame> {
        self.count = 0;
        let since = now_ms.saturating_sub(RING_MS) * 1_000;
        let before: Vec<_> = self.ring.drain(..).filter(|frame| frame.time_us >= since).collect();
        self.count += before.len() as u64;
        before
    }

    /// Returns a packet of the incident if it is to be kept.
    pub(crate) fn during(&mut self, frame: Frame, began_ms: u64) -> Option<Frame> {
        let time_ms = frame.time_us / 1_000;
        let most = match time_ms.saturating_sub(began_ms) {
            0..60_000 => FIRST_MINUTE,
            60_000..600_000 => FIRST_TEN_MINUTES,
            _ => LATER,
        };
        if self.count >= MOST {
            let last = self.last.get(&frame.reason).copied().unwrap_or_default();
            if self.count >= MOST_OF_ALL || time_ms < last + SPARSE_INTERVAL {
                return None;
            }
        }
        if !self.admit(&frame, most) {
            return None;
        }
        self.count += 1;
        self.last.insert(frame.reason.clone(), time_ms);
        Some(frame)
    }

    /// Counts a packet, unless as many of its second and reason were kept already.
    fn admit(&mut self, frame: &Frame, most: u32) -> bool {
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
            by: None,
            dropped: true,
            bytes: vec![0; 60],
        }
    }

    #[test]
    fn packets_from_before_and_of_every_reason_are_kept() {
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
        assert_eq!(of("source-rate"), 360, "rare packets are kept, too");
        assert_eq!(kept.last().map(|frame| frame.time_us / 1_000_000), Some(3_659));
    }

    #[test]
    fn the_evidence_of_a_long_incident_is_bounded() {
        let mut evidence = Evidence::default();
        evidence.begin(0);
        let packets =
            (0..8 * 86_400).filter_map(|second| evidence.during(frame(second * 1_000, "signature"), 0));
        assert_eq!(packets.count() as u64, MOST_OF_ALL);
    }
}
