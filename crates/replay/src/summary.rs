//! What became of the packets, in numbers.

use std::collections::{BTreeMap, BTreeSet};

use floodwall_capture::LinkType;
use floodwall_common::wire::{Reason, Verdict};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    caveats::Caveats,
    run::{Played, Seen},
    timeline::Timeline,
    verdicts::{RuleName, verdict_name},
};

/// Most marks that are kept; all are counted.
const MOST_MARKS: usize = 10_000;

/// What became of the packets.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    packets: u64,
    bytes: u64,
    retry: u64,
    challenged: u64,
    /// Times of the earliest and the latest packet, judged or not.
    span: Option<(u64, u64)>,
    caveats: Caveats,
    reasons: [(u64, u64); Reason::COUNT as usize],
    would: [u64; Reason::COUNT as usize],
    rules: BTreeMap<(Reason, RuleName), u64>,
    /// Second by second.
    pub timeline: Timeline,
    /// What the controller did, and when.
    pub marks: Vec<Noted>,
    marks_in_all: u64,
    /// Of several captures, each.
    captures: Vec<Part>,
    /// Which of them is at hand.
    capture: usize,
    foreign: u64,
    foreign_links: BTreeSet<u32>,
}

/// Something that the controller did.
#[derive(Clone, Debug)]
pub struct Noted {
    /// When, ns since 1970.
    pub unix_ns: u64,
    /// Place of the capture that was played then.
    pub capture: usize,
    /// What.
    pub what: String,
}

/// What became of one of several captures.
#[derive(Clone, Debug)]
struct Part {
    name: String,
    /// When it begins, ns since 1970, and what its times are moved by, ns; `None` if it has no packets.
    begins: Option<(u64, i128)>,
    packets: u64,
    dropped: u64,
    caveats: Caveats,
}

/// [`Summary`] as scripts see it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ReplaySummary")]
pub struct Report {
    /// Packets that were judged.
    pub packets: u64,
    /// Bytes that they had on the wire.
    pub bytes: u64,
    /// Packets that were not judged.
    #[serde(flatten)]
    pub caveats: Caveats,
    /// Time of the earliest packet, seconds since 1970.
    pub first: f64,
    /// Time of the latest packet, seconds since 1970.
    pub last: f64,
    /// Packets that passed.
    pub passed: u64,
    /// Packets that were dropped.
    pub dropped: u64,
    /// Of these, requests for connections that pass if they come again after a second.
    pub retry: u64,
    /// Of these, requests for connections that are answered with a challenge, and pass once that was answered.
    pub challenged: u64,
    /// By reason; those that no packet had are left out.
    pub reasons: Vec<ReasonRow>,
    /// Packets that passed, and would have been dropped were the stage not monitored, by reason.
    pub would: BTreeMap<&'static str, u64>,
    /// By rule, the most used first.
    pub rules: Vec<RuleRow>,
    /// Seconds in a row of `timeline`.
    pub timeline_seconds: u64,
    /// By time; spans without packets are left out.
    pub timeline: Vec<TimeRow>,
    /// What the controller did.
    pub marks: Vec<MarkRow>,
    /// How much it did in all; `marks` has the first of it.
    pub marks_in_all: u64,
    /// Packets of link types that no Ethernet interface carries, shown to the filter as frames without IP.
    pub foreign: u64,
    /// The numbers of those link types.
    pub foreign_links: Vec<u32>,
    /// Each of several captures; empty if there is one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub captures: Vec<CaptureRow>,
    /// What is taken for granted, since a capture does not show what the host answers.
    pub assumed: &'static str,
    /// What ended the reading, if a capture is damaged.
    pub damage: Option<String>,
}

/// What became of one of several captures.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CaptureRow {
    /// Its number, from 1.
    pub capture: usize,
    /// What it is called.
    pub name: String,
    /// Packets that were judged.
    pub packets: u64,
    /// Packets that were not judged.
    #[serde(flatten)]
    pub caveats: Caveats,
    /// Packets that passed.
    pub passed: u64,
    /// Packets that were dropped.
    pub dropped: u64,
    /// When it begins on the clock of all, seconds since 1970; `None` if it has no packets.
    pub begins: Option<f64>,
    /// What its times are moved by, so that it comes after the capture before it, seconds.
    pub moved: Option<f64>,
}

/// What is taken for granted.
const ASSUMED: &str = "a request for a TCP connection that passes is answered, and the next segment of it that comes \
                       completes the handshake; a client whose request was dropped once, or challenged, and whose \
                       connection goes on in the capture, asks again, or answers, and gets in";

/// Packets that left with one reason.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ReasonRow {
    /// Its name.
    pub reason: &'static str,
    /// `pass` or `drop`.
    pub verdict: &'static str,
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Packets that a rule decided.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RuleRow {
    /// What it is called.
    pub rule: String,
    /// The reason that it gives.
    pub reason: &'static str,
    /// Packets.
    pub packets: u64,
}

/// Packets of a span of time.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TimeRow {
    /// When it begins, seconds since 1970.
    pub second: u64,
    /// Packets that passed.
    pub passed: u64,
    /// Packets that were dropped.
    pub dropped: u64,
    /// Packets by reason.
    pub reasons: BTreeMap<&'static str, u64>,
}

/// Something that the controller did.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MarkRow {
    /// The number of the capture, from 1, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<usize>,
    /// When, seconds since 1970.
    pub time: f64,
    /// What.
    pub what: String,
}

impl Summary {
    /// Of captures with these names.
    pub fn of(names: &[String]) -> Self {
        let part = |name: &String| Part {
            name: name.clone(),
            begins: None,
            packets: 0,
            dropped: 0,
            caveats: Caveats::default(),
        };
        let captures = if names.len() > 1 { names.iter().map(part).collect() } else { Vec::new() };
        Self { captures, ..Self::default() }
    }

    /// A capture, by its place, begins, at this time, ns since 1970; what its times are moved by, ns.
    pub fn begins(&mut self, capture: usize, unix_ns: u64, moved: i128) {
        self.capture = capture;
        let Some(part) = self.captures.get_mut(capture) else { return };
        part.begins = Some((unix_ns, moved));
        let seconds = moved as f64 / 1e9;
        let moved = if moved == 0 { String::new() } else { format!(", {seconds:+.1} s from its own time") };
        let what = format!("capture {}, {}, begins{moved}", capture + 1, part.name);
        self.mark(unix_ns, what);
    }

    /// Counts a packet.
    pub fn count(&mut self, played: &Played) {
        let unix_ns = played.unix_ns();
        let (first, last) = self.span.unwrap_or((unix_ns, unix_ns));
        self.span = Some((first.min(unix_ns), last.max(unix_ns)));
        self.caveats.count(played);
        if let Some(part) = self.captures.get_mut(played.capture()) {
            part.caveats.count(played);
            if let Played::Judged(seen) = played {
                part.packets += 1;
                part.dropped += u64::from(seen.judged.verdict == Verdict::Drop);
            }
        }
        if let Played::Judged(seen) = played {
            self.count_judged(seen);
        }
    }

    fn count_judged(&mut self, seen: &Seen) {
        let reason = seen.judged.reason;
        self.packets += 1;
        self.bytes += u64::from(seen.length);
        let (packets, bytes) = &mut self.reasons[reason as usize];
        *packets += 1;
        *bytes += u64::from(seen.length);
        self.retry += u64::from(seen.judged.once && !seen.judged.challenged);
        self.challenged += u64::from(seen.judged.challenged);
        if let Some(would) = seen.judged.would {
            self.would[would as usize] += 1;
        }
        if let Some(rule) = seen.rule {
            *self.rules.entry((reason, rule)).or_default() += 1;
        }
        self.timeline.count(seen.unix_ns, reason);
        if let LinkType::Other(number) = seen.link {
            self.foreign += 1;
            self.foreign_links.insert(number);
        }
    }

    /// Notes what the controller did.
    pub fn mark(&mut self, unix_ns: u64, what: String) {
        self.marks_in_all += 1;
        if self.marks.len() < MOST_MARKS {
            self.marks.push(Noted { unix_ns, capture: self.capture, what });
        }
    }

    /// As scripts see it; `damage` is what ended the reading.
    pub fn report(&self, damage: Option<String>) -> Report {
        let with = |verdict| {
            let reasons = Reason::ALL.into_iter().filter(|reason| reason.verdict() == verdict);
            reasons.map(|reason| self.reasons[reason as usize].0).sum()
        };
        let (first, last) = self.span.unwrap_or_default();
        Report {
            packets: self.packets,
            caveats: self.caveats.clone(),
            bytes: self.bytes,
            first: seconds(first),
            last: seconds(last),
            passed: with(Verdict::Pass),
            dropped: with(Verdict::Drop),
            retry: self.retry,
            challenged: self.challenged,
            reasons: self.reason_rows(),
            would: by_name(&self.would),
            rules: self.rule_rows(),
            timeline_seconds: self.timeline.span(),
            timeline: time_rows(&self.timeline),
            marks: self
                .marks
                .iter()
                .map(|Noted { unix_ns, capture, what }| MarkRow {
                    capture: (!self.captures.is_empty()).then_some(capture + 1),
                    time: seconds(*unix_ns),
                    what: what.clone(),
                })
                .collect(),
            marks_in_all: self.marks_in_all,
            foreign: self.foreign,
            foreign_links: self.foreign_links.iter().copied().collect(),
            captures: self.capture_rows(),
            assumed: ASSUMED,
            damage,
        }
    }

    fn capture_rows(&self) -> Vec<CaptureRow> {
        let rows = self.captures.iter().zip(1..).map(|(part, capture)| CaptureRow {
            capture,
            name: part.name.clone(),
            packets: part.packets,
            caveats: part.caveats.clone(),
            passed: part.packets - part.dropped,
            dropped: part.dropped,
            begins: part.begins.map(|(unix_ns, _)| seconds(unix_ns)),
            moved: part.begins.map(|(_, moved)| moved as f64 / 1e9),
        });
        rows.collect()
    }

    fn reason_rows(&self) -> Vec<ReasonRow> {
        let rows = Reason::ALL.into_iter().zip(self.reasons).filter(|(_, (packets, _))| *packets > 0);
        rows.map(|(reason, (packets, bytes))| ReasonRow {
            reason: reason.name(),
            verdict: verdict_name(reason.verdict()),
            packets,
            bytes,
        })
        .collect()
    }

    fn rule_rows(&self) -> Vec<RuleRow> {
        let mut rules: Vec<_> = self.rules.iter().collect();
        // Stable: rules that were used as often stay in their own order.
        rules.sort_by_key(|(_, packets)| std::cmp::Reverse(**packets));
        rules
            .into_iter()
            .map(|((reason, rule), packets)| RuleRow {
                rule: rule.to_string(),
                reason: reason.name(),
                packets: *packets,
            })
            .collect()
    }
}

/// A timeline as scripts see it.
pub fn time_rows(timeline: &Timeline) -> Vec<TimeRow> {
    timeline
        .rows()
        .map(|(second, row)| TimeRow {
            second,
            passed: row.with(Verdict::Pass),
            dropped: row.with(Verdict::Drop),
            reasons: by_name(&row.packets),
        })
        .collect()
}

/// Packets by the name of their reason, those of none left out.
fn by_name(packets: &[u64; Reason::COUNT as usize]) -> BTreeMap<&'static str, u64> {
    let counted = Reason::ALL.into_iter().zip(*packets).filter(|(_, packets)| *packets > 0);
    counted.map(|(reason, packets)| (reason.name(), packets)).collect()
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
