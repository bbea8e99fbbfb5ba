//! What `floodwall status --json` says about packets.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Packets since the filter was loaded, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) passed: BTreeMap<String, u64>,
    pub(super) dropped: BTreeMap<String, u64>,
}

impl Counters {
    /// Reads the answer; whatever else stands in it is of no interest here.
    pub(super) fn read(status: &str) -> Result<Self> {
        let status: Value =
            serde_json::from_str(status).context("reading the answer of `floodwall status --json`")?;
        let list =
            status["counters"].as_array().context("`floodwall status --json` has no list `counters`")?;
        let mut counters = Self::default();
        for counter in list {
            let (Some(reason), Some(packets)) = (counter["reason"].as_str(), counter["packets"].as_u64())
            else {
                continue;
            };
            let side =
                if counter["verdict"] == "drop" { &mut counters.dropped } else { &mut counters.passed };
            *side.entry(reason.to_owned()).or_default() += packets;
        }
        Ok(counters)
    }

    /// What was counted since an earlier reading.
    pub(super) fn since(&self, before: &Self) -> Self {
        let less = |now: &BTreeMap<String, u64>, before: &BTreeMap<String, u64>| {
            let rest = |(reason, count): (&String, &u64)| {
                (reason.clone(), count.saturating_sub(before.get(reason).copied().unwrap_or(0)))
            };
            now.iter().map(rest).collect()
        };
        Self { passed: less(&self.passed, &before.passed), dropped: less(&self.dropped, &before.dropped) }
    }

    /// Adds another reading's counts.
    pub(super) fn add(&mut self, other: &Self) {
        for (mine, theirs) in [(&mut self.passed, &other.passed), (&mut self.dropped, &other.dropped)] {
            for (reason, count) in theirs {
                *mine.entry(reason.clone()).or_default() += count;
            }
        }
    }

    pub(super) fn all_passed(&self) -> u64 {
        self.passed.values().sum()
    }

    pub(super) fn all_dropped(&self) -> u64 {
        self.dropped.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = r#"{"version":"0.1.0","counters":[
        {"reason":"clean","verdict":"pass","packets":10,"bytes":600},
        {"reason":"blocked","verdict":"drop","packets":70,"bytes":4200,"more":1},
        {"reason":"odd"}]}"#;

    #[test]
    fn packets_are_counted_by_verdict_and_reason() {
        let counters = Counters::read(STATUS).unwrap();
        assert_eq!((counters.all_passed(), counters.all_dropped()), (10, 70));
        assert_eq!(counters.since(&Counters::default()), counters);
        assert_eq!(counters.since(&counters).all_dropped(), 0);
        let mut twice = counters.clone();
        twice.add(&counters);
        assert_eq!(twice.dropped["blocked"], 140);
    }

    #[test]
    fn another_answer_is_an_error() {
        assert!(Counters::read("no").is_err());
        assert!(Counters::read("{}").unwrap_err().to_string().contains("counters"));
    }
}
