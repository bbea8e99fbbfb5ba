//! What the show showed, for a newcomer and for a machine.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::draw::{time, whole};
use super::phase::{Digest, Phase, Story};
use crate::thousands::thousands;

/// What makes the flood bite on a small machine.
const EASY: &str = "The host was set up to be easy to flood: SYN cookies off, room for 256 half-open connections, two \
     tries per answer. With cookies on, a flood has to fill the line or the CPU instead.";
/// Why the real attacks went so well.
const LISTED: &str = "The list that was imported was made from the captures themselves. A victim may have one of \
     reflectors, but nobody has one of forged sources.";

/// The story in a few lines; `no_captures` is why there were none.
pub(super) fn text(story: &Story, no_captures: Option<&str>) -> String {
    let mut text = String::from("\nWhat happened\n");
    for phase in Phase::ALL {
        let Some(digest) = story.digest(phase) else { continue };
        let _ = writeln!(
            text,
            "  {:<20} {:>6} requests/s answered, {} % failed, half within {}",
            phase.title(),
            whole(digest.answered),
            whole(failed_share(&digest) * 100.0),
            time(digest.half),
        );
    }
    if let Some(digest) = story.digest(Phase::Filtered) {
        let _ = writeln!(
            text,
            "\nThe attacker sent {} packets in that phase. floodwall dropped {}, before they got to TCP/IP:",
            thousands(digest.all_sent),
            thousands(digest.filter.all_dropped()),
        );
        for (reason, &count) in digest.filter.dropped.iter().filter(|(_, count)| **count > 0) {
            let _ = writeln!(text, "  {:>12}  {}", thousands(count), explained(reason));
        }
        let _ = match story.recovery() {
            Some(after) => writeln!(
                text,
                "Customers were served again after {} s: connections that the flood had left half open had to time out.",
                whole(after.as_secs_f64())
            ),
            None => writeln!(text, "Customers did not get back to four fifths of what they had before."),
        };
    }
    let _ = writeln!(text, "\nTo be fair:\n- {EASY}");
    let _ = match no_captures {
        Some(reason) => writeln!(text, "- No real attack was replayed: this {reason}."),
        None => writeln!(text, "- {LISTED}"),
    };
    text
}

/// What a reason means to somebody who meets it for the first time.
fn explained(reason: &str) -> String {
    let meaning = match reason {
        "blocked" => "their source is on the blocklist",
        "syn-rate" => "their source opens more connections per second than one may",
        "packet-rate" => "their source sends more packets per second than one may",
        "malformed" => "their headers contradict themselves",
        _ => return reason.to_owned(),
    };
    format!("{reason}: {meaning}")
}

fn failed_share(digest: &Digest) -> f64 {
    digest.failed / (digest.failed + digest.answered).max(1e-9)
}

/// The story as one JSON object.
pub(super) fn json(story: &Story) -> Value {
    let milliseconds = |duration: Option<Duration>| duration.map(|duration| duration.as_secs_f64() * 1000.0);
    let phases: Vec<Value> = Phase::ALL
        .into_iter()
        .filter_map(|phase| {
            let digest = story.digest(phase)?;
            Some(json!({
                "phase": phase.key(),
                "answered_per_second": digest.answered,
                "failed_per_second": digest.failed,
                "latency_ms": { "p50": milliseconds(digest.half), "p99": milliseconds(digest.most) },
                "attack_packets_per_second": digest.sent,
                "attack_packets": digest.all_sent,
                "passed_packets": digest.filter.passed,
                "dropped_packets": digest.filter.dropped,
            }))
        })
        .collect();
    let samples: Vec<Value> = story
        .samples()
        .iter()
        .map(|(phase, sample)| {
            json!({
                "phase": phase.key(),
                "seconds": sample.span.as_secs_f64(),
                "answered_per_second": sample.answered,
                "failed_per_second": sample.failed,
                "latency_ms": { "p50": milliseconds(sample.half), "p99": milliseconds(sample.most) },
                "attack_packets": sample.sent,
                "passed_packets": sample.filter.as_ref().map(|filter| &filter.passed),
                "dropped_packets": sample.filter.as_ref().map(|filter| &filter.dropped),
            })
        })
        .collect();
    let attack: Vec<Value> =
        story.attack.iter().map(|(what, rate)| json!({ "what": what, "packets_per_second": rate })).collect();
    json!({
        "attack": attack,
        "commands": story.steps,
        "phases": phases,
        "recovered_after_seconds": story.recovery().map(|after| after.as_secs_f64()),
        "samples": samples,
    })
}
