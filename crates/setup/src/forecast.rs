//! What would have been dropped, had it not only counted.

use floodwall_api::{CheckStatus, Status, WouldCount};
use schemars::JsonSchema;
use serde::Serialize;

/// The default rule for all packets of a source only counts, also where nothing is observed.
const STAYS: &str = "packet-rate";

/// Packets of one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Foreseen {
    /// Name of the reason.
    pub reason: String,
    /// Packets of sources that have taken part in conversations before.
    pub established: u64,
    /// Packets of other sources.
    pub newcomers: u64,
}

/// What would have been dropped since the filter was loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Forecast {
    /// All packets that were judged.
    pub packets: u64,
    /// Those that would have been dropped.
    pub would_drop: u64,
    /// Of these, those of sources that have taken part in conversations before.
    pub established: u64,
    /// Of these, those of others.
    pub newcomers: u64,
    /// By reason, the most first.
    pub reasons: Vec<Foreseen>,
    /// Reasons that go on to count only, whatever is enforced: as the host carries packets of others, or as configured.
    pub goes_on_counting: Vec<String>,
    /// For how long it was looked, seconds.
    pub seconds: u64,
}

impl Forecast {
    /// What a status foretells.
    pub fn of(status: &Status) -> Self {
        let is_told = |would: &&WouldCount| stays(&status.checks, &would.reason);
        let (stay, drop): (Vec<_>, Vec<_>) = status.would_drop.iter().partition(is_told);
        let mut reasons: Vec<_> = drop
            .into_iter()
            .map(|would| Foreseen {
                reason: would.reason.clone(),
                established: would.known_packets,
                newcomers: would.unknown_packets,
            })
            .collect();
        reasons.sort_by_key(|foreseen| std::cmp::Reverse(foreseen.established + foreseen.newcomers));
        let sum = |of: fn(&Foreseen) -> u64| reasons.iter().map(of).sum::<u64>();
        let (established, newcomers) =
            (sum(|foreseen| foreseen.established), sum(|foreseen| foreseen.newcomers));
        Self {
            packets: status.counters.iter().map(|counter| counter.packets).sum(),
            would_drop: established + newcomers,
            established,
            newcomers,
            goes_on_counting: stay.into_iter().map(|would| would.reason.clone()).collect(),
            reasons,
            seconds: status.uptime_seconds,
        }
    }

    /// It was not looked for a day: what comes once a day was not seen.
    pub fn is_early(&self) -> bool {
        self.seconds < 86_400
    }
}

/// Whether a reason goes on to count only once nothing is observed any more.
fn stays(checks: &[CheckStatus], reason: &str) -> bool {
    let check = checks.iter().find(|check| check.check == reason);
    let other_why = |check: &CheckStatus| check.why.iter().any(|why| !why.starts_with("observe"));
    reason == STAYS || check.is_some_and(|check| !check.enforced && other_why(check))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_counting_is_no_loss() {
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
