//! Texts for events and drops.

use floodwall_api::{DropReport, Event, IncidentLine};
use floodwall_units::masked;

/// An event as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventLine {
    /// Unix time in ms.
    pub(crate) time_ms: u64,
    pub(crate) kind: String,
    /// Whether it needs attention.
    pub(crate) loud: bool,
    pub(crate) text: String,
}

/// An event as it is listed; `None` for drops, which are too many.
pub(crate) fn event(event: &Event) -> Option<EventLine> {
    let (kind, notice) = match event {
        Event::Drop(_) | Event::End(_) => return None,
        Event::Interface(report) => {
            let (kind, text) = ("interface".to_owned(), masked(&report.text));
            return Some(EventLine { time_ms: report.time_ms, kind, loud: !report.filtered, text });
        }
        Event::Attack(notice) => ("attack", notice),
        Event::Signature(notice) => ("signature", notice),
        Event::WouldBan(notice) => ("would-ban", notice),
        Event::Ban(notice) => ("ban", notice),
        Event::List(notice) => ("list", notice),
        Event::Rule(notice) => ("rule", notice),
        Event::Health(notice) => ("health", notice),
        Event::Command(notice) => ("command", notice),
        Event::Task(notice) => ("task", notice),
    };
    let (kind, loud, text) = (kind.to_owned(), notice.severity != "info", masked(&notice.text));
    Some(EventLine { time_ms: notice.time_ms, kind, loud, text })
}

/// What happened in an incident, as an event.
pub(crate) fn past(line: &IncidentLine) -> EventLine {
    let (kind, text) = (masked(&line.kind), masked(&line.text));
    EventLine { time_ms: line.time_ms, loud: kind == "attack", kind, text }
}

/// The protocol and destination port of a dropped packet: `TCP 443`, `UDP 53`, `ICMP`.
pub(crate) fn aim(drop: &DropReport) -> String {
    match drop.protocol {
        6 => format!("TCP {}", drop.destination_port),
        17 => format!("UDP {}", drop.destination_port),
        1 | 58 => "ICMP".to_owned(),
        other => format!("protocol {other}"),
    }
}

/// The service that what no other names is for has no name of its own.
pub(crate) fn service(name: &str) -> &str {
    if name == "default" { "this host" } else { name }
}

/// What stops packets that are dropped for a reason.
pub(crate) fn stopped_by(reason: &str) -> &str {
    match reason {
        "signature" => "by fingerprint",
        "blocked" => "by blocklist",
        "banned" => "by bans",
        "unsolicited" => "as answers to nothing",
        "out-of-state" => "as of no connection",
        "new-name" => "as questions for new names",
        other => other,
    }
}
