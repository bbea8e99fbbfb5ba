//! Changes of many prefixes: begun, carried on in slices, made visible all at once.

use std::{mem, sync::Arc};

use super::{
    Other, PrefixTable,
    changes::PreparedChanges,
    error::TableError,
    generation::Stage,
    quarantine::Retired,
    reclaim::Stale,
    slot_build::{Remains, Tally},
    wanted::PLACES,
};

/// A claim to the change of many prefixes that is under way. To drop it is to give the change up.
#[derive(Debug)]
#[must_use = "dropping it gives the change up"]
pub struct Staging {
    wish: Arc<()>,
}

/// A change of many prefixes that is in force.
#[derive(Debug)]
pub struct Committed {
    /// Prefixes that are listed and were not before.
    pub added: u64,
    /// Prefixes that are listed no more.
    pub removed: u64,
    /// Prefixes that were brought in, but were listed already.
    pub present: u64,
    /// Prefixes that were brought in more than once, not counting the first time.
    pub duplicates: u64,
    /// What is not needed any more, to be freed once the table is unlocked.
    _spent: Box<PreparedChanges>,
}

impl PrefixTable {
    /// Begins a change of many prefixes. Takes as long as it takes to clear a filter of 2 MiB, and to put in what is
    /// shorter than 16 bits: not long.
    ///
    /// Until it is [committed](Self::commit), packets are judged as before. Single changes made meanwhile are in force
    /// at once, and come on top of it.
    ///
    /// # Errors
    ///
    /// [`TableError::Busy`], [`TableError::Retiring`], [`TableError::Unrestored`], or, if there is no need to begin in
    /// order to tell, [`TableError::Full`].
    pub fn stage(&mut self, changes: PreparedChanges) -> Result<Staging, TableError> {
        self.drop_abandoned();
        match &self.other {
            Other::Nothing => {}
            Other::Stage(_) => return Err(TableError::Busy),
            Other::Stale(_) => return Err(TableError::Retiring),
        }
        if self.adopted.is_some() && !changes.replaces_all() {
            return Err(TableError::Unrestored);
        }
        if changes.len() > self.limit as usize {
            return Err(TableError::Full { capacity: self.limit });
        }
        let wish = Arc::new(());
        let weak = Arc::downgrade(&wish);
        let stage = Stage::new(&mut self.engine, self.half.other(), &self.active, changes, weak);
        self.other = Other::Stage(Box::new(stage));
        Ok(Staging { wish })
    }

    /// Have so many IPv6 prefixes left, one by one, that packets had better be judged by a new generation of the same?
    /// Says so once, and again only when as many more have left.
    pub(super) fn is_worn(&mut self) -> bool {
        self.engine.is_filter_worn()
    }

    /// Must what was in force before the last change of many prefixes be reclaimed before another one can begin?
    pub fn is_retiring(&mut self) -> bool {
        self.drop_abandoned();
        matches!(self.other, Other::Stale(_))
    }

    /// Makes a staged change visible to packets, all of it at once. Takes microseconds.
    ///
    /// # Errors
    ///
    /// What kept it from being completed; or [`TableError::Unfinished`]. The change is given up then.
    pub fn commit(&mut self, staging: Staging) -> Result<Committed, TableError> {
        let stage = self.stage_of(&staging)?;
        if let Some(error) = stage.failed.take() {
            return Err(error);
        }
        if !stage.is_complete() {
            return Err(TableError::Unfinished);
        }
        if stage.wanted.len() > self.limit {
            return Err(TableError::Full { capacity: self.limit });
        }
        let Other::Stage(stage) = mem::replace(&mut self.other, Other::Nothing) else {
            return Err(TableError::Unfinished);
        };
        let Tally { added, removed, present } = stage.tally;
        let (staged, changes, _) = stage.into_parts();
        let generation = &self.engine.tables().settings[0].generation;
        generation.store(generation.load().wrapping_add(1));
        self.half = self.half.other();
        let old = mem::replace(&mut self.active, staged);
        self.engine.quarantine.push(Retired::Generation);
        let since = self.engine.quarantine.mark();
        let stale = Stale::new(old, Remains::default(), since, self.adopted.take());
        self.other = Other::Stale(Box::new(stale));
        Ok(Committed { added, removed, present, duplicates: changes.duplicates, _spent: Box::new(changes) })
    }

    /// If nobody wants what is being staged any more, lets it be cleared away.
    pub(super) fn drop_abandoned(&mut self) {
        if let Other::Stage(stage) = &self.other
            && stage.wish.strong_count() == 0
            && let Other::Stage(stage) = mem::replace(&mut self.other, Other::Nothing)
        {
            let (wanted, _, remains) = stage.into_parts();
            // No packet was ever judged by it.
            self.other = Other::Stale(Box::new(Stale::new(wanted, remains, 0, None)));
        }
    }

    fn stage_of(&mut self, staging: &Staging) -> Result<&mut Stage, TableError> {
        match &mut self.other {
            Other::Stage(stage) if stage.wish.ptr_eq(&Arc::downgrade(&staging.wish)) => Ok(stage),
            _ => Err(TableError::Unfinished),
        }
    }
}

impl Staging {
    /// Goes on for about `budget` prefixes: 1,000 take some 0.2 ms. Says whether all is staged.
    ///
    /// # Errors
    ///
    /// [`TableError::Full`], [`TableError::OutOfMemory`], [`TableError::OutOfRules`]. The step can be tried again once
    /// there is what it lacked; or else this is to be dropped.
    pub fn step(&mut self, table: &mut PrefixTable, budget: usize) -> Result<bool, TableError> {
        table.stage_of(self)?;
        let Other::Stage(stage) = &mut table.other else { return Err(TableError::Unfinished) };
        stage.step(&mut table.engine, &table.active, table.adopted.is_none(), table.limit, budget)
    }

    /// How far it has come: parts done, and parts in all.
    pub fn progress(&self, table: &mut PrefixTable) -> (usize, usize) {
        (table.stage_of(self).map_or(0, |stage| stage.progress()), PLACES)
    }
}
