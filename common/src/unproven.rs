//! What has not proven itself, counted: of each kind the sources, once a second each, and their packets.
//!
//! What is counted once a source and second needs a memory of who was counted: [lines](crate::line) of eight words, each a tag of 40
//! bits, a second of 16, whether a datagram of the source was answered, and a count of 7 bits. Seconds are of 2³⁰ ns. Room is
//! made by the one that was counted longest ago: who is pushed out, which only a flood does, is counted once more. CPUs that
//! count at the same moment may lose one of the two.

use crate::{
    line::Layout,
    memo,
    source::Key,
    tables::{COUNTED_PACKETS, Tables},
    wire::{Line, ServiceCounter, Settings, Unproven, UnprovenCounter},
};

/// A second, ns, as a shift.
pub(crate) const SECOND_SHIFT: u32 = 30;

const LAYOUT: Layout = Layout::new(40, 8, 16, SECOND_SHIFT);
const PACKET_COUNT: u64 = 0x7f;
/// The bit above the count.
const PACKET_ANSWERED: u64 = 0x80;

/// Counts a packet of what has this hash: how many of this second come before it, [`PACKET_COUNT`] at most.
#[inline(always)]
fn count_packet(line: &Line, hash: u64, now_ns: u64) -> u64 {
    let (tag, now) = (LAYOUT.tag(hash), LAYOUT.time(now_ns));
    let (place, is_there) = LAYOUT.find(line, tag, now);
    let word = place.load();
    let is_now = is_there && LAYOUT.age(word, now) == 0;
    let noted = if is_now { word & (PACKET_ANSWERED | PACKET_COUNT) } else { 0 };
    let before = noted & PACKET_COUNT;
    if before < PACKET_COUNT {
        place.store(tag | LAYOUT.at(now) | (noted + 1));
    }
    before
}

/// Notes that what has this hash is answered, if it was counted in this second or the last; says, as a number to add, whether
/// it was not answered before.
#[inline(always)]
fn note_answer(line: &Line, hash: u64, now_ns: u64) -> u64 {
    let now = LAYOUT.time(now_ns);
    let (place, is_there) = LAYOUT.find(line, LAYOUT.tag(hash), now);
    let word = place.load();
    let is_lately = LAYOUT.age(word, now) <= 1;
    if !is_there || !is_lately || word & PACKET_ANSWERED != 0 {
        return 0;
    }
    place.store(word | PACKET_ANSWERED);
    1
}

/// Counts a source that becomes known by a packet of this kind.
#[inline(always)]
pub fn count_acquainted(counter: &ServiceCounter, kind: Unproven) {
    let [_, datagrams, _, others] = &counter.unproven.acquainted;
    match kind {
        Unproven::Datagram => datagrams.add_local(1),
        Unproven::Other => others.add_local(1),
        _ => {}
    }
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
    let before = packets_before(tables, settings, service, key, kind as u64, now_ns)?;
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

/// What is counted once a source and second, beside the kinds of [`Unproven`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Once {
    /// Something is asked of a service that is closed to whoever asks.
    Knocking = 0xfe,
    /// A source whose connections come to nothing asks for one more.
    Fruitless = 0xff,
}

/// Whether a source does this for the first time in this second, as a number to add. `None` if a table could not be reached.
#[inline(always)]
pub fn first_this_second<T: Tables>(
    tables: &T,
    settings: &Settings,
    service: u32,
    key: Key,
    what: Once,
    now_ns: u64,
) -> Option<u64> {
    let before = packets_before(tables, settings, service, key, what as u64, now_ns)?;
    Some(u64::from(before == 0))
}

/// Counts that a service answers a datagram of a source which has not proven itself, once a source and second. `None` if a
/// table could not be reached.
#[inline(always)]
pub fn answer<T: Tables>(tables: &T, settings: &Settings, service: u32, key: Key, now_ns: u64) -> Option<()> {
    let (line, hash) = counted(tables, settings, service, key, Unproven::Datagram as u64)?;
    let first = note_answer(line, hash, now_ns);
    if first != 0 {
        tables.service_counter(service)?.unproven.answered.add_local(first);
    }
    Some(())
}

/// Counts a packet of a source and kind: how many of this second come before it.
#[inline(always)]
fn packets_before<T: Tables>(
    tables: &T,
    settings: &Settings,
    service: u32,
    key: Key,
    kind: u64,
    now_ns: u64,
) -> Option<u64> {
    let (line, hash) = counted(tables, settings, service, key, kind)?;
    Some(count_packet(line, hash, now_ns))
}

/// Where packets of a source and kind are counted, and as what.
#[inline(always)]
fn counted<'t, T: Tables>(
    tables: &'t T,
    settings: &Settings,
    service: u32,
    key: Key,
    kind: u64,
) -> Option<(&'t Line, u64)> {
    let hash = memo::hash(memo::seed(settings), key.0, u64::from(service) << 8 | kind);
    Some((tables.counted_line(memo::line(hash, COUNTED_PACKETS))?, hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::testing::{Memory, NOW, SOURCE, SOURCE6},
        wire::Word,
    };

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
    fn a_source_is_answered_once_a_second() {
        let memory = Memory::new();
        let key = |address| Key::of(memory.set(), address);
        let count = |address, at| {
            count(&memory, memory.set(), 3, key(address), Unproven::Datagram, NOW + seconds(at))
                .expect("the tables are there");
        };
        let answered = |address, at| {
            answer(&memory, memory.set(), 3, key(address), NOW + seconds(at)).expect("the tables are there");
            memory.service_counters[3].unproven.answered.load()
        };
        assert_eq!(answered(SOURCE, 0), 0, "it has asked nothing");
        count(SOURCE, 0);
        assert_eq!([answered(SOURCE, 0), answered(SOURCE, 0), answered(SOURCE6, 0)], [1; 3]);
        count(SOURCE, 0);
        assert_eq!(answered(SOURCE, 0), 1, "it was");
        count(SOURCE, 1);
        assert_eq!(answered(SOURCE, 2), 2, "late");
        count(SOURCE6, 1);
        assert_eq!(answered(SOURCE6, 3), 2, "too late");
        let counter = &memory.service_counters[3].unproven;
        assert_eq!([&counter.sources[1], &counter.packets[1]].map(Word::load), [3, 4], "all are counted");
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

    #[test]
    fn requests_that_come_to_nothing_count_once_a_source_and_second() {
        let (memory, mut first) = (Memory::new(), 0);
        for number in 0..10 {
            let key = Key::of(memory.set(), [SOURCE, SOURCE6][number as usize % 2]);
            let now = NOW + seconds(number / 6);
            first += first_this_second(&memory, memory.set(), 3, key, Once::Fruitless, now)
                .expect("the tables are there");
        }
        assert_eq!(first, 4);
    }
}
