//! Packets are judged while everything changes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::lock::FairMutex;
use floodwall_common::{
    prefix::{Address, Family, find},
    wire::Leaf,
};

use super::{
    super::{Changes, List, PrefixTable, TableError, apply, change, reclaim},
    model::World,
};
use crate::{Prefix, SharedTables};

const READERS: usize = 2;
/// How long things change for.
const TIME: Duration = Duration::from_millis(1_500);

/// Prefixes that stay blocked, in all sorts of places: in short covers, in packed slots, in tails, deep down.
fn always() -> Vec<Prefix> {
    let mut all: Vec<Prefix> =
        ["10.0.0.0/8", "192.0.2.0/24", "198.51.100.7", "2001:db8::/32", "2001:db8::1", "2400::/12"]
            .map(|text| text.parse().unwrap())
            .into();
    all.extend((0..40u32).map(|i| Prefix::host(Address::v4(0xcb00_0000 | (i * 1_013)))));
    all.extend((0..40u128).map(|i| Prefix::of_bits(Family::V6, 0x2a00u128 << 112 | (i * 3) << 80 | i, 128)));
    all
}

/// Prefixes that come and go around them.
fn sometimes(random: u64) -> Prefix {
    let pick = random >> 8;
    match random % 6 {
        0 => Prefix::host(Address::v4(0xcb00_0000 | pick as u32 & 0xffff)),
        1 => Prefix::of_bits(Family::V4, u128::from(pick as u32) << 96, 8 + (pick >> 40) as u8 % 25),
        2 => Prefix::of_bits(Family::V6, 0x2a00u128 << 112 | u128::from(pick % 200) << 80, 48),
        3 => Prefix::of_bits(
            Family::V6,
            0x2a00u128 << 112 | u128::from(pick % 99) << 80 | u128::from(pick % 77),
            128,
        ),
        4 => {
            Prefix::of_bits(Family::V6, 0x2001_0db8u128 << 96 | u128::from(pick % 5), 120 + (pick % 9) as u8)
        }
        _ => Prefix::of_bits(Family::V4, 0xc000_0200u128 << 96 | u128::from(pick % 256) << 96, 28),
    }
}

/// Readers, each of which says when it has started on a new packet.
struct Readers {
    stop: AtomicBool,
    packets: [AtomicU64; READERS],
    hits: AtomicU64,
}

impl Readers {
    /// Returns once every reader has begun a packet after this was called.
    fn grace(&self) -> Result<(), TableError> {
        let before = self.packets.each_ref().map(|count| count.load(Ordering::SeqCst));
        for (count, before) in self.packets.iter().zip(before) {
            // Two more: the one that was being looked up is then over for certain.
            while count.load(Ordering::SeqCst) < before + 2 && !self.stop.load(Ordering::SeqCst) {
                thread::yield_now();
            }
        }
        Ok(())
    }

    fn read(&self, which: usize, tables: &SharedTables, addresses: &[Address]) {
        // Should it fail, the others are not to wait for it for ever.
        let _stop = StopOnDrop(&self.stop);
        let mut at = which;
        while !self.stop.load(Ordering::SeqCst) {
            self.packets[which].fetch_add(1, Ordering::SeqCst);
            at = (at + 1) % addresses.len();
            let found = find(tables, &tables.settings[0], addresses[at], true);
            assert!(matches!(found, Some(Leaf::Block(_))), "{:x?} got through: {found:?}", addresses[at]);
            self.hits.fetch_add(1, Ordering::SeqCst);
        }
    }
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn churn(table: &FairMutex<PrefixTable>, readers: &Readers, until: Instant) {
    let mut random = 1u64;
    let mut next = move || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random >> 20
    };
    let always = always();
    let grace = || readers.grace();
    while Instant::now() < until {
        for _ in 0..200 {
            let prefix = sometimes(next());
            if always.contains(&prefix) {
                continue;
            }
            change(table, grace, |table| match table.get(List::Block, prefix) {
                Some(_) => table.remove(List::Block, prefix),
                None => table.insert(List::Block, prefix, 1),
            })
            .unwrap();
        }
        let brought: Vec<Prefix> = (0..500).map(|_| sometimes(next())).collect();
        let changes = Changes::new()
            .replace(List::Block, always.iter().chain(&brought).map(|prefix| (*prefix, 1)))
            .prepare(&Arc::default());
        apply(table, changes, grace, |_, _| {
            // Single ones go on meanwhile.
            let prefix = sometimes(next());
            if !always.contains(&prefix) {
                let mut table = table.lock();
                if table.insert(List::Block, prefix, 1).is_err() {
                    let _ = table.remove(List::Block, prefix);
                }
            }
        })
        .unwrap();
        reclaim(table, grace).unwrap();
    }
}

#[test]
fn a_blocked_source_never_gets_through() {
    let World { mut table, tables, .. } = World::new(4_000);
    for prefix in always() {
        table.insert(List::Block, prefix, 1).unwrap();
    }
    let table = FairMutex::new(table);
    let addresses: Vec<Address> = always().iter().map(Prefix::address).collect();
    let readers = Readers {
        stop: AtomicBool::new(false),
        packets: [const { AtomicU64::new(0) }; READERS],
        hits: AtomicU64::new(0),
    };
    let tables: Arc<SharedTables> = tables;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..READERS)
            .map(|which| {
                let (readers, tables, addresses) = (&readers, &tables, &addresses);
                scope.spawn(move || readers.read(which, tables, addresses))
            })
            .collect();
        churn(&table, &readers, Instant::now() + TIME);
        readers.stop.store(true, Ordering::SeqCst);
        for thread in threads {
            thread.join().unwrap();
        }
    });
    // No hit of a prefix that stayed was lost, but some went to longer prefixes for a while.
    let mut table = table.into_inner();
    let kept: u64 = always().into_iter().map(|prefix| table.hits(List::Block, prefix).unwrap()).sum();
    let all = readers.hits.load(Ordering::SeqCst);
    assert!(kept <= all && kept > all / 4, "{kept} of {all}");
}

/// Addresses that one prefix alone decides about: every packet is counted once, through all rebuilding.
#[test]
fn no_hit_is_lost() {
    let World { mut table, tables, .. } = World::new(4_000);
    let kept: Vec<Prefix> =
        (0..64u32).map(|i| Prefix::host(Address::v4(0xcb00_0000 | (i * 1_021)))).collect();
    for prefix in &kept {
        table.insert(List::Block, *prefix, 1).unwrap();
    }
    let table = FairMutex::new(table);
    let addresses: Vec<Address> = kept.iter().map(Prefix::address).collect();
    let readers = Readers {
        stop: AtomicBool::new(false),
        packets: [const { AtomicU64::new(0) }; READERS],
        hits: AtomicU64::new(0),
    };
    thread::scope(|scope| {
        for which in 0..READERS {
            let (readers, tables, addresses) = (&readers, &tables, &addresses);
            scope.spawn(move || readers.read(which, tables, addresses));
        }
        let grace = || readers.grace();
        let until = Instant::now() + TIME / 2;
        let mut i = 0u32;
        while Instant::now() < until {
            // Their neighbours come and go; then everything is written anew under another cover.
            for _ in 0..100 {
                i += 1;
                let neighbour = Prefix::host(Address::v4(0xcb00_0001 | ((i * 37 % 32_768) << 1)));
                if kept.contains(&neighbour) {
                    continue;
                }
                change(&table, grace, |table| match table.get(List::Block, neighbour) {
                    Some(_) => table.remove(List::Block, neighbour),
                    None => table.insert(List::Block, neighbour, 1),
                })
                .unwrap();
            }
            let cover = (Prefix::of_bits(Family::V4, 0xcb00_0000u128 << 96, 8 + (i / 100 % 9) as u8), 1);
            let changes =
                Changes::new().replace(List::Block, kept.iter().map(|prefix| (*prefix, 1)).chain([cover]));
            apply(&table, changes.prepare(&Arc::default()), grace, |_, _| ()).unwrap();
            if i.is_multiple_of(3) {
                reclaim(&table, grace).unwrap();
            }
            table.lock().harvest(0..PrefixTable::SLOTS);
        }
        readers.stop.store(true, Ordering::SeqCst);
    });
    reclaim(&table, || Ok::<(), TableError>(())).unwrap();
    let mut table = table.into_inner();
    let counted: u64 = kept.into_iter().map(|prefix| table.hits(List::Block, prefix).unwrap()).sum();
    assert_eq!(counted, readers.hits.load(Ordering::SeqCst));
}
