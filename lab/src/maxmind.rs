//! Small databases in MaxMind's format (<https://maxmind.github.io/MaxMind-DB/>), of networks and of countries.

use ipnetwork::IpNetwork;

/// Bytes between the tree and what its leaves point to.
const SEPARATOR: usize = 16;
/// What begins the description of a database.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
/// A leaf that holds nothing.
const NOTHING: u32 = u32::MAX;
/// Tells a leaf from a node, as long as it is not known how many nodes there are.
const LEAF: u32 = 1 << 31;

/// What a record holds.
#[derive(Clone, Debug)]
pub enum Value {
    /// A text of less than 285 bytes.
    Text(&'static str),
    /// A number of 32 bits.
    Number(u32),
    /// A number of 16 bits.
    Short(u16),
    /// A number of 64 bits.
    Long(u64),
    /// Fields by their names, fewer than 29.
    Map(Vec<(&'static str, Value)>),
    /// A list of nothing.
    NoList,
}

/// The record of an autonomous system.
pub fn network(number: u32, name: &'static str) -> Vec<(&'static str, Value)> {
    vec![
        ("autonomous_system_number", Value::Number(number)),
        ("autonomous_system_organization", Value::Text(name)),
    ]
}

/// The record of a country, by its two letters.
pub fn country(letters: &'static str) -> Vec<(&'static str, Value)> {
    vec![("country", Value::Map(vec![("iso_code", Value::Text(letters))]))]
}

/// A database of prefixes that do not lie in each other, each with its record.
///
/// # Panics
///
/// If something is no prefix.
pub fn database(records: &[(&str, Vec<(&'static str, Value)>)]) -> Vec<u8> {
    let mut nodes = vec![[NOTHING; 2]];
    let (mut data, mut places) = (Vec::new(), Vec::new());
    for (prefix, fields) in records {
        let leaf = LEAF | places.len() as u32;
        places.push(data.len() as u32);
        map(&mut data, fields);
        // IPv4 is where its addresses are as numbers: the first 96 bits are nothing.
        let (bits, length) = match prefix.parse().expect("a prefix") {
            IpNetwork::V4(network) => (u128::from(network.network().to_bits()), network.prefix() + 96),
            IpNetwork::V6(network) => (network.network().to_bits(), network.prefix()),
        };
        let mut at = 0;
        for depth in 0..length {
            let side = (bits >> (127 - depth) & 1) as usize;
            if depth + 1 == length {
                nodes[at][side] = leaf;
            } else if nodes[at][side] == NOTHING {
                nodes.push([NOTHING; 2]);
                nodes[at][side] = nodes.len() as u32 - 1;
                at = nodes.len() - 1;
            } else {
                at = nodes[at][side] as usize;
            }
        }
    }
    let count = nodes.len() as u32;
    let mut out = Vec::new();
    for value in nodes.into_iter().flatten() {
        let value = match value {
            NOTHING => count,
            leaf if leaf & LEAF != 0 => count + SEPARATOR as u32 + places[(leaf & !LEAF) as usize],
            node => node,
        };
        out.extend(&value.to_be_bytes()[1..]);
    }
    out.extend([0; SEPARATOR]);
    out.extend(data);
    out.extend(MARKER);
    let description = [
        ("node_count", Value::Number(count)),
        ("record_size", Value::Short(24)),
        ("ip_version", Value::Short(6)),
        ("database_type", Value::Text("Test")),
        ("languages", Value::NoList),
        ("binary_format_major_version", Value::Short(2)),
        ("binary_format_minor_version", Value::Short(0)),
        ("build_epoch", Value::Long(1)),
        ("description", Value::Map(Vec::new())),
    ];
    map(&mut out, &description);
    out
}

fn map(out: &mut Vec<u8>, fields: &[(&str, Value)]) {
    out.push(7 << 5 | fields.len() as u8);
    for (key, value) in fields {
        text(out, key);
        match value {
            Value::Text(value) => text(out, value),
            Value::Number(value) => {
                out.push(6 << 5 | 4);
                out.extend(value.to_be_bytes());
            }
            Value::Short(value) => {
                out.push(5 << 5 | 2);
                out.extend(value.to_be_bytes());
            }
            Value::Long(value) => {
                out.extend([8, 2]);
                out.extend(value.to_be_bytes());
            }
            Value::Map(fields) => map(out, fields),
            Value::NoList => out.extend([0, 4]),
        }
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    match text.len() {
        length @ 0..29 => out.push(2 << 5 | length as u8),
        length => out.extend([2 << 5 | 29, (length - 29) as u8]),
    }
    out.extend(text.bytes());
}
