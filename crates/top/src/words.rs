//! Numbers, spans and foreign text as people read them at a glance.

use floodwall_api::{DropReport, Event};

/// Three figures and a prefix of SI: `999`, `1.23k`, `45.6M`.
pub(crate) fn short(number: f64) -> String {
    let mut value = number.max(0.0);
    for unit in ["", "k", "M", "G", "T"] {
        if value < 999.5 || unit == "T" {
            return match (unit, value) {
                ("", _) => format!("{value:.0}"),
                (_, 100.0..) => format!("{value:.0}{unit}"),
                (_, 10.0..) => format!("{value:.1}{unit}"),
                _ => format!("{value:.2}{unit}"),
            };
        }
        value /= 1_000.0;
    }
    String::new()
}

/// `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The two largest units of a span: `3d 4h`, `10m`, `0s`.
pub(crate) fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let first = UNITS.iter().position(|(length, _)| seconds >= *length).unwrap_or(3);
    let (length, unit) = UNITS[first];
    let mut text = format!("{}{unit}", seconds / length);
    if let Some((shorter, unit)) = UNITS.get(first + 1)
        && seconds % length >= *shorter
    {
        text += &format!(" {}{unit}", seconds % length / shorter);
    }
    text
}

/// `14:03:05`, in UTC.
pub(crate) fn clock(time_ms: u64) -> String {
    let seconds = time_ms / 1_000 % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// Text of someone else's, without what a terminal would act on.
pub(crate) fn printable(text: &str) -> String {
    let acted_on = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if acted_on(c) { '\u{fffd}' } else { c }).collect()
}

/// What kind an event is of, how much it asks for attention, and its words; `None` of a drop, of which there are too many
/// to be read.
pub(crate) fn event(event: &Event) -> Option<(u64, &'static str, bool, String)> {
    let (kind, notice) = match event {
        Event::Drop(_) | Event::End(_) => return None,
        Event::Interface(report) => {
            return Some((report.time_ms, "interface", !report.filtered, printable(&report.text)));
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
    Some((notice.time_ms, kind, notice.severity != "info", printable(&notice.text)))
}

/// What a dropped packet was: `TCP 443`, `UDP 53`, `ICMP`.
pub(crate) fn aim(drop: &DropReport) -> String {
    match drop.protocol {
        6 => format!("TCP {}", drop.destination_port),
        17 => format!("UDP {}", drop.destination_port),
        1 | 58 => "ICMP".to_owned(),
        other => format!("protocol {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_at_a_glance() {
        let shown: Vec<_> =
            [0.0, 7.4, 999.0, 1_234.0, 99_960.0, 123_456.0, 7_654_321.0, 5e12].map(short).into();
        assert_eq!(shown, ["0", "7", "999", "1.23k", "100.0k", "123k", "7.65M", "5.00T"]);
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!([0, 61, 90_000].map(span), ["0s", "1m 1s", "1d 1h"]);
        assert_eq!(clock(1_000_000_000_123), "01:46:40");
        assert_eq!(printable("a\x1b[2J\u{202e}ü"), "a\u{fffd}[2J\u{fffd}ü");
    }
}
