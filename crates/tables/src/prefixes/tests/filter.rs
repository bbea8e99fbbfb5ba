//! The filter of IPv6 prefixes: that it holds what is listed, and little else.

use std::sync::Arc;

use crate::lock::FairMutex;
use floodwall_common::{
    bloom::{may_cover, words_of},
    prefix::Family,
    wire::Word,
};

use super::{
    super::{Changes, List, PrefixTable, TableError, apply, engine::Half, reclaim, renew},
    model::World,
};
use crate::Prefix;

fn none() -> Result<(), TableError> {
    Ok(())
}

/// Numbers without a pattern: the same ones each time.
fn scrambled(number: u64) -> u64 {
    let number = (number ^ number >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let number = (number ^ number >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    number ^ number >> 33
}

/// Distinct prefixes of a length, in 2000::/3.
fn prefixes(numbers: std::ops::Range<u64>, length: u8) -> impl Iterator<Item = (Prefix, u32)> {
    numbers.map(move |number| {
        let high = scrambled(number) >> 3 | 1 << 61;
        (Prefix::of_bits(Family::V6, u128::from(high) << 64, length), 1)
    })
}

/// How many of 10,000 addresses in 2000::/3, of which next to none is listed, the filter in force lets through.
fn let_through(table: &PrefixTable) -> usize {
    let filter = table.engine.filter(table.half);
    let passes = |high: &u64| may_cover(words_of(*high).map(|word| filter[word as usize].load()), *high);
    (1 << 40..(1 << 40) + 10_000).map(|number| scrambled(number) >> 3 | 1 << 61).filter(passes).count()
}

/// The half that is in force, and its filter's words.
fn in_force(table: &FairMutex<PrefixTable>) -> (Half, Vec<u64>) {
    let table = table.lock();
    (table.half, table.engine.filter(table.half).iter().map(Word::load).collect())
}

#[test]
fn few_addresses_are_looked_for_in_vain() {
    let World { table, .. } = World::new(300_000);
    let table = FairMutex::new(table);
    assert_eq!(let_through(&table.lock()), 0);
    for (length, numbers) in [(32, 0..10_000), (48, 10_000..150_000), (56, 0..50_000), (64, 0..50_000)] {
        let changes = Changes::new().insert(List::Block, prefixes(numbers, length));
        apply(&table, changes.prepare(&Arc::default()), none, |_, _| ()).unwrap();
    }
    let through = let_through(&table.lock());
    assert!((1..500).contains(&through), "{through} of 10,000 with 250,000 prefixes");
}

/// A prefix comes into the filter as a whole, also one with many keys.
#[test]
fn a_prefix_of_any_length_is_found_at_its_ends() {
    for length in [0, 1, 7, 8, 15, 16, 23, 24, 25, 27, 28, 31, 32, 33, 47, 48, 63, 64, 65, 128] {
        let mut world = World::new(4);
        let (prefix, _) = prefixes(7..8, length).next().unwrap();
        world.table.insert(List::Block, prefix, 1).unwrap();
        world.model.insert((List::Block, prefix), 1);
        world.look_around(&[prefix]);
        let bulk = super::model::Bulk::default();
        let mut staging = world.stage(&bulk).unwrap();
        while !staging.step(&mut world.table, 1_000).unwrap() {}
        world.table.commit(staging).unwrap();
        world.committed();
        world.look_around(&[prefix]);
    }
}

/// What has left one by one is still looked for, until the table is built anew; and then as if it never had been there.
#[test]
fn a_worn_filter_is_made_anew() {
    let World { table, .. } = World::new(10_000);
    let table = FairMutex::new(table);
    let stay = || prefixes(0..10, 48).chain(prefixes(0..10, 30)).chain(prefixes(0..1, 12));
    apply(&table, Changes::new().insert(List::Block, stay()).prepare(&Arc::default()), none, |_, _| ())
        .unwrap();
    let (half, before) = in_force(&table);
    let leave: Vec<Prefix> = prefixes(100..1_100, 64).map(|(prefix, _)| prefix).collect();
    for prefix in &leave {
        table.lock().insert(List::Allow, *prefix, 1).unwrap();
        table.lock().remove(List::Allow, *prefix).unwrap();
    }
    assert_ne!(in_force(&table).1, before);
    renew(&table, none).unwrap();
    assert_eq!(in_force(&table).0, half, "that is too little to be worth the work");

    table.lock().engine.worn += 1 << 17;
    renew(&table, none).unwrap();
    assert!(in_force(&table) == (half.other(), before), "it holds what is listed, and nothing else");
    reclaim(&table, none).unwrap();
    renew(&table, none).unwrap();
    assert_eq!(in_force(&table).0, half.other(), "it is new");
    for (prefix, _) in stay() {
        assert!(table.lock().get(List::Block, prefix).is_some());
    }
}
