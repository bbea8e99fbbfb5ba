//! Both halves of the roots, and all that hangs from them.

use std::{collections::HashMap, sync::Arc};

use floodwall_common::{
    prefix::Family,
    wire::{Leaf, ROOTS, Slot, TILES, TILES_PER_SLOT, Word},
};

use super::{
    entry::Entry,
    error::TableError,
    forest::{Forest, Run, is_reference},
    free_lines::NoLines,
    quarantine::{Quarantine, Retired},
    rules::Rules,
    tiles::{TILE_VALUES, runs_of_tile},
    wanted::SLOTS_V4,
};
use crate::SharedTables;

/// Which half of the roots and bitmaps: bit 0 of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Half(u64);

impl Half {
    pub(super) const BOTH: [Self; 2] = [Self(0), Self(1)];

    pub(super) const fn of(generation: u64) -> Self {
        Self(generation & 1)
    }

    pub(super) const fn other(self) -> Self {
        Self(self.0 ^ 1)
    }

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What the trees are made with and from, and what becomes of them when they are replaced.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) forest: Forest,
    pub(super) rules: Rules,
    pub(super) quarantine: Quarantine,
    /// By the leaf that they are made of, as a word without hits.
    covers: HashMap<u64, Cover>,
    /// Keys of IPv6 prefixes that have left one by one since the newest filter was begun.
    pub(super) worn: u32,
}

/// A tile, or a node of a single run, all of which fares alike. All roots of a family that fare as this rule says
/// share it.
#[derive(Clone, Copy, Debug)]
struct Cover {
    word: u64,
    /// Roots that refer to it.
    roots: u32,
}

/// Is the root's word a reference to a [`Cover`]?
pub(super) fn is_cover(root: u64) -> bool {
    match Slot::unpack(root) {
        Slot::Node { runs, .. } => runs == 1,
        Slot::Tile { starts, .. } => starts == Slot::SHARED,
        _ => false,
    }
}

impl Engine {
    /// Nothing, in these tables, for at most `limit` prefixes.
    pub(super) fn new(tables: Arc<SharedTables>, limit: u32) -> Self {
        Self {
            forest: Forest::new(tables),
            rules: Rules::new(limit),
            quarantine: Quarantine::default(),
            covers: HashMap::new(),
            worn: 0,
        }
    }

    pub(super) fn tables(&self) -> &SharedTables {
        self.forest.tables()
    }

    /// The roots of the slot at a place: those of its tiles, or the one of IPv6. They hold 0 or a reference, never a
    /// leaf: leaves are counted in, and could then not be replaced without losing a count.
    pub(super) fn roots(&self, half: Half, place: usize) -> &[Word] {
        let (first, count) = if place < SLOTS_V4 {
            (place * TILES_PER_SLOT as usize, TILES_PER_SLOT as usize)
        } else {
            (TILES as usize + place - SLOTS_V4, 1)
        };
        &self.tables().prefix_roots[half.index() * ROOTS as usize + first..][..count]
    }

    /// The root of a slot of IPv6.
    pub(super) fn root_v6(&self, half: Half, place: usize) -> &Word {
        &self.roots(half, place)[0]
    }

    /// What stands in the root for a tile or slot that fares as `word` says, which is a leaf or a new tree.
    pub(super) fn rooted(&mut self, family: Family, word: u64) -> Result<u64, NoLines> {
        let leaf = Leaf::unpack(word);
        if leaf == Leaf::Nothing {
            return Ok(if is_reference(word) { word } else { 0 });
        }
        if let Some(cover) = self.covers.get_mut(&leaf.pack()) {
            cover.roots += 1;
            return Ok(cover.word);
        }
        let word = match family {
            Family::V4 => self.forest.shared_tile(word)?,
            Family::V6 => self.forest.node(&[Run { key: 0, word }])?,
        };
        self.covers.insert(leaf.pack(), Cover { word, roots: 1 });
        Ok(word)
    }

    /// What stands in the roots of a slot for these runs: of its last 16 bits for IPv4, of its first for IPv6.
    pub(super) fn rooted_slot(&mut self, family: Family, runs: &[Run]) -> Result<Vec<u64>, NoLines> {
        if family == Family::V6 {
            return Ok(vec![self.rooted(family, runs.first().map_or(0, |run| run.word))?]);
        }
        let mut roots = Vec::with_capacity(TILES_PER_SLOT as usize);
        for tile in 0..TILES_PER_SLOT {
            match self.rooted_tile(tile, &runs_of_tile(runs, tile)) {
                Ok(root) => roots.push(root),
                Err(error) => {
                    roots.into_iter().for_each(|root| self.discard_root(root));
                    return Err(error);
                }
            }
        }
        Ok(roots)
    }

    /// What stands in the root of a tile for these runs.
    pub(super) fn rooted_tile(&mut self, tile: u32, runs: &[Run]) -> Result<u64, NoLines> {
        let word = self.forest.tile(tile * TILE_VALUES, runs)?;
        self.rooted(Family::V4, word)
    }

    /// One more root is to refer to what `root` says.
    pub(super) fn share_root(&mut self, root: u64) {
        if let Some(leaf) = self.leaf_of_cover(root)
            && let Some(cover) = self.covers.get_mut(&leaf)
        {
            cover.roots += 1;
        }
    }

    /// A root no longer refers to `root`, which no other root does, unless it is a cover.
    pub(super) fn retire_root(&mut self, root: u64) {
        let Some(leaf) = self.leaf_of_cover(root) else { return self.retire_tree(root) };
        let Some(cover) = self.covers.get_mut(&leaf) else { return };
        cover.roots -= 1;
        if cover.roots == 0 {
            self.covers.remove(&leaf);
            self.retire_node(root);
        } else {
            // Those that are left may all be staged, and the prefix in force no more.
            self.forest.harvest(root, &mut self.rules);
        }
    }

    /// A root that nobody has seen is not wanted after all.
    pub(super) fn discard_root(&mut self, root: u64) {
        if is_cover(root) { self.retire_root(root) } else { self.forest.discard(root) }
    }

    /// Retires a node or tail, but not what it refers to.
    pub(super) fn retire_node(&mut self, word: u64) {
        if is_reference(word) {
            // What is counted from now until the grace period ends is moved when it has.
            self.forest.harvest(word, &mut self.rules);
            self.quarantine.push(Retired::Tree(word));
        }
    }

    /// Retires all of a tree.
    pub(super) fn retire_tree(&mut self, word: u64) {
        let mut trees = vec![word];
        while let Some(tree) = trees.pop() {
            trees.extend(self.forest.slots(tree).map(Word::load).filter(|word| is_reference(*word)));
            self.retire_node(tree);
        }
    }

    /// A prefix stands in one generation less.
    pub(super) fn release_rule(&mut self, rule: u32) {
        if self.rules.release(rule) {
            self.quarantine.push(Retired::Rule(rule));
        }
    }

    /// These prefixes stand in one generation less.
    pub(super) fn release_entries<'a>(&mut self, entries: impl IntoIterator<Item = &'a Entry>) {
        for entry in entries {
            self.release_rule(entry.rule().number);
        }
    }

    /// The error for lines that are not there.
    pub(super) fn out_of_memory(&self, NoLines(wanted): NoLines) -> TableError {
        TableError::OutOfMemory { wanted, free: self.forest.space().free(), retired: self.quarantine.lines() }
    }

    /// Frees something that a grace period has passed for.
    pub(super) fn free(&mut self, retired: Retired) {
        match retired {
            Retired::Generation => {}
            Retired::Tree(word) => {
                self.forest.harvest(word, &mut self.rules);
                self.forest.free(word);
            }
            Retired::Rule(rule) => self.rules.recycle(rule),
        }
    }

    /// What [`Self::covers`] knows the cover by that a root refers to, if it does.
    fn leaf_of_cover(&self, root: u64) -> Option<u64> {
        if !is_cover(root) {
            return None;
        }
        let leaf = Leaf::unpack(self.forest.slots(root).next()?.load());
        (leaf != Leaf::Nothing).then_some(leaf.pack())
    }
}
