use std::{fs, io::Write as _, net::IpAddr, path::Path};

use flate2::{Compression, write::GzEncoder};

use super::*;
use crate::selector::Selector;

/// A database in MaxMind's format of a few prefixes, each with a record of texts and numbers.
fn maxmind(records: &[(&str, Vec<(&str, Value)>)]) -> Vec<u8> {
    const NOTHING: u32 = u32::MAX;
    let mut nodes = vec![[NOTHING; 2]];
    let mut data = Vec::new();
    let mut places = Vec::new();
    for (prefix, fields) in records {
        places.push(data.len() as u32);
        map(&mut data, fields);
        let network: IpNetwork = prefix.parse().expect("a prefix");
        let (bits, length) = match network {
            IpNetwork::V4(network) => (u128::from(network.network().to_bits()), network.prefix() + 96),
            IpNetwork::V6(network) => (network.network().to_bits(), network.prefix()),
        };
        let mut at = 0;
        for depth in 0..length {
            let side = (bits >> (127 - depth) & 1) as usize;
            if depth + 1 == length {
                // Told from a node by its highest bit, until it is known how many nodes there are.
                nodes[at][side] = 1 << 31 | (places.len() as u32 - 1);
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
            value if value >> 31 == 1 => count + 16 + places[(value & !(1 << 31)) as usize],
            value => value,
        };
        out.extend(&value.to_be_bytes()[1..]);
    }
    out.extend([0; 16]);
    out.extend(data);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    let metadata = [
        ("node_count", Value::Number(count)),
        ("record_size", Value::Short(24)),
        ("ip_version", Value::Short(6)),
        ("database_type", Value::Text("Test")),
        ("languages", Value::NoList),
        ("binary_format_major_version", Value::Short(2)),
        ("binary_format_minor_version", Value::Short(0)),
        ("build_epoch", Value::Long(1)),
        ("description", Value::Map(vec![])),
    ];
    map(&mut out, &metadata);
    out
}

#[derive(Clone)]
enum Value {
    Text(&'static str),
    Number(u32),
    Short(u16),
    Long(u64),
    Map(Vec<(&'static str, Value)>),
    NoList,
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

fn asn(number: u32, name: &'static str) -> Vec<(&'static str, Value)> {
    vec![
        ("autonomous_system_number", Value::Number(number)),
        ("autonomous_system_organization", Value::Text(name)),
    ]
}

fn files(asn: &[&Path], country: &[&Path]) -> Files {
    let owned = |paths: &[&Path]| paths.iter().map(|path| path.to_path_buf()).collect();
    Files { asn: owned(asn), country: owned(country) }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn words(prefixes: &[IpNetwork]) -> Vec<String> {
    prefixes.iter().map(ToString::to_string).collect()
}

#[test]
fn both_kinds_in_the_format_of_maxmind() {
    let directory = tempfile::tempdir().expect("a directory");
    let (numbers, countries) = (directory.path().join("asn.mmdb"), directory.path().join("country.mmdb"));
    let records = [
        ("192.0.2.0/24", asn(64_500, "Example Net, Inc.")),
        ("198.51.100.0/25", asn(64_501, "Other")),
        ("2001:db8::/32", asn(64_500, "Example Net, Inc.")),
    ];
    fs::write(&numbers, maxmind(&records)).expect("written");
    let as_maxmind = vec![("country", Value::Map(vec![("iso_code", Value::Text("DE"))]))];
    let as_others = vec![("country_code", Value::Text("FR"))];
    let records = [("192.0.2.0/24", as_maxmind), ("2001:db8::/32", as_others)];
    fs::write(&countries, maxmind(&records)).expect("written");

    let origins = Origins::new(files(&[&numbers], &[&countries]));
    assert_eq!(origins.of(ip("192.0.2.7")), Origin::default(), "nothing is read yet");
    assert!(origins.look() && origins.problems().is_empty(), "{:?}", origins.problems());
    let found = |text: &str| {
        let Origin { asn, name, country } = origins.of(ip(text));
        (asn, name, country.map(|country| country.to_string()))
    };
    let example = || Some("Example Net, Inc.".to_owned());
    assert_eq!(found("192.0.2.7"), (Some(64_500), example(), Some("DE".into())));
    assert_eq!(found("::ffff:192.0.2.7"), (Some(64_500), example(), Some("DE".into())), "mapped");
    assert_eq!(found("2002:c633:6401::9").0, Some(64_501), "6to4 of 198.51.100.1");
    assert_eq!(found("64:ff9b::198.51.100.129"), (None, None, None), "the half that nobody has");
    assert_eq!(found("2001:db8::9"), (Some(64_500), example(), Some("FR".into())));
    let of = |selector: &str| origins.prefixes(selector.parse().expect("a selector")).map(|all| words(&all));
    assert_eq!(of("asn:64500"), Ok(vec!["192.0.2.0/24".into(), "2001:db8::/32".into()]));
    assert_eq!(of("country:fr"), Ok(vec!["2001:db8::/32".into()]));
    let none = of("country:IT").expect_err("there is none").to_string();
    assert!(none.contains("country:IT has no prefix in") && none.contains("country.mmdb"), "{none}");
}

#[test]
fn text_is_read_and_what_has_changed_is_read_again_once_it_is_whole() {
    let directory = tempfile::tempdir().expect("a directory");
    let (v4, v6) = (directory.path().join("v4.txt.gz"), directory.path().join("v6.txt"));
    let write = |text: &str| {
        let mut packed = GzEncoder::new(fs::File::create(&v4).expect("a file"), Compression::fast());
        packed.write_all(text.as_bytes()).and_then(|()| packed.finish().map(drop)).expect("written");
    };
    write("192.0.2.0\t24\t64500\n");
    fs::write(&v6, "2001:db8::\t32\t64500\n").expect("written");
    let origins = Origins::new(files(&[&v4, &v6], &[]));
    assert!(origins.look() && !origins.look(), "nothing has changed since");
    let all = || words(&origins.prefixes(Selector::Asn(64_500)).expect("some"));
    assert_eq!(all(), ["192.0.2.0/24", "2001:db8::/32"]);

    write("198.51.100.0\t24\t64500\n203.0.113.0\t24\t64501\n");
    assert!(!origins.look(), "it may still be written");
    assert!(origins.look());
    assert_eq!(all(), ["198.51.100.0/24", "2001:db8::/32"]);

    fs::write(&v6, "2001:db8:: thirty-two 64500\n").expect("written");
    assert!(!origins.look() && !origins.look());
    assert_eq!(all(), ["198.51.100.0/24", "2001:db8::/32"], "what was read before holds");
    let problem = origins.problems().join("");
    assert!(problem.contains("v6.txt: line 1 is no prefix") && problem.contains("holds"), "{problem}");
    fs::remove_file(&v6).expect("removed");
    assert!(!origins.look() && !origins.look());
    assert!(origins.problems()[0].contains("cannot be read"), "{:?}", origins.problems());
}

#[test]
fn what_is_not_configured_or_wrong_is_told() {
    let none = Origins::new(Files::default());
    assert!(!none.look() && !none.are_configured());
    let error = none.prefixes(Selector::Asn(1)).expect_err("no database").to_string();
    assert!(error.contains("name a file in the configuration, `[origin]` with `asn = \"/path\"`"), "{error}");
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("table.txt");
    fs::write(&file, "192.0.2.0 24 64500").expect("written");
    let origins = Origins::new(files(&[&file], &[&file]));
    assert!(origins.look(), "one of both is sound");
    let country = "country:DE".parse().expect("a selector");
    let error = origins.prefixes(country).expect_err("no countries").to_string();
    assert!(error.contains("could not be read") && error.contains("autonomous systems only"), "{error}");
    let mut damaged = maxmind(&[("192.0.2.0/24", asn(1, "x"))]);
    damaged.drain(10..200);
    fs::write(&file, damaged).expect("written");
    let origins = Origins::new(files(&[&file], &[]));
    assert!(!origins.look());
    assert!(origins.problems()[0].contains("damaged"), "{:?}", origins.problems());
}
