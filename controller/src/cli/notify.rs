//! `floodwall notify`: who is told of incidents, how that fares, and whether it works.

use std::{
    io::{self, Write},
    time::Duration,
};

use clap::{Args, Subcommand};

use super::{
    exit::{Done, Failed, Kind, Stop},
    session::Session,
    style::Style,
    table::{Lean, Table},
    units,
};
use crate::api::{NotifyList, NotifyReport, NotifyTestRequest, NotifyTested, path};

/// Twice the longest time limit that a target may have, and a little more.
const PATIENCE: Duration = Duration::from_secs(660);

/// Who is told of incidents: people, pagers, programs.
#[derive(Debug, Subcommand)]
pub(super) enum Notify {
    /// The targets of the configuration, what they were told, and what is wrong with them.
    List,
    /// Send a message that says that it is a test; where the receiver keeps it, that it is over, too.
    Test(Test),
}

#[derive(Debug, Args)]
pub(super) struct Test {
    /// The target, as the configuration and `notify list` name it.
    name: String,
}

impl Notify {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        match self {
            Self::List => {
                let list: NotifyList = session.client.get(path::NOTIFY).await?;
                session.answer(&list, |list, out, style| render(list, units::now(), out, style))?;
                Ok(Done::Plain)
            }
            Self::Test(verb) => verb.apply(session).await,
        }
    }
}

impl Test {
    async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let request = NotifyTestRequest { name: self.name };
        let client = session.client.clone().with_patience(PATIENCE);
        let tested: NotifyTested = client.post(path::NOTIFY_TEST, &request).await?;
        if !tested.taken {
            let text = format!("{}: {}", tested.name, units::printable(&tested.text));
            return Err(Failed::new(Kind::Internal, text).into());
        }
        session.answer(&tested, |NotifyTested { name, took_ms, .. }, out, _| {
            writeln!(out, "{name} has taken the test, within {took_ms} ms")
        })?;
        Ok(Done::Plain)
    }
}

fn render(list: &NotifyList, now: u64, out: &mut dyn Write, style: Style) -> io::Result<()> {
    if list.targets.is_empty() {
        return writeln!(
            out,
            "nobody is told of incidents: [[notify]] in the configuration says who is to be"
        );
    }
    let mut table = Table::new([
        ("NAME", Lean::Left),
        ("KIND", Lean::Left),
        ("FROM", Lean::Left),
        ("SENT", Lean::Right),
        ("FAILED", Lean::Right),
        ("LEFT OUT", Lean::Right),
        ("WAIT", Lean::Right),
        ("LAST SENT", Lean::Left),
    ]);
    let row = |target: &NotifyReport| {
        [
            target.name.clone(),
            target.kind.clone(),
            target.severity.name().to_owned(),
            units::count(target.sent),
            units::count(target.failed),
            units::count(target.left_out),
            units::count(target.waiting),
            target.last_sent.map_or_else(|| "never".to_owned(), |time| units::ago(time, now)),
        ]
    };
    let rows: Vec<_> = list.targets.iter().map(row).collect();
    table.write(&rows, out, style)?;
    for NotifyReport { name, problem, next_try_seconds, .. } in &list.targets {
        let Some(problem) = problem else { continue };
        let again = next_try_seconds.map_or_else(String::new, |next| format!(" (again in {next} s)"));
        writeln!(out, "{} {name}: {}{again}", style.loud("WARNING:"), units::printable(problem))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::IncidentSeverity;

    #[test]
    fn how_targets_fare_is_a_table_and_what_is_wrong_stands_below() {
        let sound = NotifyReport {
            name: "pager".to_owned(),
            kind: "pagerduty".to_owned(),
            events: vec!["began".to_owned()],
            services: Vec::new(),
            severity: IncidentSeverity::Critical,
            sent: 1_234,
            failed: 0,
            left_out: 0,
            waiting: 0,
            last_sent: Some(1_000),
            problem: None,
            next_try_seconds: None,
        };
        let hangs = NotifyReport {
            name: "chat".to_owned(),
            kind: "slack".to_owned(),
            waiting: 3,
            last_sent: None,
            problem: Some("no answer\u{1b} within 10s".to_owned()),
            next_try_seconds: Some(4),
            ..sound.clone()
        };
        let mut out = Vec::new();
        let list = NotifyList { targets: vec![sound, hangs] };
        render(&list, 1_060, &mut out, Style::plain()).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[1].starts_with("pager  pagerduty  critical  1,234"), "{text}");
        assert!(lines[2].contains("slack") && lines[2].ends_with("never"), "{text}");
        assert!(
            lines[3].starts_with("WARNING: chat: no answer") && lines[3].ends_with("(again in 4 s)"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}') && lines.iter().all(|line| line.len() <= 80), "{text}");
        let mut out = Vec::new();
        render(&NotifyList { targets: Vec::new() }, 0, &mut out, Style::plain()).unwrap();
        assert!(String::from_utf8(out).unwrap().starts_with("nobody is told"));
    }
}
