//! Changes of a table that others use at the same time: locked for a moment at a time, with grace periods between.

use std::sync::Arc;

use crate::lock::FairMutex;

use super::{Changes, Committed, PrefixTable, PreparedChanges, TableError};

/// Prefixes that are built or freed before the table is unlocked for a moment.
const SLICE: usize = 500;

/// Frees what was retired, after a grace period. To be called regularly, and after every [`apply`].
///
/// `grace` returns once no packet can be reading what was replaced before it was called; see
/// [`grace_period`](crate::memory::grace_period). The table is not locked meanwhile.
pub fn reclaim<E>(table: &FairMutex<PrefixTable>, grace: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
    let Some(ticket) = table.lock().retired() else { return Ok(()) };
    grace()?;
    while !table.lock().free(&ticket, SLICE) {}
    Ok(())
}

/// Makes a change of many prefixes: all of it, at once, or nothing.
///
/// `progress` is told the parts done, and the parts in all. Memory that was retired is reclaimed before it is
/// called too little. What was in force before is retired afterwards; [`reclaim`] frees it.
pub fn apply<E: From<TableError>>(
    table: &FairMutex<PrefixTable>,
    changes: PreparedChanges,
    mut grace: impl FnMut() -> Result<(), E>,
    mut progress: impl FnMut(usize, usize),
) -> Result<Committed, E> {
    let mut staging = loop {
        let mut locked = table.lock();
        if !locked.is_retiring() {
            break locked.stage(changes)?;
        }
        drop(locked);
        reclaim(table, &mut grace)?;
    };
    let mut told = None;
    let total = loop {
        let mut locked = table.lock();
        let stepped = staging.step(&mut locked, SLICE);
        let (done, total) = staging.progress(&mut locked);
        drop(locked);
        match stepped {
            Ok(true) => break total,
            Ok(false) => {}
            Err(error) if may_be_cured(&error) && told != Some(done) => reclaim(table, &mut grace)?,
            Err(error) => return Err(error.into()),
        }
        if told != Some(done) {
            told = Some(done);
            progress(done, total);
        }
    };
    progress(total, total);
    Ok(table.lock().commit(staging)?)
}

/// Builds what is listed anew if so many IPv6 prefixes have left one by one that packets look for them in vain; see
/// [`floodwall_common::bloom`]. To be called regularly, by those who may [`apply`].
pub fn renew<E: From<TableError>>(
    table: &FairMutex<PrefixTable>,
    grace: impl FnMut() -> Result<(), E>,
) -> Result<(), E> {
    let sets = {
        let mut locked = table.lock();
        locked.is_worn().then(|| Arc::clone(locked.sets()))
    };
    if let Some(sets) = sets {
        apply(table, Changes::new().prepare(&sets), grace, |_, _| ())?;
    }
    Ok(())
}

/// Makes a single change; if it lacks memory of which some is retired, reclaims that, and tries once more.
pub fn change<T, E: From<TableError>>(
    table: &FairMutex<PrefixTable>,
    grace: impl FnOnce() -> Result<(), E>,
    mut op: impl FnMut(&mut PrefixTable) -> Result<T, TableError>,
) -> Result<T, E> {
    let first = op(&mut table.lock());
    match first {
        Err(error) if may_be_cured(&error) => {
            reclaim(table, grace)?;
            Ok(op(&mut table.lock())?)
        }
        result => Ok(result?),
    }
}

/// May there be what was lacking once all is freed that was retired?
fn may_be_cured(error: &TableError) -> bool {
    matches!(error, TableError::OutOfRules | TableError::OutOfMemory { retired: 1.., .. })
}
