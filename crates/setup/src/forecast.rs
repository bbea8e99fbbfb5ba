//! Estimates what enforcing would drop, from what was only counted so far.

use floodwall_api::{CheckStatus, Status, WouldCount};
use schemars::JsonSchema;
use serde::Serialize;

/// The default limit on all packets of a source only counts even where the configuration is enforced.
const COUNTS_BY_DEFAULT: &str = "packet-rate";

/// The packets that would be dropped for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ForecastReason {
    /// Name of the reason.
    pub reason: String,
    /// Packets of sources that have completed an exchange with the host before.
    pub established: u64,
    /// Packets of other sources.
    pub newcomers: u64,
}

/// What would have been dropped since the filter was loaded, had it been enforced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Forecast {
    /// All packets.
    pub packets: u64,
    /// Packets that would have been dropped.
    pub would_drop: u64,
    /// Of these, packets of sources that have completed an exchange with the host before.
    pub established: u64,
    /// Of these, packets of other sources.
    pub newcomers: u64,
    /// By reason, the most frequent first.
    pub reasons: Vec<ForecastReason>,
    /// Reasons that will only count even if the configuration is enforced: by its own words, or because the host forwards
    /// packets.
    pub goes_on_counting: Vec<String>,
    /// How long packets were counted, s.
    pub seconds: u64,
}

impl Forecast {
    /// Computes the forecast from a status.
    pub fn of(status: &Status) -> Self {
        let only_counts = |would: &&WouldCount| only_counts(&status.checks, &would.reason);
        let (counting, dropping): (Vec<_>, Vec<_>) = status.would_drop.iter().partition(only_counts);
        let mut reasons: Vec<_> = dropping
            .into_iter()
            .map(|would| ForecastReason {
                reason: would.reason.clone(),
                established: would.known_packets,
                newcomers: would.unknown_packets,
            })
            .collect();
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.established + reason.newcomers));
        let sum = |of: fn(&ForecastReason) -> u64| reasons.iter().map(of).sum::<u64>();
        let (established, newcomers) = (sum(|reason| reason.established), sum(|reason| reason.newcomers));
        Self {
            packets: status.counters.iter().map(|counter| counter.packets).sum(),
            would_drop: established + newcomers,
            established,
            newcomers,
            goes_on_counting: counting.into_iter().map(|would| would.reason.clone()).collect(),
            reasons,
            seconds: status.uptime_seconds,
        }
    }

    /// Whether packets were counted for less than a day, so that daily traffic may be missing.
    pub fn is_early(&self) -> bool {
        self.seconds < 86_400
    }
}

/// Whether a reason will only count even where the configuration is enforced.
fn only_counts(checks: &[CheckStatus], reason: &str) -> bool {
    let check = checks.iter().find(|check| check.check == reason);
    let has_other_cause = |check: &CheckStatus| check.why.iter().any(|why| !why.starts_with("observe"));
    reason == COUNTS_BY_DEFAULT || check.is_some_and(|check| !check.enforced && has_other_cause(check))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_will_only_count_are_left_out() {
        let would = |reason: &str, known_packets, unknown_packets| WouldCount {
            reason: reason.to_owned(),
            known_packets,
            known_bytes: 0,
            unknown_packets,
            unknown_bytes: 0,
        };
        let check = |check: &str, why: &[&str]| CheckStatus {
            check: check.to_owned(),
            enforced: why.is_empty(),
            why: why.iter().map(|&why| why.to_owned()).collect(),
        };
        let would_drop = [
            would("malformed", 1, 2),
            would("syn-rate", 3, 400),
            would("packet-rate", 5, 5),
            would("out-of-state", 7, 7),
        ];
        let checks =
            [check("malformed", &["observe: only what"]), check("out-of-state", &["observe: only", "NAT"])];
        let status = status_of(&would_drop, &checks);
        let forecast = Forecast::of(&status);
        assert_eq!((forecast.packets, forecast.would_drop), (1_000, 406));
        assert_eq!((forecast.established, forecast.newcomers), (4, 402));
        assert_eq!(forecast.reasons[0].reason, "syn-rate");
        assert_eq!(forecast.goes_on_counting, ["packet-rate", "out-of-state"]);
        assert!(forecast.is_early());
    }

    fn status_of(would_drop: &[WouldCount], checks: &[CheckStatus]) -> Status {
        let text = serde_json::json!({
            "version": "1", "pid": 1, "uptime_seconds": 7_200, "interfaces": [],
            "counters": [{ "reason": "clean", "verdict": "pass", "packets": 1_000, "bytes": 0 }],
            "would_drop": would_drop, "checks": checks,
            "block": { "ipv4": 0, "ipv6": 0 }, "allow": { "ipv4": 0, "ipv6": 0 }, "capacity": 1,
            "limits": { "packets": null, "syn": null }, "memory": [], "warnings": [],
        });
        serde_json::from_value(text).unwrap()
    }
}
