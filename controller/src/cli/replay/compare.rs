//! `replay --diff`: what two configurations make of the same packets.

use std::io::{self, Write};

use floodwall_capture::Reader;

use super::{Given, Replay, internal, notes, stage::Stage, told};
use crate::{
    cli::{
        exit::{Done, Stop},
        session::Session,
        style::Style,
        table::{Lean, Table},
        units,
    },
    replay::difference::{self, DifferenceFile, Differences, KindRow, Report, SideRow},
};

/// Kinds of differences that are shown; all are in the JSON.
const MOST: usize = 20;
/// Packets between two looks at how much was read.
const TOLD_EVERY: u64 = 4_096;

pub(super) fn run(
    verb: &Replay,
    stages: [Stage; 2],
    given: &Given,
    mut captures: Vec<Reader>,
    session: &mut Session<'_>,
) -> Result<Done, Stop> {
    let [mut a, mut b] = stages;
    let mut differences = Differences::of(captures.len());
    let mut file = verb
        .verdicts
        .as_deref()
        .map(|path| DifferenceFile::create(path, captures.len()))
        .transpose()
        .map_err(internal)?;
    let bar = verb.progress(session.watched);
    let damages =
        difference::run(&mut captures, a.replay(given), b.replay(given), &mut |a, b, stored_bytes| {
            let differ = differences.count(a, b);
            if let (Some(file), Some((a, b))) = (&mut file, differ) {
                file.write(a, b)?;
            }
            if a.index().is_multiple_of(TOLD_EVERY) {
                bar.set_position(stored_bytes);
            }
            Ok(())
        })
        .map_err(internal)?;
    bar.finish_and_clear();
    if let Some(file) = file {
        file.finish().map_err(internal)?;
    }
    let report = differences.report(told(&damages));
    session.answer(&report, render)?;
    Ok(if !damages.is_empty() { Done::Damaged } else { Done::Plain })
}

fn render(report: &Report, out: &mut dyn Write, style: Style) -> io::Result<()> {
    writeln!(
        out,
        "{} packets: {} get another verdict, {} the same for another reason",
        units::count(report.packets),
        style.strong(units::count(report.verdict_differs)),
        units::count(report.only_reason_differs),
    )?;
    notes::caveats(&report.caveats, out)?;
    let rows: Vec<_> = report.kinds.iter().take(MOST).map(row).collect();
    if !rows.is_empty() {
        writeln!(out)?;
        let columns =
            [("PACKETS", Lean::Right), ("A", Lean::Left), ("B", Lean::Left), ("FIRST PACKET", Lean::Right)];
        Table::new(columns).write(&rows, out, style)?;
    }
    let more = report.kinds.len().saturating_sub(MOST);
    if more > 0 {
        writeln!(out, "and {more} more kinds; --json shows them")?;
    }
    notes::damage(report.damage.as_deref(), report.packets + report.caveats.unjudged(), out, style)
}

fn row(kind: &KindRow) -> [String; 4] {
    let side = |SideRow { verdict, reason, rule }: &SideRow| match rule {
        Some(rule) => format!("{verdict} {reason} ({rule})"),
        None => format!("{verdict} {reason}"),
    };
    let first = match kind.first_capture {
        Some(capture) => format!("{} of capture {capture}", kind.first_index),
        None => kind.first_index.to_string(),
    };
    [units::count(kind.packets), side(&kind.a), side(&kind.b), first]
}
