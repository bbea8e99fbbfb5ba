//! The constants of detection: their names, and where they stand.
//!
//! A line of the source that is no longer as a pattern has it fails the tests, so that this table goes with the code. What
//! the words of a pattern mean is told in [`super::edit`].

use super::edit::Edit;

/// A constant, or several that only make sense together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Constant {
    pub(super) name: &'static str,
    pub(super) edits: &'static [Edit],
}

const ALARM: &str = "crates/detect/src/alarm/mod.rs";
const CLASS: &str = "crates/detect/src/alarm/class.rs";
const TESTED: &str = "crates/detect/src/alarm/tested.rs";
const CHANCE: &str = "crates/detect/src/alarm/chance.rs";
const SERIES: &str = "crates/detect/src/alarm/series.rs";
const DEPLOYMENT: &str = "crates/detect/src/deployment.rs";
const DEPLOYED: &str = "crates/detect/src/deployment/deployed.rs";
const BREADTH: &str = "crates/detect/src/signature/breadth.rs";
const DETECTOR: &str = "crates/detect/src/detector.rs";
const REPETITION: &str = "crates/detect/src/repetition.rs";
const SEARCH: &str = "crates/detect/src/search.rs";
const FRUITLESS: &str = "common/src/fruitless_sources.rs";
const NAMES: &str = "common/src/decide/dns_names.rs";
const COUNTER: &str = "common/src/wire/counter.rs";
const UNPROVEN: &str = "crates/detect/src/unproven.rs";
const REFUSING: &str = "crates/detect/src/detector/refusing.rs";
const VISITS: &str = "crates/detect/src/visits.rs";
const RETRANSMISSION: &str = "common/src/retransmission.rs";
const TABLES: &str = "common/src/tables.rs";

const fn one(name: &'static str, edits: &'static [Edit]) -> Constant {
    Constant { name, edits }
}

/// A constant that is the only one of its line.
macro_rules! plain {
    ($name:literal, $file:expr, $line:literal) => {
        one($name, &[Edit { file: $file, line: $line }])
    };
}

/// A number among those of a table of windows.
macro_rules! window {
    ($name:literal, $line:literal) => {
        one($name, &[Edit { file: CLASS, line: $line }])
    };
}

/// All of them.
pub(super) const TABLE: &[Constant] = &[
    // The test of the alarm.
    plain!("alarm: L", CHANCE, "const EXPONENT: f64 = {};"),
    plain!("alarm: ends after", ALARM, "const CALM_AFTER: u64 = {};"),
    plain!("alarm: held by drops/s", ALARM, "const HOLDS: f64 = {};"),
    plain!("alarm: small service", ALARM, "const SMALL: f64 = {};"),
    plain!("watch: floor", ALARM, "const WATCHED: f64 = {};"),
    plain!("watch: times the busiest", ALARM, "const WATCHED_TIMES: f64 = {};"),
    window!(
        "requests: short window",
        "const OPENINGS: [Window; 3] = [window({}, #, #, #), window(#, #, #, #), window(#, #, #, #)];"
    ),
    window!(
        "requests: middle window",
        "const OPENINGS: [Window; 3] = [window(#, #, #, #), window({}, #, #, #), window(#, #, #, #)];"
    ),
    window!(
        "requests: floor, short window",
        "const OPENINGS: [Window; 3] = [window(#, {}, #, #), window(#, #, #, #), window(#, #, #, #)];"
    ),
    window!(
        "requests: floor, middle window",
        "const OPENINGS: [Window; 3] = [window(#, #, #, #), window(#, {}, #, #), window(#, #, #, #)];"
    ),
    window!(
        "requests: floor, long window",
        "const OPENINGS: [Window; 3] = [window(#, #, #, #), window(#, #, #, #), window(#, {}, #, #)];"
    ),
    window!(
        "requests: times the busiest",
        "const OPENINGS: [Window; 3] = [window(#, #, {}, #), window(#, #, {}, #), window(#, #, {}, #)];"
    ),
    window!(
        "requests: B",
        "const OPENINGS: [Window; 3] = [window(#, #, #, {}), window(#, #, #, {}), window(#, #, #, {})];"
    ),
    window!("answered: short window", "const ANSWERED: [Window; 1] = [window({}, #, #, #)];"),
    window!("answered: floor", "const ANSWERED: [Window; 1] = [window(#, {}, #, #)];"),
    window!("answered: times the busiest", "const ANSWERED: [Window; 1] = [window(#, #, {}, #)];"),
    window!("answered: B", "const ANSWERED: [Window; 1] = [window(#, #, #, {})];"),
    window!(
        "sources: short window",
        "const SOURCES: [Window; 3] = [window({}, #, #, #), window(#, #, #, #), window(#, #, #, #)];"
    ),
    window!(
        "sources: middle window",
        "const SOURCES: [Window; 3] = [window(#, #, #, #), window({}, #, #, #), window(#, #, #, #)];"
    ),
    window!(
        "sources: floor, short window",
        "const SOURCES: [Window; 3] = [window(#, {}, #, #), window(#, #, #, #), window(#, #, #, #)];"
    ),
    window!(
        "sources: floor, middle window",
        "const SOURCES: [Window; 3] = [window(#, #, #, #), window(#, {}, #, #), window(#, #, #, #)];"
    ),
    window!(
        "sources: floor, long window",
        "const SOURCES: [Window; 3] = [window(#, #, #, #), window(#, #, #, #), window(#, {}, #, #)];"
    ),
    window!(
        "sources: times the busiest",
        "const SOURCES: [Window; 3] = [window(#, #, {}, #), window(#, #, {}, #), window(#, #, {}, #)];"
    ),
    window!(
        "sources: B",
        "const SOURCES: [Window; 3] = [window(#, #, #, {}), window(#, #, #, {}), window(#, #, #, {})];"
    ),
    window!(
        "datagrams: short window",
        "const DATAGRAM_SOURCES: [Window; 3] = [window({}, #, #, #), window(#, #, #, #), window(#, #, #, #)];"
    ),
    window!(
        "datagrams: middle window",
        "const DATAGRAM_SOURCES: [Window; 3] = [window(#, #, #, #), window({}, #, #, #), window(#, #, #, #)];"
    ),
    window!(
        "datagrams: floor, short window",
        "const DATAGRAM_SOURCES: [Window; 3] = [window(#, {}, #, #), window(#, #, #, #), window(#, #, #, #)];"
    ),
    window!(
        "datagrams: floor, middle window",
        "const DATAGRAM_SOURCES: [Window; 3] = [window(#, #, #, #), window(#, {}, #, #), window(#, #, #, #)];"
    ),
    window!(
        "datagrams: floor, long window",
        "const DATAGRAM_SOURCES: [Window; 3] = [window(#, #, #, #), window(#, #, #, #), window(#, {}, #, #)];"
    ),
    window!(
        "datagrams: times the busiest",
        "const DATAGRAM_SOURCES: [Window; 3] = [window(#, #, {}, #), window(#, #, {}, #), window(#, #, {}, #)];"
    ),
    window!(
        "datagrams: B",
        "const DATAGRAM_SOURCES: [Window; 3] = [window(#, #, #, {}), window(#, #, #, {}), window(#, #, #, {})];"
    ),
    window!(
        "packets: floor, middle window",
        "const PACKETS: [Window; 2] = [window(#, {}, #, #), window(#, #, #, #)];"
    ),
    window!(
        "packets: floor, long window",
        "const PACKETS: [Window; 2] = [window(#, #, #, #), window(#, {}, #, #)];"
    ),
    window!(
        "packets: times the busiest",
        "const PACKETS: [Window; 2] = [window(#, #, {}, #), window(#, #, {}, #)];"
    ),
    window!("packets: B", "const PACKETS: [Window; 2] = [window(#, #, #, {}), window(#, #, #, {})];"),
    window!(
        "packets of datagrams: floor, middle window",
        "const DATAGRAM_PACKETS: [Window; 2] = [window(#, {}, #, #), window(#, #, #, #)];"
    ),
    window!(
        "packets of datagrams: floor, long window",
        "const DATAGRAM_PACKETS: [Window; 2] = [window(#, #, #, #), window(#, {}, #, #)];"
    ),
    window!(
        "packets of datagrams: times the busiest",
        "const DATAGRAM_PACKETS: [Window; 2] = [window(#, #, {}, #), window(#, #, {}, #)];"
    ),
    window!(
        "packets of datagrams: B",
        "const DATAGRAM_PACKETS: [Window; 2] = [window(#, #, #, {}), window(#, #, #, {})];"
    ),
    window!(
        "all packets: floor",
        "const ALL_PACKETS: [Window; 1] = [Window { ticks: #, floor: {}, times: #, batch: None }];"
    ),
    window!(
        "all packets: times the busiest",
        "const ALL_PACKETS: [Window; 1] = [Window { ticks: #, floor: #, times: {}, batch: None }];"
    ),
    plain!("all packets: few sources", TESTED, "const FEW_STREAMS: f64 = {};"),
    plain!("going on: counted until known", TESTED, "const COUNTED_UNTIL_KNOWN: f64 = {};"),
    plain!("going on: excused at most", TESTED, "const MOST_EXCUSED: f64 = {} / PER_SECOND;"),
    plain!("answered: excused at most", TESTED, "const MOST_ANSWERED: f64 = {};"),
    plain!("all packets: floor for few sources", CLASS, "pub(super) const STREAM: f64 = {};"),
    window!("fruitless: floor", "const FRUITLESS: [Window; 2] = [window(#, {}, #, #), window(#, {}, #, #)];"),
    window!(
        "fruitless: times the busiest",
        "const FRUITLESS: [Window; 2] = [window(#, #, {}, #), window(#, #, {}, #)];"
    ),
    window!("fruitless: B", "const FRUITLESS: [Window; 2] = [window(#, #, #, {}), window(#, #, #, {})];"),
    window!("returning: floor", "const RETURNING: [Window; 2] = [window(#, {}, #, #), window(#, {}, #, #)];"),
    window!(
        "returning: times the busiest",
        "const RETURNING: [Window; 2] = [window(#, #, {}, #), window(#, #, {}, #)];"
    ),
    window!("returning: B", "const RETURNING: [Window; 2] = [window(#, #, #, {}), window(#, #, #, {})];"),
    window!(
        "returning requests: floor",
        "const RETURNING_REQUESTS: [Window; 1] = [Window { ticks: #, floor: {}, times: #, batch: None }];"
    ),
    plain!("returning: visits", VISITS, "const TIMES: usize = {};"),
    plain!("returning: visits apart", VISITS, "const APART: u64 = {};"),
    plain!("returning: often within", VISITS, "const OFTEN: u64 = {};"),
    plain!("returning: makes use", REFUSING, "const USED: u32 = {};"),
    plain!("returning: refused for", REFUSING, "const REFUSED: u64 = {};"),
    plain!("returning: within", VISITS, "const LATELY: u64 = {};"),
    plain!("returning: new for", VISITS, "const NEW: u64 = {};"),
    plain!("returning: not at first", VISITS, "const AT_FIRST: u64 = {};"),
    plain!("unproven datagrams: calm for", UNPROVEN, "const CALM_FOR: u64 = {};"),
    window!("names: floor", "const NAMES: [Window; 2] = [window(#, {}, #, #), window(#, {}, #, #)];"),
    window!(
        "names: times the busiest",
        "const NAMES: [Window; 2] = [window(#, #, {}, #), window(#, #, {}, #)];"
    ),
    window!("names: B", "const NAMES: [Window; 2] = [window(#, #, #, {}), window(#, #, #, {})];"),
    one(
        "all: long window",
        &[
            Edit { file: SERIES, line: "const LONGEST: usize = {};" },
            Edit {
                file: CLASS,
                line: "const OPENINGS: [Window; 3] = [window(#, #, #, #), window(#, #, #, #), window({}, #, #, #)];",
            },
            Edit {
                file: CLASS,
                line: "const SOURCES: [Window; 3] = [window(#, #, #, #), window(#, #, #, #), window({}, #, #, #)];",
            },
            Edit {
                file: CLASS,
                line: "const DATAGRAM_SOURCES: [Window; 3] = [window(#, #, #, #), window(#, #, #, #), window({}, #, #, #)];",
            },
            Edit {
                file: CLASS,
                line: "const PACKETS: [Window; 2] = [window(#, #, #, #), window({}, #, #, #)];",
            },
            Edit {
                file: CLASS,
                line: "const DATAGRAM_PACKETS: [Window; 2] = [window(#, #, #, #), window({}, #, #, #)];",
            },
            Edit {
                file: CLASS,
                line: "const FRUITLESS: [Window; 2] = [window(#, #, #, #), window({}, #, #, #)];",
            },
            Edit {
                file: CLASS,
                line: "const RETURNING: [Window; 2] = [window(#, #, #, #), window({}, #, #, #)];",
            },
            Edit {
                file: CLASS,
                line: "const RETURNING_REQUESTS: [Window; 1] = [Window { ticks: {}, floor: #, times: #, batch: None }];",
            },
        ],
    ),
    plain!("busiest: ten minutes", SERIES, "const TEN_MINUTES: u32 = {};"),
    plain!("busiest: calm enough", SERIES, "const ENOUGH: u32 = {};"),
    plain!("busiest: growth at most", SERIES, "const MOST_GROWTH: f64 = {};"),
    plain!("proven: means of a day", SERIES, "const IN_A_DAY: usize = {};"),
    // The trial of a signature, and what ends it.
    plain!("trial: lasts", DEPLOYMENT, "const TRIAL: u64 = {};"),
    plain!("signature: retired after", DEPLOYMENT, "const QUIET: u64 = {};"),
    plain!("harm: few hits on known sources", DEPLOYED, "const FEW_KNOWN: u64 = {};"),
    plain!("harm: share of known sources", DEPLOYED, "const KNOWN_SHARE: f64 = {};"),
    plain!("again: few", DEPLOYMENT, "const FEW_AGAIN: u64 = {};"),
    plain!("again: share", DEPLOYMENT, "const AGAIN_SHARE: f64 = {};"),
    plain!("again: after", DEPLOYMENT, "const AGAIN_AFTER: u64 = {};"),
    plain!("again: usual requests known", DEPLOYMENT, "const ENOUGH_OPENINGS: usize = {};"),
    plain!("held: protocols", BREADTH, "const MOST_PROTOCOLS: u32 = {};"),
    plain!("held: terms", BREADTH, "const LEAST_TERMS: usize = {};"),
    plain!("signature: holds an attack for", DETECTOR, "const HOLDS: u64 = {};"),
    plain!("signature: not tried again for", DETECTOR, "const REFUSED: u64 = {};"),
    // What of a request that is dropped once.
    plain!(
        "once: soonest",
        RETRANSMISSION,
        "const OF_REQUESTS: Self = Self { soonest: {}, latest: #, from: From::Last };"
    ),
    plain!(
        "once: latest",
        RETRANSMISSION,
        "const OF_REQUESTS: Self = Self { soonest: #, latest: {}, from: From::Last };"
    ),
    plain!(
        "once: datagrams, soonest",
        RETRANSMISSION,
        "const OF_DATAGRAMS: Self = Self { soonest: {}, latest: #, from: From::FirstThenLast };"
    ),
    plain!(
        "once: datagrams, latest",
        RETRANSMISSION,
        "const OF_DATAGRAMS: Self = Self { soonest: #, latest: {}, from: From::FirstThenLast };"
    ),
    plain!("once: datagrams, patience", REPETITION, "const PATIENCE: u64 = {};"),
    plain!("once: patience in vain", REPETITION, "const PATIENCE_IN_VAIN: u64 = {};"),
    plain!("once: patience the next time", REPETITION, "const PATIENCE_AGAIN: u64 = {};"),
    plain!("once: the next time is within", REPETITION, "const BEFORE: u64 = {};"),
    plain!("once: datagrams of forged known sources", REPETITION, "const MANY_OF_KNOWN: f64 = {};"),
    plain!("once: datagrams, lingers", REPETITION, "const LINGERS: u64 = {};"),
    plain!("once: datagrams, useless", REPETITION, "const USELESS: u64 = {};"),
    plain!("once: datagrams, needed", REPETITION, "const NEEDED: f64 = {};"),
    plain!("once: lines that remember", TABLES, "const REQUEST_LINES: u32 = {};"),
    // How much harm a finding may do before it is tried at all.
    plain!("finding: share of what is usual", SEARCH, "const MOST_USUAL: f64 = {};"),
    plain!("finding: share of its kind", SEARCH, "const MOST_ALIKE: f64 = {};"),
    plain!("finding: share if it spares the known", SEARCH, "const MOST_OF_NEW_SOURCES: f64 = {};"),
    plain!("finding: share if it drops once", SEARCH, "const MOST_OPENINGS: f64 = {};"),
    plain!("finding: mostly requests", SEARCH, "const MOSTLY_REQUESTS: f64 = {};"),
    plain!("finding: lift", SEARCH, "const LEAST_LIFT: f64 = {};"),
    plain!("finding: lift if it spares the known", SEARCH, "const LEAST_NEW_SOURCE_LIFT: f64 = {};"),
    plain!("finding: lift if it drops once", SEARCH, "const LEAST_OPENING_LIFT: f64 = {};"),
    // What is counted, in the program for the kernel as well: these take the longest to build.
    plain!("counted: packets of a source", COUNTER, "const CAP: u64 = {};"),
    plain!("names: pass and are new", NAMES, "const NEW_NAMES: BucketSpec = match BucketSpec::new({}, 20) {"),
    plain!("fruitless: handshakes within", FRUITLESS, "const LATELY: u32 = {};"),
    plain!("fruitless: overdue after", FRUITLESS, "const OVERDUE_AFTER: u64 = {};"),
    plain!("fruitless: regular after", FRUITLESS, "const REGULAR_AFTER: u16 = {};"),
    plain!("fruitless: known after", FRUITLESS, "const KNOWN_AFTER: u16 = {};"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::sensitivity::edit::{Factor, edited};
    use crate::shell;

    #[test]
    fn each_constant_is_found_exactly_once_in_the_tree() {
        for constant in TABLE {
            for factor in Factor::ALL {
                let files = edited(&shell::root(), constant.edits, factor);
                let files = files.unwrap_or_else(|error| panic!("{}: {error:#}", constant.name));
                assert!(!files.is_empty(), "{}", constant.name);
            }
        }
    }

    #[test]
    fn no_two_have_a_name_or_a_place_in_common() {
        let names: HashSet<_> = TABLE.iter().map(|constant| constant.name).collect();
        assert_eq!(names.len(), TABLE.len());
        let edits = || TABLE.iter().flat_map(|constant| constant.edits);
        let places: HashSet<_> = edits().map(|edit| (edit.file, edit.line)).collect();
        assert_eq!(places.len(), edits().count());
    }
}
