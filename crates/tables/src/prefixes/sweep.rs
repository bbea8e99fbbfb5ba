//! Prefixes in order become trees.

use floodwall_common::{
    prefix::Family,
    wire::{Leaf, RUNS_MAX},
};

use super::{
    entry::{Entry, List},
    forest::{Forest, Run, is_reference, push_run},
    free_lines::NoLines,
    wanted::Wanted,
};
use crate::Prefix;

/// Bits of the address that a node splits.
pub(super) const STRIDE: u32 = 16;

/// One pass over prefixes in order, which leaves the runs that a node needs for them, and behind these the trees of
/// all prefixes that go deeper.
///
/// A node's depth is the number of strides before it; the root is at depth 0. A prefix is a matter of the node
/// in whose stride it ends. What goes deeper becomes a node of its own, or, for a single IPv6 prefix, a tail.
///
/// The pass can be interrupted between any two prefixes, for a slot may hold as many as all others together.
#[derive(Debug)]
pub(super) struct Sweep {
    family: Family,
    /// The nodes that are being built, each a child of the one before; never empty.
    levels: Vec<Level>,
    /// One past the last value that the first node is swept for.
    end: u32,
}

/// A node that is being built.
#[derive(Debug)]
struct Level {
    depth: u32,
    /// The bits before its stride, the others zero.
    base: u128,
    /// The first value that no run covers yet.
    next: u32,
    runs: Vec<Run>,
    /// The prefixes that cover what comes next, each longer than the one before; the first is the cover of all.
    open: Vec<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    /// One past the last value that it covers.
    end: u32,
    leaf: Leaf,
}

/// The value of the stride of a node at `depth` in an address.
pub(super) const fn value_at(bits: u128, depth: u32) -> u32 {
    (bits >> (u128::BITS - STRIDE * (depth + 1))) as u32 & (RUNS_MAX - 1)
}

/// The values that a prefix covers in a node at `depth`, in whose stride it ends: the first, and one past the last.
pub(super) const fn values_of(prefix: &Prefix, depth: u32) -> (u32, u32) {
    (value_at(prefix.bits(), depth), value_at(prefix.last_bits(), depth) + 1)
}

/// The bits before the stride of a node at `depth`, the others zero.
const fn before(bits: u128, depth: u32) -> u128 {
    if depth == 0 { 0 } else { bits & (u128::MAX << (u128::BITS - STRIDE * depth)) }
}

/// What a prefix decides within what covers it: a ban within what is blocked is no more than that.
const fn within(cover: Leaf, leaf: Leaf) -> Leaf {
    match (cover, leaf) {
        (Leaf::Block(_), Leaf::Ban(rule)) => Leaf::Block(rule),
        (_, leaf) => leaf,
    }
}

impl Sweep {
    /// A pass over the prefixes within `range`, which ends in the stride of nodes at `depth`, and whose addresses
    /// fare as `cover` says unless one of these prefixes decides.
    pub(super) fn new(range: &Prefix, depth: u32, cover: Leaf) -> Self {
        let (first, end) = values_of(range, depth);
        let level = Level::new(depth, before(range.bits(), depth), first, end, cover);
        Self { family: range.family(), levels: vec![level], end }
    }

    /// A pass over all prefixes of a slot that fare as `cover` says unless one of them decides. For IPv4 it ends in the
    /// runs of the last 16 bits of the address: there are no nodes.
    pub(super) fn of_slot(slot: &Prefix, cover: Leaf) -> Self {
        Self::new(slot, u32::from(slot.family() == Family::V4), cover)
    }

    /// Takes the next prefix; `following` is the one after it.
    ///
    /// After an error the pass can only be [discarded](Self::discard).
    pub(super) fn push(
        &mut self,
        forest: &mut Forest,
        entry: &Entry,
        following: Option<&Entry>,
    ) -> Result<(), NoLines> {
        while let [.., level] = &self.levels[..]
            && self.levels.len() > 1
            && before(entry.bits(), level.depth) != level.base
        {
            self.close(forest)?;
        }
        while let Some(level) = self.levels.last_mut() {
            let depth = level.depth;
            let value = value_at(entry.bits(), depth);
            let cover = level.advance(value);
            if matches!(cover, Leaf::Allow(_)) && entry.list() == List::Block {
                return Ok(());
            }
            let stride_end = STRIDE * (depth + 1);
            if u32::from(entry.length()) <= stride_end {
                let end = value + (1 << (stride_end - u32::from(entry.length())));
                level.open.push(Open { end, leaf: within(cover, entry.leaf()) });
                return Ok(());
            }
            let base = before(entry.bits(), depth + 1);
            let alone = following.is_none_or(|other| before(other.bits(), depth + 1) != base);
            if alone {
                let tail = forest.tail(&entry.prefix(self.family), within(cover, entry.leaf()), cover)?;
                level.put(value, tail);
                return Ok(());
            }
            self.levels.push(Level::new(depth + 1, base, 0, RUNS_MAX, cover));
        }
        Ok(())
    }

    /// Writes the deepest node, if it takes one, and gives it to the one above.
    fn close(&mut self, forest: &mut Forest) -> Result<(), NoLines> {
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        level.advance(RUNS_MAX);
        let word = match level.runs[..] {
            // A single run is a leaf: a reference never stands for more than one value.
            [run] => run.word,
            _ => forest.node(&level.runs)?,
        };
        let base = level.base;
        self.levels.pop();
        if let Some(above) = self.levels.last_mut() {
            above.put(value_at(base, above.depth), word);
        }
        Ok(())
    }

    /// The runs of the first node; those that lead on refer to trees that nobody else knows of.
    pub(super) fn finish(mut self, forest: &mut Forest) -> Result<Vec<Run>, NoLines> {
        while self.levels.len() > 1 {
            if let Err(error) = self.close(forest) {
                self.discard(forest);
                return Err(error);
            }
        }
        let end = self.end;
        Ok(self.levels.pop().map_or_else(Vec::new, |mut level| {
            level.advance(end);
            level.runs
        }))
    }

    /// Frees the lines of all that was built.
    pub(super) fn discard(self, forest: &mut Forest) {
        self.into_trees().for_each(|tree| forest.discard(tree));
    }

    /// References to all that was built.
    pub(super) fn into_trees(self) -> impl Iterator<Item = u64> {
        let runs = self.levels.into_iter().flat_map(|level| level.runs);
        runs.map(|run| run.word).filter(|word| is_reference(*word))
    }
}

impl Level {
    fn new(depth: u32, base: u128, first: u32, end: u32, cover: Leaf) -> Self {
        Self { depth, base, next: first, runs: Vec::new(), open: vec![Open { end, leaf: cover }] }
    }

    /// Writes the runs before `value`, which no prefix starts in any more; says what covers `value` itself.
    fn advance(&mut self, value: u32) -> Leaf {
        let mut cover = Leaf::Nothing;
        while let Some(open) = self.open.last() {
            cover = open.leaf;
            let end = open.end.min(value);
            if self.next < end {
                push_run(&mut self.runs, self.next, cover.pack());
                self.next = end;
            }
            if open.end > value || self.open.len() == 1 {
                break;
            }
            self.open.pop();
        }
        cover
    }

    /// Writes the run of a single value, up to which everything is written.
    fn put(&mut self, value: u32, word: u64) {
        push_run(&mut self.runs, value, word);
        self.next = value + 1;
    }
}

/// The runs of a node at `depth` for the part of `wanted` that lies within `range`, which ends in its stride.
pub(super) fn compile(
    forest: &mut Forest,
    wanted: &Wanted,
    range: &Prefix,
    depth: u32,
) -> Result<Vec<Run>, NoLines> {
    let mut sweep = Sweep::new(range, depth, wanted.decided(range.family(), range.bits(), range.length()));
    let mut entries = wanted.within(range).peekable();
    while let Some(entry) = entries.next() {
        if let Err(error) = sweep.push(forest, entry, entries.peek().copied()) {
            sweep.discard(forest);
            return Err(error);
        }
    }
    sweep.finish(forest)
}
