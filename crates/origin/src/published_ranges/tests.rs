use std::fs;

use super::*;

fn words(prefixes: &[IpNetwork]) -> Vec<String> {
    prefixes.iter().map(ToString::to_string).collect()
}

fn found(document: &str, service: Option<&str>) -> Result<Vec<String>, String> {
    read(document.as_bytes(), service).map(|found| words(&found)).map_err(|error| error.to_string())
}

const SERVICES: &str = r#"{"syncToken": "1", "createDate": "2026-01-01", "prefixes": [
    {"ip_prefix": "192.0.2.0/25", "region": "GLOBAL", "service": "EDGE", "network_border_group": "GLOBAL"},
    {"ip_prefix": "198.51.100.0/24", "region": "x-1", "service": "STORE"}],
    "ipv6_prefixes": [{"ipv6_prefix": "2001:db8:1::/48", "region": "GLOBAL", "service": "EDGE"}]}"#;

#[test]
fn the_shapes_in_use_are_read() {
    let texts = "# ranges\r\n192.0.2.0/24\r\n\r\n2001:db8::/32\r\n";
    let addresses = r#" {"addresses": ["192.0.2.0/24"], "ipv6_addresses": ["2001:db8::/32"]}"#;
    let crawler = r#"{"creationTime": "2026-01-01T00:00:00.0", "prefixes":
        [{"ipv4Prefix": "192.0.2.0/24"}, {"ipv6Prefix": "2001:db8::/32", "service": "x", "scope": "y"}]}"#;
    let answer = r#"{"result": {"ipv4_cidrs": ["192.0.2.0/24"], "ipv6_cidrs": ["2001:db8::/32"], "etag": "1"},
        "success": true, "errors": []}"#;
    let list = "\u{feff}[\"192.0.2.0/24\",\n\"2001:db8::/32\"]";
    for document in [texts, addresses, crawler, answer, list] {
        let expected = vec!["192.0.2.0/24".to_owned(), "2001:db8::/32".to_owned()];
        assert_eq!(found(document, None), Ok(expected), "{document}");
    }
    let bare = found(r#"["192.0.2.7", "2001:db8::7"]"#, None);
    assert_eq!(bare, Ok(vec!["192.0.2.7/32".to_owned(), "2001:db8::7/128".to_owned()]));
}

#[test]
fn one_service_of_several_is_taken() {
    let edge = vec!["192.0.2.0/25".to_owned(), "2001:db8:1::/48".to_owned()];
    assert_eq!(found(SERVICES, Some("EDGE")), Ok(edge.clone()));
    assert_eq!(found(SERVICES, Some("edge")), Ok(edge));
    assert_eq!(found(SERVICES, None).map(|all| all.len()), Ok(3));
    let none = found(SERVICES, Some("MAIL")).expect_err("there is none");
    assert!(none.contains("no service `MAIL`; there are EDGE, STORE"), "{none}");
    for document in ["192.0.2.0/24", "[\"192.0.2.0/24\"]", r#"{"addresses": ["192.0.2.0/24"]}"#] {
        let none = found(document, Some("EDGE")).expect_err("it has no services");
        assert!(none.contains("tells of none at all"), "{document}: {none}");
    }
}

#[test]
fn what_holds_no_ranges_is_refused_as_what_it_is() {
    for (document, expected) in [
        ("", "holds no range"),
        ("# nothing\n", "holds no range"),
        ("[]", "holds no range"),
        (r#"{"addresses": [], "ipv6_addresses": []}"#, "holds no range"),
        (r#"{"error": "try later"}"#, "in a shape that is known"),
        (r#"{"prefixes": [{"cidr": "192.0.2.0/24"}]}"#, "in a shape that is known"),
        (r#"{"addresses": ["192.0.2.0/2"#, "was it cut off?"),
        (r#"{"addresses": ["192.0.2.0/33"]}"#, "`192.0.2.0/33` in it is no prefix"),
        (r#"{"addresses": ["192.0.2.1/24"]}"#, "`192.0.2.1/24` in it is no prefix"),
        ("192.0.2.0/24\nnowhere\n", "line 2 of it, `nowhere`"),
        ("<html>not found</html>", "a web page"),
    ] {
        let error = found(document, None).expect_err(document);
        assert!(error.contains(expected), "{document}: {error}");
    }
}

#[test]
fn what_covers_too_much_is_refused_and_what_a_large_network_has_is_not() {
    let refused = |texts: &[&str]| {
        let prefixes: Vec<IpNetwork> = texts.iter().map(|text| text.parse().expect(text)).collect();
        refuse_too_much(&prefixes).err().map(|error| error.to_string())
    };
    assert_eq!(refused(&["16.0.0.0/6", "2000::/16"]), None);
    for too_much in [&["16.0.0.0/6", "192.0.2.1/32"][..], &["0.0.0.0/0"]] {
        assert!(refused(too_much).expect("too much").contains("more IPv4 addresses"), "{too_much:?}");
    }
    for too_much in [&["2000::/16", "2a00::/32"][..], &["::/0"], &["::/0", "::/0"]] {
        assert!(refused(too_much).expect("too much").contains("more IPv6 addresses"), "{too_much:?}");
    }
}

#[test]
fn several_files_are_one_and_the_fault_is_told_with_its_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).expect("written");
        path
    };
    let (v4, v6) = (file("v4", "192.0.2.0/25\n192.0.2.128/25\n192.0.2.7\n"), file("v6", "2001:db8::/32"));
    let all = load_ranges(&[v4.clone(), v6], None).expect("sound");
    assert_eq!(words(&all), ["192.0.2.0/24", "2001:db8::/32"], "the fewest that cover them");
    // Each is little; both are too much.
    let halves = [file("a", "16.0.0.0/7\n18.0.0.0/8\n"), file("b", "19.0.0.0/8\n20.0.0.0/8\n")];
    let error = load_ranges(&halves, None).expect_err("too much").to_string();
    assert!(error.contains("/b: its ranges cover more IPv4 addresses"), "{error}");
    let error = load_ranges(&[v4, directory.path().join("none")], None).expect_err("missing").to_string();
    assert!(error.contains("/none: it cannot be read"), "{error}");
}
