//! One prefix comes or goes: the least that must be rebuilt.

use floodwall_common::{
    prefix::Family,
    wire::{RUNS_MAX, Slot, TILE_BITS, Word},
};

use super::{
    engine::{Engine, Half, is_cover},
    entry::{List, SHORTEST},
    forest::{Run, is_reference, push_run},
    free_lines::NoLines,
    sweep::{STRIDE, compile, value_at, values_of},
    tiles::TILE_VALUES,
    wanted::{Wanted, place_of, slot_at},
};
use crate::Prefix;

/// References that are ready to be stored, and what they take the place of.
///
/// Only references are ever replaced. A leaf that must change is changed by writing its node anew, and
/// replacing the reference to that.
#[derive(Debug)]
#[must_use]
pub(super) struct Patch {
    /// The slot that they are below.
    pub(super) place: usize,
    at: At,
    /// Nodes that are replaced, but not all that they refer to.
    nodes: Vec<u64>,
    /// Trees that are replaced as a whole; not those that roots referred to.
    trees: Vec<u64>,
}

/// Where references are to stand, and which.
#[derive(Clone, Debug)]
enum At {
    /// In these of the slot's roots, in the place of whole trees.
    Roots(Vec<(usize, u64)>),
    /// In the root of IPv6, in the place of a node that is replaced.
    Root(u64),
    /// In a node, for a value.
    Node(Spot, u64),
}

/// The slot for a value, in the node with so many runs at this line.
#[derive(Clone, Copy, Debug)]
struct Spot {
    line: u32,
    runs: u32,
    value: u16,
}

/// A reference on the way to a prefix.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// `None` for the root.
    spot: Option<Spot>,
    word: u64,
}

impl Engine {
    /// What must be stored so that the trees of `half`, which are those of `wanted` but for this prefix, are those
    /// of `wanted`. `None` if nothing need be. Not for prefixes shorter than a slot.
    pub(super) fn patch(
        &mut self,
        half: Half,
        wanted: &Wanted,
        list: List,
        prefix: &Prefix,
    ) -> Result<Option<Patch>, NoLines> {
        let (family, bits) = (prefix.family(), prefix.bits());
        if list == List::Block && wanted.longest(List::Allow, family, bits, prefix.length() + 1).is_some() {
            return Ok(None);
        }
        match family {
            Family::V4 => self.patch_v4(wanted, prefix).map(Some),
            Family::V6 => self.patch_v6(half, wanted, prefix),
        }
    }

    /// New tiles for all that the prefix has a part in.
    fn patch_v4(&mut self, wanted: &Wanted, prefix: &Prefix) -> Result<Patch, NoLines> {
        let (first, end) = values_of(prefix, 1);
        let mut roots = Vec::new();
        for tile in first / TILE_VALUES..end.div_ceil(TILE_VALUES) {
            let bits = prefix.bits() & slot_mask() | u128::from(tile * TILE_VALUES) << 96;
            let range = Prefix::of_bits(Family::V4, bits, TILE_BITS as u8);
            let runs = compile(&mut self.forest, wanted, &range, 1);
            match runs.and_then(|runs| self.rooted_tile(tile, &runs)) {
                Ok(root) => roots.push((tile as usize, root)),
                Err(error) => {
                    roots.into_iter().for_each(|(_, root)| self.discard_root(root));
                    return Err(error);
                }
            }
        }
        let place = place_of(Family::V4, prefix.bits());
        Ok(Patch { place, at: At::Roots(roots), nodes: Vec::new(), trees: Vec::new() })
    }

    /// The least that must be rebuilt on the way to the prefix.
    fn patch_v6(&mut self, half: Half, wanted: &Wanted, prefix: &Prefix) -> Result<Option<Patch>, NoLines> {
        let (family, bits) = (prefix.family(), prefix.bits());
        let place = place_of(family, bits);
        let mut way = self.way(half, place, wanted, prefix);
        loop {
            let depth = way.len() as u32 - 1;
            let Some(step) = way.pop() else { return Ok(None) };
            // The addresses that the reference stands for.
            let range = Prefix::of_bits(family, bits, (STRIDE * (depth + 1)) as u8);
            let (word, nodes, trees) = match Slot::unpack(step.word) {
                Slot::Node { line, runs }
                    if runs > 1 && prefix.length() > SHORTEST && wanted.count_to_two(&range) > 1 =>
                {
                    let Some((word, trees)) = self.splice(wanted, line, runs, depth + 1, prefix)? else {
                        return Ok(None);
                    };
                    (word, vec![step.word], trees)
                }
                _ => {
                    let runs = compile(&mut self.forest, wanted, &range, depth)?;
                    (runs.first().map_or(0, |run| run.word), Vec::new(), vec![step.word])
                }
            };
            let at = match step.spot {
                Some(_) if !is_reference(word) => continue,
                Some(spot) => At::Node(spot, word),
                None => {
                    let root = self.rooted(family, word)?;
                    if nodes.is_empty() {
                        let at = At::Roots(vec![(0, root)]);
                        return Ok(Some(Patch { place, at, nodes, trees: Vec::new() }));
                    }
                    At::Root(root)
                }
            };
            return Ok(Some(Patch { place, at, nodes, trees }));
        }
    }

    /// The trees of a whole slot, built anew.
    pub(super) fn rebuild(&mut self, wanted: &Wanted, place: usize) -> Result<Patch, NoLines> {
        let slot = slot_at(place);
        let runs = compile(&mut self.forest, wanted, &slot, u32::from(slot.family() == Family::V4))?;
        let roots = self.rooted_slot(slot.family(), &runs)?;
        let at = At::Roots(roots.into_iter().enumerate().collect());
        Ok(Patch { place, at, nodes: Vec::new(), trees: Vec::new() })
    }

    /// Makes it so. With `twin`, the other half shares the slot's trees, and goes on doing so.
    pub(super) fn publish(&mut self, half: Half, patch: Patch, twin: bool) {
        let Patch { place, at, nodes, trees } = patch;
        match at {
            At::Roots(roots) => {
                for (at, word) in roots {
                    self.replace_root(half, place, at, word, twin);
                }
            }
            At::Root(word) => {
                self.root_v6(half, place).store(word);
                if twin {
                    self.share_root(word);
                    self.root_v6(half.other(), place).store(word);
                }
            }
            At::Node(Spot { line, runs, value }, word) => self.forest.slot(line, runs, value).store(word),
        }
        trees.into_iter().for_each(|tree| self.retire_tree(tree));
        nodes.into_iter().for_each(|node| self.retire_node(node));
    }

    /// Stores one of a slot's roots; retires what it referred to. With `twin`, in both halves.
    fn replace_root(&mut self, half: Half, place: usize, at: usize, word: u64, twin: bool) {
        let old = self.roots(half, place)[at].load();
        self.roots(half, place)[at].store(word);
        if twin {
            self.share_root(word);
            let others = self.roots(half.other(), place)[at].load();
            self.roots(half.other(), place)[at].store(word);
            // Trees are one for both halves, but covers are counted for each.
            if is_cover(others) || others != old {
                self.retire_root(others);
            }
        }
        self.retire_root(old);
    }

    /// Stores a patch that rebuilt a slot; what was there is the other half's, and its hits are moved to their rules: it
    /// may not be in force any more, and then nobody asks it for the hits of what has left.
    pub(super) fn store(&mut self, half: Half, patch: &Patch) {
        let At::Roots(roots) = &patch.at else { return };
        for (at, word) in roots {
            // But covers are counted for each.
            let old = self.roots(half, patch.place)[*at].load();
            self.roots(half, patch.place)[*at].store(*word);
            if is_cover(old) {
                self.retire_root(old);
            } else {
                self.harvest_tree(old);
            }
        }
    }

    /// Makes trees of its own for a slot of a half that shares the other half's, which are not what they are to be any
    /// more.
    pub(super) fn part(&mut self, half: Half, wanted: &Wanted, place: usize) -> Result<(), NoLines> {
        let patch = self.rebuild(wanted, place)?;
        self.store(half, &patch);
        Ok(())
    }

    /// Drops a patch that rebuilt a slot.
    pub(super) fn discard_rebuilt(&mut self, patch: Patch) {
        if let At::Roots(roots) = patch.at {
            roots.into_iter().for_each(|(_, root)| self.discard_root(root));
        }
    }

    /// Do both halves refer to the same trees there? (Covers are shared otherwise, and may mean different prefixes.)
    pub(super) fn are_twins(&self, place: usize) -> bool {
        let [ones, others] = [0, 1].map(|half| self.roots(Half::of(half), place).iter().map(Word::load));
        ones.zip(others).any(|(one, other)| one == other && one != 0 && !is_cover(one))
    }

    /// The references on the way to a prefix, from the root to the deepest one whose addresses hold all of it.
    ///
    /// If that leaves a whole tree for a single prefix, or none, the way ends where such a tree begins.
    fn way(&self, half: Half, place: usize, wanted: &Wanted, prefix: &Prefix) -> Vec<Step> {
        // The depth of the node in whose stride the prefix ends.
        let deepest = (u32::from(prefix.length()) - 1) / STRIDE;
        let mut word = self.root_v6(half, place).load();
        let mut way = vec![Step { spot: None, word }];
        while (way.len() as u32) < deepest
            && let Slot::Node { line, runs } = Slot::unpack(word)
        {
            let value = value_at(prefix.bits(), way.len() as u32) as u16;
            word = self.forest.slot(line, runs, value).load();
            if !is_reference(word) {
                break;
            }
            way.push(Step { spot: Some(Spot { line, runs, value }), word });
        }
        let below = |depth: usize| {
            let range = Prefix::of_bits(prefix.family(), prefix.bits(), STRIDE as u8 * depth as u8);
            wanted.count_to_two(&range)
        };
        while way.len() > 1 && below(way.len() - 1) < 2 {
            way.pop();
        }
        if way.len() > 1 && below(way.len()) == 0 {
            way.pop();
        }
        way
    }

    /// A node at `depth` with the runs that `prefix` has a part in made anew, and the trees that they referred to;
    /// or a leaf if that is all that is left. `None` if nothing changes.
    fn splice(
        &mut self,
        wanted: &Wanted,
        line: u32,
        runs: u32,
        depth: u32,
        prefix: &Prefix,
    ) -> Result<Option<(u64, Vec<u64>)>, NoLines> {
        let length = u32::from(prefix.length()).min(STRIDE * (depth + 1));
        let range = Prefix::of_bits(prefix.family(), prefix.bits(), length as u8);
        let (first, end) = values_of(&range, depth);
        let old = self.forest.runs(line, runs);
        let fresh = compile(&mut self.forest, wanted, &range, depth)?;
        let (spliced, trees) = splice_runs(&old, &fresh, first, end);
        if spliced == old {
            return Ok(None);
        }
        if let [Run { word, .. }] = spliced[..] {
            return Ok(Some((word, trees)));
        }
        match self.forest.node(&spliced) {
            Ok(node) => Ok(Some((node, trees))),
            Err(error) => {
                self.forest.discard_runs(&fresh);
                Err(error)
            }
        }
    }
}

/// The bits of an address that name its slot.
const fn slot_mask() -> u128 {
    u128::MAX << (u128::BITS - STRIDE)
}

/// The old runs with those from `first` up to `end` replaced by fresh ones, and the references that are lost.
fn splice_runs(old: &[Run], fresh: &[Run], first: u32, end: u32) -> (Vec<Run>, Vec<u64>) {
    let from = old.partition_point(|run| u32::from(run.key) < first);
    let to = old.partition_point(|run| u32::from(run.key) < end);
    let mut spliced = Vec::with_capacity(old.len() + fresh.len() + 1);
    spliced.extend_from_slice(&old[..from]);
    fresh.iter().for_each(|run| push_run(&mut spliced, run.key.into(), run.word));
    // The last of the replaced runs may go on behind them.
    let next = old.get(to).map_or(RUNS_MAX, |run| run.key.into());
    if next > end
        && let Some(last) = old[..to].last()
    {
        push_run(&mut spliced, end, last.word);
    }
    // Of what follows, only the first can be the same leaf as what is before it.
    if let Some((run, rest)) = old[to..].split_first() {
        push_run(&mut spliced, run.key.into(), run.word);
        spliced.extend_from_slice(rest);
    }
    let lost = old[from..to].iter().map(|run| run.word).filter(|word| is_reference(*word)).collect();
    (spliced, lost)
}

#[cfg(test)]
mod tests {
    use floodwall_common::wire::Leaf;

    use super::*;

    #[test]
    fn runs_are_spliced_in_place_and_joined_at_both_ends() {
        let leaf = |rule| Leaf::Block(rule).pack();
        let tree = Slot::Tail { line: 9 }.pack();
        let run = |key, word| Run { key, word };
        let old = [run(0, leaf(1)), run(10, leaf(2)), run(20, tree), run(21, leaf(1)), run(30, leaf(3))];

        let (spliced, lost) = splice_runs(&old, &[run(5, leaf(4))], 5, 8);
        assert_eq!(spliced[..3], [run(0, leaf(1)), run(5, leaf(4)), run(8, leaf(1))]);
        assert_eq!((spliced.len(), lost), (7, vec![]));

        let (spliced, lost) = splice_runs(&old, &[run(10, leaf(1))], 10, 30);
        assert_eq!((spliced, lost), (vec![run(0, leaf(1)), run(30, leaf(3))], vec![tree]));

        let (spliced, lost) = splice_runs(&old, &[run(0, leaf(3))], 0, RUNS_MAX);
        assert_eq!((spliced, lost), (vec![run(0, leaf(3))], vec![tree]));

        let (spliced, _) = splice_runs(&old, &[run(25, leaf(3))], 25, 30);
        assert_eq!(spliced[3..], [run(21, leaf(1)), run(25, leaf(3))]);
    }
}
