//! Clearing away what is no longer in force, once no packet can be reading it any more.

use std::{mem, sync::Arc};

use floodwall_common::wire::Word;

use super::{
    Other, PrefixTable,
    engine::{Engine, Half, is_cover},
    entry::{Entry, List},
    forest::is_reference,
    slot_build::Remains,
    wanted::{PLACES, SLOTS_V4, Wanted},
};

/// What was retired up to some moment.
#[derive(Debug)]
#[must_use = "what was retired is freed by handing this back after a grace period"]
pub struct Ticket {
    mark: u64,
}

/// A generation that is no longer in force, or never was; on its way out.
#[derive(Debug)]
pub(super) struct Stale {
    pub(super) wanted: Wanted,
    /// It was in force until this mark of the quarantine; 0 if it never was.
    since: u64,
    /// Its trees are those of an earlier run, and all these runs of lines.
    adopted: Option<Vec<(u32, u32)>>,
    /// The first place that is not cleared.
    next: usize,
    /// Trees, entries and uses of rules that nothing refers to any more.
    trees: Vec<u64>,
    /// Have the hits of these trees been moved to their rules? No packet adds to them any more.
    harvested: bool,
    chunks: Vec<Arc<[Entry]>>,
    held: Vec<u32>,
}

impl PrefixTable {
    /// What waits to be freed, if anything does. To be freed, it must be handed to [`Self::free`] after a grace
    /// period that begins after this call, and for which the table should not be locked.
    pub fn retired(&mut self) -> Option<Ticket> {
        self.drop_abandoned();
        let waits = !self.engine.quarantine.is_empty() || matches!(self.other, Other::Stale(_));
        waits.then(|| Ticket { mark: self.engine.quarantine.mark() })
    }

    /// Frees what was retired when the ticket was given, up to about `budget` nodes or prefixes: 1,000 take some
    /// 0.1 ms. Says whether that was all; if not, the same ticket is good for more.
    pub fn free(&mut self, ticket: &Ticket, mut budget: usize) -> bool {
        self.drop_abandoned();
        self.engine.quarantine.passed(ticket.mark);
        if let Other::Stale(stale) = &mut self.other
            && self.engine.quarantine.is_safe(stale.since)
        {
            if !stale.clear(&mut self.engine, self.half.other(), &self.active, &mut budget) {
                return false;
            }
            self.other = Other::Nothing;
        }
        while budget > 0 {
            budget -= 1;
            let Some(retired) = self.engine.quarantine.pop() else { return true };
            self.engine.free(retired);
        }
        false
    }

    /// Lines of the table: those in use, those that wait to be freed, and all.
    pub fn lines(&self) -> Lines {
        let space = self.engine.forest.space();
        let retired = self.engine.quarantine.lines();
        Lines { used: space.len() - space.free() - retired, retired, total: space.len() }
    }
}

/// Memory of the nodes and tails, in lines of 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// In use, be it by what is in force, by what is being staged, or by what was in force before.
    pub used: u32,
    /// Replaced one by one, and waiting to be freed.
    pub retired: u32,
    /// All that there are.
    pub total: u32,
}

impl Stale {
    pub(super) fn new(
        wanted: Wanted,
        remains: Remains,
        since: u64,
        adopted: Option<Vec<(u32, u32)>>,
    ) -> Self {
        let Remains { trees, bucket, held } = remains;
        let chunks = bucket.chunks().to_vec();
        Self { wanted, since, adopted, next: 0, trees, harvested: true, chunks, held }
    }

    /// Are its trees those of an earlier run?
    pub(super) fn is_adopted(&self) -> bool {
        self.adopted.is_some()
    }

    /// Moves the hits of all that was taken out of the roots, and is not freed yet, to their rules.
    pub(super) fn harvest(&mut self, engine: &mut Engine) {
        if !mem::replace(&mut self.harvested, true) {
            self.trees.iter().for_each(|tree| engine.harvest_tree(*tree));
        }
    }

    /// Clears it, as far as the budget allows; says whether all is cleared. `half` is its own, `active` what is in
    /// force in the other one.
    fn clear(&mut self, engine: &mut Engine, half: Half, active: &Wanted, budget: &mut usize) -> bool {
        while *budget > 0 {
            *budget -= 1;
            // A rule is released after the leaves that name it are gone.
            if let Some(tree) = self.trees.pop() {
                let slots = engine.forest.slots(tree);
                *budget = budget.saturating_sub(slots.len() / 8);
                self.trees.extend(slots.map(Word::load).filter(|word| is_reference(*word)));
                engine.forest.harvest(tree, &mut engine.rules);
                engine.forest.free(tree);
            } else if let Some(chunk) = self.chunks.pop() {
                *budget = budget.saturating_sub(chunk.len() / 8);
                engine.release_entries(chunk.iter());
            } else if self.next < PLACES {
                self.clear_slot(engine, half, active, self.next);
                self.next += 1;
            } else if let Some(rule) = self.held.pop() {
                engine.release_rule(rule);
            } else if let Some((line, count)) = self.adopted.as_mut().and_then(Vec::pop) {
                engine.forest.space_mut().give(line, count);
            } else {
                let shorts = mem::take(&mut self.wanted.shorts);
                let rules = List::ALL.into_iter().flat_map(|list| shorts.of(list).values());
                rules.for_each(|rule| engine.release_rule(rule.number));
                return true;
            }
        }
        false
    }

    /// Takes everything out of the slot at a place; what it shares with the active half stays with that.
    fn clear_slot(&mut self, engine: &mut Engine, half: Half, active: &Wanted, place: usize) {
        for at in 0..engine.roots(half, place).len() {
            let root = engine.roots(half, place)[at].load();
            if root == 0 {
                continue;
            }
            let in_force = engine.roots(half.other(), place)[at].load();
            engine.roots(half, place)[at].store(0);
            if self.adopted.is_some() {
                // Its lines are freed as they were found.
            } else if is_cover(root) {
                engine.retire_root(root);
            } else if root != in_force {
                self.trees.push(root);
                self.harvested = false;
            }
        }
        if place < SLOTS_V4 {
            engine.store_bits(half, place, [0; 4]);
        }
        if let Some(bucket) = self.wanted.fill(place, None)
            && !active.bucket(place).is_some_and(|active| Arc::ptr_eq(active, &bucket))
        {
            self.chunks.extend(bucket.chunks().iter().cloned());
        }
    }
}
