//! Every rate that can be said is kept, at both ends of them, at any time, by each kind of bucket.

use proptest::{prelude::*, test_runner::Config};

use super::*;
use crate::wire::Way;

/// Packets that are offered, four times as many as the rate lets through.
const OFFERED: u64 = 200_000;
const OVERLOAD: u64 = 4;

/// Rates at the ends and around the bounds, and any; with a burst that they allow, and of 10 µs at least where packets cost
/// fractions of a unit.
fn limits() -> impl Strategy<Value = (u64, u64)> {
    let most = BucketSpec::MAX_RATE;
    let whole = BucketSpec::MAX_WHOLE_RATE;
    let rate =
        prop_oneof![Just(1), Just(whole), Just(whole + 1), Just(most), 1..=most, 1..=whole, 1..1_000_u64];
    rate.prop_flat_map(move |rate| {
        let least = if rate > whole { rate / 100_000 } else { 1 };
        (Just(rate), least..=(rate * BucketSpec::MAX_DRAIN_SECONDS).min(OFFERED / 8))
    })
}

/// Times at which counters of 32 and of 64 bits are about to turn, and any within a century.
fn starts() -> impl Strategy<Value = u64> {
    let turn = 1_u64 << (32 + BucketSpec::UNIT_SHIFT);
    prop_oneof![turn - 2_000..turn + 2_000, turn / 2 - 2_000..turn / 2 + 2_000, 1_000..1_u64 << 61]
}

/// The time of packet `n`, ns.
fn time(start: u64, rate: u64, n: u64) -> u64 {
    start + (u128::from(n) * 1_000_000_000 / u128::from(rate * OVERLOAD)) as u64
}

/// How many of the packets pass.
fn passing(start: u64, rate: u64, mut take: impl FnMut(u64) -> bool) -> u64 {
    (0..OFFERED).filter(|n| take(time(start, rate, *n))).count() as u64
}

proptest! {
    #![proptest_config(Config::with_cases(24))]

    #[test]
    fn a_rate_is_kept((rate, burst) in limits(), start in starts()) {
        let spec = BucketSpec::new(rate, burst).expect("it is allowed");
        let expected = (burst + OFFERED / OVERLOAD) as f64;
        // Rounded are increments, to 2 % at most; and fractions of a unit by chance, of which a fast link gets through few.
        let slack = expected * if rate > BucketSpec::MAX_WHOLE_RATE { 0.1 } else { 0.025 } + 2.0;
        let is_kept = |passed: u64| (passed as f64 - expected).abs() <= slack;
        let word = || {
            let word = Word::default();
            word.store(u64::from(unit_time(start)));
            word
        };

        let short = word();
        let passed = passing(start, rate, |now| take(&short, spec, spec.cost(dither(now)), now));
        prop_assert!(is_kept(passed), "{passed} of {expected} within {slack}");
        let long = Word::default();
        let passed = passing(start, rate, |now| take_long(&long, spec, spec.cost(dither(now)), now));
        prop_assert!(is_kept(passed), "of all bits: {passed} of {expected} within {slack}");
        let way = Way::default();
        way.buckets.store(u64::from(unit_time(start)) | u64::from(unit_time(start)) << 32);
        let within = of_source::Standing::Within as u8;
        let passed = passing(start, rate, |now| of_source::meter(&way, [spec; 2], now, dither(now), false) as u8 == within);
        prop_assert!(is_kept(passed), "of a source: {passed} of {expected} within {slack}");
    }

    #[test]
    fn no_bucket_gets_so_far_ahead_that_it_counts_as_past((rate, _) in limits(), start in starts()) {
        // The longest burst, taken at once, and then held to the lowest rate.
        let spec = BucketSpec::new(rate, rate * BucketSpec::MAX_DRAIN_SECONDS).expect("it is allowed");
        let bucket = Word::default();
        bucket.store(u64::from(unit_time(start).wrapping_add(spec.tolerance)));
        let cost = spec.cost(0xffff);
        while take(&bucket, spec, cost, start) {}
        for late in [0, 1_000, 100_000_000] {
            prop_assert!(!take(&bucket, spec, cost, start.saturating_sub(late)), "{late} ns late");
        }
        prop_assert!((bucket.load() as u32).wrapping_sub(unit_time(start)) < 1 << 31);
    }
}
