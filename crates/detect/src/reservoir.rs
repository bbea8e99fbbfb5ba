//! A uniform sample of what one service usually gets, of which what is hours old counts less and less.

use super::baseline::Usual;

/// Samples that are kept.
const CAPACITY: usize = 20_000;
/// Half of those that are kept are replaced in this time at least, s: two hours.
const HALF_LIFE: f64 = 7_200.0;

/// Samples of calm times.
#[derive(Debug, Default)]
pub(super) struct Reservoir {
    samples: Vec<Usual>,
    seen: u64,
    first_ns: Option<u64>,
    state: u64,
}

impl Reservoir {
    /// Keeps a sample, as likely as every other one: Algorithm R (Vitter, "Random sampling with a reservoir", ACM
    /// Transactions on Mathematical Software 1985), but that in the long run new ones are preferred.
    pub(super) fn keep(&mut self, usual: Usual, time_ns: u64) {
        self.seen += 1;
        let first = *self.first_ns.get_or_insert(time_ns);
        if self.samples.len() < CAPACITY {
            self.samples.push(usual);
            return;
        }
        let seconds = time_ns.saturating_sub(first) as f64 / 1e9;
        let a_second = self.seen as f64 / seconds.max(1.0);
        let alike = CAPACITY as f64 / self.seen as f64;
        let lately = CAPACITY as f64 * std::f64::consts::LN_2 / (HALF_LIFE * a_second);
        if self.random() as f64 >= alike.max(lately) * u64::MAX as f64 {
            return;
        }
        let place = self.random() as usize % CAPACITY;
        self.samples[place] = usual;
    }

    /// A number that is random enough to choose by, and the same in each replay (xorshift, Marsaglia 2003).
    fn random(&mut self) -> u64 {
        self.state ^= self.seen.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    /// Takes up samples that were kept.
    pub(super) fn of(mut samples: Vec<Usual>) -> Self {
        samples.truncate(CAPACITY);
        Self { seen: samples.len() as u64, samples, ..Self::default() }
    }

    /// The samples, in no order.
    pub(super) fn samples(&self) -> &[Usual] {
        &self.samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of the samples came in which of some thousands.
    fn ages(reservoir: &Reservoir, thousands: usize) -> Vec<usize> {
        let mut ages = vec![0; thousands];
        reservoir.samples().iter().for_each(|usual| ages[usual.flow as usize / 1_000] += 1);
        ages
    }

    #[test]
    fn for_the_first_hours_all_are_kept_as_likely() {
        let mut reservoir = Reservoir::default();
        for number in 0..100_000_u64 {
            reservoir.keep(Usual { flow: number, ..Usual::default() }, number * 10_000_000);
        }
        let ages = ages(&reservoir, 100);
        assert!(ages.iter().all(|count| (120..290).contains(count)), "about 200 of each 1,000: {ages:?}");
    }

    #[test]
    fn what_is_older_counts_less() {
        let mut reservoir = Reservoir::default();
        // 20 samples/s for eight hours: four half-lives.
        for number in 0..576_000_u64 {
            reservoir.keep(Usual { flow: number, ..Usual::default() }, number * 50_000_000);
        }
        let ages = ages(&reservoir, 576);
        let (first, last): (usize, usize) = (ages[..144].iter().sum(), ages[432..].iter().sum());
        assert!(last > 4 * first, "the last two hours {last}, the first two {first}");
    }
}
