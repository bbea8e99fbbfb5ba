//! How often each prefix decided.

use std::ops::Range;

use floodwall_common::{
    prefix::Family,
    wire::{Slot, Word},
};

use super::{
    Other, PrefixTable,
    engine::Engine,
    entry::{List, SHORTEST},
    error::TableError,
    forest::{harvest_slot, is_reference},
    sweep::{STRIDE, value_at, values_of},
    wanted::{PLACES, place_of, places_of},
};
use crate::Prefix;

impl PrefixTable {
    /// Slots of the table: what [`Self::harvest`] counts in.
    pub const SLOTS: usize = PLACES;

    /// Packets that a prefix decided, up to this moment. Takes microseconds, or as long as it takes to read all
    /// that lies in it: about 0.1 µs a prefix.
    pub fn hits(&mut self, list: List, prefix: Prefix) -> Result<u64, TableError> {
        let rule = self.active.get(list, &prefix).ok_or(TableError::NotThere { list, prefix })?;
        if prefix.length() < SHORTEST {
            self.harvest(places_of(&prefix));
        } else {
            self.harvest_cleared();
            self.for_roots(place_of(prefix.family(), prefix.bits()), |engine, root| {
                engine.harvest_in(root, &prefix);
            });
        }
        Ok(self.engine.rules.hits(rule.number))
    }

    /// Brings the hits that lists show up to date, for these of the [`Self::SLOTS`].
    ///
    /// To be done for all of them from time to time, for a count in a leaf starts over after 2³⁷ packets: at
    /// 10 million a second from one prefix, after some 4 hours.
    pub fn harvest(&mut self, slots: Range<usize>) {
        self.harvest_cleared();
        for place in slots.start..slots.end.min(PLACES) {
            self.for_roots(place, Engine::harvest_tree);
        }
    }

    /// Brings in what is counted in the slot that is being cleared, if one is: no root leads there any more.
    fn harvest_cleared(&mut self) {
        if let Other::Stale(stale) = &mut self.other {
            stale.harvest(&mut self.engine);
        }
    }

    /// For each tree that is or was in force in a slot.
    fn for_roots(&mut self, place: usize, mut each: impl FnMut(&mut Engine, u64)) {
        if self.adopted.is_some() {
            return;
        }
        let other_is_ours = !matches!(&self.other, Other::Stale(stale) if stale.is_adopted());
        for at in 0..self.engine.roots(self.half, place).len() {
            let [active, other] =
                [self.half, self.half.other()].map(|half| self.engine.roots(half, place)[at].load());
            if active != 0 {
                each(&mut self.engine, active);
            }
            if other != 0 && other != active && other_is_ours {
                each(&mut self.engine, other);
            }
        }
    }
}

impl Engine {
    /// Moves the hits of all of a tree to their rules.
    pub(super) fn harvest_tree(&mut self, word: u64) {
        let mut trees = vec![word];
        while let Some(tree) = trees.pop() {
            self.forest.harvest(tree, &mut self.rules);
            trees.extend(self.forest.slots(tree).map(Word::load).filter(|word| is_reference(*word)));
        }
    }

    /// Moves the hits of all leaves for addresses within a prefix, which is not shorter than a slot, to their rules.
    fn harvest_in(&mut self, root: u64, prefix: &Prefix) {
        if prefix.family() == Family::V4 {
            // A slot is at most 65,536 leaves.
            return self.harvest_tree(root);
        }
        let (mut word, mut depth) = (root, 1);
        while let Slot::Node { line, runs } = Slot::unpack(word) {
            if u32::from(prefix.length()) <= STRIDE * (depth + 1) {
                let trees: Vec<u64> = if u32::from(prefix.length()) <= STRIDE * depth {
                    vec![word]
                } else {
                    let (first, end) = values_of(prefix, depth);
                    let slots = self.forest.slots_between(line, runs, first as u16, (end - 1) as u16);
                    slots.iter().for_each(|slot| harvest_slot(slot, &mut self.rules));
                    slots.iter().map(Word::load).filter(|word| is_reference(*word)).collect()
                };
                trees.into_iter().for_each(|tree| self.harvest_tree(tree));
                return;
            }
            word = self.forest.slot(line, runs, value_at(prefix.bits(), depth) as u16).load();
            if !is_reference(word) {
                return;
            }
            depth += 1;
        }
        self.forest.harvest(word, &mut self.rules);
    }
}
