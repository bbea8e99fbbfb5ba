//! Counts, sizes and shares.

/// A count with separators: `1,234,567`.
pub fn count(number: u64) -> String {
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

/// About three significant digits with an SI prefix: `999`, `1.23k`, `45.6M`. Negative numbers are shown as 0.
pub fn short(number: f64) -> String {
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

/// A number of bytes with a binary prefix: `1.2 MiB`.
pub fn bytes(number: u64) -> String {
    let mut value = number as f64;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
        if value < 1023.95 || unit == "TiB" {
            return if unit == "B" { format!("{number} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} PiB")
}

/// A share: `97 %`. Only a whole is shown as 100 %, and only nothing as 0 %.
pub fn percent(part: u64, whole: u64) -> String {
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
    fn digits_stand_in_groups_of_three() {
        let shown = [0, 999, 1_000, 123_456, 1_234_567].map(count);
        assert_eq!(shown, ["0", "999", "1,000", "123,456", "1,234,567"]);
    }

    #[test]
    fn three_figures() {
        let shown = [0.0, 7.4, 999.0, 1_234.0, 99_960.0, 123_456.0, 7_654_321.0, 5e12, 5e15].map(short);
        assert_eq!(shown, ["0", "7", "999", "1.23k", "100.0k", "123k", "7.65M", "5.00T", "5000T"]);
    }

    #[test]
    fn multiples_of_1024() {
        let shown = [0, 1_023, 1_024, 1 << 20, (1 << 20) - 1, 1 << 50, 1 << 62].map(bytes);
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "1.0 MiB", "1024.0 TiB", "4194304.0 TiB"]);
    }

    #[test]
    fn a_share_is_never_rounded_to_all_or_nothing() {
        let shares = [(0, 0), (1, 2), (999_999, 1_000_000), (1, 10_000), (5, 5), (993, 1_000)];
        let shown = shares.map(|(part, whole)| percent(part, whole));
        assert_eq!(shown, ["0 %", "50 %", "over 99.9 %", "under 0.1 %", "100 %", "99.3 %"]);
    }
}
