//! A new generation, built beside the one in force.

use std::{collections::BTreeMap, ops::Range, sync::Weak};

use floodwall_common::prefix::Family;

use super::{
    changes::PreparedChanges,
    engine::{Engine, Half},
    entry::{List, Rule, SHORTEST},
    error::TableError,
    rules::NoRules,
    set::{Generation, put},
    slot_build::{Job, Remains, Site, Tally},
    wanted::{PLACES, Wanted, place_of},
};
use crate::Prefix;

/// A new generation in the making, in the half that is not in force.
///
/// Single changes made meanwhile come on top of it: at once where a slot is staged, when that is done
/// elsewhere. So the outcome does not depend on how far the work had come.
#[derive(Debug)]
pub(super) struct Stage {
    /// Held by whoever wants it; gone if they have lost interest.
    pub(super) wish: Weak<()>,
    pub(super) changes: PreparedChanges,
    pub(super) wanted: Wanted,
    pub(super) tally: Tally,
    /// Why it cannot be completed, if a single change could not be made here, too.
    pub(super) failed: Option<TableError>,
    /// Uses of rules that it does not hold any more, but some of its trees may name, as it has failed.
    pub(super) held: Vec<u32>,
    half: Half,
    /// The first place that is not staged.
    next: usize,
    job: Option<Job>,
    /// The owner, or none, that single changes have given to prefixes at places from `next` on.
    late: BTreeMap<(usize, List, Prefix), Option<u32>>,
}

/// What a staged slot has in common with the same slot in force.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shared {
    /// The bucket: what happened to one happened to the other.
    pub(super) bucket: bool,
    /// The tree.
    pub(super) tree: bool,
}

impl Stage {
    /// Begins with the short prefixes.
    pub(super) fn new(
        engine: &mut Engine,
        half: Half,
        active: &Wanted,
        mut changes: PreparedChanges,
        wish: Weak<()>,
    ) -> Self {
        let mut wanted = changes.blank.take().unwrap_or_else(Wanted::new);
        wanted.note_lengths_of(active);
        engine.clear_filter(half);
        engine.worn = 0;
        let (mut tally, mut failed) = (Tally::default(), None);
        for list in List::ALL {
            let stay = active.shorts.of(list).iter().filter_map(|(prefix, rule)| {
                let brought = changes.owner_of(list, prefix);
                let owner = changes.outcome(list, Some(rule.owner), brought);
                tally.count(Some(rule.owner), brought, owner);
                let owner = owner?;
                engine.rules.share(rule.number);
                Some((*prefix, Rule { number: rule.number, owner }))
            });
            let mut shorts: Vec<(Prefix, Rule)> = stay.collect();
            for &(_, prefix, owner) in changes.shorts.iter().filter(|(of, ..)| *of == list) {
                if active.shorts.get(list, &prefix).is_some() {
                    continue;
                }
                tally.count(None, Some(owner), Some(owner));
                match engine.rules.take() {
                    Ok(number) => shorts.push((prefix, Rule { number, owner })),
                    Err(NoRules) => failed = Some(TableError::OutOfRules),
                }
            }
            shorts.sort_by_key(|(prefix, _)| *prefix);
            let of_v6 = shorts.iter().filter(|(prefix, _)| prefix.family() == Family::V6);
            of_v6.for_each(|(prefix, _)| engine.put_into_filter(half, prefix));
            wanted.fill_shorts(list, shorts);
        }
        let (held, late) = (Vec::new(), BTreeMap::new());
        Self { wish, changes, wanted, tally, failed, held, half, next: 0, job: None, late }
    }

    /// Is the slot at this place staged?
    pub(super) fn is_staged(&self, place: usize) -> bool {
        place < self.next
    }

    /// Are all slots staged?
    pub(super) fn is_complete(&self) -> bool {
        self.next == PLACES
    }

    /// Slots that are staged, of [`PLACES`].
    pub(super) fn progress(&self) -> usize {
        self.next
    }

    /// The owner that a prefix would have if all were staged now; the one that it has in force is given.
    pub(super) fn owner_of(&self, list: List, prefix: &Prefix, active: Option<u32>) -> Option<u32> {
        let place = place_of(prefix.family(), prefix.bits());
        if prefix.length() < SHORTEST || self.is_staged(place) {
            return self.wanted.get(list, prefix).map(|rule| rule.owner);
        }
        match self.late.get(&(place, list, *prefix)) {
            Some(owner) => *owner,
            None => self.changes.outcome(list, active, self.changes.owner_of(list, prefix)),
        }
    }

    /// The cover of slots at these places has changed: if one is being worked on, that begins anew.
    pub(super) fn restart(&mut self, engine: &mut Engine, places: &Range<usize>) {
        if places.contains(&self.next)
            && let Some(job) = self.job.take()
        {
            job.discard(engine);
        }
    }

    /// The work on a slot, if it has begun and is not done.
    pub(super) fn job_at(&mut self, place: usize) -> Option<&mut Job> {
        self.job.as_mut().filter(|_| self.next == place)
    }

    /// Goes on for about `budget` prefixes or slots; says whether all is staged. `ours`: see [`Site`].
    ///
    /// After an error, it can be tried again, unless that is why it [failed](Self::failed).
    pub(super) fn step(
        &mut self,
        engine: &mut Engine,
        active: &Wanted,
        ours: bool,
        limit: u32,
        mut budget: usize,
    ) -> Result<bool, TableError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        while budget > 0 && !self.is_complete() {
            budget -= 1;
            let late = self.late.first_key_value().is_some_and(|((place, ..), _)| *place == self.next);
            let Self { half, changes, wanted, .. } = self;
            let mut site = Site { engine, half: *half, active, ours, late, changes, staged: wanted, budget };
            let mut job = self.job.take().unwrap_or_else(|| Job::new(self.next, active, changes));
            let ready = job.step(&mut site);
            budget = site.budget;
            match ready {
                Ok(false) => self.job = Some(job),
                Ok(true) => {
                    self.tally.add(job.publish(&mut site)?);
                    self.next += 1;
                    self.catch_up(engine, active)?;
                }
                Err(error) => {
                    job.discard(engine);
                    return Err(error);
                }
            }
            if self.wanted.len() > limit {
                return Err(TableError::Full { capacity: limit });
            }
        }
        Ok(self.is_complete())
    }

    /// Makes the single changes that came before the last slot was staged.
    fn catch_up(&mut self, engine: &mut Engine, active: &Wanted) -> Result<(), TableError> {
        while let Some(entry) = self.late.first_entry()
            && entry.key().0 < self.next
        {
            let ((_, list, prefix), owner) = entry.remove_entry();
            let rule = active.get(list, &prefix);
            let followed = self.follow(engine, list, prefix, owner, rule, Shared::default());
            if let Err(error) = followed {
                // It is in force already, and must not be lost.
                self.failed = Some(error.clone());
                return Err(error);
            }
        }
        Ok(())
    }

    /// A single change has given a prefix the rule `active`, or none, in the generation in force: here it gets this
    /// owner, or none. Not for prefixes shorter than a slot.
    pub(super) fn follow(
        &mut self,
        engine: &mut Engine,
        list: List,
        prefix: Prefix,
        owner: Option<u32>,
        active: Option<Rule>,
        shared: Shared,
    ) -> Result<(), TableError> {
        let place = place_of(prefix.family(), prefix.bits());
        if !self.is_staged(place) {
            self.late.insert((place, list, prefix), owner);
            return Ok(());
        }
        let old = self.wanted.get(list, &prefix);
        if shared.bucket {
            if !shared.tree {
                let patch = engine.patch(self.half, &self.wanted, list, &prefix);
                if let Some(patch) = patch.map_err(|error| engine.out_of_memory(error))? {
                    engine.publish(self.half, patch, false);
                }
            }
            engine.mark(self.half, &self.wanted, &prefix, old.is_some());
            return Ok(());
        }
        let rule = engine.rule_after(old, owner, active)?;
        if rule == old {
            return Ok(());
        }
        if !shared.tree {
            let generation = Generation { half: self.half, wanted: &mut self.wanted };
            return engine.set(generation, list, prefix, rule, false);
        }
        put(&mut self.wanted, list, prefix, rule);
        engine.mark(self.half, &self.wanted, &prefix, rule.is_some());
        engine.release_after(old, rule);
        Ok(())
    }

    /// The prefixes, and what they were made by; and what is left to be cleared besides: of the slot that was being
    /// worked on, if one was, and of a failure.
    pub(super) fn into_parts(self) -> (Wanted, PreparedChanges, Remains) {
        let mut remains = self.job.map_or_else(Default::default, Job::into_remains);
        remains.held.extend(self.held);
        (self.wanted, self.changes, remains)
    }
}
