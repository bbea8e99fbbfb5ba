//! What each source has sent: a set-associative table of fixed size. The token buckets of a source are charged in
//! [`crate::token_bucket::of_source`].
//!
//! A source is an IPv4 address or an IPv6 /64. Its keyed hash names a set of four; a source that is not in its
//! set takes the place of the weakest one there (fewest packets, halved for every second of silence), so a
//! heavy source is never pushed out by spoofed noise, and the cost does not depend on how many there are.
//!
//! A ban stands in the source's own entry, from the packet on that crosses the limit.

use crate::{
    branchless::{at_most, min, nonzero},
    prefix::{Address, Family},
    tables::Tables,
    token_bucket::unit_time,
    wire::{History, Settings, SourceSet, Volume, WAYS, Way, standing},
};

/// Who is counted: a source, a prefix, or a source under one rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Key(pub u64);

/// Nanoseconds in a tick of [`History::seen`], as a shift: 16.8 ms.
pub const TICK_SHIFT: u32 = 24;
/// Nanoseconds in a unit of [`History::entered`], as a shift: 1.07 s.
pub const ENTERED_SHIFT: u32 = 30;

/// How long a source is there before it is taken to have been there, in units of [`History::entered`]: half a minute.
pub const THERE: u16 = 28;

/// Whether a source that was entered then had been there for a while at a later time, ns.
#[inline(always)]
pub const fn was_there_at(entered: u16, time_ns: u64) -> bool {
    // Half of all times are later than that one.
    let age = ((time_ns >> ENTERED_SHIFT) as u16).wrapping_sub(entered);
    age >= THERE && age <= u16::MAX / 2
}
/// Ticks of silence that halve a source's weight, as a shift: 1.07 s.
const HALVING_SHIFT: u32 = 6;
/// Ticks of silence that halve the weight of a known source, as a shift: 34 s.
const KNOWN_HALVING_SHIFT: u32 = 11;
/// Ticks of silence after which bucket times are not believed: a little over a minute, as no bucket takes
/// longer to drain ([`BucketSpec::MAX_DRAIN_SECONDS`](crate::wire::BucketSpec::MAX_DRAIN_SECONDS)) and times are compared modulo 275 s.
const STALE_TICKS: u32 = 3_700;
/// Ticks that a CPU may be held up between its look at the clock and the table, 1 s: what it finds there may have been
/// seen later than now by another, and is not stale for that.
const LATE_TICKS: u32 = 64;

impl Key {
    /// The source of a packet from `address`. Never 0, and no IPv6 source has the key of an IPv4 one: the latter
    /// are hidden behind a secret.
    #[inline(always)]
    pub fn of(settings: &Settings, address: Address) -> Self {
        let secret = match address.family {
            Family::V4 => settings.seed[2].load(),
            Family::V6 => 0,
        };
        Self((address.high ^ secret) | u64::from(address.high ^ secret == 0))
    }

    /// The family of the source that this is the key of: of one of IPv4 half of the bits are those of the secret, which one of
    /// IPv6 has by a chance of 2⁻³².
    pub fn family(self, settings: &Settings) -> Family {
        let low = (self.0 ^ settings.seed[2].load()) as u32;
        if low == 0 { Family::V4 } else { Family::V6 }
    }

    /// The address that this is the key of, if it is that of a source.
    pub fn address(self, settings: &Settings, family: Family) -> Address {
        match family {
            Family::V4 => Address::v4(((self.0 ^ settings.seed[2].load()) >> 32) as u32),
            Family::V6 => Address::v6(self.0, 0),
        }
    }

    /// The same source as one rule counts it.
    #[inline(always)]
    pub fn under(self, rule: u32) -> Self {
        Self(self.0 ^ (u64::from(rule) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// The number of the set that holds this, of as many as `mask` says.
    ///
    /// The multipliers are secret and drawn at each boot: multiply-shift hashing (Dietzfelbinger et al., 1997) in
    /// two rounds, so that nobody can choose addresses that collide.
    #[inline(always)]
    pub fn set(self, settings: &Settings, mask: u64) -> u32 {
        let mut hash = self.0.wrapping_mul(settings.seed[0].load());
        hash ^= hash >> 32;
        hash = hash.wrapping_mul(settings.seed[1].load());
        (hash >> 29 & mask) as u32
    }
}

/// The number of the way that holds `key`.
///
/// Every choice in this table is arithmetic, see [`branchless`](crate::branchless).
#[inline(always)]
pub fn find(set: &SourceSet, key: Key) -> Option<u32> {
    let holds = |way: usize| {
        let difference = set.ways[way].key.load() ^ key.0;
        at_most((difference | difference >> 32) as u32, 0)
    };
    let (second, third, fourth) = (holds(1), holds(2), holds(3));
    let found = holds(0) | second | third | fourth;
    // Two ways can hold the same key for a moment, if two CPUs entered it at once.
    (found != 0).then_some((second | third << 1 | (fourth << 1 | fourth)) & 3)
}

/// The way of `key`, entered if it was not there; and whether it was.
#[inline(always)]
pub fn visit(set: &SourceSet, key: Key, standing: u16, now_ns: u64) -> (&Way, bool) {
    let (number, was_there) = visit_number(set, key, standing, now_ns);
    (&set.ways[number as usize % WAYS], was_there)
}

/// As [`visit`], with the number of the way.
#[inline(always)]
pub fn visit_number(set: &SourceSet, key: Key, standing: u16, now_ns: u64) -> (u32, bool) {
    let tick = tick(now_ns);
    match find(set, key) {
        Some(number) => {
            touch(&set.ways[number as usize % WAYS], tick, now_ns);
            (number, true)
        }
        None => (enter(set, key, standing, tick, now_ns), false),
    }
}

/// Time in units of [`History::entered`].
#[inline(always)]
pub const fn entered(now_ns: u64) -> u16 {
    (now_ns >> ENTERED_SHIFT) as u16
}

/// Time in units of [`History::seen`].
#[inline(always)]
pub fn tick(now_ns: u64) -> u32 {
    (now_ns >> TICK_SHIFT) as u32 & History::SEEN_MASK
}

/// Ticks for which one that was last seen then has been silent; 0 if another CPU has seen it later than now.
pub fn silence(history: History, now_ns: u64) -> u32 {
    let silent = tick(now_ns).wrapping_sub(history.seen) & History::SEEN_MASK;
    if silent > History::SEEN_MASK - LATE_TICKS { 0 } else { silent }
}

/// Whether its buckets are too old to be compared with now: its next packet finds them full.
pub fn is_stale(history: History, now_ns: u64) -> bool {
    silence(history, now_ns) > STALE_TICKS
}

/// Gives the weakest one's way to a new one.
#[inline(always)]
fn enter(set: &SourceSet, key: Key, standing: u16, tick: u32, now_ns: u64) -> u32 {
    // The number of the way in the lowest bits: the smallest of these is the weakest way.
    let ranked = |way: usize| weight(&set.ways[way], tick) << 2 | way as u32;
    let number = min(min(ranked(0), ranked(1)), min(ranked(2), ranked(3))) & 3;
    let way = &set.ways[number as usize];
    let full = u64::from(unit_time(now_ns));
    let history = History { seen: tick, entered: entered(now_ns), syns: 0, standing };
    way.volume.store(0);
    way.buckets.store(full | full << 32);
    way.history.store(history.pack());
    way.key.store(key.0);
    number
}

/// How much one has to say for staying: its packets, halved for every second of silence; for one that is known, or has
/// completed a handshake, for every half minute. One that is banned, or never to be, stays. An empty way goes first.
#[inline(always)]
fn weight(way: &Way, tick: u32) -> u32 {
    let history = History::unpack(way.history.load());
    let silent = tick.wrapping_sub(history.seen) & History::SEEN_MASK;
    let silent = silent * at_most(silent, History::SEEN_MASK - LATE_TICKS);
    let packets = min(Volume(way.volume.load()).packets(), u32::MAX >> 3);
    let known = u32::from(history.standing | (history.standing / standing::PROVEN)) & 1;
    let there = nonzero(way.key.load()) as u32;
    // As much as half a billion packets, and a quarter. Were the bits brought together first, the compiler would branch.
    let stays = u32::from(history.standing & standing::BANNED) << 28
        | u32::from(history.standing & standing::SPARED) << 24;
    let shift = HALVING_SHIFT + known * (KNOWN_HALVING_SHIFT - HALVING_SHIFT);
    ((packets | stays) >> min(silent >> shift, 31)) | there
}

/// Notes that the way was seen now, and fills buckets whose times are too old to be compared.
#[inline(always)]
fn touch(way: &Way, tick: u32, now_ns: u64) {
    let word = way.history.load();
    let history = History::unpack(word);
    let silent = tick.wrapping_sub(history.seen) & History::SEEN_MASK;
    if silent == 0 || silent > History::SEEN_MASK - LATE_TICKS {
        return;
    }
    if silent > STALE_TICKS && history.standing & standing::BANNED == 0 {
        let full = u64::from(unit_time(now_ns));
        way.buckets.store(full | full << 32);
    }
    // If another CPU noted it meanwhile, its note is as good.
    way.history.replace(word, word & !u64::from(History::SEEN_MASK) | u64::from(tick));
}

/// Counts a packet. The first one of a source that was just entered costs no atomic instruction: these wait for all
/// reads before them, and where each packet has a new source, the next packet's reads would wait, too.
#[inline(always)]
pub fn count(way: &Way, bytes: u32, is_first: bool) {
    if is_first {
        way.volume.store(Volume::one(bytes));
    } else if !Volume(way.volume.load()).is_full() {
        way.volume.add(Volume::one(bytes));
    }
}

/// Notes a request for a connection; `opens` says whether it will be seen if it is completed.
#[inline(always)]
pub fn count_syn(way: &Way, opens: bool) {
    let word = way.history.load();
    let history = History::unpack(word);
    let syns = min(u32::from(history.syns) + 1, u32::from(History::MAX_SYNS)) as u16;
    let more = u16::from(opens && history.openings() < standing::MOST_OPENING);
    let standing = history.standing + more * standing::OPENING;
    way.history.replace(word, History { syns, standing, ..history }.pack());
}

/// Notes that the source has completed a handshake: its address is no forged one. So many connections fewer are open to be
/// completed. Should another CPU write at the same moment, the next handshake will be noted.
#[inline(always)]
pub fn complete(way: &Way, connections: u16) {
    let word = way.history.load();
    let history = History::unpack(word);
    let fewer = min(u32::from(connections), u32::from(history.openings())) as u16;
    let standing = history.standing - fewer * standing::OPENING;
    way.history.replace(word, History { standing: standing | standing::PROVEN, ..history }.pack());
}

/// Whether the way is banned now. A ban whose time is over is lifted.
#[inline(always)]
pub fn is_banned(way: &Way, now_ns: u64) -> bool {
    let word = way.history.load();
    let history = History::unpack(word);
    if history.standing & standing::BANNED == 0 {
        return false;
    }
    if way.buckets.load() > now_ns {
        return true;
    }
    end(way, history, now_ns);
    false
}

/// As [`lift`], but once only: should another CPU write at the same moment, the next packet will lift it.
#[inline(always)]
pub fn unban(way: &Way, now_ns: u64) {
    let history = History::unpack(way.history.load());
    if history.standing & standing::BANNED != 0 {
        end(way, history, now_ns);
    }
}

/// Ends a ban with full buckets, unless another CPU has changed the way since `history` was read; says whether it did.
#[inline(always)]
fn end(way: &Way, history: History, now_ns: u64) -> bool {
    let full = u64::from(unit_time(now_ns));
    way.buckets.store(full | full << 32);
    let lifted = History { standing: history.standing & !standing::BANNED, ..history };
    way.history.replace(history.pack(), lifted.pack())
}

/// Bans the way until a time, unless it is spared; says whether it is banned.
#[inline(always)]
pub fn ban(way: &Way, until_ns: u64) -> bool {
    let word = way.history.load();
    let history = History::unpack(word);
    if history.standing & standing::SPARED != 0 {
        return false;
    }
    way.buckets.store(until_ns);
    way.history.replace(word, History { standing: history.standing | standing::BANNED, ..history }.pack());
    true
}

/// Lifts a ban before its time.
pub fn lift(way: &Way, now_ns: u64) {
    loop {
        let history = History::unpack(way.history.load());
        if history.standing & standing::BANNED == 0 || end(way, history, now_ns) {
            return;
        }
    }
}

/// Says that a way is never to be banned, or that it may be.
pub fn spare(way: &Way, spared: bool) {
    loop {
        let word = way.history.load();
        let history = History::unpack(word);
        let bit = if spared { standing::SPARED } else { 0 };
        let changed = History { standing: history.standing & !standing::SPARED | bit, ..history }.pack();
        if changed == word || way.history.replace(word, changed) {
            return;
        }
    }
}

/// Notes that the source is known.
#[inline(always)]
pub fn make_known(way: &Way) {
    mark(way, standing::KNOWN);
}

/// Adds [`standing`] bits. Should another CPU write at the same moment, the next packet will add them.
#[inline(always)]
pub fn mark(way: &Way, bits: u16) {
    let word = way.history.load();
    let history = History::unpack(word);
    way.history.replace(word, History { standing: history.standing | bits, ..history }.pack());
}

/// Takes [`standing`] bits away.
pub fn unmark(way: &Way, bits: u16) {
    loop {
        let word = way.history.load();
        let history = History::unpack(word);
        let changed = History { standing: history.standing & !bits, ..history }.pack();
        if changed == word || way.history.replace(word, changed) {
            return;
        }
    }
}

/// The set of the source of a packet from `address`.
#[inline(always)]
pub fn set_of<'t, T: Tables>(tables: &'t T, settings: &Settings, key: Key) -> Option<&'t SourceSet> {
    tables.source_set(key.set(settings, settings.source_mask.load()))
}

/// The way of a source, if the table holds it.
#[inline(always)]
pub fn way_of<'t, T: Tables>(tables: &'t T, settings: &Settings, key: Key) -> Option<&'t Way> {
    let set = set_of(tables, settings, key)?;
    find(set, key).map(|number| &set.ways[number as usize % WAYS])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const START: u64 = 1_000 * SECOND;

    fn is_there(set: &SourceSet, key: u64) -> bool {
        find(set, Key(key)).is_some()
    }

    #[test]
    fn an_empty_way_goes_before_one_that_has_been_silent() {
        let set = SourceSet::default();
        for (number, key) in (101..=104).enumerate() {
            let (way, was_there) = visit(&set, Key(key), 0, START + number as u64 * 60 * SECOND);
            assert!(!was_there);
            count(way, 60, true);
        }
        assert!((101..=104).all(|key| is_there(&set, key)));
        visit(&set, Key(105), 0, START + 300 * SECOND);
        assert_eq!((101..=105).filter(|key| is_there(&set, *key)).count(), 4, "one of them has made room");
    }

    #[test]
    fn who_has_completed_a_handshake_is_not_forgotten_for_who_has_not() {
        for standing in [standing::KNOWN, standing::PROVEN] {
            let set = SourceSet::default();
            for key in 101..=104 {
                let (way, _) = visit(&set, Key(key), 0, START);
                (0..4).for_each(|_| count(way, 60, false));
            }
            mark(visit(&set, Key(103), 0, START).0, standing);
            for key in 201..=240 {
                visit(&set, Key(key), 0, START + 20 * SECOND);
            }
            assert!(is_there(&set, 103) && !is_there(&set, 101), "{standing:#x}");
        }
    }
}
