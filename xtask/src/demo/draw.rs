//! Numbers and little references for a terminal.

use std::time::Duration;

use crate::thousands::thousands;

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The last `width` values as bars, the largest of all being full.
pub(super) fn sparkline(values: &[f64], width: usize) -> String {
    let largest = values.iter().copied().fold(0.0, f64::max);
    let shown = &values[values.len().saturating_sub(width)..];
    shown
        .iter()
        .map(|value| {
            // From 0 to 7: the share is at most one, and a cast of what is not saturates.
            let level = (value / largest.max(1e-9) * 7.0).round() as usize;
            LEVELS[level.min(7)]
        })
        .collect()
}

/// A bar of at most `width` for a share of one.
pub(super) fn bar(share: f64, width: usize) -> String {
    let full = (share.clamp(0.0, 1.0) * width as f64).round() as usize;
    "█".repeat(full)
}

/// A rate without its fraction.
pub(super) fn whole(rate: f64) -> String {
    // Rates here are small and never negative; a cast of what is not saturates.
    thousands(rate.round() as u64)
}

/// A latency with two or three digits.
pub(super) fn time(duration: Option<Duration>) -> String {
    let Some(duration) = duration else { return "-".to_owned() };
    let milliseconds = duration.as_secs_f64() * 1000.0;
    if milliseconds < 10.0 { format!("{milliseconds:.1} ms") } else { format!("{milliseconds:.0} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_scale_to_the_largest() {
        assert_eq!(sparkline(&[0.0, 50.0, 100.0], 8), "▁▅█");
        assert_eq!(sparkline(&[100.0, 0.0, 50.0], 2), "▁▅");
        assert_eq!(sparkline(&[0.0, 0.0], 8), "▁▁");
        assert_eq!(bar(0.5, 10), "█████");
        assert_eq!(bar(7.0, 3), "███");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(whole(1999.6), "2,000");
        assert_eq!(time(Some(Duration::from_micros(1234))), "1.2 ms");
        assert_eq!(time(Some(Duration::from_millis(1003))), "1003 ms");
        assert_eq!(time(None), "-");
    }
}
