//! What the controller tells the kernel program.

use super::Word;

/// A token bucket's rate and depth, packed into one word so that a change takes effect at once.
///
/// The bucket is kept by virtual scheduling (GCRA, ITU-T I.371): a packet advances the bucket's time by
/// `increment`, and conforms while that time is at most `tolerance` ahead of the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BucketSpec {
    /// Time between packets at the limit, in units of 64 ns; 0 means no limit.
    pub increment: u32,
    /// How far ahead of the clock a bucket may run, in units of 64 ns: (burst - 1) × increment.
    pub tolerance: u32,
}

impl BucketSpec {
    /// Nanoseconds in a unit of bucket time, as a shift.
    pub const UNIT_SHIFT: u32 = 6;
    /// Units in a second.
    pub const UNITS_PER_SECOND: u64 = 1_000_000_000 >> Self::UNIT_SHIFT;
    /// Highest rate that keeps the rounding of `increment` under 2 %, per second.
    pub const MAX_RATE: u64 = 400_000;
    /// Longest time that a burst may take to drain, in seconds; bucket times are compared modulo 2³².
    pub const MAX_DRAIN_SECONDS: u64 = 60;

    /// The bucket that lets `rate` packets/s through after a burst of `burst`.
    ///
    /// `None` if the rate is 0 or above [`Self::MAX_RATE`], the burst is 0, or the burst would take longer
    /// than [`Self::MAX_DRAIN_SECONDS`] to drain.
    pub const fn new(rate: u64, burst: u64) -> Option<Self> {
        if rate == 0 || rate > Self::MAX_RATE || burst == 0 || burst > rate * Self::MAX_DRAIN_SECONDS {
            return None;
        }
        let increment = (Self::UNITS_PER_SECOND + rate / 2) / rate;
        Some(Self { increment: increment as u32, tolerance: ((burst - 1) * increment) as u32 })
    }

    /// As it stands in [`Settings`].
    pub const fn pack(self) -> u64 {
        self.increment as u64 | (self.tolerance as u64) << 32
    }

    /// From [`Settings`].
    #[inline(always)]
    pub const fn unpack(word: u64) -> Self {
        Self { increment: word as u32, tolerance: (word >> 32) as u32 }
    }
}

/// The single entry of the settings map.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Settings {
    /// [`ABI_VERSION`](super::ABI_VERSION) of whoever made the maps.
    pub abi: Word,
    /// Bit 0 names the half of the prefix roots and bitmaps that packets are judged by.
    pub generation: Word,
    /// 0: the kernel's clock; otherwise the time in ns that the program is to believe (replay, tests).
    pub clock: Word,
    /// Secrets of the source table's hash, drawn anew at each boot; the multipliers are odd.
    pub seed: [Word; 3],
    /// Number of sets in the source table less one (a power of two less one).
    pub source_mask: Word,
    /// Packets/s of a source: a packed [`BucketSpec`].
    pub packet_bucket: Word,
    /// SYN/s of a source: a packed [`BucketSpec`].
    pub syn_bucket: Word,
    /// Time between drop events on one CPU, ns; 0 tells of none.
    pub event_interval: Word,
}

const _: () = assert!(size_of::<Settings>() == 80);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_survives_packing() {
        let spec = BucketSpec::new(10_000, 20_000).expect("valid");
        assert_eq!(BucketSpec::unpack(spec.pack()), spec);
        assert_eq!(spec.increment, 1563);
    }

    #[test]
    fn limits_that_the_arithmetic_cannot_hold_are_refused() {
        for (rate, burst) in [(0, 1), (1, 0), (1, 61), (BucketSpec::MAX_RATE + 1, 1)] {
            assert_eq!(BucketSpec::new(rate, burst), None, "{rate}/s burst {burst}");
        }
        assert!(BucketSpec::new(1, 60).is_some() && BucketSpec::new(BucketSpec::MAX_RATE, 1).is_some());
    }
}
