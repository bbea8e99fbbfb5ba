//! How much longer the bans of repeated offenders get.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How bans grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// Each ban is so many times as long as the one before.
    pub factor: u32,
    /// No ban is longer.
    pub ceiling: Duration,
    /// After so long without offence the first ban counts again.
    pub forget_after: Duration,
}

impl Default for Escalation {
    /// Doubled up to a day; forgotten after an hour, about as long as an address is leased.
    fn default() -> Self {
        Self { factor: 2, ceiling: Duration::from_secs(86_400), forget_after: Duration::from_secs(3_600) }
    }
}

impl Escalation {
    /// How long a ban lasts for whoever was banned `before` times, if the first lasts `first`.
    pub fn length(&self, first: Duration, before: u32) -> Duration {
        let factor = self.factor.checked_pow(before).unwrap_or(u32::MAX);
        first.checked_mul(factor).map_or(self.ceiling, |length| length.min(self.ceiling)).max(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_grow_up_to_a_ceiling() {
        let escalation = Escalation::default();
        let lengths =
            [0, 1, 2, 10, 11, 40].map(|before| escalation.length(Duration::from_secs(60), before).as_secs());
        assert_eq!(lengths, [60, 120, 240, 61_440, 86_400, 86_400]);
        let long = Duration::from_secs(100_000);
        assert_eq!(escalation.length(long, 0), long, "a first ban is as long as its rule says");
    }
}
