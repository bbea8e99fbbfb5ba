//! Holds look-ups in a full routing table against a plain longest-prefix match, and an autonomous system's prefixes against
//! the addresses that they should cover.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs,
    io::Read as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use floodwall_lab::{or_skip, random::Random, skip::corpus};
use floodwall_origin::{Files, Origins, Selector};
use ipnetwork::IpNetwork;

/// Autonomous systems that the prefixes are assigned to: the table itself names none.
const NETWORKS: u32 = 70_000;
/// Addresses that are looked up.
const LOOKED_UP: usize = 20_000;

/// The owner of each prefix, by address and length.
type Table = HashMap<(IpAddr, u8), u32>;

fn longest(table: &Table, address: IpAddr) -> Option<u32> {
    let most = if address.is_ipv4() { 32 } else { 128 };
    (0..=most).rev().find_map(|length| {
        let network = IpNetwork::new(address, length).ok()?.network();
        table.get(&(network, length)).copied()
    })
}

#[test]
fn the_longest_prefix_says_whose_an_address_is() -> anyhow::Result<()> {
    let folder = or_skip!(corpus());
    let packed = fs::File::open(folder.join("prefixes/full-table-prefixes.txt.gz"))?;
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(packed).read_to_string(&mut text)?;
    let mut table = Table::new();
    let mut written = String::with_capacity(2 * text.len());
    for (line, place) in text.lines().zip(0_u32..) {
        let prefix: IpNetwork = line.parse()?;
        // Neighbours are often of one network, as they are in truth.
        let owner = 1 + place / 3 * 7 % NETWORKS;
        table.insert((prefix.network(), prefix.prefix()), owner);
        writeln!(written, "{}\t{}\t{owner}", prefix.network(), prefix.prefix())?;
    }
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("pfx2as.txt");
    fs::write(&file, written)?;
    let origins = Origins::new(Files { asn: vec![file], ..Files::default() });
    assert!(origins.refresh(), "{:?}", origins.problems());

    let mut random = Random::new(7);
    let prefixes: Vec<_> = table.keys().copied().collect();
    for number in 0..LOOKED_UP {
        // Anywhere, and at the ends of prefixes, where neighbours meet.
        let (address, length) = prefixes[random.below(prefixes.len() as u32) as usize];
        let network = IpNetwork::new(address, length)?;
        let last = match network {
            IpNetwork::V4(network) => IpAddr::V4(network.broadcast()),
            IpNetwork::V6(network) => IpAddr::V6(network.broadcast()),
        };
        let address = match number % 4 {
            0 => address,
            1 => last,
            2 => Ipv4Addr::from_bits(random.bits() as u32).into(),
            _ => Ipv6Addr::from_bits(
                0x2000 << 112 | u128::from(random.bits()) << 61 | u128::from(random.bits()),
            )
            .into(),
        };
        let address = floodwall_origin::unwrapped(address);
        assert_eq!(origins.asn_and_country(address).0, longest(&table, address), "{address}");
    }
    for owner in [1, 8, 4_243] {
        let all = origins.prefixes(&Selector::Asn(owner))?;
        for prefix in &all {
            for address in [prefix.network(), prefix.broadcast()] {
                assert_eq!(longest(&table, address), Some(owner), "{prefix} of {owner}");
            }
        }
        let disjoint = all.windows(2).all(|pair| !pair[0].contains(pair[1].network()));
        assert!(disjoint && !all.is_empty(), "{owner}: {all:?}");
        let held = |address: IpAddr| all.iter().any(|prefix| prefix.contains(address));
        let own = table.iter().filter(|(_, whose)| **whose == owner).map(|((address, _), _)| *address);
        for address in own.filter(|address| longest(&table, *address) == Some(owner)) {
            assert!(held(address), "{address} of {owner}");
        }
    }
    Ok(())
}
