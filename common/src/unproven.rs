//! What has not proven itself, counted: of each kind the sources, once a second each, and their packets; and handshakes,
//! with those of sources that complete one after the other.
//!
//! What is counted once a source and second needs a memory of who was counted: lines of eight words, each a tag of 40
//! bits, a second of 16 and a count of 8 for packets; and a tag of 28 bits and the last four seconds, of 9 bits each, in
//! which it completed a handshake. Seconds are of 2³⁰ ns. Room is made by the one that was counted longest ago: who is
//! pushed out, which only a flood does, is counted once more. CPUs that count at the same moment may lose one of the two.
//!
//! The searches have no branches: see [`crate::branchless`].

use crate::{
    branchless::{at_most, min, nonzero},
    memo,
    prefix::Address,
    source::Key,
    tables::{COUNTED_HANDSHAKES, COUNTED_PACKETS, Tables},
    wire::{LINE_WORDS, Line, Settings, Unproven, UnprovenCounter, Word},
};

/// A second, ns, as a shift.
const SECOND_SHIFT: u32 = 30;

const PACKET_TAG: u64 = u64::MAX << 24;
const PACKET_SECONDS: u64 = 0xffff;
const PACKET_COUNT: u64 = 0xff;

const HANDSHAKE_TAG: u64 = u64::MAX << 36;
/// Bits of one of the seconds.
const HANDSHAKE_BITS: u32 = 9;
const HANDSHAKE_SECONDS: u64 = (1 << HANDSHAKE_BITS) - 1;
/// Different seconds in which handshakes make the next one a repeated one.
const HANDSHAKES: u32 = 4;
/// Within so many seconds: a minute.
const LATELY: u32 = 56;
/// A second that is longer ago is noted as one that is so long ago: it could not be told from a later one for ever.
const LONG_AGO: u32 = 64;

/// The word of a tag, or that which makes room for it; and whether it is there. `seconds` above `shift` tell when one was
/// noted.
#[inline(always)]
fn place(line: &Line, tag: u64, tags: u64, shift: u32, seconds: u64, now: u64) -> (&Word, bool) {
    let mut best = u32::MAX;
    for (place, word) in line.iter().enumerate() {
        let word = word.load();
        let is_other = nonzero((word ^ tag) & tags);
        let age = now.wrapping_sub(word >> shift) & seconds;
        // 0 for what is there already, 1 for an empty word, and then by age, the oldest first.
        let rank = is_other * (1 + nonzero(word) * (1 + (seconds - age)));
        best = min(best, (rank as u32) << 3 | place as u32);
    }
    (&line[best as usize % LINE_WORDS], best < LINE_WORDS as u32)
}

/// Counts a packet of what has this hash: how many of this second come before it, [`PACKET_COUNT`] at most.
#[inline(always)]
fn count_packet(line: &Line, hash: u64, now_ns: u64) -> u64 {
    let tag = (hash | 1 << 63) & PACKET_TAG;
    let now = now_ns >> SECOND_SHIFT & PACKET_SECONDS;
    let (place, is_there) = place(line, tag, PACKET_TAG, 8, PACKET_SECONDS, now);
    let word = place.load();
    let is_now = is_there && word >> 8 & PACKET_SECONDS == now;
    let before = if is_now { word & PACKET_COUNT } else { 0 };
    if before < PACKET_COUNT {
        place.store(tag | now << 8 | (before + 1));
    }
    before
}

/// Notes a handshake of what has this hash. Says whether it is the first one in this second, and it had others in
/// [`HANDSHAKES`] different seconds lately.
#[inline(always)]
fn note_handshake(line: &Line, hash: u64, now_ns: u64) -> bool {
    let tag = (hash | 1 << 63) & HANDSHAKE_TAG;
    let now = now_ns >> SECOND_SHIFT & HANDSHAKE_SECONDS;
    let (place, is_there) = place(line, tag, HANDSHAKE_TAG, 0, HANDSHAKE_SECONDS, now);
    let word = place.load();
    if is_there && word & HANDSHAKE_SECONDS == now {
        return false;
    }
    let (mut lately, mut kept) = (u32::from(is_there), now);
    for number in 0..HANDSHAKES {
        let then = word >> (HANDSHAKE_BITS * number);
        let age = (now.wrapping_sub(then) & HANDSHAKE_SECONDS) as u32;
        // Nothing was noted of one that is not there.
        let age = age * u32::from(is_there) + LONG_AGO * u32::from(!is_there);
        lately &= at_most(age, LATELY);
        if number + 1 < HANDSHAKES {
            let then = now.wrapping_sub(u64::from(min(age, LONG_AGO))) & HANDSHAKE_SECONDS;
            kept |= then << (HANDSHAKE_BITS * (number + 1));
        }
    }
    place.store(tag | kept);
    lately != 0
}

/// Counts a packet of a source that has not proven itself, if it is one of the kinds of which these are counted. `None` if
/// a table could not be reached.
#[inline(always)]
pub fn count<T: Tables>(
    tables: &T,
    settings: &Settings,
    service: u32,
    key: Key,
    kind: Unproven,
    now_ns: u64,
) -> Option<()> {
    let counter = &tables.service_counter(service)?.unproven;
    let hash = memo::hash(memo::seed(settings), key.0, u64::from(service) << 8 | kind as u64);
    let line = tables.counted_line(memo::line(hash, COUNTED_PACKETS))?;
    let before = count_packet(line, hash, now_ns);
    match kind {
        Unproven::Segment => add::<0>(counter, before),
        Unproven::Datagram => add::<1>(counter, before),
        Unproven::Unasked => add::<2>(counter, before),
        Unproven::Other => add::<3>(counter, before),
        Unproven::No | Unproven::Opening | Unproven::Completing => {}
    }
    Some(())
}

/// Counts a packet, before which so many of its source were counted in this second.
#[inline(always)]
fn add<const PLACE: usize>(counter: &UnprovenCounter, before: u64) {
    counter.sources[PLACE].add_local(u64::from(before == 0));
    counter.capped[PLACE].add_local(u64::from(before < Unproven::CAP));
    counter.packets[PLACE].add_local(1);
}

/// Counts a handshake for a service that the other end has completed. `None` if a table could not be reached.
#[inline(always)]
pub fn complete<T: Tables>(
    tables: &T,
    settings: &Settings,
    service: u32,
    remote: Address,
    now_ns: u64,
) -> Option<()> {
    let counter = &tables.service_counter(service)?.unproven;
    counter.completed.add_local(1);
    let hash = memo::hash(memo::seed(settings), Key::of(settings, remote).0, u64::from(service) << 8);
    let line = tables.counted_line(COUNTED_PACKETS + memo::line(hash, COUNTED_HANDSHAKES))?;
    if note_handshake(line, hash, now_ns) {
        counter.repeated.add_local(1);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::testing::{Memory, NOW, SOURCE, SOURCE6};

    /// So many of the seconds here.
    const fn seconds(seconds: u64) -> u64 {
        seconds << SECOND_SHIFT
    }

    #[test]
    fn a_source_counts_once_a_second_and_its_packets_up_to_a_cap() {
        let memory = Memory::new();
        let key = |address| Key::of(memory.set(), address);
        for (number, source) in (0..50).zip([SOURCE, SOURCE6].into_iter().cycle()) {
            let now = NOW + seconds(number / 50);
            count(&memory, memory.set(), 3, key(source), Unproven::Unasked, now)
                .expect("the tables are there");
        }
        let counter = &memory.service_counters[3].unproven;
        let counts = || [&counter.sources[2], &counter.capped[2], &counter.packets[2]].map(Word::load);
        assert_eq!(counts(), [2, 40, 50]);
        count(&memory, memory.set(), 3, key(SOURCE), Unproven::Unasked, NOW + seconds(1)).expect("they are");
        assert_eq!(counts(), [3, 41, 51]);
        count(&memory, memory.set(), 3, key(SOURCE), Unproven::Other, NOW + seconds(1)).expect("they are");
        assert_eq!((counts(), counter.sources[3].load()), ([3, 41, 51], 1), "another kind");
    }

    #[test]
    fn room_is_made_by_who_was_counted_longest_ago() {
        let line = Line::default();
        for number in 0..9 {
            assert_eq!(count_packet(&line, number << 30, NOW + seconds(number)), 0);
        }
        assert_eq!(count_packet(&line, 8 << 30, NOW + seconds(8)), 1, "still there");
        assert_eq!(count_packet(&line, 0, NOW + seconds(8)), 0, "it was pushed out");
    }

    /// Which of the handshakes at these seconds are repeated ones.
    fn repeated(at: &[u64]) -> Vec<u64> {
        let line = Line::default();
        at.iter().copied().filter(|at| note_handshake(&line, 7 << 40, NOW + seconds(*at))).collect()
    }

    #[test]
    fn handshakes_are_repeated_after_four_different_seconds_of_a_minute() {
        assert_eq!(repeated(&[0, 0, 0, 0, 0, 0]), [0; 0]);
        assert_eq!(repeated(&[0, 1, 2, 3, 4, 4, 5]), [4, 5], "once a second");
        assert_eq!(repeated(&[0, 10, 20, 30, 56, 57, 67]), [56, 57, 67]);
        assert_eq!(repeated(&[0, 10, 20, 30, 57]), [0; 0]);
        let slow: Vec<u64> = (0..2_000).map(|number| number * 15).collect();
        assert_eq!(repeated(&slow), [0; 0]);
    }

    #[test]
    fn what_was_long_ago_never_comes_to_be_lately() {
        for pause in 57..2_000 {
            let at: Vec<u64> = (0..20).map(|number| number * pause).collect();
            let few = repeated(&at).len();
            // Seconds wrap after 512.
            assert!(few == 0 || pause % 512 <= 14 || pause % 512 >= 498, "{few} at {pause}");
        }
    }

    #[test]
    fn handshakes_are_counted_to_their_service() {
        let memory = Memory::new();
        for second in 0..6 {
            for _ in 0..3 {
                complete(&memory, memory.set(), 2, SOURCE, NOW + seconds(second))
                    .expect("the tables are there");
            }
        }
        let counter = &memory.service_counters[2].unproven;
        assert_eq!((counter.completed.load(), counter.repeated.load()), (18, 2));
    }
}
