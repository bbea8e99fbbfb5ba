//! One prefix comes or goes, or is wanted by others than before.

use std::sync::Arc;

use super::{
    Other, OwnerSets, Owners, PrefixTable,
    entry::{List, SHORTEST},
    error::TableError,
    generation::Shared,
    owners::is_provisional,
    set::Generation,
    wanted::place_of,
};
use crate::Prefix;

impl PrefixTable {
    /// The sets of owners that prefixes have.
    pub fn sets(&self) -> &Arc<OwnerSets> {
        &self.sets
    }

    /// Forgets the sets that no prefix has any more, unless a change of many prefixes is under way; says whether it did.
    /// Nobody may keep the number of a set meanwhile. Looks at all prefixes: a million take some 10 ms.
    pub fn forget_sets(&mut self) -> bool {
        self.drop_abandoned();
        // What has been replaced is not asked for its owners any more, but what is to come is.
        let is_staged = matches!(self.other, Other::Stage(_));
        if !is_staged {
            self.sets.keep(self.active.rules().map(|rule| rule.owner));
        }
        !is_staged
    }

    /// Lists a prefix, and says who wants it: one of the table's [`sets`](Self::sets) of owners.
    ///
    /// In force when this returns, and in whatever is staged. Takes some 10 µs, up to 0.3 ms in a slot (/16) that
    /// is packed with tens of thousands of prefixes; for a prefix that covers many others, as long as it takes to
    /// build those anew: about 0.2 µs each. An IPv6 prefix of 16 to 20 bits, or one of a few, takes 1 ms for the filter.
    ///
    /// # Errors
    ///
    /// [`TableError::AlreadyThere`], [`TableError::Full`], [`TableError::OutOfMemory`], [`TableError::OutOfRules`],
    /// [`TableError::Unrestored`]. If it is memory, and some of it is retired, a retry after
    /// [`reclaim`](fn@super::reclaim) may help.
    pub fn insert(&mut self, list: List, prefix: Prefix, owners: Owners) -> Result<(), TableError> {
        self.begin()?;
        if let (Some(_), None | Some(Some(_))) = self.owners_of(list, &prefix) {
            return Err(TableError::AlreadyThere { list, prefix });
        }
        self.edit(list, prefix, |sets, old| Some(sets.joined(old.unwrap_or(OwnerSets::NOBODY), owners)))
    }

    /// Adds owners to a listed prefix. Errors as of [`Self::insert`], and [`TableError::NotThere`].
    pub fn join(&mut self, list: List, prefix: Prefix, owners: Owners) -> Result<(), TableError> {
        self.must_be_there(list, prefix)?;
        self.edit(list, prefix, |sets, old| Some(sets.joined(old?, owners)))
    }

    /// Takes owners off a listed prefix, and takes it off the list if it has none left; says whether it did.
    /// Errors as of [`Self::remove`].
    pub fn leave(&mut self, list: List, prefix: Prefix, owners: Owners) -> Result<bool, TableError> {
        self.must_be_there(list, prefix)?;
        self.edit(list, prefix, |sets, old| {
            Some(sets.left(old?, owners)).filter(|left| *left != OwnerSets::NOBODY)
        })?;
        Ok(self.active.get(list, &prefix).is_none())
    }

    /// Takes a prefix off a list, whoever wants it. Time as of [`Self::insert`].
    ///
    /// # Errors
    ///
    /// [`TableError::NotThere`], [`TableError::OutOfMemory`] (what is left must be written anew, too),
    /// [`TableError::Unrestored`].
    pub fn remove(&mut self, list: List, prefix: Prefix) -> Result<(), TableError> {
        self.must_be_there(list, prefix)?;
        self.edit(list, prefix, |_, _| None)
    }

    /// May anything be changed at all?
    fn begin(&mut self) -> Result<(), TableError> {
        self.drop_abandoned();
        if self.adopted.is_some() { Err(TableError::Unrestored) } else { Ok(()) }
    }

    fn must_be_there(&mut self, list: List, prefix: Prefix) -> Result<(), TableError> {
        self.begin()?;
        match self.owners_of(list, &prefix) {
            (None, None | Some(None)) => Err(TableError::NotThere { list, prefix }),
            _ => Ok(()),
        }
    }

    /// The owner of a prefix in force, and the one that it would have if what is being staged were complete (unless
    /// nothing is, or it never will be).
    pub(super) fn owners_of(&self, list: List, prefix: &Prefix) -> (Option<u32>, Option<Option<u32>>) {
        let here = self.active.get(list, prefix).map(|rule| rule.owner);
        match &self.other {
            Other::Stage(stage) if stage.failed.is_none() => (here, Some(stage.owner_of(list, prefix, here))),
            _ => (here, None),
        }
    }

    /// Makes `op` of the owner of a prefix, in force and in what is being staged.
    fn edit(
        &mut self,
        list: List,
        prefix: Prefix,
        op: impl Fn(&OwnerSets, Option<Owners>) -> Option<Owners>,
    ) -> Result<(), TableError> {
        let (here, there) = self.owners_of(list, &prefix);
        let op = |old| op(&self.sets, old);
        let (new_here, new_there) = (op(here), there.map(op));
        if here.is_none() && new_here.is_some() && self.active.len() >= self.limit {
            return Err(TableError::Full { capacity: self.limit });
        }
        let held = self.hold_numbers(list, &prefix);
        let edited = if prefix.length() < SHORTEST {
            self.edit_short(list, prefix, new_here, new_there)
        } else {
            self.edit_long(list, prefix, new_here, new_there)
        };
        self.let_go(held);
        edited
    }

    /// Sees to it that the numbers of a prefix are not given away before the last tree that names them is replaced.
    fn hold_numbers(&mut self, list: List, prefix: &Prefix) -> [Option<u32>; 2] {
        let staged = match &self.other {
            Other::Stage(stage) => stage.wanted.get(list, prefix),
            _ => None,
        };
        let numbers = [self.active.get(list, prefix), staged].map(|rule| Some(rule?.number));
        numbers.into_iter().flatten().for_each(|number| self.engine.rules.share(number));
        numbers
    }

    /// Lets go of numbers that were held, unless what is staged has failed: its trees, which may still name them, stay as
    /// they are until it is cleared.
    fn let_go(&mut self, numbers: [Option<u32>; 2]) {
        for number in numbers.into_iter().flatten() {
            match &mut self.other {
                Other::Stage(stage) if stage.failed.is_some() && self.engine.rules.is_last_use(number) => {
                    stage.held.push(number);
                }
                _ => self.engine.release_rule(number),
            }
        }
    }

    /// Gives a prefix that is not shorter than a slot these owners, or none, in force and in what is being staged, if
    /// anything is.
    fn edit_long(
        &mut self,
        list: List,
        prefix: Prefix,
        new_here: Option<u32>,
        new_there: Option<Option<u32>>,
    ) -> Result<(), TableError> {
        let place = place_of(prefix.family(), prefix.bits());
        // What the tree says of a prefix: nothing, or that it is listed, or banned.
        let said = |owner: Option<u32>| owner.map(is_provisional);
        if new_there.is_some_and(|there| said(there) != said(new_here)) {
            self.part_stage(place);
        }
        let twin = self.engine.are_twins(place);
        let bucket = self.active.bucket(place);
        let shares = |wanted: &mut super::Wanted| match (wanted.bucket(place), bucket) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        let bucket = self.other.wanted_mut().is_some_and(shares);
        if new_here != self.active.get(list, &prefix).map(|rule| rule.owner) {
            self.set_active(list, prefix, new_here, Shared { bucket, tree: twin })?;
        }
        if let (Other::Stage(stage), Some(owner)) = (&mut self.other, new_there)
            && stage.failed.is_none()
        {
            let rule = self.active.get(list, &prefix);
            let done = Shared { bucket, tree: twin };
            let followed = stage.follow(&mut self.engine, list, prefix, owner, rule, done);
            stage.failed = followed.err();
        }
        Ok(())
    }

    /// Gives a prefix this owner, or none, in force; and in the other half as far as that shares its slot.
    fn set_active(
        &mut self,
        list: List,
        prefix: Prefix,
        owner: Option<u32>,
        shared: Shared,
    ) -> Result<(), TableError> {
        let place = place_of(prefix.family(), prefix.bits());
        let old = self.active.get(list, &prefix);
        let staged = match &self.other {
            Other::Stage(stage) => stage.wanted.get(list, &prefix),
            _ => None,
        };
        let rule = self.engine.rule_after(old, owner, staged)?;
        if let (Some(old), None, Other::Stage(stage)) = (old, rule, &mut self.other)
            && let Some(job) = stage.job_at(place)
        {
            job.hold(&mut self.engine, old.number);
        }
        if shared.bucket
            && let Some(wanted) = self.other.wanted_mut()
        {
            // The active one is to be changed in place, and then be the other's, too.
            wanted.fill(place, None);
        }
        let generation = Generation { half: self.half, wanted: &mut self.active };
        let result = self.engine.set(generation, list, prefix, rule, shared.tree);
        if shared.bucket
            && let Some(wanted) = self.other.wanted_mut()
        {
            wanted.note_length(list, prefix.family(), prefix.length());
            wanted.fill(place, self.active.bucket(place).cloned());
        }
        result
    }

    /// Sees to it that what is staged for a slot does not depend on the tree in force.
    fn part_stage(&mut self, place: usize) {
        if let Other::Stage(stage) = &mut self.other
            && stage.failed.is_none()
            && self.engine.are_twins(place)
        {
            let parted = self.engine.part(self.half.other(), &stage.wanted, place);
            stage.failed = parted.err().map(|error| self.engine.out_of_memory(error));
        }
    }
}
