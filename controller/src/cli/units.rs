//! Numbers, spans and foreign text as the command line writes them, and times as seen from now.

use std::time::SystemTime;

use floodwall_units::unix;
pub(super) use floodwall_units::{
    Digits, bit_rate, bytes, clock_ms as clock, count, escaped as printable, span, time,
};

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    unix::seconds(SystemTime::now())
}

/// `1 prefix`, `2 prefixes`.
pub(super) fn prefixes(number: u64) -> String {
    format!("{} prefix{}", count(number), if number == 1 { "" } else { "es" })
}

/// How long ago that was.
pub(super) fn ago(time: u64, now: u64) -> String {
    format!("{} ago", span(now.saturating_sub(time)))
}

/// How long until then.
pub(super) fn within(time: u64, now: u64) -> String {
    if time <= now { "now".to_owned() } else { format!("in {}", span(time - now)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_and_many() {
        assert_eq!((prefixes(1), prefixes(1_000)), ("1 prefix".into(), "1,000 prefixes".into()));
    }

    #[test]
    fn as_seen_from_now() {
        assert_eq!((ago(10, 70), ago(70, 10)), ("1m ago".into(), "0s ago".into()));
        assert_eq!((within(70, 10), within(10, 70)), ("in 1m".into(), "now".into()));
    }
}
