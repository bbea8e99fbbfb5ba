//! What must be reached, and whether it is.

use floodwall_common::prefix::Family;
use serde::Serialize;

use crate::{
    candidate::Candidate::{self, Floodwall, Lpm, LpmAndLru, OneRead, Signed, XdpFilter},
    groups::{self, Hostile},
    report::Report,
    sources::CLEAN,
};

/// A bound on something that was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Target {
    /// What was measured.
    pub(crate) what: String,
    /// What came out.
    pub(crate) value: f64,
    /// The most that it may be.
    pub(crate) at_most: f64,
    /// Of both; empty for a ratio.
    pub(crate) unit: &'static str,
    /// Whether it is.
    pub(crate) reached: bool,
}

/// Every target that the report has figures for.
pub(crate) fn check(report: &Report) -> Vec<Target> {
    let mut targets = Vec::new();
    let mut add = |what: String, value: Option<f64>, at_most: f64, unit| {
        if let Some(value) = value {
            targets.push(Target { what, value, at_most, unit, reached: value <= at_most });
        }
    };
    let ratio =
        |group: &str, to: Candidate| Some(report.median(group, Floodwall)? / report.median(group, to)?);
    let between =
        |one: &str, other: &str| Some(report.median(one, Floodwall)? / report.median(other, Floodwall)?);

    let v4 = groups::blocked(Family::V4);
    for group in [v4.as_str(), groups::HOSTS_BLOCKED, groups::TABLE_BLOCKED] {
        add(format!("{group}: to the LPM trie"), ratio(group, Lpm), 1.0 / 8.0, "");
        add(format!("{group}: to one random read"), ratio(group, OneRead), 2.0, "");
    }
    let [many, some] = [CLEAN, 100_000].map(|count| groups::clean(Family::V4, count));
    for group in [many.as_str(), groups::HOSTS_NEAR] {
        add(format!("{group}: to LPM trie + LRU hash"), ratio(group, LpmAndLru), 1.0 / 6.0, "");
        add(format!("{group}: to one random read"), ratio(group, OneRead), 2.5, "");
    }
    add(format!("{many}: to 100 k sources"), between(&many, &some), 1.3, "");
    for group in [groups::clean(Family::V4, 1), groups::hot(Family::V4)] {
        add(format!("{group}: to xdp-filter"), ratio(&group, XdpFilter), 1.2, "");
    }
    let million = groups::clean(Family::V4, 1_000_000);
    let more = report.median(&million, Signed).zip(report.median(&million, Floodwall));
    let more = more.map(|(signed, unsigned)| signed - unsigned);
    add(format!("{million}: 64 signatures more than none"), more, 60.0, "ns");
    let same = |group: fn(Family) -> String| (group(Family::V6), group(Family::V4));
    for (v6, v4) in [
        same(groups::blocked),
        same(|family| groups::clean(family, CLEAN)),
        same(|family| groups::clean(family, 1)),
        same(groups::hot),
    ] {
        add(format!("{v6}: to IPv4"), between(&v6, &v4), 1.5, "");
    }
    for hostile in Hostile::ALL {
        let [one, many] = [1, CLEAN].map(|count| hostile.row(count));
        let reads = hostile.reads();
        if reads == 0.0 {
            add(format!("{many}: to 1 source"), between(&many, &one), 1.5, "");
            continue;
        }
        let cost = report.median(&many, Floodwall);
        let over = cost.zip(report.bound(hostile)).map(|(cost, bound)| cost / bound);
        add(format!("{many}: to 1 source and {reads} random reads"), over, 1.0, "");
    }
    if let Some(changed) = &report.changes {
        add("1 M prefixes loaded from a file".to_owned(), Some(changed.load.total()), 1.0, "s");
        add("1 M prefixes replaced from a file".to_owned(), Some(changed.replace.total()), 1.0, "s");
        add("one insert during imports, 99th percentile".to_owned(), Some(changed.insert_p99_ms), 1.0, "ms");
    }
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    add("memory of the default configuration".to_owned(), Some(mib(report.memory.kept_bytes)), 256.0, "MiB");
    let verified = report.verified_instructions.map(f64::from);
    add("instructions verified".to_owned(), verified, 50_000.0, "");
    targets
}
