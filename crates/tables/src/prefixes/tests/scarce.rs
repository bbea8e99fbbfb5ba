//! What there is too little of: prefixes, lines. A change that does not fit changes nothing.

use floodwall_common::prefix::{Address, Family};

use super::{
    super::{List, TableError},
    model::{Bulk, Edit, World},
};
use crate::Prefix;

fn v6(i: u128) -> Prefix {
    // Pairs that are alike in all but their last bit cost a node for each stride.
    let bits = 0x2a00u128 << 112 | (i / 2) << 80 | (i % 2);
    Prefix::of_bits(Family::V6, bits, 128)
}

fn v4(i: u32) -> Prefix {
    Prefix::host(Address::v4(i << 8))
}

#[test]
fn no_more_prefixes_are_taken_than_the_table_was_made_for() {
    let mut world = World::new(100);
    for i in 0..100 {
        let list = if i % 3 == 0 { List::Allow } else { List::Block };
        world.edit(list, v4(i), Edit::Insert(1)).unwrap();
    }
    let full = TableError::Full { capacity: 100 };
    assert_eq!(world.edit(List::Block, v4(100), Edit::Insert(1)), Err(full.clone()));
    assert_eq!(world.edit(List::Block, "10.0.0.0/8".parse().unwrap(), Edit::Insert(1)), Err(full.clone()));
    world.check();
    let insert = |range: std::ops::Range<u32>| range.map(|i| (List::Block, v4(i), 2)).collect::<Vec<_>>();
    let many = Bulk { insert: insert(100..201), ..Bulk::default() };
    assert_eq!(world.table.stage(many.prepared()).unwrap_err(), full);

    // One more than there is room for, which shows only once they are counted.
    let one = Bulk { insert: insert(50..101), ..Bulk::default() };
    let mut staging = world.stage(&one).unwrap();
    let error = loop {
        match staging.step(&mut world.table, 1_000) {
            Ok(done) => assert!(!done),
            Err(error) => break error,
        }
    };
    assert_eq!(error, full);
    drop(staging);
    world.staged = None;
    world.settle();
    world.check();
    world.edit(List::Block, v4(1), Edit::Remove).unwrap();
    world.edit(List::Block, v4(100), Edit::Insert(1)).unwrap();
    world.check();
    world.settle();
}

#[test]
fn memory_runs_out_without_harm() {
    // Fewer lines than the count of prefixes alone would ask for.
    let mut world = World::with_lines(2_000, 1_024 + 5_000);
    let mut inserted = 0;
    let error = loop {
        match world.edit(List::Block, v6(inserted), Edit::Insert(1)) {
            Ok(()) => inserted += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, TableError::OutOfMemory { retired: 0, .. }), "{error}");
    assert!(inserted > 500 && inserted < 2_000, "{inserted}");
    world.look_around(&(0..inserted).step_by(9).map(v6).collect::<Vec<_>>());
    world.settle();

    // A short prefix would rebuild everything.
    let all: Prefix = "::/0".parse().unwrap();
    let error = world.edit(List::Block, all, Edit::Insert(1)).unwrap_err();
    assert!(matches!(error, TableError::OutOfMemory { .. }), "{error}");
    world.settle();
    world.look_around([&all, &v6(0), &v6(inserted - 1)]);

    // So would a new generation that is not the same.
    let insert = (0..inserted).map(|i| (List::Allow, v6(i), 1)).collect();
    let bulk = Bulk { clear: [true, true], insert, ..Bulk::default() };
    let mut staging = world.stage(&bulk).unwrap();
    let error = loop {
        match staging.step(&mut world.table, 100) {
            Ok(done) => assert!(!done),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, TableError::OutOfMemory { .. }), "{error}");
    // It can be tried again, to no avail; meanwhile blocks come and go.
    assert!(staging.step(&mut world.table, 1_000_000).is_err());
    world.edit(List::Block, v6(7), Edit::Remove).unwrap();
    world.settle();
    assert!(world.table.commit(staging).is_err());
    world.staged = None;
    world.settle();
    world.look_around(&(0..inserted).step_by(9).map(v6).collect::<Vec<_>>());

    // Making room makes room.
    for i in (0..inserted).filter(|i| *i != 7) {
        world.edit(List::Block, v6(i), Edit::Remove).unwrap();
    }
    world.settle();
    assert_eq!(world.table.lines().used, 0);
}

/// A single change that is out of memory for what is staged is made nevertheless; what is staged is lost.
#[test]
fn blocking_now_comes_before_blocking_later() {
    let mut world = World::with_lines(2_000, 1_024 + 900);
    let insert = |range: std::ops::Range<u128>| range.map(|i| (List::Block, v6(i), 1)).collect::<Vec<_>>();
    let mut staging = world.stage(&Bulk { insert: insert(0..60), ..Bulk::default() }).unwrap();
    while !staging.step(&mut world.table, 1_000).unwrap() {}
    let mut i = 1_000;
    let error = loop {
        world.edit(List::Block, v6(i), Edit::Insert(1)).unwrap();
        world.look_around([&v6(i)]);
        i += 1;
        // The next of a pair needs most.
        if let Err(error) = staging.step(&mut world.table, 1) {
            break error;
        }
    };
    assert!(matches!(error, TableError::OutOfMemory { .. }), "{error}");
    assert_eq!(world.table.commit(staging).unwrap_err(), error);
    world.staged = None;
    world.check();
    world.settle();
    world.check();
}
