//! What has been counted for a prefix, and the number that it is counted under, when it leaves while more is going on.

use floodwall_common::{prefix::Family, wire::Leaf};

use super::{
    super::{List, Other, Staging, wanted::place_of},
    model::{Bulk, Edit, World},
};
use crate::Prefix;

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

/// A change of many that is ready to be committed.
fn staged(world: &mut World, bulk: &Bulk) -> Staging {
    let mut staging = world.stage(bulk).unwrap();
    while !staging.step(&mut world.table, 10_000).unwrap() {}
    staging
}

/// A world in which a blocked prefix has decided 7 packets and then left, while a change of many that keeps it is
/// staged.
fn left_while_staged(prefix: Prefix, others: &[Prefix]) -> (World, Staging) {
    let mut world = World::new(1_000);
    for other in others.iter().chain([&prefix]) {
        world.edit(List::Block, *other, Edit::Insert(1)).unwrap();
    }
    let insert = others.iter().chain([&prefix]).map(|prefix| (List::Block, *prefix, 2)).collect();
    let staging = staged(&mut world, &Bulk { withdraw: [0, 1], insert, ..Bulk::default() });
    for _ in 0..7 {
        world.look_up(prefix.address());
    }
    world.edit(List::Block, prefix, Edit::Leave(1)).unwrap();
    assert_eq!(world.table.get(List::Block, prefix), None);
    (world, staging)
}

/// Prefixes that are many slots, one, or less than one; alone there, or beside longer ones.
const CASES: [(&str, &[&str]); 9] = [
    ("128.0.0.0/3", &[]),
    ("10.8.0.0/13", &[]),
    ("10.8.0.0/13", &["10.8.7.1", "10.9.0.0/16"]),
    ("10.0.0.0/16", &[]),
    ("10.0.0.0/20", &["10.0.77.0/24"]),
    ("2a00::/8", &[]),
    ("2a00::/15", &["2a00:1::/32", "2a01::/17"]),
    ("2a00::/16", &[]),
    ("2a00::/17", &["2a00:1::/32"]),
];

#[test]
fn hits_of_a_prefix_that_left_and_comes_back_with_a_change_of_many_are_counted_at_once() {
    for (text, others) in CASES {
        let here = prefix(text);
        let (mut world, staging) =
            left_while_staged(here, &others.iter().map(|text| prefix(text)).collect::<Vec<_>>());
        world.table.commit(staging).unwrap();
        world.committed();
        assert_eq!(world.table.get(List::Block, here).unwrap().hits, 7, "{text} {others:?}");
        for _ in 0..8 {
            world.look_up(here.address());
        }
        assert_eq!(world.table.hits(List::Block, here), Ok(15), "{text} {others:?}");
        world.check();
        world.settle();
    }
}

#[test]
fn hits_of_a_prefix_that_left_and_comes_back_by_itself_are_counted_at_once() {
    for (text, others) in CASES {
        let here = prefix(text);
        let (mut world, staging) =
            left_while_staged(here, &others.iter().map(|text| prefix(text)).collect::<Vec<_>>());
        world.edit(List::Block, here, Edit::Insert(4)).unwrap();
        assert_eq!(world.table.get(List::Block, here).unwrap().hits, 7, "{text} {others:?}");
        for _ in 0..8 {
            world.look_up(here.address());
        }
        assert_eq!(world.table.hits(List::Block, here), Ok(15), "{text} {others:?}");
        world.table.commit(staging).unwrap();
        world.committed();
        world.check();
        world.settle();
    }
}

/// What is taken out of the roots to be freed, a slice at a time, is counted before it is.
#[test]
fn hits_of_a_generation_that_is_being_cleared_are_counted() {
    for [one, other, more] in
        [["0.0.1.1", "0.0.1.7", "0.0.1.9"], ["::1", "::7", "::9"]].map(|texts| texts.map(prefix))
    {
        let mut world = World::new(1_000);
        for here in [one, other] {
            world.edit(List::Block, here, Edit::Insert(1)).unwrap();
            for _ in 0..7 {
                world.look_up(here.address());
            }
        }
        let staging = staged(&mut world, &Bulk { insert: vec![(List::Block, more, 1)], ..Bulk::default() });
        world.table.commit(staging).unwrap();
        world.committed();
        let ticket = world.table.retired().unwrap();
        // Up to their slot, and no further.
        assert!(!world.table.free(&ticket, place_of(one.family(), one.bits()) + 1));
        assert_eq!(world.table.hits(List::Block, one), Ok(7));
        assert_eq!(world.table.get(List::Block, other).unwrap().hits, 7);
        world.check();
        world.settle();
        world.check();
    }
}

/// Packets that found a prefix before it left, and count it afterwards, do so for nobody who gets its number.
#[test]
fn a_number_is_given_away_after_the_last_tree_that_names_it() {
    for text in ["10.0.0.0/15", "10.0.0.0/16", "10.0.0.0/24", "2a00::/15", "2a00::/16", "2a00::/24"] {
        let here = prefix(text);
        let mut world = World::new(1_000);
        world.edit(List::Block, here, Edit::Insert(1)).unwrap();
        let _staging = staged(&mut world, &Bulk::default());
        let root = world.table.engine.roots(world.table.half, place_of(here.family(), here.bits()))[0].load();
        world.edit(List::Block, here, Edit::Remove).unwrap();
        world.table.engine.forest.slots(root).next().unwrap().add(Leaf::HIT);
        let ticket = world.table.retired().unwrap();
        assert!(!world.table.free(&ticket, 1));
        let next = prefix("192.0.2.1");
        world.edit(List::Block, next, Edit::Insert(1)).unwrap();
        while !world.table.free(&ticket, 1) {}
        assert_eq!(world.table.hits(List::Block, next), Ok(0), "{text}");
    }
}

/// Leaves as much memory as this, makes a change, and gives all back.
fn short_of_lines(world: &mut World, left: u32, list: List, prefix: Prefix, edit: Edit) {
    let mut taken = Vec::new();
    while world.table.engine.forest.space().free() > left {
        taken.push(world.table.engine.forest.space_mut().take(1).unwrap());
    }
    world.edit(list, prefix, edit).unwrap();
    assert!(matches!(&world.table.other, Other::Stage(stage) if stage.failed.is_some()));
    for line in taken {
        world.table.engine.forest.space_mut().give(line, 1);
    }
}

/// What has become of a number is seen in what its new prefix says.
fn numbers_of_the_gone_can_be_given_away(mut world: World) {
    while let Some(ticket) = world.table.retired() {
        while !world.table.free(&ticket, 1_000) {}
    }
    for i in 0..8 {
        let allowed = Prefix::of_bits(Family::V4, (0xc000u128 + i) << 112, 16);
        world.edit(List::Allow, allowed, Edit::Insert(1)).unwrap();
        world.look_around([&allowed]);
    }
    world.check();
}

/// A slot that is staged and in force holds the same prefixes, but has trees for each: they are not brought up to date
/// once what is staged has failed.
#[test]
fn a_number_that_a_failed_change_still_names_is_not_given_away() {
    let mut world = World::new(1_000);
    let here = prefix("10.0.0.0/16");
    world.edit(List::Block, here, Edit::Insert(1)).unwrap();
    let staging = staged(&mut world, &Bulk::default());
    // Enough for what is in force, and not for what is staged.
    short_of_lines(&mut world, 1, List::Block, prefix("10.1.0.0/24"), Edit::Insert(1));
    world.edit(List::Block, here, Edit::Remove).unwrap();
    numbers_of_the_gone_can_be_given_away(world);
    drop(staging);
}

#[test]
fn a_number_whose_leaving_was_the_failure_is_not_given_away() {
    let mut world = World::new(1_000);
    let here = prefix("10.0.0.0/15");
    world.edit(List::Block, here, Edit::Insert(1)).unwrap();
    world.edit(List::Block, prefix("10.1.0.1"), Edit::Insert(1)).unwrap();
    let insert = vec![(List::Block, prefix("8.0.0.0/6"), 1)];
    let staging = staged(&mut world, &Bulk { insert, ..Bulk::default() });
    short_of_lines(&mut world, 1, List::Block, here, Edit::Remove);
    numbers_of_the_gone_can_be_given_away(world);
    drop(staging);
}
