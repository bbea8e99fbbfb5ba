//! Whose packets are dropped, as far as the sample of drops tells that the kernel sends.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, Ipv6Addr},
};

use floodwall_api::DropReport;
use floodwall_units::masked;

use crate::words;

/// Seconds that are looked back.
const SECONDS: u64 = 60;
/// Most drops that are kept: many times what the kernel is let to tell.
const KEPT: usize = 60_000;

/// What one source, or a prefix of them, has sent of what was sampled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// A source (an IPv4 address, or the address of an IPv6 packet), or a prefix (/24, /48).
    pub(crate) who: String,
    /// Its packets among those that were sampled.
    pub(crate) sampled: u64,
    /// Sources of the prefix among them.
    pub(crate) sources: u64,
    /// The reason that most of them were dropped for.
    pub(crate) reason: String,
    /// What most of them were for.
    pub(crate) aim: String,
    /// The network and country of the first of them, as far as the daemon tells.
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

/// The drops of the last minute.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    drops: VecDeque<Drop>,
}

impl Tally {
    /// Takes in a drop.
    pub(crate) fn take(&mut self, report: &DropReport) {
        let Some(source) = report.source.as_ref().and_then(|source| source.parse().ok()) else { return };
        let second = report.time_ms / 1_000;
        let (reason, aim) = (masked(&report.reason), words::aim(report));
        let origin = report.origin.as_deref().map(masked);
        self.drops.push_back(Drop { second, source, reason, aim, origin });
        self.forget(second);
    }

    /// Forgets what is older than a minute.
    pub(crate) fn forget(&mut self, second: u64) {
        let old = |drop: &Drop| drop.second + SECONDS < second;
        while self.drops.len() > KEPT || self.drops.front().is_some_and(old) {
            self.drops.pop_front();
        }
    }

    /// Drops that were sampled.
    pub(crate) fn sampled(&self) -> u64 {
        self.drops.len() as u64
    }

    /// By source, those with most first.
    pub(crate) fn sources(&self) -> Vec<Share> {
        self.by(|source| source.to_string())
    }

    /// By prefix, those with most first.
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

/// The /24 or /48 that an address lies in.
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
    fn those_that_send_most_come_first_and_what_is_old_is_forgotten() {
        let mut tally = Tally::default();
        for (source, times) in
            [("203.0.113.7", 3), ("203.0.113.9", 1), ("198.51.100.1", 2), ("2001:db8::1", 1)]
        {
            (0..times).for_each(|_| tally.take(&drop_of(source, 100)));
        }
        tally.take(&DropReport { source: None, ..drop_of("", 100) });
        let sources = tally.sources();
        assert_eq!(
            (sources[0].who.as_str(), sources[0].sampled, sources[0].aim.as_str()),
            ("203.0.113.7", 3, "TCP 443")
        );
        let prefixes = tally.prefixes();
        assert_eq!(
            (prefixes[0].who.as_str(), prefixes[0].sampled, prefixes[0].sources),
            ("203.0.113.0/24", 4, 2)
        );
        assert!(prefixes.iter().any(|share| share.who == "2001:db8::/48"));
        tally.forget(160);
        assert_eq!(tally.sampled(), 7);
        tally.forget(161);
        assert_eq!(tally.sampled(), 0);
        (0..KEPT as u64 + 5).for_each(|_| tally.take(&drop_of("192.0.2.9", 200)));
        assert_eq!(tally.sampled(), KEPT as u64);
    }
}
