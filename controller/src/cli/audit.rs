//! `floodwall audit`: who has asked for which change, and what became of it.

use std::{
    io::{self, Write},
    time::{Duration, UNIX_EPOCH},
};

use clap::Args;

use super::{
    exit::{Done, Stop},
    session::Session,
    style::Style,
};
use crate::api::{AuditEntry, AuditPage, path};

#[derive(Debug, Args)]
pub(super) struct Audit {
    /// Show at most so many, the latest.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    limit: u32,
    /// Show those before the one with this number.
    #[arg(long, value_name = "NUMBER")]
    before: Option<u64>,
}

impl Audit {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let before = self.before.map_or_else(String::new, |before| format!("&before={before}"));
        let query = format!("{}?limit={}{before}", path::AUDIT, self.limit);
        let page: AuditPage = session.client.get(&query).await?;
        session.answer(&page, render)?;
        Ok(Done::Plain)
    }
}

fn render(page: &AuditPage, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let AuditPage { entries, lost } = page;
    for entry in entries {
        let AuditEntry { number, time, command, request, result, .. } = entry;
        let time = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(*time));
        write!(out, "{number} {time} {}: {command}", who(entry))?;
        if let Some(request) = request {
            // It is somebody else's text, and may hold what a terminal would obey.
            write!(out, " {}", request.escape_debug())?;
        }
        writeln!(out, ": {}", result.escape_debug())?;
    }
    if *lost > 0 {
        writeln!(out, "{} {lost} were not written, as the disk did not take them", style.loud("WARNING:"))?;
    }
    Ok(())
}

/// Who has asked, in words.
fn who(entry: &AuditEntry) -> String {
    let AuditEntry { uid, user, pid, process, .. } = entry;
    let user = match (user, uid) {
        (Some(user), Some(uid)) => format!("{user} (uid {uid}"),
        (None, Some(uid)) => format!("somebody (uid {uid}"),
        (_, None) => "somebody (uid unknown".to_owned(),
    };
    let process = process.as_ref().map_or_else(String::new, |process| format!(" {}", process.escape_debug()));
    let pid = pid.map_or_else(String::new, |pid| format!(", pid {pid}"));
    format!("{user}{pid}{process})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_a_line_each_whoever_has_asked() {
        let entry = AuditEntry {
            number: 7,
            time: 1_796_000_000,
            uid: Some(1_000),
            user: Some("ops".to_owned()),
            pid: Some(42),
            process: Some("curl".to_owned()),
            command: "block add".to_owned(),
            request: Some("{\"prefixes\":[\"192.0.2.1\"],\"note\":\"\u{1b}[2J\n\"}".to_owned()),
            result: "done".to_owned(),
        };
        let unknown = AuditEntry {
            number: 8,
            uid: None,
            user: None,
            pid: None,
            process: None,
            request: None,
            ..entry.clone()
        };
        let mut out = Vec::new();
        render(&AuditPage { entries: vec![entry, unknown], lost: 2 }, &mut out, Style::plain()).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(
            lines[0].starts_with("7 2026-11-30T00:53:20Z ops (uid 1000, pid 42 curl): block add "),
            "{text}"
        );
        assert!(lines[0].ends_with(": done") && !text.contains('\u{1b}'), "{text}");
        assert!(lines[1].contains("somebody (uid unknown): block add: done"), "{text}");
        assert_eq!((lines.len(), lines[2].contains("2 were not written")), (3, true));
    }
}
