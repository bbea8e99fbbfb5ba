//! A SYN flood with a random fingerprint, so that no filter can be prepared for it.

use std::fmt;

use crate::random::Random;

/// The header fields that all packets of a [`SpoofedSyn`](super::SpoofedSyn) flood have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// TCP window, as in the header.
    pub window: u16,
    /// Maximum segment size, the only TCP option.
    pub mss: u16,
    /// TTL on arrival.
    pub ttl: u8,
}

impl Fingerprint {
    /// Draws a fingerprint. No common system sends such a window with such a segment size.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut random = Random::new(seed);
        // The bounds keep the sums below 16 and 8 bits.
        let window = (1_100 + random.below(26_000)) as u16;
        let mss = (537 + random.below(700)) as u16;
        let ttl = (30 + random.below(80)) as u8;
        Self { window, mss, ttl }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { window, mss, ttl } = self;
        write!(formatter, "TCP SYN, window {window}, segment size {mss}, TTL {ttl}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn fingerprints_differ_and_none_is_a_common_one() {
        let drawn: HashSet<_> = (0..50).map(|seed| Fingerprint::draw(seed).to_string()).collect();
        assert_eq!(drawn.len(), 50);
        for seed in 0..1_000 {
            let Fingerprint { window, mss, ttl } = Fingerprint::draw(seed);
            assert!((1_100..27_100).contains(&window) && (537..1_237).contains(&mss));
            assert!((30..110).contains(&ttl));
        }
        assert_eq!(Fingerprint::draw(3), Fingerprint::draw(3));
    }
}
