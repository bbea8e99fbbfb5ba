//! What a replay says: alarms, and packets that were dropped.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

/// An alarm that was raised.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Alarm {
    /// When, seconds from the start of its draw.
    pub(crate) seconds: f64,
    /// What the log says.
    pub(crate) what: String,
}

/// What became of one capture.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Part {
    pub(crate) packets: u64,
    /// Packets that were dropped, those that pass when they come again included.
    pub(crate) dropped: u64,
    pub(crate) alarms: Vec<Alarm>,
}

/// What became of all captures that one filter saw.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// In the order of the captures.
    pub(crate) parts: Vec<Part>,
    /// Of the packets that were dropped, those that pass when they come again.
    pub(crate) retry: u64,
    /// Packets that were dropped, by reason.
    pub(crate) drops: BTreeMap<String, u64>,
}

/// What `floodwall replay --json` prints, as far as it is needed.
#[derive(Debug, Deserialize)]
struct Summary {
    packets: u64,
    dropped: u64,
    retry: u64,
    first: f64,
    reasons: Vec<Reason>,
    marks: Vec<Mark>,
    marks_in_all: u64,
    #[serde(default)]
    captures: Vec<Capture>,
}

#[derive(Debug, Deserialize)]
struct Reason {
    reason: String,
    verdict: String,
    packets: u64,
}

#[derive(Debug, Deserialize)]
struct Mark {
    capture: Option<usize>,
    time: f64,
    what: String,
}

#[derive(Debug, Deserialize)]
struct Capture {
    packets: u64,
    dropped: u64,
    begins: Option<f64>,
}

impl Outcome {
    /// Reads the summary of a replay of so many captures.
    ///
    /// # Errors
    /// When it is none, or tells of fewer things than there were.
    pub(crate) fn read(summary: &[u8], captures: usize) -> Result<Self> {
        let summary: Summary = serde_json::from_slice(summary).context("reading the summary")?;
        let told = summary.marks.len() as u64;
        ensure!(
            told == summary.marks_in_all,
            "the summary tells {told} of {} things that happened: alarms may be among the others; draw less at once",
            summary.marks_in_all
        );
        // Where there is one capture, the summary is about that.
        let (begins, mut parts): (Vec<_>, Vec<_>) = if summary.captures.is_empty() {
            let part = Part { packets: summary.packets, dropped: summary.dropped, alarms: Vec::new() };
            (vec![summary.first], vec![part])
        } else {
            let each = summary.captures.iter().map(|capture| {
                let part = Part { packets: capture.packets, dropped: capture.dropped, alarms: Vec::new() };
                (capture.begins.unwrap_or(summary.first), part)
            });
            each.unzip()
        };
        ensure!(parts.len() == captures, "the summary is about {} captures, and not {captures}", parts.len());
        for Mark { capture, time, what } in summary.marks.into_iter().filter(|mark| is_alarm(&mark.what)) {
            let place = capture.unwrap_or(1).saturating_sub(1);
            let part = parts.get_mut(place).with_context(|| format!("`{what}` is in no capture"))?;
            let seconds = ((time - begins[place]) * 100.0).round() / 100.0;
            part.alarms.push(Alarm { seconds, what });
        }
        let dropped = summary.reasons.into_iter().filter(|reason| reason.verdict == "drop");
        let drops = dropped.map(|reason| (reason.reason, reason.packets)).collect();
        Ok(Self { parts, retry: summary.retry, drops })
    }
}

/// Whether a line of the log tells of the beginning of an attack: `attack 1 on web: …`. That of its end names no number.
fn is_alarm(what: &str) -> bool {
    what.strip_prefix("attack ").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(summary: &serde_json::Value, captures: usize) -> Result<Outcome> {
        Outcome::read(summary.to_string().as_bytes(), captures)
    }

    #[test]
    fn alarms_and_drops_are_told_of_each_capture() {
        let mut summary = json!({
            "packets": 90, "dropped": 5, "retry": 2, "first": 1000.0,
            "reasons": [
                {"reason": "clean", "verdict": "pass", "packets": 85, "bytes": 9},
                {"reason": "signature", "verdict": "drop", "packets": 5, "bytes": 9}],
            "marks": [
                {"time": 1001.5, "what": "attack 1 on web: 2300 segments/s of no connection, where 300 are usual at most"},
                {"time": 1003.5, "what": "signature 3 found: tcp"},
                {"time": 1009.0, "what": "attack over"}],
            "marks_in_all": 3});
        let one = read(&summary, 1).unwrap();
        assert_eq!((one.parts[0].packets, one.parts[0].dropped, one.retry), (90, 5, 2));
        assert_eq!(one.parts[0].alarms.len(), 1, "{one:?}");
        assert_eq!(one.parts[0].alarms[0].seconds, 1.5);
        assert_eq!(one.drops.into_iter().collect::<Vec<_>>(), [("signature".to_owned(), 5)]);

        summary["captures"] = json!([
            {"packets": 40, "dropped": 0, "begins": 1000.0},
            {"packets": 50, "dropped": 5, "begins": 1120.0}]);
        summary["marks"][0]["capture"] = json!(1);
        summary["marks"][1] =
            json!({"capture": 2, "time": 1121.0, "what": "attack 2, wave 2: 9 a, where 8 are"});
        let two = read(&summary, 2).unwrap();
        let told: Vec<_> =
            two.parts.iter().map(|part| (part.packets, part.dropped, part.alarms.len())).collect();
        assert_eq!(told, [(40, 0, 1), (50, 5, 1)]);
        assert_eq!(two.parts[1].alarms[0].seconds, 1.0);
        assert!(read(&summary, 3).is_err(), "one is lacking");
        summary["marks_in_all"] = json!(7);
        let error = read(&summary, 2).unwrap_err().to_string();
        assert!(error.contains("3 of 7 things"), "{error}");
    }
}
