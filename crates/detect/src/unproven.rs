//! Datagrams of new sources that came in calm times, whether they have proven themselves or not.
//!
//! Who asks once and goes, as a browser of game servers does, never proves itself, and is no part of what is usual. A
//! signature that hits whoever asks would shut all of these out. So what came in calm times speaks against signatures, proven or not: an
//! attacker who sends a little of a flood beforehand gains that its datagrams are asked to come again instead, and forged ones do
//! not. Where that cannot be asked (see [`repetition`](super::repetition)), only proof counts.
//!
//! What came within ten seconds before an attack may be its beginning, and is forgotten.

use std::collections::{BTreeMap, VecDeque};

use floodwall_common::features::WordField;

use super::{baseline::Usual, packet_kind::Kind, repetition::NEVER_REPEATED, sample::Sample};

/// How long no attack has to begin before it is believed that it was calm, ns.
const CALM_FOR: u64 = 10_000_000_000;
/// Most that are kept of a service, the latest.
const MOST: usize = 4_000;

/// What came, by service.
#[derive(Debug, Default)]
pub(super) struct Unproven {
    waiting: BTreeMap<u8, VecDeque<(u64, Usual)>>,
    kept: BTreeMap<u8, VecDeque<Usual>>,
}

impl Unproven {
    /// Takes a packet that has passed in calm times.
    pub(super) fn take(&mut self, sample: &Sample) {
        let port = sample.features.shorts[WordField::DestinationPort as usize];
        let such = Kind::of(&sample.features) == Kind::Datagram
            && !(sample.known || sample.answers || sample.unasked || sample.is_fragment())
            && !NEVER_REPEATED.contains(&port);
        if !such {
            return;
        }
        let waiting = self.waiting.entry(sample.service()).or_default();
        if waiting.len() == MOST {
            waiting.pop_front();
        }
        let usual = Usual { features: sample.features, flow: sample.flow(), from_new_source: true };
        waiting.push_back((sample.time_ns, usual));
    }

    /// Keeps what came long enough ago. Says whether that is any.
    pub(super) fn settle(&mut self, now_ns: u64) -> bool {
        let mut any = false;
        for (service, waiting) in &mut self.waiting {
            let kept = self.kept.entry(*service).or_default();
            while let Some((_, usual)) =
                waiting.pop_front_if(|(time_ns, _)| now_ns >= time_ns.saturating_add(CALM_FOR))
            {
                if kept.len() == MOST {
                    kept.pop_front();
                }
                kept.push_back(usual);
                any = true;
            }
        }
        any
    }

    /// An attack on a service begins: what came lately may be its beginning.
    pub(super) fn doubt(&mut self, service: u8) {
        self.waiting.remove(&service);
    }

    /// Forgets what is known of services that are no more.
    pub(super) fn retain(&mut self, is_there: impl Fn(u8) -> bool) {
        self.waiting.retain(|service, _| is_there(*service));
        self.kept.retain(|service, _| is_there(*service));
    }

    /// What came for a service.
    pub(super) fn of(&self, service: u8) -> impl Iterator<Item = Usual> {
        self.kept.get(&service).into_iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use floodwall_common::{features::ByteField, parse::protocol};

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn sample(second: u64, protocol: u8, port: u16) -> Sample {
        let mut sample = Sample::made_up(protocol, second, second * SECOND);
        sample.features.octets[ByteField::Service as usize] = 3;
        sample.features.shorts[WordField::DestinationPort as usize] = port;
        sample
    }

    #[test]
    fn what_came_is_kept_once_no_attack_has_begun_for_a_while() {
        let mut unproven = Unproven::default();
        (0..30).for_each(|second| unproven.take(&sample(second, protocol::UDP, 27_015)));
        assert!(!unproven.settle(9 * SECOND));
        assert!(unproven.settle(20 * SECOND));
        assert_eq!(unproven.of(3).count(), 11);
        unproven.doubt(3);
        assert!(!unproven.settle(100 * SECOND), "the rest may be an attack's");
        assert_eq!((unproven.of(3).count(), unproven.of(2).count()), (11, 0));
    }

    #[test]
    fn only_datagrams_of_new_sources_that_can_be_asked_to_come_again_are() {
        let mut unproven = Unproven::default();
        let game = sample(1, protocol::UDP, 27_015);
        for other in [
            sample(1, protocol::TCP, 443),
            sample(1, protocol::UDP, 53),
            Sample { known: true, ..game },
            Sample { answers: true, ..game },
            Sample { unasked: true, ..game },
        ] {
            unproven.take(&other);
        }
        assert!(!unproven.settle(100 * SECOND));
    }

    #[test]
    fn room_is_bounded() {
        let mut unproven = Unproven::default();
        for second in 0..3 * MOST as u64 {
            unproven.take(&sample(second, protocol::UDP, 27_015));
        }
        unproven.settle(u64::MAX);
        (0..10).for_each(|second| unproven.take(&sample(second, protocol::UDP, 27_015)));
        unproven.settle(u64::MAX);
        assert_eq!(unproven.of(3).count(), MOST);
    }
}
