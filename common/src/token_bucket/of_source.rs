//! The two token buckets of a source, of its packets and of its SYNs, which stand in one word of its entry and are charged
//! together.

use super::{ATTEMPTS, Draw, unit_time};
use crate::{
    branchless::at_most,
    wire::{BucketSpec, History, Way, standing},
};

/// How old the time of a bucket that nothing is taken from may get, in units of 64 ns: 17 s.
const UNLIMITED_FOR: u32 = 1 << 28;

/// How a source stands after a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Within its limits.
    Within,
    /// Over its packets/s; the packet was not charged.
    OverPackets,
    /// Over its SYN/s; the packet was not charged.
    OverSyn,
}

/// Takes a token from the packet bucket and one from the SYN bucket: both or none. As with [`count`](crate::source::count), the first packet's
/// are taken without an atomic instruction. `dither` rounds what they cost, see [`BucketSpec::cost`].
#[inline(always)]
pub fn meter(way: &Way, buckets: [BucketSpec; 2], now_ns: u64, dither: u32, is_first: bool) -> Standing {
    let now = unit_time(now_ns);
    let [packet_bucket, syn_bucket] = buckets;
    let [packet_cost, syn_cost] = buckets.map(|bucket| bucket.cost(dither));
    let mut over = [0; 2];
    for _ in 0..ATTEMPTS {
        let old = way.buckets.load();
        let packets = Draw::of(old as u32, packet_bucket, now, packet_cost);
        let syns = Draw::of((old >> 32) as u32, syn_bucket, now, syn_cost);
        over = [packets.over, syns.over];
        let charged = 1 ^ (packets.over | syns.over);
        let packets = packets.before.wrapping_add(packet_cost.wrapping_mul(charged));
        let syns = syns.before.wrapping_add(syn_cost.wrapping_mul(charged));
        let packets = unless_unlimited(old as u32, packets, packet_bucket, now);
        let syns = unless_unlimited((old >> 32) as u32, syns, syn_bucket, now);
        let new = u64::from(packets) | u64::from(syns) << 32;
        if is_first {
            // Another CPU may have come upon the new entry, and banned the source.
            if History::unpack(way.history.load()).standing & standing::BANNED == 0 {
                way.buckets.store(new);
            }
            break;
        }
        if new == old || way.buckets.replace(old, new) {
            break;
        }
    }
    match over {
        [0, 0] => Standing::Within,
        [0, _] => Standing::OverSyn,
        _ => Standing::OverPackets,
    }
}

/// What becomes of a bucket: where there is no limit, and so nothing was taken, it is left as it is until its time is so
/// old that it could not be compared for much longer. What no CPU writes, each has in its cache.
#[inline(always)]
fn unless_unlimited(old: u32, new: u32, spec: BucketSpec, now: u32) -> u32 {
    let stays = at_most(spec.increment, 0) & at_most(now.wrapping_sub(old), UNLIMITED_FOR);
    new.wrapping_add(old.wrapping_sub(new).wrapping_mul(stays))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        source::{Key, visit},
        wire::SourceSet,
    };

    const SECOND: u64 = 1_000_000_000;
    const START: u64 = 1_000 * SECOND;

    #[test]
    fn buckets_from_which_nothing_is_taken_are_written_now_and_then() {
        let set = SourceSet::default();
        let way = visit(&set, Key(1), 0, START).0;
        let limited = BucketSpec::new(10, 10).unwrap();
        let written = |packets, now_ns| {
            let before = way.buckets.load();
            assert_eq!(meter(way, [packets, BucketSpec::UNTOUCHED], now_ns, 0, false), Standing::Within);
            way.buckets.load() != before
        };
        assert!(written(limited, START));
        for second in [1, 2, 17] {
            assert!(!written(BucketSpec::UNTOUCHED, START + second * SECOND), "after {second} s");
        }
        assert!(written(BucketSpec::UNTOUCHED, START + 18 * SECOND));
        assert!(!written(BucketSpec::UNTOUCHED, START + 35 * SECOND));
        assert!(
            (0..10).all(|_| written(limited, START + 36 * SECOND)),
            "the bucket is full when a limit comes"
        );
    }
}
