//! Slots that are packed, and single changes in them.

use floodwall_common::{
    prefix::{Address, Family, find},
    wire::{DIRECT_RUNS, Leaf, Slot},
};

use super::{
    super::{List, wanted::place_of},
    model::{Bulk, Edit, World},
};
use crate::Prefix;

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn load(world: &mut World, bulk: Bulk) {
    world.settle();
    let mut staging = world.stage(&bulk).unwrap();
    while !staging.step(&mut world.table, 777).unwrap() {}
    world.table.commit(staging).unwrap();
    world.committed();
}

/// Every other value of 16 bits: as many runs as there are values. For IPv6 that is an indexed node; for IPv4, nodes
/// of the last octet as large as can be.
#[test]
fn alternating_prefixes_make_the_largest_nodes_and_leave_again() {
    for family in [Family::V4, Family::V6] {
        let mut world = World::new(40_000);
        let base = match family {
            Family::V4 => 0x0a01u128,
            Family::V6 => 0x2a00,
        };
        let one = |low: u32| Prefix::of_bits(family, base << 112 | u128::from(low) << 96, 32);
        let insert = (0..32_768).map(|i| (List::Block, one(2 * i), 1)).collect();
        load(&mut world, Bulk { insert, ..Bulk::default() });
        let is_direct = |world: &World| {
            let place = place_of(family, one(0).bits());
            let roots = world.table.engine.roots(world.table.half, place).iter();
            roots
                .map(|root| Slot::unpack(root.load()))
                .all(|root| matches!(root, Slot::Node { runs: DIRECT_RUNS, .. }))
        };
        assert_eq!(is_direct(&world), family == Family::V6);

        let blocked = |world: &World, low: u32| match find(
            &*world.tables,
            &world.tables.settings[0],
            one(low).address(),
            true,
        ) {
            Some(Leaf::Block(rule)) => Some(rule),
            Some(Leaf::Nothing) => None,
            other => panic!("{other:?}"),
        };
        for low in 0..65_536 {
            let expected = world.table.get(List::Block, one(low)).map(|listed| listed.rule);
            assert_eq!(blocked(&world, low), expected, "{low}");
        }
        // Single changes in it; each writes it anew.
        let is_right = |world: &World, low: u32| {
            assert_eq!(blocked(world, low).is_some(), world.model.contains_key(&(List::Block, one(low))));
        };
        for low in [1, 3, 65_535, 0, 2, 40_000] {
            let edit = if low % 2 == 1 { Edit::Insert(1) } else { Edit::Remove };
            world.edit(List::Block, one(low), edit).unwrap();
            for low in [low, low ^ 1, low.saturating_sub(1), (low + 1).min(65_535)] {
                is_right(&world, low);
            }
        }
        // It gets sparser than an index pays for.
        let insert = (0..16_404).map(|i| (List::Block, one(2 * i), 1)).collect();
        load(&mut world, Bulk { clear: [true; 2], insert, ..Bulk::default() });
        assert_eq!(is_direct(&world), family == Family::V6);
        for low in (0..80).step_by(2) {
            world.edit(List::Block, one(low), Edit::Remove).unwrap();
            for low in [low, low + 1, low + 2, 32_806, 32_807, 65_535] {
                is_right(&world, low);
            }
        }
        assert!(!is_direct(&world));
        world.settle();
    }
}

/// Every layout of a node, one prefix more at a time, and back.
#[test]
fn a_slot_grows_and_shrinks_through_every_layout() {
    let mut world = World::new(2_000);
    let mut prefixes: Vec<Prefix> = (0..900u32)
        .map(|i| Prefix::around(Address::v4(0xc0a8_0000 | (i * 72 + i % 3)), 30 + (i % 3) as u8).unwrap())
        .collect();
    prefixes.dedup();
    for (at, prefix) in prefixes.iter().enumerate() {
        world.edit(List::Block, *prefix, Edit::Insert(1)).unwrap();
        if at < 40 || at % 101 == 0 {
            world.look_around(&prefixes[..at]);
        }
    }
    world.check();
    for (at, prefix) in prefixes.iter().enumerate().rev() {
        world.edit(List::Block, *prefix, Edit::Remove).unwrap();
        if at < 40 || at % 101 == 0 {
            world.look_around(&prefixes[at.saturating_sub(3)..=at]);
        }
    }
    world.settle();
    assert_eq!(world.table.lines().used, 0);
}

/// A prefix at every length of both families, nested, in both lists.
#[test]
fn prefixes_nest_as_deep_as_can_be() {
    for family_of in ["10.1.128.1", "2a00:1:2:3:4:5:6:7"] {
        let mut world = World::new(1_000);
        let host = prefix(family_of);
        let lengths = 0..=host.length();
        let all: Vec<_> = lengths.map(|length| Prefix::of_bits(host.family(), host.bits(), length)).collect();
        // Blocks from the middle outwards, then allows from the outside in.
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_key(|at| at.abs_diff(all.len() / 2));
        for at in order {
            world.edit(List::Block, all[at], Edit::Insert(1)).unwrap();
            world.look_around(&all);
        }
        for length in [0, 8, 16, 17, 31, 32] {
            world.edit(List::Allow, all[length], Edit::Insert(1)).unwrap();
            world.look_around(&all);
        }
        for length in [0, 31, 32, 16, 8, 17] {
            world.edit(List::Allow, all[length], Edit::Remove).unwrap();
            world.look_around(&all);
        }
        world.check();
        world.settle();
        for prefix in &all {
            world.edit(List::Block, *prefix, Edit::Remove).unwrap();
            world.look_around(&all);
        }
        world.settle();
        assert_eq!(world.table.lines().used, 0);
    }
}

/// Thousands of IPv6 prefixes in one slot: a single change touches one path, not all of it.
#[test]
fn a_change_in_a_crowded_ipv6_slot_writes_little() {
    let mut world = World::new(40_000);
    let long = |i: u128, length| {
        let bits = 0x2a00u128 << 112 | ((i % 3_000) * 5) << 96 | (i * 7_919 % 65_536) << 80 | i << 64;
        Prefix::of_bits(Family::V6, bits, length)
    };
    let insert = (0..30_000).map(|i| (List::Block, long(i, 48), 1)).collect();
    load(&mut world, Bulk { insert, ..Bulk::default() });
    let retired = |world: &World| world.table.lines().retired;
    assert_eq!(retired(&world), 0);
    // Below a /32 that has others: only the node of its /48s.
    world.edit(List::Block, long(1, 64), Edit::Insert(1)).unwrap();
    assert!(retired(&world) < 10, "{}", retired(&world));
    world.edit(List::Block, prefix("2a00:5:ffff::/48"), Edit::Insert(1)).unwrap();
    assert!(retired(&world) < 20, "{}", retired(&world));
    world.look_around(&[long(1, 64), long(1, 48), prefix("2a00:5:ffff::/48"), long(2, 48)]);
    // All of it under an allow, and back.
    world.edit(List::Allow, prefix("2a00::/17"), Edit::Insert(1)).unwrap();
    world.look_around(&[long(1, 64), long(2_999, 48), prefix("2a00::/17")]);
    world.edit(List::Allow, prefix("2a00::/17"), Edit::Remove).unwrap();
    world.look_around(&[long(1, 64), long(2_999, 48), prefix("2a00::/17")]);
    world.settle();
}

/// A slot that fares alike costs one line, however many slots there are.
#[test]
fn slots_that_fare_alike_share_a_node() {
    let mut world = World::new(100);
    world.edit(List::Block, prefix("0.0.0.0/0"), Edit::Insert(1)).unwrap();
    assert_eq!(world.table.lines().used, 1);
    world.edit(List::Allow, prefix("10.0.0.0/8"), Edit::Insert(1)).unwrap();
    world.edit(List::Block, prefix("10.1.0.0/16"), Edit::Insert(1)).unwrap();
    world.edit(List::Block, prefix("11.1.0.0/16"), Edit::Insert(1)).unwrap();
    assert_eq!(world.table.lines().used, 3);
    world.check();
    let roots = |place| -> Vec<u64> {
        world.table.engine.roots(world.table.half, place).iter().map(|root| root.load()).collect()
    };
    let alike = [place_of(Family::V4, prefix("10.1.0.0/16").bits()), 0x0aff].map(roots);
    assert!(alike.iter().flatten().all(|root| *root == alike[0][0]));
    world.settle();
}
