//! Changes of many prefixes, as others see them.

use std::sync::Arc;

use crate::lock::FairMutex;
use floodwall_common::prefix::Address;

use super::{
    super::{Changes, List, Listed, PrefixTable, TableError, apply, change, reclaim},
    model::World,
};
use crate::Prefix;

fn none() -> Result<(), TableError> {
    Ok(())
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn hosts(range: std::ops::Range<u32>, owner: u32) -> impl Iterator<Item = (Prefix, u32)> {
    range.map(move |i| (Prefix::host(Address::v4(i.wrapping_mul(0x9e37_79b1))), owner))
}

fn owner(table: &FairMutex<PrefixTable>, prefix: Prefix) -> Option<u32> {
    table.lock().get(List::Block, prefix).map(|listed| listed.owner)
}

#[test]
fn what_became_of_the_prefixes_is_counted() {
    let World { table, .. } = World::new(10_000);
    let table = FairMutex::new(table);
    let run = |changes: Changes| {
        let done = apply(&table, changes.prepare(&Arc::default()), none, |_, _| ()).unwrap();
        (done.added, done.removed, done.present, done.duplicates)
    };
    let short = [(prefix("10.0.0.0/8"), 1), (prefix("2000::/3"), 1)];
    assert_eq!(
        run(Changes::new().insert(List::Block, hosts(0..1_000, 1)).insert(List::Block, short)),
        (1_002, 0, 0, 0)
    );
    let twice = hosts(900..1_100, 2).chain(hosts(1_000..1_010, 4)).chain(short);
    assert_eq!(run(Changes::new().insert(List::Block, twice)), (100, 0, 102, 10));
    let [old, both, new, dup] = [0, 900, 1_050, 1_005].map(|i| hosts(i..i + 1, 0).next().unwrap().0);
    assert_eq!(
        [old, both, new, dup].map(|prefix| owner(&table, prefix)),
        [Some(1), Some(3), Some(2), Some(6)]
    );
    // The import with bit 1 is refreshed: one prefix less, one more.
    assert_eq!(
        run(Changes::new().withdraw(List::Block, 2).insert(List::Block, hosts(901..1_101, 2))),
        (1, 0, 199, 0)
    );
    assert_eq!(owner(&table, both), Some(1));
    assert_eq!(table.lock().len(List::Block), 1_103);
    assert_eq!(run(Changes::new().withdraw(List::Block, 2)), (0, 91, 0, 0));
    assert_eq!(owner(&table, dup), Some(4));
    assert_eq!(run(Changes::new().replace(List::Block, hosts(0..5, 8))), (0, 1_007, 5, 0));
    assert_eq!(owner(&table, old), Some(8));
    assert_eq!(table.lock().len(List::Block), 5);
    assert_eq!(run(Changes::new().clear(List::Block)), (0, 5, 0, 0));
    reclaim(&table, none).unwrap();
    reclaim(&table, none).unwrap();
    let lines = table.lock().lines();
    assert_eq!((lines.used, lines.retired), (0, 0));
}

#[test]
fn one_change_of_many_at_a_time() {
    let World { mut table, .. } = World::new(1_000);
    let changes = || Changes::new().insert(List::Block, hosts(0..10, 1)).prepare(&Arc::default());
    let mut first = table.stage(changes()).unwrap();
    assert_eq!(table.stage(changes()).unwrap_err(), TableError::Busy);
    assert!(!first.step(&mut table, 10).unwrap());
    assert_eq!(first.progress(&mut table), (8, PrefixTable::SLOTS));
    assert_eq!(table.commit(first).unwrap_err(), TableError::Unfinished);
    // It was given up with that, and is to be cleared first.
    assert_eq!(table.stage(changes()).unwrap_err(), TableError::Retiring);
    assert!(table.is_retiring());
    let table = FairMutex::new(table);
    let done = apply(&table, changes(), none, |_, _| ()).unwrap();
    assert_eq!((done.added, table.lock().len(List::Block)), (10, 10));
}

#[test]
fn progress_is_told_and_rises_to_all() {
    let World { table, .. } = World::new(20_000);
    let table = FairMutex::new(table);
    let changes = Changes::new().insert(List::Block, hosts(0..10_000, 1)).prepare(&Arc::default());
    let mut told = vec![0];
    apply(&table, changes, none, |done, total| told.push(done * 100 / total)).unwrap();
    assert!(told.is_sorted() && told.len() > 20 && told.last() == Some(&100), "{told:?}");
}

/// Retired memory is reclaimed rather than a change refused for lack of it.
#[test]
fn memory_that_only_waits_is_made_use_of() {
    let World { table, .. } = World::with_lines(400, 1_024 + 1_000);
    let table = FairMutex::new(table);
    let mut graces = 0;
    for round in 0..2_000u32 {
        let prefix = Prefix::host(Address::v4(0x0a00_0000 | ((round % 97) << 5)));
        let grace = || {
            graces += 1;
            none()
        };
        change(&table, grace, |table| match table.get(List::Block, prefix) {
            Some(Listed { prefix, .. }) => table.remove(List::Block, prefix),
            None => table.insert(List::Block, prefix, 1),
        })
        .unwrap();
    }
    assert!(graces > 3, "{graces}");
    let full = |table: &mut PrefixTable| table.insert(List::Block, prefix("10.0.0.1"), 1);
    assert_eq!(change(&table, none, full), Ok(()));
    let again = change(&table, || -> Result<(), TableError> { panic!("no need to wait") }, full);
    assert_eq!(again, Err(TableError::AlreadyThere { list: List::Block, prefix: prefix("10.0.0.1") }));
}

/// A prefix that stays listed keeps its number and its hits, whatever is replaced around it.
#[test]
fn hits_outlive_a_replacement() {
    let mut world = World::new(1_000);
    let stays = prefix("192.0.2.0/24");
    world.edit(List::Block, stays, super::model::Edit::Insert(1)).unwrap();
    for round in 0..5u32 {
        for _ in 0..3 {
            world.look_up(stays.address());
        }
        let mut insert: Vec<_> = hosts(round * 50..round * 50 + 100, 2)
            .map(|(prefix, owner)| (List::Block, prefix, owner))
            .collect();
        insert.push((List::Block, stays, round));
        insert.push((List::Block, prefix("192.0.2.128/25"), round));
        let bulk = super::model::Bulk { clear: [true; 2], insert, ..Default::default() };
        let mut staging = world.stage(&bulk).unwrap();
        world.look_up(stays.address());
        while !staging.step(&mut world.table, 20_000).unwrap() {
            world.look_up(stays.address());
        }
        world.table.commit(staging).unwrap();
        world.committed();
        world.check();
        world.settle();
    }
    assert!(world.table.hits(List::Block, stays).unwrap() >= 20);
}
