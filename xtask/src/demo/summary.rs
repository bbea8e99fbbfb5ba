//! What the show showed, for a newcomer and for a machine.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::flood::RATE;
use super::screen::told;
use super::story::{Act, Digest, Story, took};

/// What makes the flood bite on a small machine, and what is the same as ever.
const TO_BE_FAIR: &str = "To be fair: the host was set up to be easy to flood (SYN cookies off, room for 4,096 half-open \
    connections, two tries per answer). With cookies on, a flood has to fill the line or the CPU instead. floodwall ran as it \
    comes: no configuration, no list, no limit set by hand. The flood's fingerprint was drawn when the show began.";

/// The story in a few lines.
pub(super) fn text(story: &Story) -> String {
    let mut text = String::from("\nWhat happened\n");
    for moment in story.moments() {
        text.push_str(&told(moment));
    }
    text.push_str("\nWhat customers got\n");
    for act in Act::ALL {
        let Some(digest) = story.digest(act) else { continue };
        let _ = writeln!(
            text,
            "  {:<18} {:>5} requests/s answered, {:.0} % failed, half within {}",
            act.title(),
            floodwall_units::count(digest.answered.round() as u64),
            failed_share(&digest) * 100.0,
            digest.half.map_or_else(|| "-".to_owned(), took),
        );
    }
    if let Some(Digest { sent, dropped: Some(dropped), .. }) = story.digest(Act::Guarded) {
        let _ = writeln!(
            text,
            "\nOf the {} packets of the second flood, floodwall dropped {}: {:.2} %.",
            floodwall_units::count(sent),
            floodwall_units::count(dropped),
            dropped as f64 * 100.0 / sent.max(1) as f64,
        );
    }
    let _ = writeln!(text, "\n{TO_BE_FAIR}");
    text
}

fn failed_share(digest: &Digest) -> f64 {
    digest.failed / (digest.failed + digest.answered).max(1e-9)
}

/// The story as one JSON object.
pub(super) fn json(story: &Story) -> Value {
    let milliseconds = |duration: Option<Duration>| duration.map(|duration| duration.as_secs_f64() * 1000.0);
    let acts: Vec<Value> = Act::ALL
        .into_iter()
        .filter_map(|act| {
            let digest = story.digest(act)?;
            Some(json!({
                "act": act.key(),
                "answered_per_second": digest.answered,
                "failed_per_second": digest.failed,
                "latency_ms": milliseconds(digest.half),
                "flood_packets": digest.sent,
                "dropped_packets": digest.dropped,
            }))
        })
        .collect();
    let moments: Vec<Value> = story
        .moments()
        .iter()
        .map(|moment| json!({ "seconds": moment.at.as_secs_f64(), "text": moment.text }))
        .collect();
    let columns: Vec<Value> = story
        .columns()
        .iter()
        .map(|column| {
            json!({
                "act": column.act.key(),
                "seconds": column.span.as_secs_f64(),
                "answered_per_second": column.answered,
                "failed_per_second": column.failed,
                "latency_ms": milliseconds(column.half),
                "flood_packets": column.sent,
                "arrived_packets": column.arrived,
                "dropped_packets": column.dropped,
            })
        })
        .collect();
    json!({ "flood_packets_per_second": RATE, "moments": moments, "acts": acts, "columns": columns })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::story::{Column, Moment, Tone};

    #[test]
    fn the_summary_tells_moments_acts_and_shares() {
        let mut story = Story::default();
        story.happened(Moment { at: Duration::from_secs(9), tone: Tone::Bad, text: "a flood begins".into() });
        story.push(Column {
            act: Act::Guarded,
            span: Duration::from_secs(1),
            answered: 700.0,
            failed: 0.0,
            half: None,
            sent: 1_000,
            arrived: 5,
            dropped: Some(995),
        });
        let text = text(&story);
        assert!(text.contains(" 0:09  a flood begins\n"), "{text}");
        assert!(text.contains("the same flood       700 requests/s answered, 0 % failed"), "{text}");
        assert!(
            text.contains("Of the 1,000 packets of the second flood, floodwall dropped 995: 99.50 %."),
            "{text}"
        );
        let json = json(&story);
        assert_eq!(
            (&json["acts"][0]["act"], &json["moments"][0]["seconds"]),
            (&json!("guarded"), &json!(9.0))
        );
    }
}
