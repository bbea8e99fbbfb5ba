//! Where the parts of a node are; the writer's side of the table in [`floodwall_common::wire`].

use std::ops::Range;

use floodwall_common::wire::{
    DIRECT_RUNS, KEYS_PER_LINE, LINE_WORDS, MAX_SEARCHED_RUNS, RUNS_MAX, SMALL_RUNS,
};

const WORDS: u32 = LINE_WORDS as u32;
const KEYS_PER_WORD: u32 = KEYS_PER_LINE / WORDS;

/// The words of a node: keys of every 1,024th run, of every 32nd, of every run; then the slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Number of runs, as references have it.
    pub(super) runs: u32,
    /// Number of the first word that holds a key of every 32nd run.
    middle_keys: usize,
    /// Number of the first word that holds a key of every run.
    keys: usize,
    /// Number of the first word that holds a slot.
    slots: usize,
}

impl Layout {
    /// Of a node that has `runs` runs, 1 to [`RUNS_MAX`].
    pub(super) const fn of(runs: u32) -> Self {
        if runs <= SMALL_RUNS {
            // All in one line: what the slots leave is the keys'.
            return Self { runs, middle_keys: 0, keys: 0, slots: (WORDS - SMALL_RUNS) as usize };
        }
        if runs > MAX_SEARCHED_RUNS {
            return Self { runs: DIRECT_RUNS, middle_keys: 0, keys: 0, slots: 0 };
        }
        let lines = runs.div_ceil(KEYS_PER_LINE);
        let middle_lines = if lines > 1 { lines.div_ceil(KEYS_PER_LINE) } else { 0 };
        let coarse_lines = if middle_lines > 1 { 1 } else { 0 };
        Self {
            runs,
            middle_keys: (coarse_lines * WORDS) as usize,
            keys: ((coarse_lines + middle_lines) * WORDS) as usize,
            slots: ((coarse_lines + middle_lines + lines) * WORDS) as usize,
        }
    }

    /// Lines that the node takes.
    pub(super) const fn lines(&self) -> u32 {
        (self.slots as u32 + self.slot_count()).div_ceil(WORDS)
    }

    /// Are the slots indexed by the value itself?
    pub(super) const fn is_direct(&self) -> bool {
        self.runs == DIRECT_RUNS
    }

    const fn slot_count(&self) -> u32 {
        if self.is_direct() { RUNS_MAX } else { self.runs }
    }

    /// The words that hold the slots.
    pub(super) const fn slot_words(&self) -> Range<usize> {
        self.slots..self.slots + self.slot_count() as usize
    }

    /// The words that hold keys, and which runs' keys stand there: every so many.
    pub(super) const fn key_words(&self) -> [(usize, Range<usize>); 3] {
        const EVERY: usize = KEYS_PER_LINE as usize;
        [
            (EVERY * EVERY, 0..self.middle_keys),
            (EVERY, self.middle_keys..self.keys),
            (1, self.keys..self.slots),
        ]
    }

    /// The word that holds the key of a run, and how far from its lowest bit. Not for direct nodes.
    pub(super) const fn key(&self, run: u32) -> (usize, u32) {
        (self.keys + (run / KEYS_PER_WORD) as usize, run % KEYS_PER_WORD * u16::BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_few_as_the_layout_allows() {
        let sizes = [1, 6, 7, 8, 16, 32, 33, 1_024, 1_025, 32_768, 32_769, 65_536]
            .map(|runs| Layout::of(runs).lines());
        assert_eq!(sizes, [1, 1, 2, 2, 3, 5, 8, 161, 165, 5_153, 8_192, 8_192]);
    }

    #[test]
    fn keys_stand_from_the_coarsest_to_the_finest() {
        let layout = Layout::of(1_025);
        assert_eq!(layout.key_words(), [(1_024, 0..8), (32, 8..24), (1, 24..288)]);
        assert_eq!((layout.slot_words(), layout.key(1_024)), (288..1_313, (280, 0)));
        assert_eq!(Layout::of(6).key_words(), [(1_024, 0..0), (32, 0..0), (1, 0..2)]);
    }
}
