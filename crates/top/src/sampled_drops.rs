//! The sources of dropped packets, estimated from the drops that the kernel samples.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::{IpAddr, Ipv6Addr},
};

use floodwall_api::DropReport;
use floodwall_units::masked;

use crate::words;

/// How long drops are kept, s.
const SECONDS: u64 = 60;
/// Most drops that are kept: many times what the kernel reports in that time.
const KEPT: usize = 60_000;

/// Of fewer sampled drops it is not said whether they are forged.
const FEW: usize = 100;

/// The share of one source, or of a prefix, in the sampled drops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// An address, or a prefix (/24 of IPv4, /48 of IPv6).
    pub(crate) who: String,
    /// Its sampled packets.
    pub(crate) sampled: u64,
    /// Different sources among them.
    pub(crate) sources: u64,
    /// The most frequent reason for the drops.
    pub(crate) reason: String,
    /// The most frequent protocol and destination port.
    pub(crate) aim: String,
    /// The network and country of the first source, if the daemon knows them.
    pub(crate) origin: Option<String>,
}

#[derive(Clone, Debug)]
struct Drop {
    second: u64,
    source: IpAddr,
    reason: String,
    aim: String,
    origin: Option<String>,
}

/// The sampled drops of the last minute.
#[derive(Clone, Debug, Default)]
pub(crate) struct SampledDrops {
    drops: VecDeque<Drop>,
}

impl SampledDrops {
    /// Adds a drop.
    pub(crate) fn take(&mut self, report: &DropReport) {
        let Some(source) = report.source.as_ref().and_then(|source| source.parse().ok()) else { return };
        let second = report.time_ms / 1_000;
        let (reason, aim) = (masked(&report.reason), words::aim(report));
        let origin = report.origin.as_deref().map(masked);
        self.drops.push_back(Drop { second, source, reason, aim, origin });
        self.forget(second);
    }

    /// Removes drops that are older than a minute.
    pub(crate) fn forget(&mut self, second: u64) {
        let old = |drop: &Drop| drop.second + SECONDS < second;
        while self.drops.len() > KEPT || self.drops.front().is_some_and(old) {
            self.drops.pop_front();
        }
    }

    /// The number of sampled drops.
    pub(crate) fn sampled(&self) -> u64 {
        self.drops.len() as u64
    }

    /// Whether next to none of the sources came twice: they are forged then, and to block them is of no use.
    pub(crate) fn are_forged(&self) -> bool {
        let sources: HashSet<_> = self.drops.iter().map(|drop| drop.source).collect();
        self.drops.len() > FEW && sources.len() * 10 > self.drops.len() * 9
    }

    /// The shares of sources, the largest first.
    pub(crate) fn sources(&self) -> Vec<Share> {
        self.by(|source| source.to_string())
    }

    /// The shares of prefixes, the largest first.
    pub(crate) fn prefixes(&self) -> Vec<Share> {
        self.by(prefix_of)
    }

    fn by(&self, who: impl Fn(IpAddr) -> String) -> Vec<Share> {
        #[derive(Default)]
        struct Counted<'d> {
            sources: HashMap<IpAddr, u64>,
            reasons: HashMap<&'d str, u64>,
            aims: HashMap<&'d str, u64>,
            origin: Option<&'d str>,
        }
        let mut counted: HashMap<String, Counted<'_>> = HashMap::new();
        for drop in &self.drops {
            let entry = counted.entry(who(drop.source)).or_default();
            *entry.sources.entry(drop.source).or_default() += 1;
            *entry.reasons.entry(&drop.reason).or_default() += 1;
            *entry.aims.entry(&drop.aim).or_default() += 1;
            entry.origin = entry.origin.or(drop.origin.as_deref());
        }
        let most = |counts: HashMap<&str, u64>| {
            let greatest = counts.into_iter().max_by_key(|(what, count)| (*count, std::cmp::Reverse(*what)));
            greatest.map(|(what, _)| what.to_owned()).unwrap_or_default()
        };
        let share = |(who, counted): (String, Counted<'_>)| Share {
            who,
            sampled: counted.sources.values().sum(),
            sources: counted.sources.len() as u64,
            reason: most(counted.reasons),
            aim: most(counted.aims),
            origin: counted.origin.map(str::to_owned),
        };
        let mut shares: Vec<_> = counted.into_iter().map(share).collect();
        shares.sort_by(|one, other| other.sampled.cmp(&one.sampled).then_with(|| one.who.cmp(&other.who)));
        shares
    }
}

/// The /24 or /48 that contains an address.
fn prefix_of(source: IpAddr) -> String {
    match source {
        IpAddr::V4(source) => {
            let [a, b, c, _] = source.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(source) => {
            let network = Ipv6Addr::from_bits(source.to_bits() & !(u128::MAX >> 48));
            format!("{network}/48")
        }
    }
}

#[cfg(test)]
pub(crate) fn drop_of(source: &str, second: u64) -> DropReport {
    DropReport {
        time_ms: second * 1_000,
        reason: "signature".to_owned(),
        interface: "eth0".to_owned(),
        source: Some(source.to_owned()),
        destination: Some("192.0.2.1".to_owned()),
        protocol: 6,
        source_port: 40_000,
        destination_port: 443,
        tcp_flags: 2,
        length: 60,
        untold: 9,
        origin: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_shares_come_first_and_old_drops_are_removed() {
        let mut drops = SampledDrops::default();
        for (source, times) in
            [("203.0.113.7", 3), ("203.0.113.9", 1), ("198.51.100.1", 2), ("2001:db8::1", 1)]
        {
            (0..times).for_each(|_| drops.take(&drop_of(source, 100)));
        }
        drops.take(&DropReport { source: None, ..drop_of("", 100) });
        let sources = drops.sources();
        assert_eq!(
            (sources[0].who.as_str(), sources[0].sampled, sources[0].aim.as_str()),
            ("203.0.113.7", 3, "TCP 443")
        );
        let prefixes = drops.prefixes();
        assert_eq!(
            (prefixes[0].who.as_str(), prefixes[0].sampled, prefixes[0].sources),
            ("203.0.113.0/24", 4, 2)
        );
        assert!(prefixes.iter().any(|share| share.who == "2001:db8::/48"));
        assert!(!drops.are_forged(), "these are too few to say so");
        drops.forget(160);
        assert_eq!(drops.sampled(), 7);
        drops.forget(161);
        assert_eq!(drops.sampled(), 0);
        (0..KEPT as u64 + 5).for_each(|_| drops.take(&drop_of("192.0.2.9", 200)));
        assert!(drops.sampled() == KEPT as u64 && !drops.are_forged());
        let mut forged = SampledDrops::default();
        (0..=FEW).for_each(|number| forged.take(&drop_of(&format!("192.0.{}.9", number % 250), 200)));
        assert!(forged.are_forged());
    }
}
