//! Token buckets by virtual scheduling (GCRA, ITU-T I.371 annex A): a bucket is the time at which it is full again, changed by
//! compare-and-exchange, so that a limit of N/s means N/s on any number of CPUs. Those of a source are charged in [`of_source`].

pub mod of_source;

use crate::{
    branchless::{at_most, min},
    wire::{BucketSpec, Word},
};

/// Attempts to charge a bucket that other CPUs are charging at the same moment.
const ATTEMPTS: u32 = 4;

/// How late a CPU may be that was held up between its look at the clock and the bucket, in units of time: 134 ms. What
/// it finds there may be so much further ahead than the limit alone could have brought it.
const LATE: u32 = 1 << 21;

/// Time in units of the buckets, modulo 2³².
#[inline(always)]
pub fn unit_time(now_ns: u64) -> u32 {
    (now_ns >> BucketSpec::UNIT_SHIFT) as u32
}

/// A number below 2¹⁶ for each moment, ns, or packet, by which fractions of a unit are rounded up or down. Those of two have
/// nothing to do with each other, however near these are, or a bucket would be found full by packets of which the fraction is
/// rounded down.
#[inline(always)]
pub fn dither(of: u64) -> u32 {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let mixed = of.wrapping_mul(MULTIPLIER);
    ((mixed ^ mixed >> 32).wrapping_mul(MULTIPLIER) >> 48) as u32
}

/// What taking a token would do to a bucket.
pub struct Draw {
    /// 1 if there is none, else 0.
    pub over: u32,
    /// The bucket's time without the token. Not always what was stored: see [`Draw::of`].
    pub before: u32,
    /// The bucket's time with the token taken.
    pub after: u32,
}

impl Draw {
    /// Looks at a bucket that is full again at `full_at`, and of which a token costs `cost` units of time.
    #[inline(always)]
    pub fn of(full_at: u32, spec: BucketSpec, now: u32, cost: u32) -> Self {
        // The bucket is full if its time is past; as a number of 32 bits it is then above the half.
        let past = full_at.wrapping_sub(now) >> 31;
        let ahead = full_at.wrapping_sub(now).wrapping_mul(1 ^ past);
        // A bucket that a slower limit left far ahead is held to what the limit of now could have caused.
        let ahead = min(ahead, spec.tolerance.wrapping_add(cost).wrapping_add(LATE));
        let before = now.wrapping_add(ahead);
        // Without a limit both of the bucket's numbers are 0, and so is `ahead`.
        Self { over: 1 ^ at_most(ahead, spec.tolerance), before, after: before.wrapping_add(cost) }
    }
}

/// Takes a token that costs `cost` units of time from a bucket; says whether there was one.
#[inline(always)]
pub fn take(bucket: &Word, spec: BucketSpec, cost: u32, now_ns: u64) -> bool {
    let now = unit_time(now_ns);
    for _ in 0..ATTEMPTS {
        let old = bucket.load();
        let draw = Draw::of(old as u32, spec, now, cost);
        if draw.over != 0 {
            // A time that the limit of now cannot have caused is mended, or it would hold for minutes.
            if draw.before != old as u32 {
                bucket.replace(old, u64::from(draw.before));
            }
            return false;
        }
        if bucket.replace(old, u64::from(draw.after)) {
            return true;
        }
    }
    // Others were quicker, time and again: there was a token for each of them.
    true
}

/// Time in units of the buckets, all of it.
#[inline(always)]
pub fn long_time(now_ns: u64) -> u64 {
    now_ns >> BucketSpec::UNIT_SHIFT
}

/// How far ahead of now a bucket of all bits is, and no further than `most`. A bucket of 0, which is what new tables
/// hold, is full.
#[inline(always)]
fn ahead(full_at: u64, now: u64, most: u32) -> u32 {
    let ahead = full_at.wrapping_sub(now);
    let ahead = ahead.wrapping_mul(1 ^ ahead >> 63);
    let too_far = 0_u32.wrapping_sub(at_most(1, (ahead >> 32) as u32));
    min(ahead as u32 | too_far, most)
}

/// As [`take`], from a bucket that keeps all bits of its time and may lie untouched for any length of it.
#[inline(always)]
pub fn take_long(bucket: &Word, spec: BucketSpec, cost: u32, now_ns: u64) -> bool {
    let now = long_time(now_ns);
    for _ in 0..ATTEMPTS {
        let old = bucket.load();
        // As in `Draw`: what the limit of now cannot have caused is cut short.
        let ahead = ahead(old, now, spec.tolerance.wrapping_add(cost).wrapping_add(LATE));
        if ahead > spec.tolerance {
            let mended = now + u64::from(ahead);
            if mended < old {
                bucket.replace(old, mended);
            }
            return false;
        }
        if bucket.replace(old, now + u64::from(ahead) + u64::from(cost)) {
            return true;
        }
    }
    // As in `take`.
    true
}

/// How far in debt a bucket can get: 1.07 s.
const DEBT: u32 = 1 << 24;
/// A bucket that is so deep in debt is left alone, lest all CPUs write to it for each packet of a flood: 67 ms less.
const GRAIN: u32 = 1 << 20;

/// As [`take`], but those that find the bucket empty are charged, too, up to a debt of about a second. It opens again
/// only once they are fewer than its rate: of a flood nothing passes, and of little everything. All bits of its time
/// count, as in [`take_long`].
#[inline(always)]
pub fn take_or_shut(bucket: &Word, spec: BucketSpec, now_ns: u64) -> bool {
    if spec.increment == 0 {
        return true;
    }
    let now = long_time(now_ns);
    let cost = spec.cost(dither(now_ns));
    let deepest = spec.tolerance.wrapping_add(cost).wrapping_add(DEBT);
    for _ in 0..ATTEMPTS {
        let old = bucket.load();
        let ahead = ahead(old, now, deepest);
        let conforms = ahead <= spec.tolerance;
        if !conforms && deepest.wrapping_sub(ahead) < GRAIN {
            return false;
        }
        let charged = now + u64::from(min(ahead.wrapping_add(cost), deepest));
        if bucket.replace(old, charged) {
            return conforms;
        }
    }
    true
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_shut_bucket_opens_once_the_flood_is_over() {
        let bucket = Word::default();
        let spec = BucketSpec::new(50, 50).expect("valid");
        let mut now = 1_000 * SECOND;
        let passed = (0..10_000).filter(|_| {
            now += SECOND / 1_000;
            take_or_shut(&bucket, spec, now)
        });
        assert!((50..=55).contains(&passed.count()), "the burst, and no more of ten seconds of flood");
        assert!(!take_or_shut(&bucket, spec, now + SECOND / 2));
        assert!(take_or_shut(&bucket, spec, now + 2 * SECOND));
    }

    #[test]
    fn a_bucket_that_lay_untouched_is_full() {
        let spec = BucketSpec::new(100, 200).expect("valid");
        // Buckets of 32 bits take some of these for the future.
        for minutes in 1..20 {
            let bucket = Word::default();
            let mut now = 1_000 * SECOND;
            assert!((0..200).all(|_| take_long(&bucket, spec, spec.increment, now)));
            assert!(!take_long(&bucket, spec, spec.increment, now));
            now += minutes * 60 * SECOND;
            assert!(
                (0..200).all(|_| take_long(&bucket, spec, spec.increment, now)),
                "after {minutes} minutes"
            );
        }
    }

    #[test]
    fn a_new_bucket_is_full_whatever_the_time() {
        let spec = BucketSpec::new(50, 50).expect("valid");
        // From boot on, and through two turns of a clock of 32 bits (275 s), in steps that miss no part of it.
        for now in (0..1_200).map(|half| half * SECOND / 2) {
            let (rule, suspects) = (Word::default(), Word::default());
            for n in 0..50 {
                assert!(take_long(&rule, spec, spec.increment, now), "packet {n} of a rule at {now} ns");
                assert!(take_or_shut(&suspects, spec, now), "suspect {n} at {now} ns");
            }
            assert!(!take_long(&rule, spec, spec.increment, now) && !take_or_shut(&suspects, spec, now));
        }
    }

    #[test]
    fn a_stricter_limit_leaves_no_stale_bucket() {
        let now = 1_000 * SECOND;
        let (slow, fast) =
            (BucketSpec::new(1, 60).expect("valid"), BucketSpec::new(1_000, 100).expect("valid"));
        let bucket = Word::default();
        while take_long(&bucket, slow, slow.increment, now) {}
        assert!(!take_long(&bucket, fast, fast.increment, now), "what was used up stays so");
        assert!(
            take_long(&bucket, fast, fast.increment, now + SECOND / 5),
            "for hardly longer than the new limit says"
        );
    }

    #[test]
    fn a_cpu_that_comes_late_gives_nothing_back() {
        let now = 1_000 * SECOND;
        let spec = BucketSpec::new(1_000, 100).expect("valid");
        let (short, long) = (Word::default(), Word::default());
        short.store(u64::from(unit_time(now)));
        for bucket in [&short, &long] {
            let take = |at| {
                if std::ptr::eq(bucket, &raw const short) {
                    take(bucket, spec, spec.increment, at)
                } else {
                    take_long(bucket, spec, spec.increment, at)
                }
            };
            while take(now) {}
            for late in 1..100 {
                assert!(!take(now - late * SECOND / 1_000));
            }
            assert!(!take(now), "what was used up stays so");
        }
    }

    #[test]
    fn little_always_passes() {
        let bucket = Word::default();
        let spec = BucketSpec::new(50, 50).expect("valid");
        assert!((0..10_000).all(|n| take_or_shut(&bucket, spec, (1_000 * 40 + n) * SECOND / 40)));
    }

    #[test]
    fn a_byte_bucket_lets_its_rate_through() {
        let bucket = Word::default();
        bucket.store(u64::from(unit_time(1_000 * SECOND)));
        let spec = crate::wire::Terms::byte_bucket(1_000_000, 10_000).expect("valid");
        let cost = ((1_000 * u64::from(spec.increment)) >> crate::wire::Terms::BYTE_SHIFT) as u32;
        let passed =
            (0..40_000_u64).filter(|n| take(&bucket, spec, cost, 1_000 * SECOND + n * 100_000)).count();
        assert!((3_980..=4_020).contains(&passed), "{passed} kB in 4 s");
    }
}
