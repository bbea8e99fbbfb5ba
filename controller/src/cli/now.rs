//! `floodwall`, and nothing else: whether this is an attack, and what can be done now, on one screen.

use std::io::{self, Write};

use floodwall_incident::report;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    exit::{Done, Stop},
    session::Session,
    style::Style,
    units,
};
use crate::api::{Incident, IncidentList, IncidentPhase, Status, path};

/// Problems and warnings that are shown.
const SHOWN: usize = 4;

/// How things stand.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Now {
    /// A service is attacked.
    attacked: bool,
    /// The incident that goes on, or may still go on; else the last one.
    incident: Option<Incident>,
    /// What keeps the filter from doing all of its work.
    problems: Vec<String>,
    /// What else should be known.
    warnings: Vec<String>,
    /// Interfaces that are filtered.
    filtered: Vec<String>,
}

/// Asks how things stand; the exit code is that of `status`.
pub(super) async fn apply(session: &mut Session<'_>) -> Result<Done, Stop> {
    let status: Status = session.client.get(path::STATUS).await?;
    let list: IncidentList = session.client.get(&format!("{}?limit=1", path::INCIDENT)).await?;
    let incident = list.incidents.into_iter().next();
    let filtered = status.interfaces.into_iter().filter(|interface| interface.filtered);
    let now = Now {
        attacked: incident.as_ref().is_some_and(Incident::is_attacked),
        incident,
        problems: status.problems,
        warnings: status.warnings,
        filtered: filtered.map(|interface| interface.name).collect(),
    };
    session.answer(&now, render)?;
    Ok(if now.problems.is_empty() { Done::Plain } else { Done::Impaired })
}

fn render(now: &Now, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let Now { incident, problems, warnings, filtered, .. } = now;
    for problem in problems.iter().take(SHOWN) {
        write_wrapped(out, &style.loud("PROBLEM:").to_string(), problem)?;
    }
    match incident.as_ref().filter(|incident| incident.phase != IncidentPhase::Resolved) {
        Some(incident) => out.write_all(units_of(&report::brief(incident)).as_bytes())?,
        None => {
            let on = if filtered.is_empty() { "no interface".to_owned() } else { filtered.join(", ") };
            writeln!(out, "{}; filtered: {}", style.good("no attack"), units::printable(&on))?;
            if let Some(last) = incident {
                let over = units::time(last.until_ms());
                write_wrapped(out, "last:", &format!("{}, over since {over}", report::title(last)))?;
                writeln!(out, "  floodwall incident show {}", last.id)?;
            }
            writeln!(out, "  floodwall status     how the filter stands")?;
            writeln!(out, "  floodwall --help     all that it can do")?;
        }
    }
    for warning in warnings.iter().take(SHOWN) {
        write_wrapped(out, "warning:", warning)?;
    }
    let untold = problems.len().saturating_sub(SHOWN) + warnings.len().saturating_sub(SHOWN);
    if untold > 0 {
        writeln!(out, "{untold} more: floodwall status")?;
    }
    Ok(())
}

/// Text of several lines of which a terminal obeys nothing but their ends.
fn units_of(text: &str) -> String {
    text.lines().map(|line| units::printable(line) + "\n").collect()
}

fn write_wrapped(out: &mut dyn Write, label: &str, text: &str) -> io::Result<()> {
    let lines = report::wrapped(&units::printable(text), 68);
    for (place, line) in lines.iter().enumerate() {
        if place == 0 { writeln!(out, "{label} {line}")? } else { writeln!(out, "    {line}")? }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_peace_a_few_lines_say_so_and_what_is_wrong_comes_first() {
        let now = |problems: Vec<String>| Now {
            attacked: false,
            incident: None,
            problems,
            warnings: vec!["a disk is nearly full".to_owned()],
            filtered: vec!["eth0".to_owned()],
        };
        let text = |now: &Now| {
            let mut out = Vec::new();
            render(now, &mut out, Style::plain()).unwrap();
            String::from_utf8(out).unwrap()
        };
        let calm = text(&now(Vec::new()));
        assert!(
            calm.starts_with("no attack; filtered: eth0\n") && calm.contains("warning: a disk"),
            "{calm}"
        );
        let many = (0..6).map(|number| format!("problem {number} of an interface {}", "x ".repeat(50)));
        let bad = text(&now(many.collect()));
        assert!(bad.starts_with("PROBLEM: problem 0") && bad.contains("2 more: floodwall status"), "{bad}");
        assert!(bad.lines().all(|line| line.chars().count() <= 80), "{bad}");
    }
}
