//! The report as text.

use std::fmt::Write as _;

use crate::{
    candidate::Candidate,
    groups::Hostile,
    report::{Report, Row},
    sources::CLEAN,
};

/// Columns, with what stands above them.
const COLUMNS: [(Candidate, &str); 8] = [
    (Candidate::OneRead, "one read"),
    (Candidate::Lpm, "LPM"),
    (Candidate::Lru, "LRU"),
    (Candidate::LpmAndLru, "LPM+LRU"),
    (Candidate::XdpFilter, "xdp-filter"),
    (Candidate::Unlisted, "fw, empty"),
    (Candidate::Floodwall, "floodwall"),
    (Candidate::Signed, "fw, 64 sig"),
];

/// The report as text.
pub(crate) fn render(report: &Report) -> String {
    let mut text = String::new();
    write_costs(&mut text, report);
    write_rest(&mut text, report);
    write_targets(&mut text, report);
    text
}

fn write_costs(text: &mut String, report: &Report) {
    let machine = &report.machine;
    line(text, &format!("{} × {}, Linux {}", machine.processors, machine.processor, machine.kernel));
    line(
        text,
        &format!("ns per packet above a program that only drops; medians of {} rounds", report.rounds),
    );
    line(text, report.prefixes);
    line(text, "");
    let width = report.groups.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let heads: String = COLUMNS.iter().map(|(_, head)| format!("{head:>11}")).collect();
    line(text, &format!("{:width$} {heads}   × one read  LPM[+LRU] ×   bound", ""));
    for row in &report.groups {
        let cells: String = COLUMNS.iter().map(|(candidate, _)| cell(row.median(*candidate), 11)).collect();
        let hostile = Hostile::ALL.into_iter().find(|hostile| hostile.row(CLEAN) == row.name);
        let bound = cell(hostile.and_then(|hostile| report.bound(hostile)), 8);
        line(text, &format!("{:width$} {cells}  {}{bound}", row.name, ratios(row)));
    }
}

/// A number, or nothing, right in its column.
fn cell(value: Option<f64>, width: usize) -> String {
    value.map_or_else(|| format!("{:>width$}", "·"), |value| format!("{value:>width$.0}"))
}

/// What floodwall costs in random reads, and how much more the kernel's maps do.
fn ratios(row: &Row) -> String {
    let floodwall = row.median(Candidate::Floodwall);
    let over = |one: Option<f64>, other: Option<f64>| match (one, other) {
        // Where the source is always the same, the read comes from the nearest cache and is no measure.
        (Some(one), Some(other)) if row.sources > 1 => format!("{:>11.2}", one / other),
        _ => format!("{:>11}", "·"),
    };
    let maps = row.median(Candidate::LpmAndLru).or(row.median(Candidate::Lpm));
    over(floodwall, row.median(Candidate::OneRead)) + &over(maps, floodwall)
}

fn write_rest(text: &mut String, report: &Report) {
    line(text, "");
    if let Some(changed) = &report.changes {
        for (what, import) in [("loaded", changed.load), ("replaced", changed.replace)] {
            line(
                text,
                &format!(
                    "1 M prefixes {what} from a file: {:.2} s (parse {:.2}, sort {:.2}, build {:.2})",
                    import.total(),
                    import.parse,
                    import.prepare,
                    import.apply
                ),
            );
        }
        line(
            text,
            &format!(
                "packets judged meanwhile: {:.2} M/s on one processor",
                changed.packets_per_second / 1e6
            ),
        );
        line(
            text,
            &format!(
                "one insert during imports: p50 {:.3} ms, p99 {:.3} ms, longest {:.3} ms ({} inserts, {} waited for memory)",
                changed.insert_p50_ms,
                changed.insert_p99_ms,
                changed.insert_max_ms,
                changed.inserts,
                changed.inserts_that_waited
            ),
        );
    }
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let memory = &report.memory;
    line(
        text,
        &format!(
            "memory: {:.0} MiB (prefixes {:.0}, sources {:.0}, the rest: bitmaps, roots, counters, events)",
            mib(memory.kept_bytes),
            mib(memory.prefix_lines),
            mib(memory.sources)
        ),
    );
}

fn write_targets(text: &mut String, report: &Report) {
    line(text, "");
    let width = report.targets.iter().map(|target| target.what.chars().count()).max().unwrap_or(0);
    for target in &report.targets {
        let reached = if target.reached { "reached" } else { "NOT REACHED" };
        let number =
            |value: f64| if value >= 1_000.0 { format!("{value:.0}") } else { format!("{value:.3}") };
        let (value, most) = (number(target.value), number(target.at_most));
        line(text, &format!("{:width$}  {value:>9} ≤ {most:>9} {:3}  {reached}", target.what, target.unit));
    }
}

fn line(text: &mut String, words: &str) {
    // A string takes all that is written to it.
    let _ = writeln!(text, "{}", words.trim_end());
}
