//! What each source has sent, and its token buckets: a set-associative table of fixed size.
//!
//! A source is an IPv4 address or an IPv6 /64. Its keyed hash names a set of four; a source that is not in its
//! set takes the place of the weakest one there (fewest packets, halved for every second of silence), so a
//! heavy source is never pushed out by spoofed noise, and the cost does not depend on how many there are.
//!
//! Token buckets are kept by virtual scheduling (GCRA, ITU-T I.371 annex A): one time per bucket, changed by
//! compare-and-exchange, so that a limit of N/s means N/s on any number of CPUs.

use crate::{
    branchless::{at_most, min},
    prefix::{Address, Family},
    tables::Tables,
    wire::{BucketSpec, Settings, SourceSet, WAYS, Way},
};

/// What one packet costs its source.
#[derive(Clone, Copy, Debug)]
pub struct Charge {
    /// Bytes on the wire.
    pub bytes: u32,
    /// Opens a TCP connection (SYN without ACK).
    pub syn: bool,
}

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

/// Where a source is kept: the number of its set, and its tag there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of the set.
    pub set: u32,
    /// Tag, never 0.
    pub tag: u32,
}

/// Nanoseconds in a tick of the stamp, as a shift: 16.8 ms.
pub const TICK_SHIFT: u32 = 24;
/// Ticks of silence that halve a source's weight, as a shift: 1.07 s.
const HALVING_SHIFT: u32 = 6;
/// Ticks of silence after which bucket times are not believed: a little over a minute, as no bucket takes
/// longer to drain ([`BucketSpec::MAX_DRAIN_SECONDS`]) and times are compared modulo 275 s.
const STALE_TICKS: u32 = 3_700;
/// Attempts to charge a bucket that other CPUs are charging at the same moment.
const CHARGE_ATTEMPTS: u32 = 4;

/// Where the source of a packet from `address` is kept.
///
/// The multipliers are secret and drawn at each boot: multiply-shift hashing (Dietzfelbinger et al., 1997) in
/// two rounds, so that nobody can choose addresses that collide.
#[inline(always)]
pub fn place(settings: &Settings, address: Address) -> Place {
    let family = match address.family {
        Family::V4 => 0x5851_f42d_4c95_7f2d,
        Family::V6 => 0,
    };
    let mut hash = (address.high ^ family ^ settings.seed[2].load()).wrapping_mul(settings.seed[0].load());
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(settings.seed[1].load());
    hash ^= hash >> 29;
    Place { set: (hash & settings.source_mask.load()) as u32, tag: (hash >> 32) as u32 | 1 << 31 }
}

/// Charges a packet from `address` to its source. `None` if the table could not be reached.
#[inline(always)]
pub fn charge<T: Tables>(
    tables: &T,
    settings: &Settings,
    address: Address,
    cost: Charge,
    now_ns: u64,
) -> Option<Standing> {
    let place = place(settings, address);
    let set = tables.source_set(place.set)?;
    let tick = (now_ns >> TICK_SHIFT) as u32 & STAMP_MASK;
    let number = match find(set, place.tag) {
        Some(number) => number,
        None => enter(set, place.tag, tick, now_ns),
    };
    let way = &set.ways[number as usize % WAYS];
    touch(way, tick, now_ns);
    count(way, cost);
    Some(meter(way, settings, cost.syn, unit_time(now_ns)))
}

const STAMP_MASK: u32 = 0x7fff_ffff;

/// Time in units of the buckets, modulo 2³².
#[inline(always)]
fn unit_time(now_ns: u64) -> u32 {
    (now_ns >> BucketSpec::UNIT_SHIFT) as u32
}

/// The number of the way that holds the source with `tag`.
///
/// Every choice in this table is arithmetic, see [`branchless`](crate::branchless).
#[inline(always)]
pub fn find(set: &SourceSet, tag: u32) -> Option<u32> {
    let holds = |way: usize| at_most(set.ways[way].identity.load() as u32 ^ tag, 0);
    let (second, third, fourth) = (holds(1), holds(2), holds(3));
    let found = holds(0) | second | third | fourth;
    // Two ways can hold the same tag for a moment, if two CPUs entered it at once.
    (found != 0).then_some((second | third << 1 | (fourth << 1 | fourth)) & 3)
}

/// Gives the weakest source's way to a new one.
#[inline(always)]
fn enter(set: &SourceSet, tag: u32, tick: u32, now_ns: u64) -> u32 {
    // The number of the way in the lowest bits: the smallest of these is the weakest way.
    let ranked = |way: usize| weight(&set.ways[way], tick) << 2 | way as u32;
    let number = min(min(ranked(0), ranked(1)), min(ranked(2), ranked(3))) & 3;
    let way = &set.ways[number as usize];
    let full = u64::from(unit_time(now_ns));
    way.counts.store(0);
    way.bytes.store(0);
    way.buckets.store(full | full << 32);
    way.identity.store(u64::from(tag) | u64::from(tick) << 32);
    number
}

/// How much a source has to say for staying: its packets, halved for every second of silence.
#[inline(always)]
fn weight(way: &Way, tick: u32) -> u32 {
    let stamp = (way.identity.load() >> 32) as u32;
    let silent = tick.wrapping_sub(stamp) & STAMP_MASK;
    let packets = min(way.counts.load() as u32, u32::MAX >> 2);
    packets >> min(silent >> HALVING_SHIFT, 31)
}

/// Stamps the way as seen now, and fills buckets whose times are too old to be compared.
#[inline(always)]
fn touch(way: &Way, tick: u32, now_ns: u64) {
    let identity = way.identity.load();
    let stamp = (identity >> 32) as u32;
    if stamp == tick {
        return;
    }
    if tick.wrapping_sub(stamp) & STAMP_MASK > STALE_TICKS {
        let full = u64::from(unit_time(now_ns));
        way.buckets.store(full | full << 32);
    }
    // If another CPU stamped it meanwhile, its stamp is as good.
    way.identity.replace(identity, identity & u64::from(u32::MAX) | u64::from(tick) << 32);
}

#[inline(always)]
fn count(way: &Way, cost: Charge) {
    let counts = way.counts.load();
    let packet = u64::from(1 ^ at_most(u32::MAX, counts as u32));
    let syn = u64::from(cost.syn) & u64::from(1 ^ at_most(u32::MAX, (counts >> 32) as u32));
    let more = packet | syn << 32;
    way.counts.add(more);
    way.bytes.add(u64::from(cost.bytes));
}

/// Takes a token from the packet bucket and, for a SYN, one from the SYN bucket: both or none.
#[inline(always)]
fn meter(way: &Way, settings: &Settings, syn: bool, now: u32) -> Standing {
    let packet_bucket = BucketSpec::unpack(settings.packet_bucket.load());
    let syn_bucket = BucketSpec::unpack(settings.syn_bucket.load());
    let mut standing = Standing::Within;
    for _ in 0..CHARGE_ATTEMPTS {
        let old = way.buckets.load();
        let packets = Draw::of(old as u32, packet_bucket, now);
        let mut syns = Draw::of((old >> 32) as u32, syn_bucket, now);
        if !syn {
            syns.over = false;
            syns.after = (old >> 32) as u32;
            syns.before = syns.after;
        }
        let (new_packets, new_syns) = if packets.over || syns.over {
            (packets.before, syns.before)
        } else {
            (packets.after, syns.after)
        };
        let new = u64::from(new_packets) | u64::from(new_syns) << 32;
        standing = match (packets.over, syns.over) {
            (true, _) => Standing::OverPackets,
            (false, true) => Standing::OverSyn,
            (false, false) => Standing::Within,
        };
        if new == old || way.buckets.replace(old, new) {
            break;
        }
    }
    standing
}

/// What taking a token would do to a bucket.
struct Draw {
    /// There is none.
    over: bool,
    /// The bucket's time without the token. Not always what was stored: see [`Draw::of`].
    before: u32,
    /// The bucket's time with the token taken.
    after: u32,
}

impl Draw {
    #[inline(always)]
    fn of(full_at: u32, spec: BucketSpec, now: u32) -> Self {
        // The bucket is full if its time is past; as a number of 32 bits it is then above the half.
        let past = full_at.wrapping_sub(now) >> 31;
        let ahead = full_at.wrapping_sub(now).wrapping_mul(1 ^ past);
        // A bucket that a slower limit left far ahead is held to what the limit of now could have caused.
        let ahead = min(ahead, spec.tolerance.wrapping_add(spec.increment));
        let before = now.wrapping_add(ahead);
        // Without a limit both of the bucket's numbers are 0, and so is `ahead`.
        Self { over: ahead > spec.tolerance, before, after: before.wrapping_add(spec.increment) }
    }
}
