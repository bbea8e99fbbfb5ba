//! Prefixes to be blocked, by a seeded random sequence in the shape of real lists; or of the real Internet.

use std::{
    collections::HashSet,
    env, fs,
    io::BufReader,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use floodwall::{lists, tables::Prefix};
use floodwall_common::prefix::{Address, Family};
use floodwall_lab::random::Random;

/// Prefixes of IPv4 that the tables are to hold.
pub(crate) const PREFIXES_V4: usize = 1_000_000;
/// Prefixes of IPv6 that the tables are to hold.
pub(crate) const PREFIXES_V6: usize = 250_000;

/// In 1,000 prefixes, how many have a length: half /24, a third single addresses, the rest from /16 to /31.
const LENGTHS_V4: [(u32, u8); 13] = [
    (500, 24),
    (330, 32),
    (40, 29),
    (30, 28),
    (20, 27),
    (15, 26),
    (15, 25),
    (18, 23),
    (16, 22),
    (6, 21),
    (6, 20),
    (2, 19),
    (2, 16),
];

/// The same for IPv6: mostly sites (/48) and links (/64).
const LENGTHS_V6: [(u32, u8); 6] = [(450, 48), (250, 64), (150, 56), (80, 40), (50, 128), (20, 32)];

/// What the prefixes look like, for the report.
pub(crate) const MIX: &str = "IPv4: 1,000,000 prefixes at random places, 50 % /24, 33 % /32, 12 % /25 to /31, 5 % /16 \
    to /23; IPv6: 250,000 prefixes in 20,000 random /32 of the 40 busiest /16, 45 % /48, 25 % /64, 15 % /56, 8 % /40, \
    5 % /128, 2 % /32";

/// Prefixes of many lengths.
pub(crate) fn mixed(family: Family, random: &mut Random) -> Vec<Prefix> {
    let (count, lengths) = match family {
        Family::V4 => (PREFIXES_V4, &LENGTHS_V4[..]),
        Family::V6 => (PREFIXES_V6, &LENGTHS_V6[..]),
    };
    distinct(count, || {
        let mut pick = random.below(1_000);
        let length = lengths.iter().find_map(|(share, length)| match pick.checked_sub(*share) {
            Some(rest) => {
                pick = rest;
                None
            }
            None => Some(*length),
        });
        let address = any_address(family, random);
        Prefix::around(address, length.unwrap_or(Prefix::longest(family))).ok()
    })
}

/// All /8 that may be the source of a flood.
pub(crate) fn eights() -> Vec<Prefix> {
    (1..224).filter_map(|first| Prefix::around(Address::v4(first << 24), 8).ok()).collect()
}

/// Single addresses at random places.
pub(crate) fn hosts(random: &mut Random) -> Vec<Prefix> {
    distinct(PREFIXES_V4, || Some(Prefix::host(any_address(Family::V4, random))))
}

/// The IPv4 half of a full routing table, if the corpus is there.
pub(crate) fn routing_table() -> anyhow::Result<Option<Vec<Prefix>>> {
    let corpus = env::var_os("FLOODWALL_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"), PathBuf::from);
    let path = corpus.join("prefixes/full-table-prefixes.txt.gz");
    let Ok(file) = fs::File::open(&path) else { return Ok(None) };
    let list = lists::parse(BufReader::new(file), 0, &mut |_, _| ())
        .with_context(|| format!("reading {}", path.display()))?;
    let prefixes = list.prefixes.into_iter().map(Prefix::from);
    Ok(Some(prefixes.filter(|prefix| prefix.family() == Family::V4 && prefix.length() > 0).collect()))
}

/// Draws until there are so many.
fn distinct(count: usize, mut draw: impl FnMut() -> Option<Prefix>) -> Vec<Prefix> {
    let mut seen = HashSet::with_capacity(count);
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        if let Some(prefix) = draw()
            && seen.insert(prefix)
        {
            all.push(prefix);
        }
    }
    all
}

/// An address that may be the source of a flood.
///
/// IPv4: any unicast address (below 224.0.0.0, above 0.255.255.255). IPv6: an address in one of the 20,000 /32
/// that are in use here; a host in each /64.
pub(crate) fn any_address(family: Family, random: &mut Random) -> Address {
    match family {
        Family::V4 => Address::v4(0x0100_0000 + random.below(0xdf00_0000)),
        Family::V6 => {
            let network = Random::new(u64::from(random.below(20_000))).bits();
            // 2001, 2400 to 240f, 2600 to 2607, 2a00 to 2a0d and 2c0f.
            let first = match network % 40 {
                0 => 0x2001,
                some @ 1..=16 => 0x2400 + some - 1,
                some @ 17..=24 => 0x2600 + some - 17,
                some @ 25..=38 => 0x2a00 + some - 25,
                _ => 0x2c0f,
            };
            let high = first << 48 | (network >> 16 & 0xffff) << 32 | random.bits() >> 32;
            Address::v6(high, floodwall_bench_filters::host_in(high))
        }
    }
}

/// A random address in a prefix, as the wrapper can write it: in IPv6, the one host of its /64.
pub(crate) fn address_in(prefix: &Prefix, random: &mut Random) -> Address {
    let first = prefix.address();
    match prefix.family() {
        Family::V4 => {
            Address::v4((first.high >> 32) as u32 | (random.bits() & host_bits(prefix.length() + 32)) as u32)
        }
        Family::V6 if prefix.length() >= 64 => first,
        Family::V6 => {
            let high = first.high | random.bits() & host_bits(prefix.length());
            Address::v6(high, floodwall_bench_filters::host_in(high))
        }
    }
}

/// The bits of 64 that a prefix of this length leaves open.
fn host_bits(length: u8) -> u64 {
    u64::MAX.checked_shr(u32::from(length)).unwrap_or(0)
}
