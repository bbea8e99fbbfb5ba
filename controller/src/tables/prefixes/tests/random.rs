//! Random operations on few and crowded addresses.

use floodwall_common::prefix::Family;
use proptest::prelude::*;

use super::{
    super::{List, Staging, TableError},
    model::{Bulk, Edit, World},
};
use crate::tables::Prefix;

#[derive(Clone, Debug)]
enum Op {
    Edit(List, Prefix, Edit),
    Stage(Bulk),
    Step(usize),
    Commit,
    Abandon,
    Reclaim(usize),
    LookAround(Prefix),
}

/// Prefixes that nest, touch and share strides as often as can be.
fn prefix() -> impl Strategy<Value = Prefix> {
    let part = prop_oneof![
        4 => prop::sample::select(vec![0u16, 1, 2, 0x00ff, 0x0100, 0x7fff, 0x8000, 0xfffe, 0xffff]),
        1 => any::<u16>(),
    ];
    let v4 = (prop::sample::select(vec![0u16, 1, 0x0a00, 0x0a01, 0xffff]), part.clone(), 0..=32u8).prop_map(
        |(high, low, length)| (Family::V4, u128::from(high) << 112 | u128::from(low) << 96, length),
    );
    let lengths =
        prop_oneof![0..=128u8, prop::sample::select(vec![16, 17, 24, 32, 33, 48, 64, 112, 113, 127, 128])];
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
    let withdraw = prop_oneof![3 => Just(0), 1 => 0..8u32];
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
        1 => owner().prop_map(Edit::Leave),
        2 => Just(Edit::Remove),
    ];
    prop_oneof![
        20 => (list(), prefix(), edit).prop_map(|(list, prefix, edit)| Op::Edit(list, prefix, edit)),
        2 => bulk().prop_map(Op::Stage),
        8 => prop_oneof![1..30usize, 1_000..140_000usize].prop_map(Op::Step),
        2 => Just(Op::Commit),
        1 => Just(Op::Abandon),
        2 => (1..200_000usize).prop_map(Op::Reclaim),
        2 => prefix().prop_map(Op::LookAround),
    ]
}

/// Half of the changes are of what is listed already, wherever anything is.
fn listed(world: &World, list: List, prefix: Prefix) -> (List, Prefix) {
    let count = world.model.len();
    let pick = (prefix.bits() >> 96) as usize ^ prefix.length() as usize;
    match world.model.keys().nth(pick % count.max(1)) {
        Some(key) if pick.is_multiple_of(2) => *key,
        _ => (list, prefix),
    }
}

fn run(ops: Vec<Op>) {
    let mut world = World::new(3_000);
    let mut staging: Option<Staging> = None;
    for op in ops {
        match op {
            Op::Edit(list, prefix, edit) => {
                let (list, prefix) = listed(&world, list, prefix);
                let expected = world.expected(list, prefix, edit);
                assert_eq!(world.edit(list, prefix, edit), expected);
                world.look_around([&prefix]);
            }
            Op::Stage(bulk) => match world.stage(&bulk) {
                Ok(begun) => staging = Some(begun),
                Err(error) => assert!(matches!(error, TableError::Busy | TableError::Retiring), "{error}"),
            },
            Op::Step(budget) => {
                if let Some(staging) = &mut staging {
                    staging.step(&mut world.table, budget).unwrap();
                }
            }
            Op::Commit => {
                if let Some(mut staging) = staging.take() {
                    while !staging.step(&mut world.table, 10_000).unwrap() {}
                    world.table.commit(staging).unwrap();
                    world.committed();
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
        }
    }
    world.check();
    world.settle();
    drop(staging);
    world.staged = None;
    world.settle();
    world.check();
    for (list, prefix) in world.model.clone().into_keys() {
        world.edit(list, prefix, Edit::Remove).unwrap();
    }
    world.settle();
    assert_eq!(world.table.lines().used, 0);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.div_ceil(4),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn says_what_the_model_says(ops in prop::collection::vec(op(), 1..120)) {
        run(ops);
    }
}

#[test]
fn regression() {
    let p = |t: &str| t.parse::<Prefix>().unwrap();
    let insert = ["0.0.0.0/16", "0.0.0.0/0", "0.0.0.0/17"].map(|t| (List::Allow, p(t), 1)).to_vec();
    run(vec![
        Op::Edit(List::Allow, p("0.1.0.0/16"), Edit::Insert(1)),
        Op::Stage(Bulk { insert, ..Bulk::default() }),
        Op::Edit(List::Allow, p("0.0.0.0/2"), Edit::Insert(1)),
        Op::Step(6),
        Op::Edit(List::Allow, p("0.0.0.0/30"), Edit::Leave(3)),
        Op::Step(2),
    ]);
}
