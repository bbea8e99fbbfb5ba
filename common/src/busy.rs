//! Sources that send so much that several CPUs count them at once.
//!
//! A line that two CPUs write to goes to and fro between their caches, which takes longer than all else that a packet costs.
//! So what a source that has sent much goes on to send is counted by each CPU for itself, and added to the source's line
//! for many packets at once (as in "sloppy counters", Boyd-Wickizer et al., OSDI 2010). What a CPU has not added yet is missing
//! from the source's [`Volume`]: fewer than 32 packets a CPU, of a source that has sent 16,384.
//!
//! A CPU has a few slots, chosen by the source's key. One that is silent for a second makes room for another, and what
//! was not added of it is forgotten.

use crate::{
    source::{self, Key, entered},
    tables::Tables,
    wire::{Settings, Volume, Way},
};

/// Slots of a CPU.
pub const BUSY_SLOTS: u32 = 8;
/// Packets from which on a source is counted by each CPU for itself.
pub const BUSY: u32 = 1 << 14;
/// Packets that are added at once.
const AT_ONCE: u32 = 32;

/// The number of the slot of a source.
#[inline(always)]
pub const fn slot(key: Key) -> u32 {
    // The high bits of a key are those of an address, which differ least where the sources of an attack are neighbours.
    (key.0 >> 32 ^ key.0) as u32 & (BUSY_SLOTS - 1)
}

/// Whether what the source sends is counted here.
#[inline(always)]
pub fn is(way: &Way) -> bool {
    Volume(way.volume.load()).packets() >= BUSY
}

/// Counts one packet of a source that [is] busy. `None` if a table cannot be read.
#[inline(always)]
pub fn count<T: Tables>(tables: &T, settings: &Settings, key: Key, bytes: u32, now_ns: u64) -> Option<()> {
    let slot = tables.busy_source(slot(key))?;
    let (now, one) = (u64::from(entered(now_ns)), Volume::one(bytes));
    let is_its_own = slot.key.load() == key.0;
    if !is_its_own && slot.seen.load() == now {
        add(tables, settings, key, one);
        return Some(());
    }
    let kept = one + if is_its_own { slot.volume.load() } else { 0 };
    let is_enough = Volume(kept).packets() >= AT_ONCE;
    slot.key.store(key.0);
    slot.seen.store(now);
    slot.volume.store(if is_enough { 0 } else { kept });
    if is_enough {
        add(tables, settings, key, kept);
    }
    Some(())
}

/// Adds to the line of a source, unless another has taken its place.
#[inline(always)]
fn add<T: Tables>(tables: &T, settings: &Settings, key: Key, volume: u64) {
    if let Some(way) = source::way_of(tables, settings, key)
        && !Volume(way.volume.load()).is_full()
    {
        way.volume.add(volume);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::testing::{Memory, SECOND};

    /// Counts so many packets of a busy source at a second, and says how many of its line have become more.
    fn counted(memory: &Memory, key: Key, packets: u32, second: u64) -> u32 {
        let set = source::set_of(memory, memory.set(), key).unwrap();
        let way = source::visit(set, key, 0, second * SECOND).0;
        let before = way.volume.load();
        (0..packets).for_each(|_| count(memory, memory.set(), key, 100, second << 30).unwrap());
        let added = way.volume.load() - before;
        assert_eq!(Volume(added).bytes(), 100 * u64::from(Volume(added).packets()));
        Volume(added).packets()
    }

    #[test]
    fn packets_are_added_many_at_once() {
        let memory = Memory::new();
        assert_eq!(counted(&memory, Key(8), 31, 1), 0);
        assert_eq!(counted(&memory, Key(8), 1, 1), 32);
        assert_eq!(counted(&memory, Key(8), 1_000, 1), 992, "8 are kept");
        assert_eq!(counted(&memory, Key(8), 24, 9), 32);
    }

    #[test]
    fn who_finds_the_slot_taken_is_counted_at_once() {
        let memory = Memory::new();
        assert_eq!(counted(&memory, Key(8), 1, 1), 0);
        assert_eq!(counted(&memory, Key(16), 1, 1), 1);
        assert_eq!(counted(&memory, Key(16), 31, 2), 0, "the slot is its own now");
        assert_eq!(counted(&memory, Key(16), 1, 2), 32, "and nothing of the other's is in it");
        assert_eq!(counted(&memory, Key(8), 1, 2), 1);
    }

    #[test]
    fn a_source_is_busy_once_it_has_sent_much() {
        let way = Way::default();
        for (packets, expected) in [(0, false), (u64::from(BUSY) - 1, false), (u64::from(BUSY), true)] {
            way.volume.store(packets);
            assert_eq!(is(&way), expected, "{packets}");
        }
    }

    #[test]
    fn neighbours_have_slots_of_their_own() {
        let mut slots: [u32; 8] =
            core::array::from_fn(|last| slot(Key((0xcb00_7100 + last as u64) << 32 | 0x5eed)));
        slots.sort_unstable();
        assert_eq!(slots, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
