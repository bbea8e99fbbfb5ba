//! One slot of a new generation in the making.

use std::{mem, sync::Arc};

use floodwall_common::{
    prefix::Family,
    wire::{Leaf, Word},
};

use super::{
    bitmap::{ALL_BITS, Bits, add_bits},
    bloom::keys_of,
    bucket::{Bucket, Builder},
    changes::PreparedChanges,
    engine::{Engine, Half},
    entry::Rule,
    error::TableError,
    owners::is_provisional,
    rules::NoRules,
    sweep::Sweep,
    wanted::{Wanted, slot_at},
};

/// Keys that come into the filter in the time that it takes to build for a prefix.
const KEYS_PER_PREFIX: usize = 32;

/// What a slot of a new generation is made from and with.
pub(super) struct Site<'a> {
    pub(super) engine: &'a mut Engine,
    /// The half that is being built.
    pub(super) half: Half,
    /// What is in force.
    pub(super) active: &'a Wanted,
    /// Are the trees in force ours, and of `active`? If not, nothing of them can be shared.
    pub(super) ours: bool,
    /// Are single changes to be made when the slot is staged? They must not find anything that is shared with what is in
    /// force, which is not to be changed by them.
    pub(super) late: bool,
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

/// What was built and is never to be seen.
#[derive(Debug, Default)]
pub(super) struct Remains {
    pub(super) trees: Vec<u64>,
    /// Prefixes that use their rules.
    pub(super) bucket: Bucket,
    /// Rules that are used besides.
    pub(super) held: Vec<u32>,
}

/// The work on one slot: old and new prefixes are merged, then trees are made of them.
///
/// It can be put down after any few prefixes, as a slot may hold as many as all others together.
#[derive(Debug)]
pub(super) struct Job {
    place: usize,
    /// The slot's prefixes in force when the work began.
    old: Option<Arc<Bucket>>,
    /// Rules of those among them that are no longer in force. They are used until the work is done.
    held: Vec<u32>,
    /// The next of the old ones, by chunk and place in it.
    next_old: (usize, usize),
    /// The next of the new ones.
    next_new: usize,
    tally: Tally,
    /// Is any prefix another than in force, if only by its owner?
    differ: bool,
    /// Has any come or gone, or become a ban or more than that?
    leaves_differ: bool,
    /// Of IPv4.
    bits: Bits,
    made: Made,
}

/// What has been made. Every entry uses its rule once more.
#[derive(Debug)]
enum Made {
    /// Some are merged.
    Some(Builder),
    /// All are merged, unless they are those in force; and the tree is the one in force.
    All(Bucket),
    /// All are merged, and the tree holds those before this one, by chunk and place in it.
    Tree(Bucket, Sweep, (usize, usize)),
}

impl Job {
    pub(super) fn new(place: usize, active: &Wanted, changes: &PreparedChanges) -> Self {
        let old = active.bucket(place).cloned();
        let count = changes.at(place).len() + old.as_ref().map_or(0, |bucket| bucket.len());
        Self {
            place,
            old,
            held: Vec::new(),
            next_old: (0, 0),
            next_new: 0,
            tally: Tally::default(),
            differ: false,
            leaves_differ: false,
            bits: Bits::default(),
            made: Made::Some(Builder::new(count)),
        }
    }

    /// A prefix of the slot is about to lose its rule in force, which the work may still come upon.
    pub(super) fn hold(&mut self, engine: &mut Engine, rule: u32) {
        engine.rules.share(rule);
        self.held.push(rule);
    }

    /// Goes on as far as the budget allows; says whether the slot is ready to be [published](Self::publish), which
    /// must be done before anything else changes.
    pub(super) fn step(&mut self, site: &mut Site<'_>) -> Result<bool, TableError> {
        if matches!(self.made, Made::Some(_)) {
            if !(self.is_untouched(site) && self.shares_tree(site) || self.merge(site)?) {
                return Ok(false);
            }
            let made = mem::replace(&mut self.made, Made::All(Bucket::default()));
            let (bucket, _) = made.into_parts();
            self.made = if self.shares_tree(site) {
                Made::All(bucket)
            } else {
                let cover = site.staged.cover(self.place);
                Made::Tree(bucket, Sweep::of_slot(&slot_at(self.place), cover), (0, 0))
            };
        }
        let Made::Tree(bucket, sweep, next) = &mut self.made else { return Ok(true) };
        while let Some(chunk) = bucket.chunks().get(next.0) {
            let following = bucket.chunks().get(next.0 + 1).and_then(|chunk| chunk.first());
            while let Some(entry) = chunk.get(next.1) {
                if site.budget == 0 {
                    return Ok(false);
                }
                site.budget -= 1;
                let pushed = sweep.push(&mut site.engine.forest, entry, chunk.get(next.1 + 1).or(following));
                pushed.map_err(|error| site.engine.out_of_memory(error))?;
                next.1 += 1;
            }
            *next = (next.0 + 1, 0);
        }
        Ok(true)
    }

    /// Merges old and new prefixes; says whether that is done.
    fn merge(&mut self, site: &mut Site<'_>) -> Result<bool, TableError> {
        let Made::Some(builder) = &mut self.made else { return Ok(true) };
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
                match family {
                    Family::V4 => add_bits(&mut self.bits, first),
                    Family::V6 => {
                        let prefix = first.prefix(family);
                        site.engine.put_into_filter(site.half, &prefix);
                        let (_, keys) = keys_of(&prefix);
                        site.budget = site.budget.saturating_sub(keys as usize / KEYS_PER_PREFIX);
                    }
                }
                builder.push(first.with(Rule { number, owner }));
            }
            self.tally.count(old, new, owner);
            self.differ |= owner != old;
            self.leaves_differ |= owner.map(is_provisional) != old.map(is_provisional);
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

    /// Need its prefixes not even be looked at? Those of IPv6 must come into the new filter.
    fn is_untouched(&self, site: &Site<'_>) -> bool {
        let none = !site.late && site.changes.keeps_all() && site.changes.at(self.place).is_empty();
        none && slot_at(self.place).family() == Family::V4
    }

    /// Will the slot's tree be as it is in force?
    fn shares_tree(&self, site: &Site<'_>) -> bool {
        let unchanged = !self.leaves_differ && self.is_current(site);
        site.ours && !site.late && unchanged && site.active.cover(self.place) == site.staged.cover(self.place)
    }

    /// Puts the slot into the staged half. What came out as it is in force is shared with that. After an error,
    /// nothing is left of the work.
    pub(super) fn publish(self, site: &mut Site<'_>) -> Result<Tally, TableError> {
        let (place, family) = (self.place, slot_at(self.place).family());
        let is_same = !self.differ && !site.late && self.is_current(site);
        let Site { engine, half, staged, active, .. } = site;
        let (bucket, roots, bits) = match self.made {
            Made::Tree(bucket, sweep, _) => {
                let runs = sweep.finish(&mut engine.forest);
                let roots = runs.and_then(|runs| engine.rooted_slot(family, &runs));
                let bits = if staged.cover(place) == Leaf::Nothing { self.bits } else { ALL_BITS };
                (bucket, roots, bits)
            }
            made => {
                let roots: Vec<u64> = engine.roots(half.other(), place).iter().map(Word::load).collect();
                roots.iter().for_each(|root| engine.share_root(*root));
                let bits = match family {
                    Family::V4 => engine.load_bits(half.other(), place),
                    Family::V6 => Bits::default(),
                };
                (made.into_parts().0, Ok(roots), bits)
            }
        };
        if is_same || roots.is_err() {
            engine.release_entries(bucket.entries());
        }
        self.held.into_iter().for_each(|rule| engine.release_rule(rule));
        let roots = roots.map_err(|error| engine.out_of_memory(error))?;
        let bucket = if is_same {
            // There may be lengths among them that came after the staging had begun.
            staged.note_lengths_of(active);
            self.old
        } else {
            (!bucket.is_empty()).then(|| Arc::new(bucket))
        };
        staged.fill(place, bucket);
        engine.roots(*half, place).iter().zip(roots).for_each(|(at, root)| at.store(root));
        if family == Family::V4 {
            engine.store_bits(*half, place, bits);
        }
        Ok(self.tally)
    }

    /// Gives the work up: what was built is never to be seen.
    pub(super) fn discard(self, engine: &mut Engine) {
        let Remains { trees, bucket, held } = self.into_remains();
        trees.into_iter().for_each(|tree| engine.forest.discard(tree));
        engine.release_entries(bucket.entries());
        held.into_iter().for_each(|rule| engine.release_rule(rule));
    }

    /// Gives the work up, but leaves what was built to be cleared later, as it may be much.
    pub(super) fn into_remains(self) -> Remains {
        let (bucket, trees) = self.made.into_parts();
        Remains { trees, bucket, held: self.held }
    }
}

impl Made {
    /// Prefixes and trees.
    fn into_parts(self) -> (Bucket, Vec<u64>) {
        match self {
            Self::Some(builder) => (builder.finish(), Vec::new()),
            Self::All(bucket) => (bucket, Vec::new()),
            Self::Tree(bucket, sweep, _) => (bucket, sweep.into_trees().collect()),
        }
    }
}
