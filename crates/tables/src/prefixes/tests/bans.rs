//! What nobody has said, but was decided: it is told apart, also where somebody else wants the same or what covers it.

use floodwall_common::{prefix::find, wire::Leaf};

use super::{
    super::List,
    model::{Bulk, Edit, World},
};
use crate::Prefix;

const OPERATOR: u32 = 1;
const RULE: u32 = 1 << 1;
const DETECTION: u32 = 1 << 2;

fn is_ban(world: &World, prefix: Prefix) -> bool {
    let found = find(&*world.tables, &world.tables.settings[0], prefix.address(), false);
    match found {
        Some(Leaf::Ban(_)) => true,
        Some(Leaf::Block(_)) => false,
        other => panic!("{prefix} is {other:?}"),
    }
}

#[test]
fn what_only_rules_and_detection_want_is_a_ban() {
    for [host, around] in [
        ["192.0.2.7/32", "192.0.2.0/24"],
        ["192.0.2.0/24", "192.0.0.0/12"],
        ["192.0.0.0/12", "192.0.0.0/8"],
        ["2001:db8:1:2::/64", "2001:db8::/32"],
        ["2001:db8::/32", "2000::/3"],
    ] {
        let [host, around]: [Prefix; 2] = [host, around].map(|text| text.parse().unwrap());
        let mut world = World::new(1_000);
        let steps = [
            (host, Edit::Insert(RULE), true),
            (host, Edit::Join(DETECTION), true),
            (host, Edit::Join(OPERATOR), false),
            (host, Edit::Leave(RULE), false),
            (host, Edit::Join(RULE), false),
            (host, Edit::Leave(OPERATOR), true),
            (around, Edit::Insert(RULE), true),
            (around, Edit::Join(OPERATOR), false),
            (around, Edit::Leave(OPERATOR), true),
            (around, Edit::Join(OPERATOR), false),
            (around, Edit::Remove, true),
        ];
        for (prefix, edit, expected) in steps {
            world.look_up(host.address());
            world.edit(List::Block, prefix, edit).unwrap();
            assert_eq!(is_ban(&world, host), expected, "{host} after {edit:?} of {prefix}");
            world.check();
            world.settle();
        }
    }
}

#[test]
fn a_change_of_many_makes_bans_of_what_it_leaves_to_rules() {
    let [host, other]: [Prefix; 2] = ["192.0.2.7/32", "198.51.100.0/24"].map(|text| text.parse().unwrap());
    let mut world = World::new(1_000);
    world.edit(List::Block, host, Edit::Insert(OPERATOR | RULE)).unwrap();
    world.edit(List::Block, other, Edit::Insert(RULE)).unwrap();
    assert_eq!([host, other].map(|prefix| is_ban(&world, prefix)), [false, true]);
    for (bulk, expected) in [
        (Bulk { withdraw: [0, OPERATOR], ..Bulk::default() }, [true, true]),
        (Bulk { insert: vec![(List::Block, other, OPERATOR)], ..Bulk::default() }, [true, false]),
    ] {
        let mut staging = world.stage(&bulk).unwrap();
        while !staging.step(&mut world.table, 10_000).unwrap() {}
        world.table.commit(staging).unwrap();
        world.committed();
        assert_eq!([host, other].map(|prefix| is_ban(&world, prefix)), expected);
        world.check();
        world.settle();
    }
}
