//! Lists as they are published: what was good is read in full, and nothing is read in part.

use std::{
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use floodwall::lists::{ListError, ParsedList, parse};
use floodwall_lab::{
    or_skip,
    skip::{cases, corpus},
};

fn read(path: &Path) -> anyhow::Result<Result<ParsedList, ListError>> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    Ok(parse(BufReader::new(file), 0, &mut |_, _| ()))
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

/// What is read of each case, and the lines that are refused.
const CASES: [(&str, &[&str], &[u64]); 12] = [
    ("list-cr-only-header.txt", &["192.0.2.0/24", "198.51.100.0/24"], &[]),
    ("list-hosts-noself.txt", &[], &[2, 3]),
    ("list-hostsallow", &[], &[1, 2]),
    ("list-ipset-list.txt", &["192.0.2.0/24", "198.51.100.0/24"], &[1, 2, 3, 4, 5, 6, 7, 8, 10]),
    ("list-ipset-members.txt", &["192.0.2.0/24", "198.51.100.0/24"], &[2]),
    ("list-nft-list.txt", &["203.0.113.0/25", "203.0.113.128/25"], &[1, 2, 3, 4, 5, 7, 8]),
    (
        "list-nft-middle.txt",
        &[
            "203.0.113.0/25",
            "203.0.113.128/25",
            "203.0.112.1/32",
            "203.0.112.2/31",
            "203.0.112.4/30",
            "203.0.112.8/31",
            "203.0.111.0/24",
        ],
        &[],
    ),
    ("list-not-word.txt", &["192.0.2.0/24"], &[2, 3]),
    ("list-one-line-csv.txt", &["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"], &[]),
    (
        "list-one-line-ranges.txt",
        &["192.0.2.0/29", "192.0.2.8/31", "198.51.100.0/29", "198.51.100.8/31"],
        &[],
    ),
    ("list-one-line-space.txt", &["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"], &[]),
    ("list-v6-two.txt", &["2001:db8:1::/48", "2001:db8:2::/48"], &[]),
];

#[test]
fn a_line_of_several_entries_is_read_in_full_or_refused() -> anyhow::Result<()> {
    let folder = or_skip!(cases()).join("lists");
    for (name, prefixes, refused) in CASES {
        let list = read(&folder.join(name))?.with_context(|| name)?;
        let found: Vec<_> = list.prefixes.iter().map(ToString::to_string).collect();
        let lines: Vec<_> = list.problems.iter().map(|problem| problem.line).collect();
        ensure!(found == prefixes && lines == refused, "{name}: {found:?}, refused {lines:?}");
    }
    for path in files(&folder)? {
        let name = path.file_name().unwrap_or_default();
        ensure!(CASES.iter().any(|(known, ..)| *known == name), "no right value for {}", path.display());
    }
    Ok(())
}

/// Lists of the corpus, and the entries that its own list of sources counts in each.
const PUBLISHED: [(&str, u64); 34] = [
    ("cloud-native-2025-07/akamai-v4-ip-ranges.txt", 19),
    ("cloud-native-2025-07/akamai-v6-ip-ranges.txt", 3),
    ("cloud-native-2025-07/cloudflare-v4-ip-ranges.txt", 15),
    ("cloud-native-2025-07/cloudflare-v6-ip-ranges.txt", 7),
    ("cloud-native-2025-07/digitalocean.csv", 1182),
    ("cloud-native-2025-07/linode.txt", 4552),
    ("firehol-2022-02/dshield.netset", 19),
    ("firehol-2022-02/firehol_level1.netset", 2511),
    ("firehol-2022-02/firehol_level2.netset", 16_164),
    ("firehol-2022-02/firehol_level3.netset", 16_884),
    ("firehol-2022-02/spamhaus_drop.netset", 986),
    ("firehol-2022-02/tor_exits.ipset", 1204),
    ("firehol-2023-04/dshield.netset", 19),
    ("firehol-2023-04/firehol_level1.netset", 2146),
    ("firehol-2023-04/firehol_level2.netset", 13_127),
    ("firehol-2023-04/firehol_level3.netset", 18_150),
    ("firehol-2023-04/spamhaus_drop.netset", 922),
    ("firehol-2023-04/tor_exits.ipset", 1204),
    ("ipsum-2026-08-22/ipsum.txt", 120_430),
    ("ipsum-2026-08-22/levels/3.txt", 14_217),
    ("ipsum-2026-08-22/levels/4.txt", 5354),
    ("ipsum-2026-08-22/levels/5.txt", 1413),
    ("ipsum-2026-08-22/levels/6.txt", 318),
    ("ipsum-2026-08-22/levels/7.txt", 70),
    ("ipsum-2026-08-22/levels/8.txt", 23),
    ("spamhaus-2024-02/drop.txt", 989),
    ("spamhaus-2024-02/drop_ipv6.txt", 51),
    ("spamhaus-2024-02/edrop.txt", 322),
    ("tor-2024-02/tor-exit-nodes.lst", 1746),
    ("tor-2024-02/tor-nodes.lst", 8054),
    ("x4bnet-2026-08/datacenter-ipv4.txt", 42_566),
    ("x4bnet-2026-08/datacenter-ipv6.txt", 8752),
    ("x4bnet-2026-08/vpn-ipv4.txt", 10_862),
    ("x4bnet-2026-08/vpn-ipv6.txt", 498),
];

#[test]
fn published_lists_are_read_without_a_refused_line() -> anyhow::Result<()> {
    let folder = or_skip!(corpus()).join("blocklists");
    for (name, entries) in PUBLISHED {
        let list = read(&folder.join(name))?.with_context(|| name)?;
        let found = list.prefixes.len() as u64 + list.duplicates;
        ensure!(
            (found, list.refused) == (entries, 0),
            "{name}: {found}, refused {}: {:?}",
            list.refused,
            list.problems.first()
        );
    }
    Ok(())
}
