use std::{fs, io::Write as _, net::IpAddr, path::Path};

use flate2::{Compression, write::GzEncoder};
use floodwall_lab::maxmind::{Value, country, database, network};

use super::*;
use crate::selector::Selector;

fn files(asn: &[&Path], country: &[&Path]) -> Files {
    let owned = |paths: &[&Path]| paths.iter().map(|path| path.to_path_buf()).collect();
    Files { asn: owned(asn), country: owned(country), cdn: BTreeMap::new() }
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
        ("192.0.2.0/24", network(64_500, "Example Net, Inc.")),
        ("198.51.100.0/25", network(64_501, "Other")),
        ("2001:db8::/32", network(64_500, "Example Net, Inc.")),
    ];
    fs::write(&numbers, database(&records)).expect("written");
    let as_others = vec![("country_code", Value::Text("FR"))];
    let records = [("192.0.2.0/24", country("DE")), ("2001:db8::/32", as_others)];
    fs::write(&countries, database(&records)).expect("written");

    let origins = Origins::new(files(&[&numbers], &[&countries]));
    assert_eq!(origins.of(ip("192.0.2.7")), Origin::default(), "nothing is read yet");
    assert!(origins.refresh() && origins.problems().is_empty(), "{:?}", origins.problems());
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
    let of = |selector: &str| origins.prefixes(&selector.parse().expect("a selector")).map(|all| words(&all));
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
    assert!(origins.refresh() && !origins.refresh(), "nothing has changed since");
    let all = || words(&origins.prefixes(&Selector::Asn(64_500)).expect("some"));
    assert_eq!(all(), ["192.0.2.0/24", "2001:db8::/32"]);

    write("198.51.100.0\t24\t64500\n203.0.113.0\t24\t64501\n");
    assert!(!origins.refresh(), "it may still be written");
    assert!(origins.refresh());
    assert_eq!(all(), ["198.51.100.0/24", "2001:db8::/32"]);

    fs::write(&v6, "2001:db8:: thirty-two 64500\n").expect("written");
    assert!(!origins.refresh() && !origins.refresh());
    assert_eq!(all(), ["198.51.100.0/24", "2001:db8::/32"], "what was read before holds");
    let problem = origins.problems().join("");
    assert!(problem.contains("v6.txt: line 1 is no prefix") && problem.contains("holds"), "{problem}");
    fs::remove_file(&v6).expect("removed");
    assert!(!origins.refresh() && !origins.refresh());
    assert!(origins.problems()[0].contains("cannot be read"), "{:?}", origins.problems());
}

#[test]
fn what_is_not_configured_or_wrong_is_told() {
    let none = Origins::new(Files::default());
    assert!(!none.refresh() && !none.are_configured());
    let error = none.prefixes(&Selector::Asn(1)).expect_err("no database").to_string();
    assert!(error.contains("name a file in the configuration, `[origin]` with `asn = \"/path\"`"), "{error}");
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("table.txt");
    fs::write(&file, "192.0.2.0 24 64500").expect("written");
    let origins = Origins::new(files(&[&file], &[&file]));
    assert!(origins.refresh(), "one of both is sound");
    let country = "country:DE".parse().expect("a selector");
    let error = origins.prefixes(&country).expect_err("no countries").to_string();
    assert!(error.contains("could not be read") && error.contains("autonomous systems only"), "{error}");
    let mut damaged = database(&[("192.0.2.0/24", network(1, "x"))]);
    damaged.drain(10..200);
    fs::write(&file, damaged).expect("written");
    let origins = Origins::new(files(&[&file], &[]));
    assert!(!origins.refresh());
    assert!(origins.problems()[0].contains("damaged"), "{:?}", origins.problems());
}
