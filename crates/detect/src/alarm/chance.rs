//! How many may come in a window by chance, if what comes has at most a given intensity.
//!
//! A count in which each source appears at most `batch` times is a compound Poisson with batches of at most that. By
//! Bernstein's inequality (Boucheron, Lugosi, Massart, "Concentration Inequalities", 2013, section 2.8) the chance that it
//! exceeds its mean `m` by `t` is at most exp(−t² ÷ (2·(m·batch + batch·t ÷ 3))), as its variance is at most `m·batch`. That
//! is e^−L for t = batch·L ÷ 3 + √((batch·L ÷ 3)² + 2·m·batch·L).

/// The exponent L: a single comparison raises a false alarm with a chance of at most e^−L. That is one in ten days for
/// `COMPARISONS_A_DAY`, each taken for independent of the others: ln(1,728,000 × 3 × 60 × 10) = 21.9.
const EXPONENT: f64 = 21.9;
/// Looks in a day, one each 50 ms, times three windows, times sixty series (five of a service, twelve services).
#[cfg(test)]
const COMPARISONS_A_DAY: f64 = 24.0 * 3_600.0 * 20.0 * 3.0 * 60.0;

/// What a count exceeds by chance as good as never, if `mean` is expected at most and each source counts `batch` times at
/// most.
pub(super) fn limit(mean: f64, batch: f64) -> f64 {
    let third = batch * EXPONENT / 3.0;
    mean + third + (third * third + 2.0 * mean * batch * EXPONENT).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponent_is_that_of_one_false_alarm_in_ten_days() {
        let per_day = COMPARISONS_A_DAY * (-EXPONENT).exp();
        assert!((0.09..=0.101).contains(&per_day), "{per_day}");
    }

    #[test]
    fn limits_are_those_of_the_page() {
        for (mean, expected) in [(150.0, 239.0), (200.0, 301.0), (1_500.0, 1_764.0)] {
            assert!((limit(mean, 1.0) - expected).abs() < 1.0, "{mean}: {}", limit(mean, 1.0));
        }
        assert!(limit(400.0, 40.0) > 3.0 * 400.0, "what comes in batches varies more");
    }

    /// The chance of a Poisson variable of mean `mean` to be at least `count`: a sum of its terms.
    fn tail(mean: f64, count: u32) -> f64 {
        let mut log = -mean + (1..=count).map(|n| (mean / f64::from(n)).ln()).sum::<f64>();
        let mut sum = 0.0;
        for n in count + 1..count + 2_000 {
            sum += log.exp();
            log += (mean / f64::from(n)).ln();
        }
        sum
    }

    #[test]
    fn a_poisson_count_exceeds_its_limit_less_often_than_is_said() {
        for mean in [1.0, 10.0, 100.0, 1_000.0] {
            assert!(tail(mean, limit(mean, 1.0).ceil() as u32) < (-EXPONENT).exp(), "{mean}");
        }
    }
}
