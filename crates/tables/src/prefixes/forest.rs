//! The trees of the prefix table: nodes and tails, written to lines and read back.

use std::sync::Arc;

use floodwall_common::wire::{KEYS_PER_LINE, LINE_WORDS, Leaf, Slot, TailWord, Word};

use super::{
    free_lines::{LineSpace, NoLines},
    layout::Layout,
    rules::Rules,
    tiles::{octet_lines, octet_slots, stretches, tile_lines},
};
use crate::{Prefix, SharedTables};

/// The values of 16 bits from `key` on to the next run's, and the word that they share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) key: u16,
    /// A leaf without hits, or a reference.
    pub(super) word: u64,
}

/// Does a word of the table lead on?
pub(super) fn is_reference(word: u64) -> bool {
    !matches!(Slot::unpack(word), Slot::Leaf(_))
}

/// A leaf without its hits; a reference as it is.
fn without_hits(word: u64) -> u64 {
    if is_reference(word) { word } else { Leaf::unpack(word).pack() }
}

/// Adds a run, unless it only goes on with the leaf of the last one.
pub(super) fn push_run(runs: &mut Vec<Run>, key: u32, word: u64) {
    if runs.last().is_none_or(|last| last.word != word || is_reference(word)) {
        runs.push(Run { key: key as u16, word });
    }
}

/// All nodes and tails, and the lines that are free for more.
#[derive(Debug)]
pub(super) struct Forest {
    tables: Arc<SharedTables>,
    space: LineSpace,
}

impl Forest {
    /// None, in these tables.
    pub(super) fn new(tables: Arc<SharedTables>) -> Self {
        let lines = u32::try_from(tables.prefix_lines.len()).unwrap_or(u32::MAX);
        Self { space: LineSpace::new(lines.saturating_sub(Slot::OVERRUN)), tables }
    }

    pub(super) fn tables(&self) -> &SharedTables {
        &self.tables
    }

    pub(super) fn space(&self) -> &LineSpace {
        &self.space
    }

    /// The lines, to take some for trees of an earlier run.
    pub(super) fn space_mut(&mut self) -> &mut LineSpace {
        &mut self.space
    }

    /// Writes a node of runs that cover all values; says how to refer to it.
    pub(super) fn node(&mut self, runs: &[Run]) -> Result<u64, NoLines> {
        let layout = Layout::of(runs.len() as u32);
        let line = self.space.take(layout.lines())?;
        let words = self.words(line, &layout);
        for (every, range) in layout.key_words() {
            let mut keys = runs.iter().step_by(every).map(|run| u64::from(run.key));
            for word in &words[range] {
                let mut next = || keys.next().unwrap_or(0xffff);
                word.store(next() | next() << 16 | next() << 32 | next() << 48);
            }
        }
        let slots = &words[layout.slot_words()];
        if layout.is_direct() {
            let ends = runs.iter().skip(1).map(|run| usize::from(run.key)).chain([slots.len()]);
            for (run, end) in runs.iter().zip(ends) {
                slots[usize::from(run.key)..end].iter().for_each(|slot| slot.store(run.word));
            }
        } else {
            slots.iter().zip(runs).for_each(|(slot, run)| slot.store(run.word));
        }
        Ok(Slot::Node { line, runs: layout.runs }.pack())
    }

    /// Writes a tail; says how to refer to it.
    pub(super) fn tail(&mut self, prefix: &Prefix, inside: Leaf, outside: Leaf) -> Result<u64, NoLines> {
        let line = self.space.take(1)?;
        let words = &self.tables.prefix_lines[line as usize];
        let mask = !(prefix.bits() ^ prefix.last_bits());
        for (at, value) in [
            (TailWord::High, (prefix.bits() >> 64) as u64),
            (TailWord::Low, prefix.bits() as u64),
            (TailWord::MaskHigh, (mask >> 64) as u64),
            (TailWord::MaskLow, mask as u64),
            (TailWord::Inside, inside.pack()),
            (TailWord::Outside, outside.pack()),
        ] {
            words[at as usize].store(value);
        }
        Ok(Slot::Tail { line }.pack())
    }

    /// The runs of a node.
    pub(super) fn runs(&self, line: u32, runs: u32) -> Vec<Run> {
        let layout = Layout::of(runs);
        let words = self.words(line, &layout);
        let slots = words[layout.slot_words()].iter().map(|slot| without_hits(slot.load()));
        if layout.is_direct() {
            let mut runs = Vec::new();
            (0..).zip(slots).for_each(|(key, word)| push_run(&mut runs, key, word));
            return runs;
        }
        (0..runs).zip(slots).map(|(run, word)| Run { key: key(words, &layout, run), word }).collect()
    }

    /// The slot of a node that a value falls in.
    pub(super) fn slot(&self, line: u32, runs: u32, value: u16) -> &Word {
        &self.slots_between(line, runs, value, value)[0]
    }

    /// The slots of a node that the values from `first` to `last` fall in; at least one.
    pub(super) fn slots_between(&self, line: u32, runs: u32, first: u16, last: u16) -> &[Word] {
        let layout = Layout::of(runs);
        let words = self.words(line, &layout);
        let run = |value| {
            if layout.is_direct() {
                return usize::from(value);
            }
            let (mut low, mut high) = (0, runs);
            while high - low > 1 {
                let middle = low.midpoint(high);
                if key(words, &layout, middle) <= value { low = middle } else { high = middle }
            }
            low as usize
        };
        &words[layout.slot_words()][run(first)..=run(last)]
    }

    /// The slots of a tile, node or tail; none of a leaf.
    pub(super) fn slots(&self, word: u64) -> impl ExactSizeIterator<Item = &Word> + use<'_> {
        let (first, count) = extent(word);
        let words = self.tables.prefix_lines[first as usize..(first + count) as usize].as_flattened();
        let (slots, every) = match Slot::unpack(word) {
            Slot::Leaf(_) => (0..0, 1),
            Slot::Node { runs, .. } => (Layout::of(runs).slot_words(), 1),
            Slot::Tail { .. } => (TailWord::Inside as usize..TailWord::Outside as usize + 1, 1),
            Slot::Tile { starts, .. } => (1..2 * stretches(starts) as usize, 2),
            Slot::Octet { runs, .. } => (octet_slots(runs)..octet_slots(runs) + runs as usize, 1),
        };
        words[slots].iter().step_by(every)
    }

    /// Moves the hits of a node's or tail's own leaves to their rules.
    pub(super) fn harvest(&self, word: u64, rules: &mut Rules) {
        self.slots(word).for_each(|slot| harvest_slot(slot, rules));
    }

    /// Frees the lines of a node or tail, which nobody can be reading any more; not what it refers to.
    pub(super) fn free(&mut self, word: u64) {
        let (line, count) = extent(word);
        if count > 0 {
            self.space.give(line, count);
        }
    }

    /// Frees a tree that was never to be seen by anyone.
    pub(super) fn discard(&mut self, word: u64) {
        let mut trees = vec![word];
        while let Some(tree) = trees.pop() {
            trees.extend(self.slots(tree).map(Word::load).filter(|word| is_reference(*word)));
            self.free(tree);
        }
    }

    /// Discards all trees that the runs refer to.
    pub(super) fn discard_runs(&mut self, runs: &[Run]) {
        runs.iter().for_each(|run| self.discard(run.word));
    }

    fn words(&self, line: u32, layout: &Layout) -> &[Word] {
        let line = line as usize;
        self.tables.prefix_lines[line..line + layout.lines() as usize].as_flattened()
    }
}

/// Moves the hits of a leaf to its rule. Packets may be adding to it meanwhile.
pub(super) fn harvest_slot(slot: &Word, rules: &mut Rules) {
    let word = slot.load();
    let hits = Leaf::hits(word);
    if hits > 0
        && let Some(rule) = Leaf::unpack(word).rule()
        && !is_reference(word)
    {
        // What is counted between the load and this stays.
        slot.add((hits * Leaf::HIT).wrapping_neg());
        rules.count(rule, hits);
    }
}

/// The lines of a tile, node or tail, without what it refers to: the first, and how many.
pub(super) fn extent(word: u64) -> (u32, u32) {
    match Slot::unpack(word) {
        Slot::Leaf(_) => (0, 0),
        Slot::Node { line, runs } => (line, Layout::of(runs).lines()),
        Slot::Tail { line } => (line, 1),
        Slot::Tile { line, starts } => (line, tile_lines(starts)),
        Slot::Octet { line, runs } => (line, octet_lines(runs)),
    }
}

/// The key of a run of a node that is not direct.
fn key(words: &[Word], layout: &Layout, run: u32) -> u16 {
    let (word, shift) = layout.key(run);
    (words[word].load() >> shift) as u16
}

const _: () = assert!(KEYS_PER_LINE as usize == 4 * LINE_WORDS);

#[cfg(test)]
mod tests {
    use floodwall_common::{
        prefix::{Address, Family, find},
        wire::{BITMAP_WORDS, RUNS_MAX, TILES, bitmap_base},
    };

    use super::*;
    use crate::Capacity;

    fn forest() -> Forest {
        let capacity = Capacity { prefixes: 20_000, sources: 4, flows: 8 };
        Forest::new(Arc::new(SharedTables::in_memory(&capacity).unwrap()))
    }

    /// Nodes of every layout, at its edges, are found by the reader to be what was written.
    #[test]
    fn a_node_is_read_as_it_was_written() {
        let mut forest = forest();
        let filter = &forest.tables.prefix_bitmaps[bitmap_base(0, Family::V6 as u32) as usize..];
        filter[..BITMAP_WORDS as usize].iter().for_each(|word| word.store(u64::MAX));
        for count in [1u32, 2, 6, 7, 32, 33, 40, 1_000, 1_024, 1_025, 1_100, 32_768, 32_769, 65_536] {
            // The last one starts at 0xffff wherever that can be.
            let first = |run: u32| if run == 0 { 0 } else { RUNS_MAX - (count - run) * (RUNS_MAX / count) };
            let runs: Vec<Run> =
                (0..count).map(|run| Run { key: first(run) as u16, word: Leaf::Block(run).pack() }).collect();
            let root = forest.node(&runs).unwrap();
            let Slot::Node { line, runs: stored } = Slot::unpack(root) else { panic!("no node") };
            assert_eq!(forest.runs(line, stored), runs, "{count} runs");
            forest.tables.prefix_roots[TILES as usize].store(root);
            for run in &runs {
                let expected = Leaf::unpack(run.word);
                for value in [run.key, run.key.wrapping_sub(1)] {
                    let at = runs.partition_point(|run| run.key <= value) - 1;
                    assert_eq!(forest.slot(line, stored, value).load(), runs[at].word);
                    let address = Address::v6(u64::from(value) << 32, 0);
                    let found = find(forest.tables(), &forest.tables.settings[0], address, false);
                    if value == run.key {
                        assert_eq!(found, Some(expected), "{count} runs, {value}");
                    }
                    assert_eq!(found, Some(Leaf::unpack(runs[at].word)), "{count} runs, {value}");
                }
            }
            forest.discard(root);
            assert_eq!(forest.space.free(), forest.space.len());
        }
    }

    #[test]
    fn hits_are_moved_and_none_is_lost() {
        let mut forest = forest();
        let mut rules = Rules::new(10);
        let rule = rules.take().unwrap();
        let prefix: Prefix = "2001:db8::/32".parse().unwrap();
        let tail = forest.tail(&prefix, Leaf::Allow(rule), Leaf::Nothing).unwrap();
        for _ in 0..3 {
            forest.slots(tail).next().unwrap().add(5 * Leaf::HIT);
            forest.harvest(tail, &mut rules);
        }
        assert_eq!(
            (rules.hits(rule), forest.slots(tail).next().unwrap().load()),
            (15, Leaf::Allow(rule).pack())
        );
    }
}
