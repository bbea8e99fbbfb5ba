//! Rates as people write them.

/// What a limit is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    /// No limit.
    Off,
    /// So many a second.
    PerSecond(u64),
}

/// `5000`, `5000/s`, `5k/s`, `off`.
pub(super) fn setting(given: &str) -> Result<Setting, String> {
    if matches!(given, "off" | "none") {
        return Ok(Setting::Off);
    }
    let rate = match given.split_once('/') {
        None | Some((_, "s" | "sec" | "second")) => given.split('/').next().unwrap_or_default(),
        Some((rate, _)) => return Err(format!("rates are per second, such as {rate}/s")),
    };
    match number(rate)? {
        0 => Err("0/s would drop everything; `off` lifts the limit".to_owned()),
        rate => Ok(Setting::PerSecond(rate)),
    }
}

/// A number that may end in `k` (thousand) or `M` (million).
pub(super) fn number(given: &str) -> Result<u64, String> {
    let (digits, factor) = match given.as_bytes().last() {
        Some(b'k' | b'K') => (&given[..given.len() - 1], 1_000),
        Some(b'm' | b'M') => (&given[..given.len() - 1], 1_000_000),
        _ => (given, 1),
    };
    let number =
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u64>().ok()).flatten();
    number
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| "a whole number is wanted, such as 5000 or 5k".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        for given in ["5000", "5000/s", "5k/s", "5K", "5000/sec"] {
            assert_eq!(setting(given), Ok(Setting::PerSecond(5_000)), "{given}");
        }
        assert_eq!(setting("2M/s"), Ok(Setting::PerSecond(2_000_000)));
        assert_eq!(setting("off"), Ok(Setting::Off));
    }

    #[test]
    fn what_is_none() {
        assert_eq!(setting("300/m"), Err("rates are per second, such as 300/s".into()));
        assert_eq!(setting("0/s"), Err("0/s would drop everything; `off` lifts the limit".into()));
        for given in
            ["", "/s", "k", "-1", "+1", "1.5k", "1e3", "99999999999999999999", "18446744073709551615M", "5 k"]
        {
            assert_eq!(setting(given), Err("a whole number is wanted, such as 5000 or 5k".into()), "{given}");
        }
    }
}
