//! An abuse report is what the format's own library takes: `xarf` of the Python Package Index, pinned, in an environment of its
//! own.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use floodwall_api::{IncidentProven, IncidentReport};
use floodwall_incident::report::{Reporter, xarf};
use floodwall_lab::{fetched, or_skip};
use serde_json::{Value, json};

/// Times are only looked at where the second is there.
const PACKAGES: [&str; 2] = ["xarf==1.0.0", "rfc3339-validator==0.1.4"];
/// Prints what is wrong with a report, a line each, and `None` in the end if it is none at all. Its silence alone is no approval:
/// of some reports it makes nothing, and says nothing.
const VALIDATE: &str = "import sys, xarf\nresult = xarf.parse(sys.stdin.read())\nfor error in result.errors: print(error.field, error.message)\n\
                        if result.report is None: print(None)\n";

/// What the library finds wrong.
fn wrong(python: &Path, report: &Value) -> String {
    let mut child = Command::new(python)
        .args(["-c", VALIDATE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(report.to_string().as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "the library fails");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn proven(source: &str, destination: &str) -> IncidentProven {
    IncidentProven {
        source: source.into(),
        source_port: 40_007,
        destination: destination.into(),
        destination_port: 443,
        asn: Some(64_500),
        sampled: 9,
        first_ms: 1_796_000_000_007,
        last_ms: 1_796_000_060_009,
    }
}

fn report(proven: Vec<IncidentProven>) -> IncidentReport {
    let mut report: IncidentReport = serde_json::from_value(json!({
        "incident": {
            "id": 7, "key": "floodwall-0123456789abcdef", "phase": "resolved", "turns": [], "severity": "warning",
            "began_ms": 1_796_000_000_000_u64, "ended_ms": 1_796_000_060_000_u64, "seen_ms": 1_796_000_060_000_u64,
            "waves": [], "services": [], "vectors": [],
            "traffic": {"seconds": 1, "packets": 1, "bytes": 1, "dropped": 1, "dropped_bytes": 1, "peak_packets": 1,
                "peak_bytes": 1, "peak_dropped": 1, "reasons": {}, "before": null},
            "sources": {"sampled": 1, "sources": 1, "once": 0, "bogons": 0, "prefixes": []},
            "destinations": [], "strain": [], "warnings": [], "timeline": [], "left_out": 0
        },
        "series": []
    }))
    .expect("an incident");
    report.incident.sources.proven = proven;
    report
}

#[test]
fn what_is_reported_is_what_the_library_takes() {
    let python = or_skip!(fetched::python(&PACKAGES, "xarf, rfc3339_validator"));
    let reporter = Reporter::new("Example, Inc.", "abuse@example.com").expect("sound");
    let sources = [
        vec![proven("203.0.113.7", "192.0.2.10"), proven("203.0.113.8", "192.0.2.10")],
        vec![proven("2001:db8:7::7", "2001:db8::10")],
    ];
    for sources in sources {
        let xarf = xarf(&report(sources), 64_500, &reporter, [7; 16]).expect("there is one");
        assert_eq!(wrong(&python, &xarf), "", "{xarf}");
        // It does look.
        for field in ["source_port", "first_seen", "protocol", "reporter"] {
            let mut other = xarf.clone();
            other.as_object_mut().expect("an object").remove(field);
            assert!(wrong(&python, &other).contains(field), "without {field}");
        }
        let mut other = xarf.clone();
        other["timestamp"] = json!("yesterday");
        assert!(!wrong(&python, &other).is_empty(), "a time that is none");
    }
}
