//! What happened to each source's packets within the last hour, by samples.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
};

use floodwall_api::PastPackets;
use parking_lot::Mutex;

use crate::input::SampledPacket;

/// How far back the history reaches, ms.
const HOUR: u64 = 3_600_000;
/// Most sources in a generation, of which two are kept. Known and unknown sources have separate generations, so that a flood
/// from forged addresses does not evict known sources.
const MAX_SOURCES: usize = 32_768;
/// Most different reasons that are kept for a source.
const MAX_REASONS: usize = 8;

/// Records what happens to sources' sampled packets, in bounded memory.
#[derive(Debug, Default)]
pub struct PacketHistory(Mutex<[Generations; 2]>);

/// The history of known, or of unknown sources.
#[derive(Debug, Default)]
struct Generations {
    now: HashMap<IpAddr, Vec<Seen>>,
    /// When the current generation began, Unix time in ms.
    began_ms: u64,
    before: HashMap<IpAddr, Vec<Seen>>,
    /// When the previous generation began, Unix time in ms.
    before_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    reason: &'static str,
    dropped: bool,
    sampled: u64,
    last_ms: u64,
}

impl PacketHistory {
    /// Records a packet.
    pub fn note(&self, packet: &SampledPacket) {
        let mut kinds = self.0.lock();
        kinds[usize::from(packet.unproven)].note(packet);
    }

    /// The time since when the history is complete, and what is recorded of a source, the latest first. Unix times in ms.
    pub fn of(&self, source: IpAddr, now_ms: u64) -> (u64, Vec<PastPackets>) {
        let kinds = self.0.lock();
        let source = key(source);
        let since = now_ms.saturating_sub(HOUR);
        let mut found: Vec<PastPackets> = Vec::new();
        let seen = kinds
            .iter()
            .flat_map(|kind| [&kind.now, &kind.before])
            .filter_map(|all| all.get(&source))
            .flatten();
        for Seen { reason, dropped, sampled, last_ms } in seen.filter(|seen| seen.last_ms >= since).copied() {
            match found.iter_mut().find(|known| known.reason == reason) {
                Some(known) => {
                    known.sampled += sampled;
                    known.last_ms = known.last_ms.max(last_ms);
                }
                None => found.push(PastPackets { reason: reason.to_owned(), dropped, sampled, last_ms }),
            }
        }
        found.sort_by_key(|packets| std::cmp::Reverse(packets.last_ms));
        // The later of both: a source without packets may be of either kind.
        let whole = kinds.iter().map(Generations::since).max().unwrap_or_default();
        (if whole == 0 { 0 } else { whole.max(since) }, found)
    }
}

impl Generations {
    fn note(&mut self, packet: &SampledPacket) {
        let SampledPacket { time_ms, reason, dropped, .. } = *packet;
        if self.began_ms == 0 {
            self.began_ms = time_ms;
        }
        let source = key(packet.source);
        let is_full = self.now.len() >= MAX_SOURCES && !self.now.contains_key(&source);
        if is_full || time_ms.saturating_sub(self.began_ms) >= HOUR {
            self.before = std::mem::take(&mut self.now);
            self.before_ms = std::mem::replace(&mut self.began_ms, time_ms);
        }
        let all = self.now.entry(source).or_default();
        let has_room = all.len() < MAX_REASONS;
        match all.iter_mut().find(|seen| seen.reason == reason) {
            Some(seen) => {
                seen.sampled += 1;
                seen.last_ms = time_ms;
            }
            None if has_room => all.push(Seen { reason, dropped, sampled: 1, last_ms: time_ms }),
            None => {}
        }
    }

    fn since(&self) -> u64 {
        if self.before_ms > 0 { self.before_ms } else { self.began_ms }
    }
}

/// An IPv4 address, or the /64 of an IPv6 address.
fn key(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const START: u64 = 1_796_000_000_000;

    fn packet(source: u32, time_ms: u64, reason: &'static str, unproven: bool) -> SampledPacket {
        let syn = SampledPacket::dropped_syn(source.to_be_bytes());
        SampledPacket { time_ms, reason, dropped: reason != "clean", unproven, ..syn }
    }

    fn address(source: u32) -> IpAddr {
        Ipv4Addr::from_bits(source).into()
    }

    #[test]
    fn the_history_of_a_source_lasts_an_hour() {
        let past = PacketHistory::default();
        assert_eq!(past.of(address(7), START), (0, vec![]), "there is no record");
        for at in 0..5 {
            past.note(&packet(7, START + at * 1_000, "clean", false));
        }
        past.note(&packet(7, START + 9_000, "signature", false));
        let (since, told) = past.of(address(7), START + 10_000);
        let told: Vec<_> = told.iter().map(|one| (one.reason.as_str(), one.dropped, one.sampled)).collect();
        assert_eq!((since, told), (START, vec![("signature", true, 1), ("clean", false, 5)]));
        assert_eq!(past.of(address(7), START + HOUR + 6_000).1.len(), 1, "an hour after the first");
        assert_eq!(past.of(address(7), START + HOUR + 10_000).1.len(), 0);
    }

    #[test]
    fn a_flood_from_forged_addresses_evicts_no_known_source() {
        let past = PacketHistory::default();
        past.note(&packet(7, START, "clean", false));
        for source in 0..3 * MAX_SOURCES as u32 {
            past.note(&packet(0x0a00_0000 + source, START + u64::from(source), "signature", true));
        }
        let now_ms = START + 3 * MAX_SOURCES as u64;
        assert_eq!(past.of(address(7), now_ms).1.len(), 1);
        assert_eq!(past.of(address(0x0a00_0000), now_ms).1.len(), 0, "the first of the flood");
        let (since, last) = past.of(address(0x0a00_0000 + 3 * MAX_SOURCES as u32 - 1), now_ms);
        assert!(last.len() == 1 && since > START, "{since} {last:?}");
    }
}
