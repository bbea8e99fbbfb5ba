//! The summary of a replay, for people.

use std::io::{self, Write};

use super::notes;
use crate::{
    cli::{
        style::Style,
        table::{Lean, Table},
        units,
    },
    replay::{
        summary::{CaptureRow, MarkRow, Report, time_rows},
        timeline::Timeline,
    },
};

/// Rows of the table by time; a longer capture has longer rows.
const TIME_ROWS: u64 = 30;
/// Rules and marks that are shown; all are in the JSON.
const MOST: usize = 10;

pub(super) fn report(
    report: &Report,
    timeline: &Timeline,
    out: &mut dyn Write,
    style: Style,
) -> io::Result<()> {
    let share = |part: u64| 100.0 * part as f64 / report.packets.max(1) as f64;
    writeln!(
        out,
        "{} packets, {}, {:.1} s: {} passed ({:.2} %), {} dropped ({:.2} %)",
        units::count(report.packets),
        units::bytes(report.bytes),
        report.last - report.first,
        style.good(units::count(report.passed)),
        share(report.passed),
        style.bad(units::count(report.dropped)),
        share(report.dropped),
    )?;
    notes::caveats(&report.caveats, out)?;
    if report.foreign > 0 {
        let links: Vec<_> = report.foreign_links.iter().map(u32::to_string).collect();
        writeln!(
            out,
            "note: {} packets are of link type {}, which no Ethernet interface carries: judged as frames without IP",
            units::count(report.foreign),
            links.join(", ")
        )?;
    }
    writeln!(out, "assumed: {}", report.assumed)?;
    captures(report, out, style)?;
    reasons(report, out, style)?;
    monitored(report, out, style)?;
    rules(report, out, style)?;
    marks(report, out, style)?;
    times(report, timeline, out, style)?;
    notes::damage(report.damage.as_deref(), report.packets + report.caveats.unjudged(), out, style)
}

/// A row for each of several captures.
fn captures(report: &Report, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let row = |row: &CaptureRow| {
        let at = row.begins.map_or("-".to_owned(), |begins| format!("{:.1}", begins - report.first));
        let CaptureRow { capture, name, packets, passed, dropped, .. } = row;
        let counts = [packets, passed, dropped].map(|packets| units::count(*packets));
        let [packets, passed, dropped] = counts;
        [capture.to_string(), name.clone(), at, packets, passed, dropped]
    };
    let rows: Vec<_> = report.captures.iter().map(row).collect();
    let columns = [
        ("CAPTURE", Lean::Right),
        ("NAME", Lean::Left),
        ("BEGINS AT", Lean::Right),
        ("PACKETS", Lean::Right),
        ("PASSED", Lean::Right),
        ("DROPPED", Lean::Right),
    ];
    section(columns, &rows, out, style)
}

fn reasons(report: &Report, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let rows: Vec<_> = report
        .reasons
        .iter()
        .map(|row| {
            [
                row.reason.to_owned(),
                row.verdict.to_owned(),
                units::count(row.packets),
                units::bytes(row.bytes),
            ]
        })
        .collect();
    let columns =
        [("REASON", Lean::Left), ("VERDICT", Lean::Left), ("PACKETS", Lean::Right), ("BYTES", Lean::Right)];
    section(columns, &rows, out, style)
}

fn monitored(report: &Report, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let rows: Vec<_> =
        report.would.iter().map(|(reason, packets)| [(*reason).to_owned(), units::count(*packets)]).collect();
    section([("MONITORED", Lean::Left), ("WOULD DROP", Lean::Right)], &rows, out, style)
}

fn rules(report: &Report, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let rows: Vec<_> = report
        .rules
        .iter()
        .take(MOST)
        .map(|row| [row.rule.clone(), row.reason.to_owned(), units::count(row.packets)])
        .collect();
    section([("RULE", Lean::Left), ("REASON", Lean::Left), ("PACKETS", Lean::Right)], &rows, out, style)?;
    more(report.rules.len() as u64, "rules", out)
}

fn marks(report: &Report, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let marks = report.marks.iter().take(MOST);
    let at = |mark: &MarkRow| format!("{:.1}", mark.time - report.first);
    let (when, what) = (("AT", Lean::Right), ("WHAT", Lean::Left));
    if report.captures.is_empty() {
        let rows: Vec<_> = marks.map(|mark| [at(mark), mark.what.clone()]).collect();
        section([when, what], &rows, out, style)?;
    } else {
        let capture = |mark: &MarkRow| mark.capture.map_or(String::new(), |capture| capture.to_string());
        let rows: Vec<_> = marks.map(|mark| [at(mark), capture(mark), mark.what.clone()]).collect();
        section([when, ("CAPTURE", Lean::Right), what], &rows, out, style)?;
    }
    more(report.marks_in_all, "marks", out)
}

fn times(report: &Report, timeline: &Timeline, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let timeline = timeline.at_most(TIME_ROWS);
    let span = timeline.span();
    let rows: Vec<_> = time_rows(&timeline)
        .iter()
        .map(|row| {
            let from = row.second as f64 - report.first.floor();
            let until = from + span as f64 - 1.0;
            let at = if span == 1 { format!("{from:.0}") } else { format!("{from:.0} to {until:.0}") };
            [at, units::count(row.passed), units::count(row.dropped)]
        })
        .collect();
    let columns = [("SECOND", Lean::Right), ("PASSED", Lean::Right), ("DROPPED", Lean::Right)];
    section(columns, &rows, out, style)
}

/// A table with an empty line before it; nothing if it has no rows.
fn section<const N: usize>(
    columns: [(&'static str, Lean); N],
    rows: &[[String; N]],
    out: &mut dyn Write,
    style: Style,
) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    Table::new(columns).write(rows, out, style)
}

fn more(all: u64, what: &str, out: &mut dyn Write) -> io::Result<()> {
    match all.saturating_sub(MOST as u64) {
        0 => Ok(()),
        more => writeln!(out, "and {} more {what}; --json shows them", units::count(more)),
    }
}
