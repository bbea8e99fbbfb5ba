//! Numbers, times and spans, as people read them.

use std::time::{Duration, UNIX_EPOCH};

/// `2026-11-30 03:04:05 UTC`.
pub(crate) fn time(time_ms: u64) -> String {
    let text =
        humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(time_ms / 1_000)).to_string();
    format!("{} UTC", text.trim_end_matches('Z').replace('T', " "))
}

/// `03:04:05`.
pub(crate) fn clock(time_ms: u64) -> String {
    time(time_ms).get(11..19).unwrap_or_default().to_owned()
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

/// `1.2 Mbit/s` of bytes/s.
pub(crate) fn bits(bytes: f64) -> String {
    let mut value = bytes * 8.0;
    for unit in ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"] {
        if value < 999.5 {
            return if value < 10.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") };
        }
        value /= 1_000.0;
    }
    format!("{value:.1} Tbit/s")
}

/// `1 h 5 min`, `12 s`.
pub(crate) fn span(seconds: u64) -> String {
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

/// `97 %`, of what is more than nothing.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "0 %".to_owned();
    }
    let share = part as f64 * 100.0 / whole as f64;
    match share {
        share if part < whole && share > 99.9 => "over 99.9 %".to_owned(),
        share if part > 0 && share < 0.1 => "under 0.1 %".to_owned(),
        share if share.fract() < 0.05 || (10.0..99.0).contains(&share) => {
            format!("{share:.0} %")
        }
        share => format!("{share:.1} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_read_them() {
        assert_eq!(time(1_796_000_000_123), "2026-11-30 00:53:20 UTC");
        assert_eq!(clock(1_796_000_000_123), "00:53:20");
        assert_eq!((count(999), count(1_234_567)), ("999".into(), "1,234,567".into()));
        assert_eq!(
            [1.0, 125e3, 1.25e9].map(bits),
            ["8.0 bit/s", "1.0 Mbit/s", "10 Gbit/s"].map(String::from)
        );
        let spans = [12, 60, 185, 3_600, 3_900, 90_000].map(span);
        assert_eq!(spans, ["12 s", "1 min", "3 min 5 s", "1 h", "1 h 5 min", "1 d 1 h"].map(String::from));
        let percents = [(0, 0), (1, 2), (999_999, 1_000_000), (1, 10_000), (5, 5), (993, 1_000)];
        let percents = percents.map(|(part, whole)| percent(part, whole));
        let expected = ["0 %", "50 %", "over 99.9 %", "under 0.1 %", "100 %", "99.3 %"];
        assert_eq!(percents, expected.map(String::from));
    }
}
