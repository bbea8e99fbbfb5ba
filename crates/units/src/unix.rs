//! The wall clock as Unix time. One that stands before 1970 is taken to stand there.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Unix time.
pub fn time(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Unix time in whole seconds.
pub fn seconds(time: SystemTime) -> u64 {
    self::time(time).as_secs()
}

/// Unix time in whole milliseconds.
pub fn millis(time: SystemTime) -> u64 {
    u64::try_from(self::time(time).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_rounded_down_and_not_before_1970() {
        let at = UNIX_EPOCH + Duration::from_millis(1_999);
        assert_eq!((seconds(at), millis(at), time(at)), (1, 1_999, Duration::from_millis(1_999)));
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!((seconds(before), millis(before)), (0, 0));
    }
}
