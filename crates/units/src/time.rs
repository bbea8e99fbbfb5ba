//! Times of day and dates, all in UTC, and durations.

use std::time::{Duration, UNIX_EPOCH};

/// Unix time in ms as `2026-11-30 03:04:05 UTC`.
pub fn time(time_ms: u64) -> String {
    format!("{} UTC", rfc3339(time_ms).trim_end_matches('Z').replace('T', " "))
}

/// Unix time in ms as `03:04:05`.
pub fn clock(time_ms: u64) -> String {
    rfc3339(time_ms).get(11..19).unwrap_or_default().to_owned()
}

/// Unix time in ms as `03:04:05.123`.
pub fn clock_ms(time_ms: u64) -> String {
    format!("{}.{:03}", clock(time_ms), time_ms % 1_000)
}

/// A duration in s by its two largest units: `3d 4h`, `10m`, `0s`.
pub fn span(seconds: u64) -> String {
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

/// The same for prose: `1 h 5 min`, `12 s`.
pub fn spelled_span(seconds: u64) -> String {
    let (days, hours, minutes, rest) =
        (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest} s"),
        (0, 0, _) if rest == 0 => format!("{minutes} min"),
        (0, 0, _) => format!("{minutes} min {rest} s"),
        (0, _, 0) => format!("{hours} h"),
        (0, ..) => format!("{hours} h {minutes} min"),
        (_, 0, _) => format!("{days} d"),
        _ => format!("{days} d {hours} h"),
    }
}

/// Unix time in ms, truncated to s, in the format of RFC 3339.
fn rfc3339(time_ms: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(time_ms / 1_000)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(time(1_796_000_000_123), "2026-11-30 00:53:20 UTC");
        assert_eq!(
            (clock(1_796_000_000_123), clock_ms(1_000_000_000_023)),
            ("00:53:20".into(), "01:46:40.023".into())
        );
    }

    #[test]
    fn spans() {
        let lengths = [0, 59, 60, 61, 3_600, 3_660, 3_601, 86_400, 90_000, 8_640_000];
        let expected = ["0s", "59s", "1m", "1m 1s", "1h", "1h 1m", "1h", "1d", "1d 1h", "100d"];
        assert_eq!(lengths.map(span), expected);
    }

    #[test]
    fn spelled_spans() {
        let expected = ["12 s", "1 min", "3 min 5 s", "1 h", "1 h 5 min", "1 d", "1 d 1 h"];
        assert_eq!([12, 60, 185, 3_600, 3_900, 86_400, 90_000].map(spelled_span), expected);
    }
}
