//! A table over memory that an earlier run has left.

use std::sync::Arc;

use floodwall_common::{
    prefix::{Address, find},
    wire::{Leaf, Slot, TILES, TILES_PER_SLOT},
};

use super::{
    super::{Changes, List, PrefixTable, TableError},
    model::{Bulk, Edit, World},
};
use crate::Prefix;

fn prefixes() -> Vec<(List, Prefix, u32)> {
    [
        "0.0.0.0/3",
        "10.0.0.0/8",
        "10.1.0.0/16",
        "10.1.2.0/24",
        "192.0.2.1",
        "2001:db8::/32",
        "2001:db8::1",
        "fe00::/7",
    ]
    .map(|text| (List::Block, text.parse().unwrap(), 1))
    .into()
}

fn is_blocked(world: &World, prefix: &Prefix) -> bool {
    let found = find(&*world.tables, &world.tables.settings[0], prefix.address(), false);
    matches!(found, Some(Leaf::Block(_)))
}

/// Ends the run of the table, in the midst of things, and begins another on the same memory.
fn restart(world: &mut World) {
    world.table = PrefixTable::new(Arc::clone(&world.tables), world.table.limit()).unwrap();
}

#[test]
fn what_was_in_force_stays_so_until_it_is_replaced() {
    let mut world = World::new(1_000);
    for (list, prefix, owner) in prefixes() {
        world.edit(list, prefix, Edit::Insert(owner)).unwrap();
    }
    // An unfinished change and lines in quarantine are lost with the run.
    let some = (0..100).map(|i| (List::Block, Prefix::host(Address::v4(i << 20)), 1)).collect();
    let mut staging = world.stage(&Bulk { insert: some, ..Bulk::default() }).unwrap();
    staging.step(&mut world.table, 50).unwrap();
    restart(&mut world);
    assert!(!world.table.is_restored());
    assert!(prefixes().iter().all(|(_, prefix, _)| is_blocked(&world, prefix)));

    let prefix = prefixes()[3].1;
    assert_eq!(world.table.insert(List::Block, prefix, 1), Err(TableError::Unrestored));
    assert_eq!(world.table.remove(List::Block, prefix), Err(TableError::Unrestored));
    let part = Changes::new().clear(List::Block).prepare(&Arc::default());
    assert_eq!(world.table.stage(part).unwrap_err(), TableError::Unrestored);

    world.model.clear();
    let bulk = Bulk { clear: [true; 2], insert: prefixes(), ..Bulk::default() };
    let mut staging = world.stage(&bulk).unwrap();
    while !staging.step(&mut world.table, 5_000).unwrap() {
        assert!(prefixes().iter().all(|(_, prefix, _)| is_blocked(&world, prefix)));
    }
    world.table.commit(staging).unwrap();
    assert!(prefixes().iter().all(|(_, prefix, _)| is_blocked(&world, prefix)));
    assert!(world.table.is_restored());
    world.committed();
    world.check();
    world.settle();
    world.edit(List::Block, prefix, Edit::Remove).unwrap();
    world.check();
    world.settle();
}

#[test]
fn an_empty_table_needs_no_restoring() {
    let mut world = World::new(1_000);
    world.edit(List::Block, prefixes()[0].1, Edit::Insert(1)).unwrap();
    world.edit(List::Block, prefixes()[0].1, Edit::Remove).unwrap();
    restart(&mut world);
    assert!(world.table.is_restored());
    world.edit(List::Block, prefixes()[0].1, Edit::Insert(1)).unwrap();
    world.check();
    world.settle();
}

#[test]
fn garbage_is_refused_and_named() {
    let node = |line, runs| Slot::Node { line, runs }.pack();
    let tile = |line, starts| Slot::Tile { line, starts }.pack();
    let (v4, v6) = (0x0a02 * TILES_PER_SLOT, TILES + 0x2a00);
    for (root, garbage, what) in [
        (v4, tile(1 << 28, 2), "lines"),
        (v4, node(5, 3), "a node that cannot be"),
        (v4, Slot::Octet { line: 5, runs: 3 }.pack(), "a node that cannot be"),
        (v4, Leaf::Block(3).pack(), "a leaf in the root"),
        (v6, node(u32::MAX, 3), "lines"),
        (v6, node(0, 0), "a node that cannot be"),
        (v6, node(0, 70_000), "a node that cannot be"),
        (v6, tile(5, 2), "a node that cannot be"),
        (v6, Slot::Tail { line: 1 << 30 }.pack(), "lines"),
        (v6, Leaf::Block(3).pack(), "a leaf in the root"),
    ] {
        let mut world = World::new(1_000);
        world.edit(List::Block, "10.1.2.0/24".parse().unwrap(), Edit::Insert(1)).unwrap();
        world.tables.prefix_roots[root as usize].store(garbage);
        let error = PrefixTable::new(Arc::clone(&world.tables), 1_000).unwrap_err().to_string();
        let place = if root == v4 { "below 10.2.0.0/16" } else { "below 2a00::/16" };
        assert!(error.contains(what) && error.ends_with(place), "{error}");
    }
    // A node that refers to itself.
    let world = World::new(1_000);
    world.tables.prefix_roots[TILES as usize].store(node(0, 2));
    world.tables.prefix_lines[0][2].store(node(0, 2));
    assert!(PrefixTable::new(Arc::clone(&world.tables), 1_000).is_err());
    // A node of the last octet that has more runs than there are octets.
    let world = World::new(1_000);
    world.tables.prefix_roots[0].store(tile(0, 0));
    world.tables.prefix_lines[0][1].store(Slot::Octet { line: 1, runs: 257 }.pack());
    assert!(PrefixTable::new(Arc::clone(&world.tables), 1_000).is_err());
}
