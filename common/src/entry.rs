//! Lines of entries that age: what is known of flows, and of where something is offered.
//!
//! A [line](crate::line) of eight words holds what shares a hash; each word is a tag of 40 bits, a [`State`] of 2 bits, and a time of 22
//! bits in ticks of 2³⁰ ns, which wraps after 52 days. Two things may share a tag: one look-up in 2³⁶ finds what was
//! never noted. Room for a new entry is made by an empty word, then by one that is not confirmed, then by a confirmed one;
//! of these the oldest goes. So what a forger makes others note never displaces what has proven itself, as long as a line
//! has room for that.
//!
//! CPUs that note at the same moment may lose one entry of the two.

use crate::{
    branchless::{min, nonzero},
    line::Layout,
    wire::{LINE_WORDS, Line, Word},
};

/// Bits of time.
const TIME_BITS: u32 = 22;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;
/// A tick, ns, as a shift.
const TICK_SHIFT: u32 = 30;
/// The state is between the two.
const LAYOUT: Layout = Layout::new(40, 0, TIME_BITS, TICK_SHIFT);
const _: () = assert!(40 + 2 + TIME_BITS == u64::BITS);

/// How far an entry has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum State {
    /// One end has spoken.
    Opened = 0,
    /// Both have, or it is as good as that.
    Confirmed = 1,
    /// It is over, but for stragglers.
    Closed = 2,
    /// The other end has asked, and nobody here has answered yet.
    Asked = 3,
}

/// What happens to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is opened: a new one, one that was closed, or one that was asked for.
    Open,
    /// It is confirmed, but for one that is closed: that stays so, as the last acknowledgements come after the end.
    Confirm,
    /// It is closed, if it is there.
    Close,
    /// The other end has asked: a new one, unless there is one.
    Ask,
}

/// Seconds in ticks, rounded up.
#[inline(always)]
pub const fn ticks(seconds: u64) -> u64 {
    (seconds * 1_000_000_000).div_ceil(1 << TICK_SHIFT)
}

/// What a line holds of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How far it has come.
    pub state: State,
    /// When it was last noted, as a time in ticks.
    time: u64,
}

impl Entry {
    /// Ticks since it was noted. A clock that was read before another CPU noted it makes none.
    #[inline(always)]
    pub const fn age(self, now_ns: u64) -> u64 {
        age(self.time, LAYOUT.time(now_ns))
    }
}

/// From a time to another: 0, if the other one is before it.
#[inline(always)]
const fn age(then: u64, now: u64) -> u64 {
    let age = now.wrapping_sub(then) & TIME_MASK;
    // All ones, unless the half of all times is exceeded.
    age & (age >> (TIME_BITS - 1)).wrapping_sub(1)
}

#[inline(always)]
const fn state(word: u64) -> State {
    match word >> TIME_BITS & 3 {
        0 => State::Opened,
        1 => State::Confirmed,
        2 => State::Closed,
        _ => State::Asked,
    }
}

/// What the line holds of what has this hash.
#[inline(always)]
pub fn recall(line: &Line, hash: u64) -> Option<Entry> {
    let tag = LAYOUT.tag(hash);
    let mut found = 0;
    for word in line {
        let word = word.load();
        let is_it = LAYOUT.differs(word, tag).wrapping_sub(1);
        found ^= (found ^ word) & is_it;
    }
    if found == 0 { None } else { Some(Entry { state: state(found), time: found & TIME_MASK }) }
}

/// The place of what has this hash, or that which makes room for it; and whether it is there.
#[inline(always)]
fn place(line: &Line, tag: u64, now: u64) -> (&Word, bool) {
    let mut best = u32::MAX;
    for (place, word) in line.iter().enumerate() {
        let word = word.load();
        let is_other = LAYOUT.differs(word, tag);
        let is_used = nonzero(word);
        let is_confirmed = 1 ^ nonzero((word >> TIME_BITS & 3) ^ State::Confirmed as u64);
        let youth = TIME_MASK - age(word & TIME_MASK, now);
        // 0 for what is there already, 1 for an empty word; then those that are not confirmed, the oldest first; then the
        // others. The place is in the lowest bits.
        let rank = is_other * (1 + is_used * (1 + (is_confirmed << TIME_BITS | youth)));
        best = min(best, (rank as u32) << 3 | place as u32);
    }
    (&line[best as usize % LINE_WORDS], best < LINE_WORDS as u32)
}

/// What became of an entry to which something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    /// Whether anything has changed: within a tick, the same event twice changes nothing.
    pub changed: bool,
    /// How far it had come before; `None`: it was not there.
    pub before: Option<State>,
}

impl Noted {
    /// Whether it was there, and had come so far.
    #[inline(always)]
    pub fn was(self, state: State) -> bool {
        self.before.is_some_and(|before| before as u64 == state as u64)
    }
}

/// Has an event happen to what has this hash.
#[inline(always)]
pub fn note(line: &Line, hash: u64, event: Event, now_ns: u64) -> Noted {
    let (tag, now) = (LAYOUT.tag(hash), LAYOUT.time(now_ns));
    let (place, is_there) = place(line, tag, now);
    let before = place.load();
    let was = state(before) as u64;
    let is = |state: State| is_there && was == state as u64;
    let noted = |changed| Noted { changed, before: is_there.then(|| self::state(before)) };
    let state = match event {
        Event::Open if is(State::Confirmed) => State::Confirmed,
        Event::Open => State::Opened,
        Event::Confirm if is(State::Closed) => State::Closed,
        Event::Confirm => State::Confirmed,
        Event::Close if is_there => State::Closed,
        Event::Close => return noted(false),
        Event::Ask if is_there && was != State::Asked as u64 => return noted(false),
        Event::Ask => State::Asked,
    };
    let after = tag | (state as u64) << TIME_BITS | now;
    if after == before {
        return noted(false);
    }
    place.store(after);
    noted(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn hashes(count: u64) -> Vec<u64> {
        (1..=count).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect()
    }

    fn found(line: &Line, hash: u64) -> Option<State> {
        recall(line, hash).map(|entry| entry.state)
    }

    #[test]
    fn events_lead_from_state_to_state() {
        use Event::{Ask, Close, Confirm, Open};
        for (events, expected) in [
            (&[Open][..], Some(State::Opened)),
            (&[Close], None),
            (&[Confirm], Some(State::Confirmed)),
            (&[Open, Confirm], Some(State::Confirmed)),
            (&[Open, Confirm, Open], Some(State::Confirmed)),
            (&[Confirm, Close], Some(State::Closed)),
            (&[Confirm, Close, Confirm], Some(State::Closed)),
            (&[Confirm, Close, Open, Confirm], Some(State::Confirmed)),
            (&[Ask], Some(State::Asked)),
            (&[Open, Ask], Some(State::Opened)),
            (&[Ask, Open], Some(State::Opened)),
        ] {
            let line = Line::default();
            for event in events {
                note(&line, 7 << 40, *event, 5 * SECOND);
            }
            assert_eq!(found(&line, 7 << 40), expected, "{events:?}");
            assert!(line.iter().filter(|word| word.load() != 0).count() <= 1);
        }
    }

    #[test]
    fn room_is_made_by_what_is_not_confirmed_the_oldest_first() {
        let line = Line::default();
        let hashes = hashes(12);
        for (second, hash) in (0..).zip(&hashes[..8]) {
            let event = if second < 5 { Event::Confirm } else { Event::Open };
            note(&line, *hash, event, (100 + 2 * second) * SECOND);
        }
        for (second, (new, gone)) in (0..).zip([(8, 5), (9, 6), (10, 7), (11, 8)]) {
            note(&line, hashes[new], Event::Open, (200 + 2 * second) * SECOND);
            assert_eq!(found(&line, hashes[gone]), None, "{new} takes the place of {gone}");
        }
        for hash in &hashes[..5] {
            assert_eq!(found(&line, *hash), Some(State::Confirmed));
        }
        // Where all are confirmed, the oldest goes.
        for hash in &hashes[9..] {
            note(&line, *hash, Event::Confirm, 300 * SECOND);
        }
        note(&line, 99 << 40, Event::Open, 302 * SECOND);
        assert_eq!((found(&line, hashes[0]), found(&line, hashes[1])), (None, Some(State::Confirmed)));
    }

    #[test]
    fn a_line_is_written_once_a_tick() {
        let line = Line::default();
        let changed = |event, at| note(&line, 1 << 40, event, at).changed;
        assert!(changed(Event::Confirm, 10 * SECOND));
        assert!(!changed(Event::Confirm, 10 * SECOND + 1));
        assert!(changed(Event::Confirm, 12 * SECOND));
        assert!(changed(Event::Close, 12 * SECOND));
    }

    #[test]
    fn it_is_told_what_was_before() {
        use Event::{Close, Confirm, Open};
        let line = Line::default();
        let before = |event| note(&line, 1 << 40, event, SECOND).before;
        assert_eq!(before(Close), None);
        assert_eq!(before(Open), None);
        assert_eq!(before(Open), Some(State::Opened));
        assert_eq!(before(Confirm), Some(State::Opened));
        assert_eq!(before(Confirm), Some(State::Confirmed));
        assert_eq!(before(Close), Some(State::Confirmed));
        assert_eq!(before(Open), Some(State::Closed));
    }

    #[test]
    fn age_is_that_of_the_last_note_and_never_negative() {
        let line = Line::default();
        note(&line, 1 << 40, Event::Open, 1_000 * SECOND);
        let entry = recall(&line, 1 << 40).expect("noted");
        assert_eq!(entry.age(999 * SECOND), 0);
        assert_eq!(entry.age(1_180 * SECOND), ticks(1_180) - ticks(1_000));
        // Over the wrap of time.
        let wrap = (TIME_MASK + 1) << TICK_SHIFT;
        note(&line, 2 << 40, Event::Open, wrap - SECOND);
        assert_eq!(recall(&line, 2 << 40).expect("noted").age(wrap + 9 * SECOND), 9);
    }
}
