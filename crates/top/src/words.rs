//! Texts for events and drops.

use floodwall_api::{DropReport, Event};
use floodwall_units::masked;

/// The time, kind, urgency and text of an event; `None` for drops, which are too many to be listed.
pub(crate) fn event(event: &Event) -> Option<(u64, &'static str, bool, String)> {
    let (kind, notice) = match event {
        Event::Drop(_) | Event::End(_) => return None,
        Event::Interface(report) => {
            return Some((report.time_ms, "interface", !report.filtered, masked(&report.text)));
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
    Some((notice.time_ms, kind, notice.severity != "info", masked(&notice.text)))
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
