//! Single changes that come before their slot is staged, and are made there when it is.

use super::{
    super::List,
    model::{Bulk, Edit, World},
};
use crate::Prefix;

/// A slot comes out as it is in force and shares its trees, and then a prefix leaves that is in force all the same.
#[test]
fn what_leaves_only_what_is_staged_stays_in_force() {
    for (text, other) in
        [("10.0.0.0/24", "10.1.0.0/24"), ("10.0.0.0/16", "10.1.0.1"), ("2a00:1::/32", "2a01:1::/32")]
    {
        let [here, other]: [Prefix; 2] = [text, other].map(|text| text.parse().unwrap());
        let mut world = World::new(1_000);
        world.edit(List::Block, here, Edit::Insert(1)).unwrap();
        let insert = vec![(List::Block, here, 4)];
        let mut staging = world.stage(&Bulk { clear: [false, true], insert, ..Bulk::default() }).unwrap();
        world.edit(List::Block, here, Edit::Leave(4)).unwrap();
        while !staging.step(&mut world.table, 10_000).unwrap() {}
        // What was retired is freed, and made use of.
        while let Some(ticket) = world.table.retired() {
            while !world.table.free(&ticket, 1_000) {}
        }
        world.edit(List::Allow, other, Edit::Insert(1)).unwrap();
        world.look_around([&here, &other]);
        world.table.commit(staging).unwrap();
        world.committed();
        world.check();
        world.settle();
        world.check();
    }
}

/// Others join a prefix that is to be withdrawn, and keep it in force, but come too late to keep it in what is staged.
#[test]
fn what_is_joined_and_withdrawn_stays_in_force() {
    for text in ["10.1.0.0/20", "10.1.0.0/24", "2a00:1::/32"] {
        let here: Prefix = text.parse().unwrap();
        let mut world = World::new(1_000);
        world.edit(List::Allow, here, Edit::Insert(1)).unwrap();
        let mut staging = world.stage(&Bulk { withdraw: [1, 0], ..Bulk::default() }).unwrap();
        world.edit(List::Allow, here, Edit::Join(2)).unwrap();
        while !staging.step(&mut world.table, 10_000).unwrap() {}
        world.settle();
        world.check();
        world.table.commit(staging).unwrap();
        world.committed();
        world.check();
        world.settle();
    }
}

/// Owners come and go until the prefix is what a change of many makes of it, which it has left all the same.
#[test]
fn what_comes_to_be_the_same_by_late_changes_is_not_shared() {
    for family in
        [["10.0.0.0/24", "10.0.7.0/24", "10.1.0.0/24"], ["2a00:1::/32", "2a00:2::/32", "2a01:1::/32"]]
    {
        let [here, beside, other]: [Prefix; 3] = family.map(|text| text.parse().unwrap());
        let mut world = World::new(1_000);
        world.edit(List::Block, here, Edit::Insert(1)).unwrap();
        world.edit(List::Block, beside, Edit::Insert(2)).unwrap();
        let mut staging = world.stage(&Bulk { withdraw: [0, 1], ..Bulk::default() }).unwrap();
        world.edit(List::Block, here, Edit::Join(2)).unwrap();
        world.edit(List::Block, here, Edit::Leave(1)).unwrap();
        while !staging.step(&mut world.table, 10_000).unwrap() {}
        world.settle();
        world.edit(List::Allow, other, Edit::Insert(1)).unwrap();
        world.check();
        world.edit(List::Block, beside, Edit::Remove).unwrap();
        world.check();
        world.table.commit(staging).unwrap();
        world.committed();
        world.check();
        world.settle();
    }
}
