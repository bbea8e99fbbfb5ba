//! One prefix comes or goes: the least that must be rebuilt.

use floodwall_common::wire::{RUNS_MAX, Slot};

use super::{
    engine::{Engine, Half, is_cover},
    entry::{List, SHORTEST},
    forest::{Run, is_reference, push_run},
    space::NoLines,
    sweep::{STRIDE, compile, value_at, values_of},
    wanted::{Wanted, place_of, slot_at},
};
use crate::tables::Prefix;

/// A reference that is ready to be stored, and what it takes the place of.
///
/// Only references are ever replaced. A leaf that must change is changed by writing its node anew, and
/// replacing the reference to that.
#[derive(Debug)]
#[must_use]
pub(super) struct Patch {
    /// The slot of the root that it is below.
    pub(super) place: usize,
    at: At,
    word: u64,
    /// Nodes that are replaced, but not all that they refer to.
    nodes: Vec<u64>,
    /// Trees that are replaced as a whole.
    trees: Vec<u64>,
}

impl Patch {
    /// The reference.
    pub(super) fn word(&self) -> u64 {
        self.word
    }
}

/// Where a reference stands.
#[derive(Clone, Copy, Debug)]
enum At {
    Root,
    /// In the node with this many runs at this line, for this value.
    Node {
        line: u32,
        runs: u32,
        value: u16,
    },
}

/// A reference on the way to a prefix.
#[derive(Clone, Copy, Debug)]
struct Step {
    at: At,
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
        let place = place_of(family, bits);
        let mut way = self.way(half, place, wanted, prefix);
        loop {
            let depth = way.len() as u32 - 1;
            let Some(step) = way.pop() else { return Ok(None) };
            // The addresses that the reference stands for.
            let range = Prefix::of_bits(family, bits, (STRIDE * (depth + 1)) as u8);
            let (word, patch) = match Slot::unpack(step.word) {
                Slot::Node { line, runs }
                    if runs > 1 && prefix.length() > SHORTEST && wanted.count_to_two(&range) > 1 =>
                {
                    let Some((word, trees)) = self.splice(wanted, line, runs, depth + 1, prefix)? else {
                        return Ok(None);
                    };
                    (word, Patch { place, at: step.at, word, nodes: vec![step.word], trees })
                }
                _ => {
                    let runs = compile(&mut self.forest, wanted, &range, depth)?;
                    let word = runs.first().map_or(0, |run| run.word);
                    (word, Patch { place, at: step.at, word, nodes: Vec::new(), trees: vec![step.word] })
                }
            };
            if is_reference(word) {
                return Ok(Some(patch));
            }
            if way.is_empty() {
                return Ok(Some(Patch { word: self.rooted(word)?, ..patch }));
            }
        }
    }

    /// The tree of a whole slot, built anew.
    pub(super) fn rebuild(&mut self, half: Half, wanted: &Wanted, place: usize) -> Result<Patch, NoLines> {
        let runs = compile(&mut self.forest, wanted, &slot_at(place), 0)?;
        let word = self.rooted(runs.first().map_or(0, |run| run.word))?;
        let old = self.root(half, place).load();
        Ok(Patch { place, at: At::Root, word, nodes: Vec::new(), trees: vec![old] })
    }

    /// Makes it so. With `twin`, the other half shares the slot's tree, and goes on doing so.
    pub(super) fn publish(&mut self, half: Half, patch: Patch, twin: bool) {
        let Patch { place, at, word, nodes, trees } = patch;
        match at {
            At::Root => {
                self.root(half, place).store(word);
                if twin {
                    self.share_root(word);
                    self.root(half.other(), place).store(word);
                }
                trees.into_iter().for_each(|tree| self.retire_root(tree));
            }
            At::Node { line, runs, value } => {
                self.forest.slot(line, runs, value).store(word);
                trees.into_iter().for_each(|tree| self.retire_tree(tree));
            }
        }
        nodes.into_iter().for_each(|node| self.retire_node(node));
    }

    /// Makes a tree of its own for a slot of a half that shares the other half's, which is not what it is to be any
    /// more.
    pub(super) fn part(&mut self, half: Half, wanted: &Wanted, place: usize) -> Result<(), NoLines> {
        let patch = self.rebuild(half, wanted, place)?;
        self.root(half, place).store(patch.word);
        Ok(())
    }

    /// Drops a patch that rebuilt a slot.
    pub(super) fn discard_rebuilt(&mut self, patch: &Patch) {
        self.discard_root(patch.word);
    }

    /// Do both halves refer to one tree there? (Covers are shared otherwise, and may mean different prefixes.)
    pub(super) fn are_twins(&self, place: usize) -> bool {
        let [one, other] = [0, 1].map(|half| self.root(Half::of(half), place).load());
        one == other && one != 0 && !is_cover(one)
    }

    /// The references on the way to a prefix, from the root to the deepest one whose addresses hold all of it.
    ///
    /// If that leaves a whole tree for a single prefix, or none, the way ends where such a tree begins.
    fn way(&self, half: Half, place: usize, wanted: &Wanted, prefix: &Prefix) -> Vec<Step> {
        // The depth of the node in whose stride the prefix ends.
        let deepest = (u32::from(prefix.length()) - 1) / STRIDE;
        let mut word = self.root(half, place).load();
        let mut way = vec![Step { at: At::Root, word }];
        while (way.len() as u32) < deepest
            && let Slot::Node { line, runs } = Slot::unpack(word)
        {
            let value = value_at(prefix.bits(), way.len() as u32) as u16;
            word = self.forest.slot(line, runs, value).load();
            if !is_reference(word) {
                break;
            }
            way.push(Step { at: At::Node { line, runs, value }, word });
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
