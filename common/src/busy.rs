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
    source::{Key, entered},
    wire::{BusySource, Volume, Way},
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

/// Counts one packet of a source that is [`BUSY`].
#[inline(always)]
pub fn count(slot: &BusySource, way: &Way, key: Key, one: u64, now_ns: u64) {
    let now = u64::from(entered(now_ns));
    let mut kept = slot.volume.load();
    if slot.key.load() != key.0 {
        if slot.seen.load() == now {
            way.volume.add(one);
            return;
        }
        slot.key.store(key.0);
        kept = 0;
    }
    slot.seen.store(now);
    kept += one;
    if Volume(kept).packets() >= AT_ONCE {
        way.volume.add(kept);
        kept = 0;
    }
    slot.volume.store(kept);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1 << 30;
    const ONE: u64 = Volume::one(100);

    fn counted(way: &Way) -> (u32, u64) {
        let volume = Volume(way.volume.load());
        (volume.packets(), volume.bytes())
    }

    #[test]
    fn packets_are_added_many_at_once() {
        let (slot, way) = (BusySource::default(), Way::default());
        (0..31).for_each(|_| count(&slot, &way, Key(8), ONE, SECOND));
        assert_eq!(counted(&way), (0, 0));
        count(&slot, &way, Key(8), ONE, SECOND);
        assert_eq!(counted(&way), (32, 3_200));
        (0..1_000).for_each(|_| count(&slot, &way, Key(8), ONE, SECOND));
        assert_eq!(counted(&way), (1_024, 102_400), "8 are kept");
    }

    #[test]
    fn who_finds_the_slot_taken_is_counted_at_once() {
        let (slot, ours, others) = (BusySource::default(), Way::default(), Way::default());
        count(&slot, &ours, Key(8), ONE, SECOND);
        count(&slot, &others, Key(16), ONE, SECOND);
        assert_eq!((counted(&ours), counted(&others)), ((0, 0), (1, 100)));
        count(&slot, &others, Key(16), ONE, 2 * SECOND);
        assert_eq!(counted(&others), (1, 100), "the slot is its own now");
        (0..31).for_each(|_| count(&slot, &others, Key(16), ONE, 2 * SECOND));
        assert_eq!(counted(&others), (33, 3_300), "and nothing of the other's is in it");
        assert_eq!(counted(&ours), (0, 0));
    }

    #[test]
    fn neighbours_have_slots_of_their_own() {
        let mut slots: [u32; 8] =
            core::array::from_fn(|last| slot(Key((0xcb00_7100 + last as u64) << 32 | 0x5eed)));
        slots.sort_unstable();
        assert_eq!(slots, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
