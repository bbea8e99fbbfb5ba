//! What an import found, for people.

use std::io::{self, Write};

use crate::{
    api::{ImportProblem, ImportReport},
    cli::units,
};

/// The report of a list that is in force, or of one that is not.
pub(super) fn render(
    name: &str,
    report: &ImportReport,
    in_force: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let ImportReport { lines, added, duplicate, refused, removed, problems, timeouts, milliseconds } = report;
    let name = units::printable(name);
    if in_force {
        let seconds = *milliseconds as f64 / 1000.0;
        writeln!(out, "{name} is in force: {} lines in {seconds:.2} s", units::count(*lines))?;
        writeln!(out, "{:>12} added", units::count(*added))?;
        writeln!(out, "{:>12} duplicate", units::count(*duplicate))?;
        if *removed > 0 {
            writeln!(out, "{:>12} removed, listed under this name before", units::count(*removed))?;
        }
        writeln!(out, "{:>12} refused", units::count(*refused))?;
    } else {
        writeln!(
            out,
            "{name} is not imported: {} of {} lines refused",
            units::count(*refused),
            units::count(*lines)
        )?;
    }
    for ImportProblem { line, text, message } in problems {
        // What is refused for what it would do, not for how it is written, has no line.
        let place = if *line == 0 { String::new() } else { format!("line {line}: ") };
        writeln!(out, "  {place}{}: {}", units::printable(text), units::printable(message))?;
    }
    let more = refused.saturating_sub(problems.len() as u64);
    if more > 0 && !problems.is_empty() {
        writeln!(out, "  and {} more", units::count(more))?;
    }
    if *timeouts > 0 {
        let count = units::count(*timeouts);
        writeln!(
            out,
            "note: {count} entries had a timeout of their own, which was not taken over (see --for)"
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(report: &ImportReport, in_force: bool) -> String {
        let mut out = Vec::new();
        render("ipsum", report, in_force, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn report() -> ImportReport {
        let problem = |line, text: &str| ImportProblem {
            line,
            text: text.into(),
            message: "host bits set; meant 203.0.113.0/24?".into(),
        };
        ImportReport {
            lines: 120_437,
            added: 120_000,
            duplicate: 430,
            refused: 7,
            removed: 0,
            problems: vec![problem(3, "203.0.113.7/24"), problem(9, "203.0.113.8/24")],
            timeouts: 0,
            milliseconds: 1_240,
        }
    }

    #[test]
    fn a_list_in_force() {
        assert_eq!(
            text(&report(), true),
            "ipsum is in force: 120,437 lines in 1.24 s\n\
             \x20    120,000 added\n\
             \x20        430 duplicate\n\
             \x20          7 refused\n\
             \x20 line 3: 203.0.113.7/24: host bits set; meant 203.0.113.0/24?\n\
             \x20 line 9: 203.0.113.8/24: host bits set; meant 203.0.113.0/24?\n\
             \x20 and 5 more\n"
        );
        let report = ImportReport { removed: 12, timeouts: 1_000, ..report() };
        assert!(text(&report, true).contains("\n          12 removed, listed under this name before\n"));
        assert!(text(&report, true).ends_with(
            "note: 1,000 entries had a timeout of their own, which was not taken over (see --for)\n"
        ));
    }

    #[test]
    fn a_list_that_was_refused() {
        let mut report = report();
        report.problems[1].line = 0;
        let text = text(&report, false);
        assert!(text.starts_with("ipsum is not imported: 7 of 120,437 lines refused\n  line 3: "), "{text}");
        assert!(text.contains("\n  203.0.113.8/24: host bits set") && !text.contains("added"), "{text}");
    }
}
