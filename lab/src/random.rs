//! A small repeatable random sequence: the same seed gives the same flood.

/// `SplitMix64` (Steele, Lea & Flood 2014): one multiply-xor chain a number, no bad seeds, and far
/// more than good enough to scatter source addresses.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts the sequence of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound` (zero for a bound of zero); the bias is `bound` / 2³².
    pub fn below(&mut self, bound: u32) -> u32 {
        // The product is below 2^64, its upper half below `bound`, so nothing is lost.
        (((self.bits() >> 32) * u64::from(bound)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_a_bound_holds() {
        let (mut one, mut two) = (Random::new(7), Random::new(7));
        let mut seen = [0_u32; 10];
        for _ in 0..10_000 {
            let number = one.below(10);
            assert_eq!(number, two.below(10));
            seen[usize::try_from(number).unwrap()] += 1;
        }
        assert!(seen.iter().all(|&count| (850..1150).contains(&count)), "{seen:?}");
    }
}
