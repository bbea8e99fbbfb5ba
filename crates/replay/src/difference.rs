//! Two configurations side by side: which packets do they judge differently, and why?

use std::{collections::BTreeMap, fs::File, io::BufWriter, io::Write, path::Path};

use anyhow::Context as _;
use floodwall_capture::{CaptureError, Reader};
use floodwall_common::wire::Reason;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    caveats::Caveats,
    run::{Played, Replay, Seen, each_packet},
    verdicts::{RuleName, verdict_name},
};

/// Runs captures, one after the other, through two replays, packet by packet; `observe` sees what both made
/// of each packet, and the bytes of the files that were read. What the controllers do is not told. Returns the damage of those that are damaged.
///
/// # Errors
///
/// If an engine, a controller or `observe` fails.
pub fn run(
    captures: &mut [Reader],
    one: Replay<'_>,
    other: Replay<'_>,
    observe: &mut dyn FnMut(&Played, &Played, u64) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<CaptureError>> {
    let (mut one, mut other) = (one.start(), other.start());
    each_packet(captures, &mut |capture, packet, stored_bytes| {
        if packet.index == 0 {
            one.begin(capture, packet.nanoseconds, &mut |_, _| ())?;
            other.begin(capture, packet.nanoseconds, &mut |_, _| ())?;
        }
        let (a, b) = (one.play(packet, &mut |_, _| ())?, other.play(packet, &mut |_, _| ())?);
        observe(&a, &b, stored_bytes)
    })
}

/// What differs, in numbers.
#[derive(Clone, Debug, Default)]
pub struct Differences {
    /// Whether there is more than one capture.
    several: bool,
    packets: u64,
    caveats: Caveats,
    kinds: BTreeMap<(Side, Side), Kind>,
}

/// What one of the two made of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Side {
    reason: Reason,
    rule: Option<RuleName>,
}

/// Packets that are judged differently in the same way.
#[derive(Clone, Copy, Debug)]
struct Kind {
    packets: u64,
    first_capture: usize,
    first: u64,
    first_ns: u64,
}

/// [`Differences`] as scripts see them.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ReplayDifferences")]
pub struct Report {
    /// Packets that were judged.
    pub packets: u64,
    /// Those that were not.
    #[serde(flatten)]
    pub caveats: Caveats,
    /// Those that pass with one configuration and not with the other.
    pub verdict_differs: u64,
    /// Those whose verdict is the same, for another reason or by another rule.
    pub only_reason_differs: u64,
    /// In which way, the most frequent first.
    pub kinds: Vec<KindRow>,
    /// What ended the reading, if a capture is damaged.
    pub damage: Option<String>,
}

/// Packets that are judged differently in the same way.
#[derive(Debug, Serialize, JsonSchema)]
pub struct KindRow {
    /// What the first configuration makes of them.
    pub a: SideRow,
    /// What the second one does.
    pub b: SideRow,
    /// Packets.
    pub packets: u64,
    /// The number, from 1, of the capture that the first of them is in, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_capture: Option<usize>,
    /// The first of them.
    pub first_index: u64,
    /// When that came, seconds since 1970.
    pub first_time: f64,
}

/// What one of the two makes of a packet.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SideRow {
    /// `pass` or `drop`.
    pub verdict: &'static str,
    /// Why.
    pub reason: &'static str,
    /// The rule that decides, if one does.
    pub rule: Option<String>,
}

impl Side {
    fn of(seen: &Seen) -> Self {
        Self { reason: seen.judged.reason, rule: seen.rule }
    }

    fn row(&self) -> SideRow {
        SideRow {
            verdict: verdict_name(self.reason.verdict()),
            reason: self.reason.name(),
            rule: self.rule.map(|rule| rule.to_string()),
        }
    }
}

impl Differences {
    /// Of so many captures.
    pub fn of(captures: usize) -> Self {
        Self { several: captures > 1, ..Self::default() }
    }

    /// Counts a packet. Gives what was made of it, if it is judged differently.
    pub fn count<'a>(&mut self, a: &'a Played, b: &'a Played) -> Option<(&'a Seen, &'a Seen)> {
        self.caveats.count(a);
        // Whether a packet is judged at all is a matter of the capture and the host, which are the same for both.
        let (Played::Judged(a), Played::Judged(b)) = (a, b) else { return None };
        self.packets += 1;
        let sides = (Side::of(a), Side::of(b));
        if sides.0 == sides.1 {
            return None;
        }
        let new = Kind { packets: 0, first_capture: a.capture, first: a.index, first_ns: a.unix_ns };
        self.kinds.entry(sides).or_insert(new).packets += 1;
        Some((a, b))
    }

    /// As scripts see them; `damage` is what ended the reading.
    pub fn report(&self, damage: Option<String>) -> Report {
        let (mut verdict_differs, mut only_reason_differs) = (0, 0);
        for ((a, b), kind) in &self.kinds {
            if a.reason.verdict() == b.reason.verdict() {
                only_reason_differs += kind.packets;
            } else {
                verdict_differs += kind.packets;
            }
        }
        let mut kinds: Vec<_> = self.kinds.iter().collect();
        kinds.sort_by_key(|(_, kind)| (std::cmp::Reverse(kind.packets), kind.first_capture, kind.first));
        let rows = kinds.into_iter().map(|((a, b), kind)| KindRow {
            a: a.row(),
            b: b.row(),
            packets: kind.packets,
            first_capture: self.several.then_some(kind.first_capture + 1),
            first_index: kind.first,
            first_time: kind.first_ns as f64 / 1e9,
        });
        let (packets, caveats) = (self.packets, self.caveats.clone());
        Report { packets, caveats, verdict_differs, only_reason_differs, kinds: rows.collect(), damage }
    }
}

/// Writes the packets that are judged differently, a line of CSV each.
pub struct DifferenceFile {
    file: BufWriter<File>,
    /// Whether a line says which capture it is on.
    several: bool,
}

impl DifferenceFile {
    /// Creates the file, for so many captures.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn create(path: &Path, captures: usize) -> anyhow::Result<Self> {
        let told = || format!("writing differences to {}", path.display());
        let mut file = BufWriter::new(File::create(path).with_context(told)?);
        let several = captures > 1;
        let first = if several { "capture," } else { "" };
        writeln!(file, "{first}index,time,verdict_a,reason_a,rule_a,verdict_b,reason_b,rule_b")
            .with_context(told)?;
        Ok(Self { file, several })
    }

    /// Writes a packet's line.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write(&mut self, a: &Seen, b: &Seen) -> anyhow::Result<()> {
        let side = |seen: &Seen| {
            let SideRow { verdict, reason, rule } = Side::of(seen).row();
            format!("{verdict},{reason},{}", rule.unwrap_or_default())
        };
        let (seconds, nanoseconds) = (a.unix_ns / 1_000_000_000, a.unix_ns % 1_000_000_000);
        let first = if self.several { format!("{},", a.capture + 1) } else { String::new() };
        writeln!(self.file, "{first}{},{seconds}.{nanoseconds:09},{},{}", a.index, side(a), side(b))
            .context("writing differences")
    }

    /// Writes what is still held back.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.file.flush().context("writing the last differences")
    }
}
