//! The memory of names that were asked for by DNS, and of which of them it is known that they exist.
//!
//! A [line](crate::line) of eight words holds the names that share a hash; each word is a tag of 40 bits, the time at which the name was
//! asked for last, of 23, and whether it is *open*: new, and no answer has named anything for it so far. A name that is noted
//! takes the place of the one of its line that was asked for longest ago.

use crate::{
    line::Layout,
    wire::{Line, Word},
};

/// The lowest bit says whether a name is open.
const LAYOUT: Layout = Layout::new(40, 1, 23, 30);
const OPEN: u64 = 1;

/// The word of a name, or that which makes room for it; and whether the name was asked for before.
#[inline(always)]
pub fn find(line: &Line, hash: u64, now_ns: u64) -> (&Word, bool) {
    LAYOUT.find(line, LAYOUT.tag(hash), LAYOUT.time(now_ns))
}

/// Notes that a name is asked for, in the word that was [found](find) for it.
#[inline(always)]
pub fn note(word: &Word, is_known: bool, hash: u64, now_ns: u64) {
    let open = if is_known { word.load() & OPEN } else { OPEN };
    word.store(LAYOUT.tag(hash) | LAYOUT.at(LAYOUT.time(now_ns)) | open);
}

/// Notes that there is such a name. Whether it was open, which each name is once.
#[inline(always)]
pub fn close(line: &Line, hash: u64) -> bool {
    let tag = LAYOUT.tag(hash);
    let mut was_open = false;
    for word in line {
        let found = word.load();
        if LAYOUT.has(found, tag) && found & OPEN != 0 {
            word.store(found & !OPEN);
            was_open = true;
        }
    }
    was_open
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1 << 30;

    fn ask(line: &Line, hash: u64, now_ns: u64) -> bool {
        let (word, is_known) = find(line, hash, now_ns);
        note(word, is_known, hash, now_ns);
        is_known
    }

    #[test]
    fn a_name_is_new_once_and_found_to_exist_once() {
        let line = Line::default();
        assert!(!close(&line, 7 << 24), "nobody has asked");
        assert!(!ask(&line, 7 << 24, SECOND));
        assert!(ask(&line, 7 << 24, 2 * SECOND));
        assert!(close(&line, 7 << 24), "still open, though it was asked for twice");
        assert!(!close(&line, 7 << 24));
        assert!(ask(&line, 7 << 24, 3 * SECOND), "it is known all the same");
        assert!(!close(&line, 7 << 24), "and no new one");
    }

    #[test]
    fn room_is_made_by_the_name_that_was_asked_for_longest_ago() {
        let line = Line::default();
        for number in 0..8 {
            assert!(!ask(&line, number << 24, (100 + number) * SECOND));
        }
        assert!(ask(&line, 0, 110 * SECOND));
        assert!(!ask(&line, 9 << 24, 111 * SECOND));
        assert!(ask(&line, 0, 112 * SECOND), "it was asked for since");
        assert!(!ask(&line, 1 << 24, 113 * SECOND), "it was pushed out");
    }
}
