//! Random operations on few and crowded addresses.

use floodwall_common::{prefix::Family, wire::Slot};
use proptest::prelude::*;

use super::{
    super::{List, Staging, TableError},
    model::{Bulk, Edit, World},
};
use crate::Prefix;

#[derive(Clone, Debug)]
enum Op {
    Edit(List, Prefix, Edit),
    /// And brings in again every so many of what is listed, with this owner.
    Stage(Bulk, Option<(usize, u32)>),
    Step(usize),
    /// With a check of everything, or not: that moves all hits to their rules, which hides where they stood.
    Commit(bool),
    Abandon,
    Reclaim(usize),
    LookAround(Prefix),
    /// Asks for the hits of a listed prefix.
    Hits(Prefix),
}

/// Prefixes that nest, touch and share strides as often as can be.
fn prefix() -> impl Strategy<Value = Prefix> {
    let part = prop_oneof![
        4 => prop::sample::select(vec![0u16, 1, 2, 0x00ff, 0x0100, 0x7fff, 0x8000, 0xfffe, 0xffff]),
        1 => any::<u16>(),
    ];
    // The shortest ones make for the slowest of tests.
    let lengths = |longest: u8| prop_oneof![1 => 0..8u8, 3 => 8..16u8, 20 => 16..=longest];
    let v4 = (prop::sample::select(vec![0u16, 1, 0x0a00, 0x0a01, 0xffff]), part.clone(), lengths(32))
        .prop_map(|(high, low, length)| {
            (Family::V4, u128::from(high) << 112 | u128::from(low) << 96, length)
        });
    let strides = prop::sample::select(vec![16, 17, 24, 32, 33, 48, 64, 112, 113, 127, 128]);
    let lengths = prop_oneof![2 => lengths(128), 1 => strides];
    let v6 = (prop::sample::select(vec![0u16, 0x2a00, 0xffff]), prop::array::uniform7(part), lengths)
        .prop_map(|(high, parts, length)| {
            let bits = parts.iter().fold(u128::from(high), |bits, part| bits << 16 | u128::from(*part));
            (Family::V6, bits, length)
        });
    prop_oneof![v4, v6].prop_map(|(family, bits, length)| Prefix::of_bits(family, bits, length))
}

fn list() -> impl Strategy<Value = List> {
    prop_oneof![1 => Just(List::Allow), 3 => Just(List::Block)]
}

fn owner() -> impl Strategy<Value = u32> {
    1..8u32
}

fn bulk() -> impl Strategy<Value = Bulk> {
    let withdraw = prop_oneof![1 => Just(0), 1 => 0..8u32];
    let clear = prop_oneof![2 => Just(false), 1 => Just(true)];
    (
        prop::array::uniform2(clear),
        prop::array::uniform2(withdraw),
        prop::collection::vec((list(), prefix(), owner()), 0..60),
    )
        .prop_map(|(clear, withdraw, insert)| Bulk { clear, withdraw, insert })
}

fn op() -> impl Strategy<Value = Op> {
    let edit = prop_oneof![
        6 => owner().prop_map(Edit::Insert),
        1 => owner().prop_map(Edit::Join),
        2 => owner().prop_map(Edit::Leave),
        2 => Just(Edit::Remove),
    ];
    prop_oneof![
        20 => (list(), prefix(), edit).prop_map(|(list, prefix, edit)| Op::Edit(list, prefix, edit)),
        2 => (bulk(), prop::option::of((1..4usize, owner()))).prop_map(|(bulk, again)| Op::Stage(bulk, again)),
        8 => prop_oneof![1..30usize, 1_000..140_000usize].prop_map(Op::Step),
        2 => any::<bool>().prop_map(Op::Commit),
        1 => Just(Op::Abandon),
        2 => (1..200_000usize).prop_map(Op::Reclaim),
        2 => prefix().prop_map(Op::LookAround),
        2 => prefix().prop_map(Op::Hits),
    ]
}

/// Half of the changes are of what is listed already, wherever anything is.
fn listed(world: &World, list: List, prefix: Prefix) -> (List, Prefix) {
    match any_listed(world, prefix) {
        (pick, Some(key)) if pick.is_multiple_of(2) => key,
        _ => (list, prefix),
    }
}

/// A listed prefix that a random one stands for, if anything is listed, and the number that picked it.
fn any_listed(world: &World, prefix: Prefix) -> (usize, Option<(List, Prefix)>) {
    let pick = (prefix.bits() >> 96) as usize ^ prefix.length() as usize;
    (pick, world.model.keys().nth(pick % world.model.len().max(1)).copied())
}

/// A change of many that brings in again every so many of what is listed, too.
fn again(mut bulk: Bulk, world: &World, again: Option<(usize, u32)>) -> Bulk {
    if let Some((every, owner)) = again {
        bulk.insert.extend(world.model.keys().step_by(every).map(|(list, prefix)| (*list, *prefix, owner)));
    }
    bulk
}

/// Where memory is scarce, changes may be refused for that, and must then have changed nothing.
fn run(ops: Vec<Op>, mut world: World, scarce: bool) {
    let excusable = |error: &TableError| scarce && matches!(error, TableError::OutOfMemory { .. });
    let mut staging: Option<Staging> = None;
    for op in ops {
        match op {
            Op::Edit(list, prefix, edit) => {
                let (list, prefix) = listed(&world, list, prefix);
                let expected = world.expected(list, prefix, edit);
                match world.edit(list, prefix, edit) {
                    Err(error) if excusable(&error) => assert_eq!(expected, Ok(())),
                    result => assert_eq!(result, expected),
                }
                world.look_around([&prefix]);
            }
            Op::Stage(bulk, listed) => match world.stage(&again(bulk, &world, listed)) {
                Ok(begun) => staging = Some(begun),
                Err(error) => assert!(matches!(error, TableError::Busy | TableError::Retiring), "{error}"),
            },
            Op::Step(budget) => {
                let stepped = staging.as_mut().map(|staging| staging.step(&mut world.table, budget));
                if let Some(Err(error)) = stepped {
                    assert!(excusable(&error), "{error}");
                }
            }
            Op::Commit(check) => {
                let Some(mut staging) = staging.take() else { continue };
                let error = loop {
                    match staging.step(&mut world.table, 10_000) {
                        Ok(true) => break world.table.commit(staging).err(),
                        Ok(false) => {}
                        Err(error) => break Some(error),
                    }
                };
                match error {
                    Some(error) => {
                        assert!(excusable(&error), "{error}");
                        world.staged = None;
                    }
                    None => world.committed(),
                }
                if check {
                    world.check();
                }
            }
            Op::Abandon => {
                if staging.take().is_some() {
                    world.staged = None;
                }
            }
            Op::Reclaim(budget) => {
                if let Some(ticket) = world.table.retired() {
                    world.table.free(&ticket, budget);
                }
            }
            Op::LookAround(prefix) => world.look_around([&prefix]),
            Op::Hits(prefix) => {
                if let (_, Some((list, prefix))) = any_listed(&world, prefix) {
                    world.check_hits(list, prefix);
                }
            }
        }
    }
    world.check();
    world.settle();
    drop(staging);
    world.staged = None;
    world.settle();
    world.check();
    if !scarce {
        for (list, prefix) in world.model.clone().into_keys() {
            world.edit(list, prefix, Edit::Remove).unwrap();
        }
        world.settle();
        assert_eq!(world.table.lines().used, 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.div_ceil(8),
        ..ProptestConfig::default()
    })]

    #[test]
    fn says_what_the_model_says(ops in prop::collection::vec(op(), 1..120)) {
        run(ops, World::new(3_000), false);
    }

    #[test]
    fn says_so_even_where_memory_is_scarce(
        ops in prop::collection::vec(op(), 1..120),
        lines in 1..250usize,
    ) {
        run(ops, World::with_lines(3_000, Slot::OVERRUN as usize + lines), true);
    }
}

/// A rule that is gone from what is in force while its slot is being staged is not given to another prefix before
/// that is done.
#[test]
fn a_prefix_leaves_while_its_slot_is_staged() {
    let prefix = |text: &str| text.parse::<Prefix>().unwrap();
    let insert = ["0.0.0.0/16", "0.0.0.0/17"].map(|text| (List::Block, prefix(text), 1)).to_vec();
    let ops = vec![
        Op::Edit(List::Block, prefix("0.1.0.0/16"), Edit::Insert(1)),
        Op::Stage(Bulk { insert, ..Bulk::default() }, None),
        Op::Step(6),
        Op::Edit(List::Block, prefix("0.1.0.0/16"), Edit::Remove),
        Op::Reclaim(1_000),
        Op::Edit(List::Block, prefix("0.2.0.0/16"), Edit::Insert(1)),
        Op::Step(2),
    ];
    run(ops, World::new(3_000), false);
}
