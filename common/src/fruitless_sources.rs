//! Sources whose connections come to nothing.
//!
//! A bot that completes handshakes is no forger, and its headers are those of a customer. But nothing comes of its
//! connections: it asks for nothing, or for what is never finished, and comes again. A connection **bears fruit** once its
//! client, having sent something, acknowledges what the host has answered. One that begins with a TLS handshake does so
//! only once the client sends something after that: servers answer a greeting at once, and at length. Of sources that
//! never had a connection that bore fruit, it is remembered in which seconds they completed a handshake; once that was
//! twice within the last minute, and not at once, as a browser does that loads a page, more requests of theirs are counted,
//! once a source and second, and refused while detection says so. Connections that are open go on, but for those that are
//! *overdue*: their client began to send something seconds ago, and sends more, though nothing was answered yet.
//!
//! Likewise refused, whatever their connections came to, are sources that detection has marked ([`standing::RETURNS`]), as they
//! come time and again in a flood of whole requests, while their service is attacked.
//!
//! Two kinds of sources are spared: those of whom one connection ever bore fruit, and those that completed handshakes
//! minutes apart while their service was not attacked, whatever came of them: probes that only connect, for one.
//!
//! That the host has sent what a client acknowledges is not checked. A bot may pretend, or finish one request: then it is
//! spared, and left to the limits per source.
//!
//! What is remembered: [lines](crate::line) of eight words. Of handshakes, each is a tag of 32 bits and two seconds of 16. Of connections
//! whose client has sent something, each is a tag of 24 bits, a second of 7, whether it is TLS, and the acknowledgement
//! number that came with it. Seconds are of 2³⁰ ns. Room is made by the oldest.

use crate::{
    branchless::at_most,
    line::Layout,
    memo,
    source::{self, Key},
    tables::{COUNTED_HANDSHAKES, COUNTED_PACKETS, COUNTED_STARTS, Tables},
    unproven::SECOND_SHIFT,
    wire::{History, Line, Settings, standing},
};

/// The second of the last handshake is lowest, and that of the one before it above.
const HANDSHAKES: Layout = Layout::new(32, 0, HANDSHAKE_BITS, SECOND_SHIFT);
const HANDSHAKE_BITS: u32 = 16;
/// Seconds within which a source has completed handshakes in two different ones: a minute.
const LATELY: u32 = 56;
/// Handshakes in this second and the next one are one attempt: pages are loaded over several connections.
const AT_ONCE: u64 = 1;
/// A second that is long ago, and will be for hours.
const LONG_AGO: u64 = (1 << HANDSHAKE_BITS) / 2 - 1;

/// The acknowledgement number is lowest, and above it whether it is TLS.
const STARTS: Layout = Layout::new(24, 33, 7, SECOND_SHIFT);
const START_TLS: u64 = 1 << 32;
/// After how many seconds a connection is overdue: whoever asks for something has asked by then.
const OVERDUE_AFTER: u64 = 5;
/// The end of what a host sends takes up a number as a byte does, and no client has asked for it.
const END: u32 = 1;

/// How long ago a source was entered that completes a handshake minutes after others, in units of
/// [`History::entered`](crate::wire::History::entered): two minutes.
const REGULAR_AFTER: u16 = 112;

/// How long ago a source was entered that is known though it sends nothing over the connections that it completes, likewise:
/// half a minute.
const KNOWN_AFTER: u16 = 28;

/// Whom requests are counted and refused of: an address that is no forged one, and nothing more.
const SUSPECTS: u16 = standing::PROVEN;
/// Whom they are not.
const SPARES: u16 = standing::FRUITFUL | standing::REGULAR | standing::SPARED;

/// What a segment carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// Nothing.
    Nothing,
    /// The beginning of a TLS handshake, or more of one (RFC 8446, section 5.1).
    TlsHandshake,
    /// A TLS alert (RFC 8446, section 6): the client gives up.
    TlsAlert,
    /// Anything else.
    Data,
}

impl Carries {
    /// Of so many bytes, the first of which are these.
    #[inline(always)]
    pub const fn of(length: u32, first: u16) -> Self {
        const HANDSHAKE: u16 = 0x1603;
        const ALERT: u16 = 0x1503;
        match (length, first) {
            (0, _) => Self::Nothing,
            (_, HANDSHAKE) => Self::TlsHandshake,
            (_, ALERT) => Self::TlsAlert,
            _ => Self::Data,
        }
    }
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Progress {
    /// Nothing can be said yet.
    Begins = 0,
    /// It bears fruit.
    Fruitful = 1,
    /// Its client has begun to send something long ago, and nothing was answered yet.
    Overdue = 2,
}

/// Whether requests are counted, or marked, and may be refused, of a source with this standing.
#[inline(always)]
pub const fn is_suspect(standing: u16) -> bool {
    comes_to_nothing(standing) | returns(standing)
}

/// Whether connections are refused to a source with this standing, by a service that refuses them to those whose connections come
/// to nothing, and that is attacked, or not.
#[inline(always)]
pub const fn is_refused(standing: u16, refuses: bool, attacked: bool) -> bool {
    (comes_to_nothing(standing) & refuses) | (returns(standing) & attacked)
}

#[inline(always)]
const fn comes_to_nothing(standing: u16) -> bool {
    standing & (SUSPECTS | SPARES) == SUSPECTS
}

/// Whether detection has marked a source with this standing as one that comes time and again, and its address is no forged one.
#[inline(always)]
pub const fn returns(standing: u16) -> bool {
    const RETURNS: u16 = SUSPECTS | standing::RETURNS;
    standing & (RETURNS | standing::SPARED | standing::REGULAR) == RETURNS
}

/// Whether it is followed if the connections of a source with this standing bear fruit.
#[inline(always)]
pub const fn is_followed(standing: u16) -> bool {
    standing & SPARES == 0
}

#[inline(always)]
fn handshakes<'t, T: Tables>(
    tables: &'t T,
    settings: &Settings,
    key: Key,
    service: u32,
) -> Option<(&'t Line, u64)> {
    let hash = memo::hash(memo::seed(settings), key.0, u64::from(service) << 8);
    Some((tables.counted_line(COUNTED_PACKETS + memo::line(hash, COUNTED_HANDSHAKES))?, hash))
}

/// Notes a handshake for a service that a source has completed. Who goes on completing them while the service is not attacked,
/// as a load balancer does that looks whether the port is open, becomes known. `None` if a table could not be reached.
#[inline(always)]
pub fn complete<T: Tables>(
    tables: &T,
    settings: &Settings,
    key: Key,
    service: u32,
    now_ns: u64,
) -> Option<()> {
    tables.service_counter(service)?.unproven.completed.add_local(1);
    if let Some(way) = source::way_of(tables, settings, key) {
        let history = History::unpack(way.history.load());
        let age = source::entered(now_ns).wrapping_sub(history.entered);
        let is_calm = !settings.is_attacked(service);
        let is_unknown = history.standing & standing::KNOWN == 0;
        if is_unknown && is_calm && age > KNOWN_AFTER && history.completes() {
            source::make_known(way);
        }
        if history.standing & SPARES != 0 {
            return Some(());
        }
        if history.standing & standing::PROVEN != 0 && age > REGULAR_AFTER && is_calm {
            source::mark(way, standing::REGULAR);
            return Some(());
        }
    }
    let (line, hash) = handshakes(tables, settings, key, service)?;
    note_handshake(line, hash, now_ns);
    Some(())
}

/// Whether a source has completed handshakes for a service lately, and did so before. `None` if a table could not be
/// reached.
#[inline(always)]
pub fn connects_time_and_again<T: Tables>(
    tables: &T,
    settings: &Settings,
    key: Key,
    service: u32,
    now_ns: u64,
) -> Option<bool> {
    let (line, hash) = handshakes(tables, settings, key, service)?;
    Some(is_repeated(line, hash, now_ns))
}

/// How far a connection, of the flow with this hash, has come with a segment of its client's. `None` if a table could not be
/// reached.
#[inline(always)]
pub fn progress<T: Tables>(
    tables: &T,
    flow: u64,
    acknowledged: u32,
    carries: Carries,
    now_ns: u64,
) -> Option<Progress> {
    let line =
        tables.counted_line(COUNTED_PACKETS + COUNTED_HANDSHAKES + memo::line(flow, COUNTED_STARTS))?;
    Some(follow(line, flow, acknowledged, carries, now_ns))
}

/// Notes the second of a handshake that was not at once with the last one that was noted, beside that.
#[inline(always)]
fn note_handshake(line: &Line, hash: u64, now_ns: u64) {
    let (tag, now) = (HANDSHAKES.tag(hash), HANDSHAKES.time(now_ns));
    let (place, is_there) = HANDSHAKES.find(line, tag, now);
    let word = place.load();
    if is_there && HANDSHAKES.age(word, now) <= AT_ONCE {
        return;
    }
    // Of one that is not there, nothing was noted for as long as seconds can tell.
    let before = if is_there { word } else { now.wrapping_sub(LONG_AGO) };
    place.store(tag | HANDSHAKES.at(before) << HANDSHAKE_BITS | HANDSHAKES.at(now));
}

#[inline(always)]
fn is_repeated(line: &Line, hash: u64, now_ns: u64) -> bool {
    let now = HANDSHAKES.time(now_ns);
    let (place, is_there) = HANDSHAKES.find(line, HANDSHAKES.tag(hash), now);
    let word = place.load();
    let age = |shift: u32| HANDSHAKES.age(word >> shift, now) as u32;
    u32::from(is_there) & at_most(age(0), LATELY) & at_most(age(HANDSHAKE_BITS), LATELY) != 0
}

/// As [`progress`]. The first segment that carries something is noted.
#[inline(always)]
fn follow(line: &Line, flow: u64, acknowledged: u32, carries: Carries, now_ns: u64) -> Progress {
    let (tag, now) = (STARTS.tag(flow), STARTS.time(now_ns));
    let (place, is_there) = STARTS.find(line, tag, now);
    let word = place.load();
    let carries_data = carries as u8 == Carries::Data as u8;
    let speaks_tls = !carries_data && carries as u8 != Carries::Nothing as u8;
    if !is_there {
        if carries_data || speaks_tls {
            let tls = if speaks_tls { START_TLS } else { 0 };
            place.store(tag | STARTS.at(now) | tls | u64::from(acknowledged));
        }
        return Progress::Begins;
    }
    let answered = acknowledged.wrapping_sub(word as u32);
    let is_answered = answered > END && answered < 1 << 31;
    if is_answered && (word & START_TLS == 0 || carries_data || carries as u8 == Carries::TlsHandshake as u8)
    {
        return Progress::Fruitful;
    }
    if STARTS.age(word, now) >= OVERDUE_AFTER && carries as u8 != Carries::Nothing as u8 {
        Progress::Overdue
    } else {
        Progress::Begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::testing::{Memory, NOW, syn},
        wire::{Way, Word},
    };

    /// So many of the seconds here.
    const fn seconds(seconds: u64) -> u64 {
        seconds << SECOND_SHIFT
    }

    /// Whether a source that completes handshakes at some seconds does so time and again, at another one.
    fn repeated(at: &[u64], asked: u64) -> bool {
        let line = Line::default();
        at.iter().for_each(|at| note_handshake(&line, 7 << 40, NOW + seconds(*at)));
        is_repeated(&line, 7 << 40, NOW + seconds(asked))
    }

    #[test]
    fn twice_in_a_minute_and_not_at_once_is_time_and_again() {
        assert!(!repeated(&[], 0) && !repeated(&[0], 0) && !repeated(&[0, 0, 0], 1));
        assert!(!repeated(&[0, 1], 1) && repeated(&[0, 1, 2], 2), "a page that is loaded");
        assert!(repeated(&[0, 2], 2) && repeated(&[0, 2], 56) && !repeated(&[0, 2], 57));
        assert!(repeated(&[0, 50], 56) && !repeated(&[0, 50], 57), "the first of them is too long ago");
        assert!(repeated(&[0, 2, 57], 57) && !repeated(&[0, 60], 60));
        for pause in 57..70_000 {
            assert!(!repeated(&[0, pause], pause) || pause % 65_536 <= 56, "{pause}");
        }
    }

    #[test]
    fn another_source_in_the_same_line_is_another_one() {
        let line = Line::default();
        for (number, at) in [(7, 0), (8, 1), (7, 2)] {
            note_handshake(&line, number << 40, NOW + seconds(at));
        }
        let repeated = |number: u64| is_repeated(&line, number << 40, NOW + seconds(3));
        assert_eq!([7, 8, 9].map(repeated), [true, false, false]);
    }

    /// Whether a connection bears fruit with the last of some segments: by how much more it acknowledges, and what it carries.
    fn fruit(segments: &[(u32, Carries)]) -> bool {
        let outcomes = [0, 5_000, u32::MAX].map(|start: u32| {
            let line = Line::default();
            let follow = |&(more, carries): &(u32, Carries)| {
                follow(&line, 9 << 50, start.wrapping_add(more), carries, NOW + seconds(3))
            };
            segments.iter().map(follow).last() == Some(Progress::Fruitful)
        });
        assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{segments:?}");
        outcomes[0]
    }

    #[test]
    fn a_connection_bears_fruit_once_its_client_was_answered() {
        use Carries::{Data, Nothing};
        assert!(fruit(&[(0, Nothing), (0, Data), (200, Nothing)]), "a request and its answer");
        assert!(fruit(&[(20, Nothing), (20, Data), (60, Data)]), "the server has spoken first");
        assert!(!fruit(&[(0, Nothing), (20, Nothing), (40, Nothing)]), "the client never spoke");
        assert!(!fruit(&[(0, Data), (0, Data), (1, Nothing)]), "the host has closed it, and that is all");
        assert!(!fruit(&[(0, Data), (u32::MAX, Nothing)]), "an old segment");
    }

    #[test]
    fn of_tls_the_client_has_to_go_on() {
        use Carries::{Data, Nothing, TlsAlert, TlsHandshake};
        assert!(!fruit(&[(0, TlsHandshake), (0, Data), (4_000, Nothing)]), "greeted, and gone");
        assert!(!fruit(&[(0, TlsHandshake), (4_000, TlsAlert)]), "it has given up");
        assert!(fruit(&[(0, TlsHandshake), (4_000, Data)]), "of TLS 1.3");
        assert!(fruit(&[(0, TlsHandshake), (4_000, TlsHandshake)]), "of TLS 1.2");
        let of = |length, first| Carries::of(length, first);
        assert_eq!([of(0, 0x1603), of(200, 0x1603), of(7, 0x1503)], [Nothing, TlsHandshake, TlsAlert]);
        assert_eq!(of(200, 0x4745), Data);
    }

    #[test]
    fn another_connection_is_another_one() {
        let line = Line::default();
        assert_eq!(follow(&line, 9 << 50, 100, Carries::Data, NOW), Progress::Begins);
        assert_eq!(follow(&line, 10 << 50, 300, Carries::Nothing, NOW), Progress::Begins);
        assert_eq!(follow(&line, 9 << 50, 300, Carries::Nothing, NOW), Progress::Fruitful);
    }

    #[test]
    fn who_sends_bit_by_bit_is_overdue_after_a_while() {
        let line = Line::default();
        let follow =
            |at, acknowledged, carries| follow(&line, 9 << 50, acknowledged, carries, NOW + seconds(at));
        for at in [0, 1, 4] {
            assert_eq!(follow(at, 100, Carries::Data), Progress::Begins, "{at}");
        }
        assert_eq!(follow(5, 100, Carries::Data), Progress::Overdue);
        assert_eq!(follow(60, 100, Carries::Data), Progress::Overdue);
        assert_eq!(
            follow(60, 100, Carries::Nothing),
            Progress::Begins,
            "to keep it open costs nobody anything"
        );
        assert_eq!(follow(60, 400, Carries::Nothing), Progress::Fruitful, "it was answered late");
    }

    /// Completes a handshake of the source of [`syn`].
    fn complete_one(memory: &Memory, at: u64) {
        let key = Key::of(memory.set(), syn().source);
        complete(memory, memory.set(), key, 2, NOW + seconds(at)).expect("the tables are there");
    }

    fn way(memory: &Memory, key: Key) -> &Way {
        source::way_of(memory, memory.set(), key).expect("it was entered")
    }

    fn comes_again(memory: &Memory, at: u64) -> bool {
        let key = Key::of(memory.set(), syn().source);
        connects_time_and_again(memory, memory.set(), key, 2, NOW + seconds(at)).expect("the table is there")
    }

    #[test]
    fn who_is_spared_is_not_remembered() {
        for (bits, expected) in
            [(0, true), (standing::FRUITFUL, false), (standing::REGULAR, false), (standing::SPARED, false)]
        {
            let memory = Memory::new();
            let (context, _) = memory.entered(syn());
            source::mark(way(&memory, context.key), bits | standing::PROVEN);
            (0..3).for_each(|at| complete_one(&memory, at));
            assert_eq!(comes_again(&memory, 3), expected, "{bits:#x}");
            assert_eq!(is_suspect(bits | standing::PROVEN), expected, "{bits:#x}");
            assert_eq!(is_followed(bits), expected, "{bits:#x}");
        }
        assert!(!is_suspect(0) && is_followed(0), "it may be forged");
    }

    #[test]
    fn who_is_marked_is_a_suspect_whatever_its_connections_came_to() {
        let marked = |bits| is_suspect(bits | standing::RETURNS);
        assert!(marked(standing::PROVEN | standing::FRUITFUL | standing::KNOWN));
        assert!(!marked(standing::FRUITFUL | standing::KNOWN), "it may be forged");
        assert!(
            !marked(standing::PROVEN | standing::SPARED) && !marked(standing::PROVEN | standing::REGULAR)
        );
        let refused = |bits, refuses, attacked| is_refused(standing::PROVEN | bits, refuses, attacked);
        assert!(refused(0, true, false) && !refused(0, false, true));
        let served = standing::FRUITFUL | standing::RETURNS;
        assert!(refused(served, false, true) && !refused(served, true, false));
    }

    #[test]
    fn who_comes_for_minutes_without_an_attack_is_regular() {
        for (attacked, proven, at, expected) in [
            (false, true, 113, true),
            (false, true, 100, false),
            (true, true, 113, false),
            (false, false, 113, false),
        ] {
            let memory = Memory::new();
            memory.set().attacked.store(u64::from(attacked) << 2);
            let (context, _) = memory.entered(syn());
            source::mark(way(&memory, context.key), if proven { standing::PROVEN } else { 0 });
            complete_one(&memory, at);
            let standing = History::unpack(way(&memory, context.key).history.load()).standing;
            assert_eq!(standing & standing::REGULAR != 0, expected, "{attacked} {proven} {at}");
        }
    }

    #[test]
    fn who_goes_on_completing_handshakes_is_known_after_half_a_minute_without_an_attack() {
        for (attacked, bits, at, expected) in [
            (false, standing::PROVEN, 29, true),
            (false, standing::PROVEN, 28, false),
            (true, standing::PROVEN, 29, false),
            (false, 0, 29, false),
            (false, standing::PROVEN | standing::FRUITFUL, 29, true),
            (false, standing::PROVEN + 16 * standing::OPENING, 29, false),
        ] {
            let memory = Memory::new();
            memory.set().attacked.store(u64::from(attacked) << 2);
            let (context, _) = memory.entered(syn());
            source::mark(way(&memory, context.key), bits);
            complete_one(&memory, at);
            let standing = History::unpack(way(&memory, context.key).history.load()).standing;
            assert_eq!(standing & standing::KNOWN != 0, expected, "{attacked} {bits:#x} {at}");
        }
    }

    #[test]
    fn handshakes_are_counted_to_their_service() {
        let memory = Memory::new();
        (0..6).for_each(|at| complete_one(&memory, at));
        let completed = |service: usize| memory.service_counters[service].unproven.completed.load();
        assert_eq!([2, 0].map(completed), [6, 0]);
        let lines = memory.counted.iter().flat_map(|line| line.iter());
        assert_eq!(lines.map(Word::load).filter(|word| *word != 0).count(), 1, "one source");
    }
}
