//! One slot of a new generation in the making.

use std::sync::Arc;

use super::{
    bitmap::bits_wanted,
    bucket::Bucket,
    changes::PreparedChanges,
    engine::{Engine, Half},
    entry::{Entry, Rule},
    error::TableError,
    rules::NoRules,
    sweep::Sweep,
    wanted::{Wanted, slot_at},
};

/// What a slot of a new generation is made from and with.
pub(super) struct Site<'a> {
    pub(super) engine: &'a mut Engine,
    /// The half that is being built.
    pub(super) half: Half,
    /// What is in force.
    pub(super) active: &'a Wanted,
    /// Are the trees in force ours, and of `active`? If not, nothing of them can be shared.
    pub(super) ours: bool,
    pub(super) changes: &'a PreparedChanges,
    pub(super) staged: &'a mut Wanted,
    /// For how many prefixes, about, to go on.
    pub(super) budget: usize,
}

/// What became of prefixes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) added: u64,
    pub(super) removed: u64,
    /// Brought in, but there already.
    pub(super) present: u64,
}

impl Tally {
    /// Counts a prefix by the owner that it had, the one that is brought in, and the one that it will have.
    pub(super) fn count(&mut self, old: Option<u32>, brought: Option<u32>, after: Option<u32>) {
        self.added += u64::from(old.is_none() && after.is_some());
        self.removed += u64::from(old.is_some() && after.is_none());
        self.present += u64::from(old.is_some() && brought.is_some());
    }

    pub(super) fn add(&mut self, other: Self) {
        self.added += other.added;
        self.removed += other.removed;
        self.present += other.present;
    }
}

/// The work on one slot: old and new prefixes are merged, then a tree is made of them.
///
/// It can be put down after any few prefixes, as a slot may hold as many as all others together.
#[derive(Debug)]
pub(super) struct Job {
    place: usize,
    /// The slot's prefixes in force when the work began.
    old: Option<Arc<Bucket>>,
    /// The next of the old ones, by chunk and place in it.
    next_old: (usize, usize),
    /// The next of the new ones.
    next_new: usize,
    /// All that were merged. Each uses its rule once more.
    entries: Vec<Entry>,
    tally: Tally,
    /// Is any of them another than in force, if only by its owner?
    differ: bool,
    /// Has any of them come or gone?
    prefixes_differ: bool,
    /// Once all are merged: the tree, and how many of them are in it.
    tree: Option<(Sweep, usize)>,
}

impl Job {
    pub(super) fn new(place: usize, active: &Wanted, changes: &PreparedChanges) -> Self {
        let old = active.bucket(place).cloned();
        let count = changes.at(place).len() + old.as_ref().map_or(0, |bucket| bucket.len());
        Self {
            place,
            old,
            next_old: (0, 0),
            next_new: 0,
            entries: Vec::with_capacity(count),
            tally: Tally::default(),
            differ: false,
            prefixes_differ: false,
            tree: None,
        }
    }

    /// Goes on as far as the budget allows; says whether the slot is ready to be [published](Self::publish), which
    /// must be done before anything else changes.
    pub(super) fn step(&mut self, site: &mut Site<'_>) -> Result<bool, TableError> {
        if self.tree.is_none() {
            if site.changes.keeps_all() && site.changes.at(self.place).is_empty() && self.shares_tree(site) {
                return Ok(true);
            }
            if !self.merge(site)? {
                return Ok(false);
            }
            if self.shares_tree(site) {
                return Ok(true);
            }
            let cover = site.staged.cover(self.place);
            self.tree = Some((Sweep::new(&slot_at(self.place), 0, cover), 0));
        }
        let Some((sweep, done)) = &mut self.tree else { return Ok(false) };
        while let Some(entry) = self.entries.get(*done) {
            if site.budget == 0 {
                return Ok(false);
            }
            site.budget -= 1;
            let following = self.entries.get(*done + 1);
            let pushed = sweep.push(&mut site.engine.forest, entry, following);
            pushed.map_err(|error| site.engine.out_of_memory(error))?;
            *done += 1;
        }
        Ok(true)
    }

    /// Merges old and new prefixes; says whether that is done.
    fn merge(&mut self, site: &mut Site<'_>) -> Result<bool, TableError> {
        let family = slot_at(self.place).family();
        let brought = site.changes.at(self.place);
        let chunks = self.old.as_ref().map_or(&[][..], |bucket| bucket.chunks());
        loop {
            let (chunk, at) = self.next_old;
            let ours = chunks.get(chunk).and_then(|chunk| chunk.get(at));
            let theirs = brought.get(self.next_new);
            let first = match (ours, theirs) {
                (None, None) => return Ok(true),
                (Some(entry), None) | (None, Some(entry)) => entry,
                (Some(one), Some(other)) => std::cmp::min_by_key(one, other, |entry| entry.key()),
            };
            if site.budget == 0 {
                return Ok(false);
            }
            site.budget -= 1;
            let [ours, theirs] = [ours, theirs].map(|entry| entry.filter(|entry| entry.key() == first.key()));
            let [old, new] = [ours, theirs].map(|entry| entry.map(|entry| entry.rule().owner));
            let owner = site.changes.outcome(first.list(), old, new);
            if let Some(owner) = owner {
                let number = match ours {
                    Some(entry) => entry.rule().number,
                    None => site.engine.rules.take().map_err(|NoRules| TableError::OutOfRules)?,
                };
                if ours.is_some() {
                    site.engine.rules.share(number);
                }
                site.staged.note_length(first.list(), family, first.length());
                self.entries.push(first.with(Rule { number, owner }));
            }
            self.tally.count(old, new, owner);
            self.differ |= owner != old;
            self.prefixes_differ |= owner.is_some() != old.is_some();
            if ours.is_some() {
                let last = chunks.get(chunk).is_none_or(|chunk| at + 1 == chunk.len());
                self.next_old = if last { (chunk + 1, 0) } else { (chunk, at + 1) };
            }
            self.next_new += usize::from(theirs.is_some());
        }
    }

    /// Is what is in force still what it was when the work began?
    fn is_current(&self, site: &Site<'_>) -> bool {
        match (&self.old, site.active.bucket(self.place)) {
            (Some(old), Some(now)) => Arc::ptr_eq(old, now),
            (old, now) => old.is_none() && now.is_none(),
        }
    }

    /// Will the slot's tree be as it is in force?
    fn shares_tree(&self, site: &Site<'_>) -> bool {
        let unchanged = !self.prefixes_differ && self.is_current(site);
        site.ours && unchanged && site.active.cover(self.place) == site.staged.cover(self.place)
    }

    /// Puts the slot into the staged half. What came out as it is in force is shared with that. After an error,
    /// nothing is left of the work.
    pub(super) fn publish(self, site: &mut Site<'_>) -> Result<Tally, TableError> {
        let place = self.place;
        let is_same = !self.differ && self.is_current(site);
        let Site { engine, half, staged, .. } = site;
        let root = match self.tree {
            None => {
                let root = engine.root(half.other(), place).load();
                engine.share_root(root);
                Ok(root)
            }
            Some((sweep, _)) => {
                let runs = sweep.finish(&mut engine.forest);
                runs.and_then(|runs| engine.rooted(runs.first().map_or(0, |run| run.word)))
            }
        };
        if is_same || root.is_err() {
            engine.release_entries(&self.entries);
        }
        let root = root.map_err(|error| engine.out_of_memory(error))?;
        let bucket = if is_same {
            // There may be lengths among them that came after the staging had begun.
            staged.note_lengths_of(site.active);
            self.old
        } else {
            (!self.entries.is_empty()).then(|| Arc::new(Bucket::from_sorted(&self.entries)))
        };
        staged.fill(place, bucket);
        engine.root(*half, place).store(root);
        engine.store_bits(*half, place, bits_wanted(staged, place));
        Ok(self.tally)
    }

    /// Gives the work up: what was built is never to be seen.
    pub(super) fn discard(self, engine: &mut Engine) {
        if let Some((sweep, _)) = self.tree {
            sweep.discard(&mut engine.forest);
        }
        engine.release_entries(&self.entries);
    }

    /// Gives the work up, but leaves what was built to be cleared later, as it may be much.
    pub(super) fn into_remains(self) -> (Vec<u64>, Vec<Entry>) {
        let trees = self.tree.map_or_else(Vec::new, |(sweep, _)| sweep.into_trees().collect());
        (trees, self.entries)
    }
}
