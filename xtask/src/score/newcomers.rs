//! How those fared who first came while there was an attack: a filter that shuts newcomers out can look good in packets.

use std::collections::HashMap;
use std::net::IpAddr;

use super::scenario::Scenario;
use super::segment::{self, Connection};
use super::verdicts::Fate;

/// Who first came then; of each, whether everything of theirs was lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Newcomers {
    /// Connections that customers asked for, to ports that the host offers: whether every request was dropped.
    pub(super) connections: HashMap<Connection, bool>,
    /// Customers who had not been there before: whether every packet was, up to the end of the attack.
    pub(super) sources: HashMap<IpAddr, bool>,
}

/// Looks at the customers' packets of the attack (or the rush). One that is to be repeated is not lost.
pub(super) fn of(scenario: &Scenario, legit: &[usize], fate: impl Fn(usize) -> Fate) -> Newcomers {
    let (start, end) = scenario.span();
    let mut first_seen = HashMap::new();
    let mut newcomers = Newcomers::default();
    for &packet in legit {
        let Some(segment) = segment::of(&scenario.heads[packet]) else { continue };
        let (time, lost) = (scenario.times[packet], fate(packet) == Fate::Dropped);
        let first = *first_seen.entry(segment.source).or_insert(time);
        if time < start || time >= end {
            continue;
        }
        if first >= start {
            *newcomers.sources.entry(segment.source).or_insert(true) &= lost;
        }
        if let Some(asks) = segment.asks
            && (scenario.offered.is_empty() || scenario.offered.contains(&asks.port))
        {
            *newcomers.connections.entry(asks).or_insert(true) &= lost;
        }
    }
    newcomers
}

#[cfg(test)]
mod tests {
    use floodwall_lab::frame::Frame;

    use super::super::scenario::Label;
    use super::*;

    /// When, the last byte of whose address, its port, the host's port, whether it is a request, and what became of it.
    type Sent = (f64, u8, u16, u16, bool, Fate);

    fn lost<K>(newcomers: &HashMap<K, bool>) -> (usize, usize) {
        (newcomers.values().filter(|lost| **lost).count(), newcomers.len())
    }

    fn newcomers(offered: &[u16], windows: &[(f64, f64)], sent: &[Sent]) -> Newcomers {
        let heads = sent.iter().map(|&(_, source, source_port, port, asks, _)| {
            let tcp = Frame::ipv4([198, 51, 100, source], "192.0.2.10").tcp(source_port, port);
            if asks { tcp.syn() } else { tcp.ack() }.build().into_boxed_slice()
        });
        let scenario = Scenario {
            name: "s".to_owned(),
            windows: windows.to_vec(),
            surge: None,
            offered: offered.to_vec(),
            times: sent.iter().map(|sent| sent.0).collect(),
            heads: heads.collect(),
            labels: vec![Label::Legit; sent.len()],
        };
        let all: Vec<usize> = (0..sent.len()).collect();
        of(&scenario, &all, |packet| sent[packet].5)
    }

    #[test]
    fn a_connection_is_refused_if_every_request_is_dropped() {
        use Fate::{Dropped, Passed, Repeat};
        let sent = [
            // Known before: no new source, and yet a newcomer with another connection.
            (1.0, 1, 1_000, 443, true, Passed),
            (3.0, 1, 1_001, 443, true, Dropped),
            (4.0, 1, 1_001, 443, true, Dropped),
            // Its second request passes.
            (3.0, 2, 1_000, 443, true, Dropped),
            (4.0, 2, 1_000, 443, true, Passed),
            // To be repeated: not refused.
            (5.0, 3, 1_000, 443, true, Repeat),
            // A port that is not offered: only its source counts.
            (5.0, 4, 1_000, 8_080, true, Dropped),
            // No request.
            (6.0, 5, 1_000, 443, false, Dropped),
            // After the attack.
            (8.0, 6, 1_000, 443, true, Dropped),
        ];
        let found = newcomers(&[443], &[(2.0, 8.0)], &sent);
        assert_eq!(lost(&found.connections), (1, 3));
        assert_eq!(lost(&found.sources), (2, 4), "4 and 5 of 2, 3, 4 and 5");
        // Where nothing is said to be offered, everything is.
        let found = newcomers(&[], &[(2.0, 8.0)], &sent);
        assert_eq!(lost(&found.connections), (2, 4));
    }

    #[test]
    fn who_came_before_or_in_peace_is_no_newcomer() {
        let sent = [(1.0, 1, 1_000, 443, true, Fate::Passed), (3.0, 1, 1_000, 443, false, Fate::Dropped)];
        assert_eq!(newcomers(&[443], &[(2.0, 8.0)], &sent), Newcomers::default());
        assert_eq!(newcomers(&[443], &[], &sent), Newcomers::default());
    }
}
