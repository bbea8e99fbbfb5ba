//! Numbers, spans and foreign text as people read them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// `1,234,567`.
pub(super) fn count(number: u64) -> String {
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

/// `1 prefix`, `2 prefixes`.
pub(super) fn prefixes(number: u64) -> String {
    format!("{} prefix{}", count(number), if number == 1 { "" } else { "es" })
}

/// `1.2 MiB`.
pub(super) fn bytes(number: u64) -> String {
    let mut value = number as f64;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
        if value < 1023.95 || unit == "TiB" {
            return if unit == "B" { format!("{number} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} PiB")
}

/// The two largest units of a span: `3d 4h`, `10m`, `0s`.
pub(super) fn span(seconds: u64) -> String {
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

/// How long ago that was.
pub(super) fn ago(time: u64, now: u64) -> String {
    format!("{} ago", span(now.saturating_sub(time)))
}

/// How long until then.
pub(super) fn within(time: u64, now: u64) -> String {
    if time <= now { "now".to_owned() } else { format!("in {}", span(time - now)) }
}

/// `14:03:05.123` in UTC.
pub(super) fn clock(milliseconds: u64) -> String {
    let stamp =
        humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(milliseconds)).to_string();
    stamp.get(11..23).unwrap_or(&stamp).to_owned()
}

/// Text of someone else's, without what a terminal would act on.
pub(super) fn printable(text: &str) -> String {
    let acted_on = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if acted_on(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let shown: Vec<_> = [0, 999, 1_000, 123_456, 1_234_567].into_iter().map(count).collect();
        assert_eq!(shown, ["0", "999", "1,000", "123,456", "1,234,567"]);
        assert_eq!((prefixes(1), prefixes(1_000)), ("1 prefix".into(), "1,000 prefixes".into()));
        let shown: Vec<_> =
            [0, 1_023, 1_024, 1 << 20, (1 << 20) - 1, 1 << 50, 1 << 62].into_iter().map(bytes).collect();
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "1.0 MiB", "1024.0 TiB", "4194304.0 TiB"]);
    }

    #[test]
    fn spans() {
        let shown: Vec<_> =
            [0, 59, 60, 61, 3_600, 3_660, 3_601, 86_400, 90_000, 8_640_000].into_iter().map(span).collect();
        assert_eq!(shown, ["0s", "59s", "1m", "1m 1s", "1h", "1h 1m", "1h", "1d", "1d 1h", "100d"]);
        assert_eq!((ago(10, 70), ago(70, 10)), ("1m ago".into(), "0s ago".into()));
        assert_eq!((within(70, 10), within(10, 70)), ("in 1m".into(), "now".into()));
        assert_eq!(clock(1_000_000_000_123), "01:46:40.123");
    }

    #[test]
    fn foreign_text_cannot_steer_the_terminal() {
        assert_eq!(printable("a\x1b[2J\n\u{202e}ü"), "a\\u{1b}[2J\\n\\u{202e}ü");
    }
}
