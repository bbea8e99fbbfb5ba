//! What holds of any line: it is read in full, or not at all. What a line covers is told without any of the
//! parser.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use proptest::prelude::*;

use super::parse;

/// Addresses as numbers, those of IPv6 behind all of IPv4.
type Span = (u128, u128);

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// What a word covers, if it is an entry.
fn span(word: &str) -> Option<Span> {
    if let Ok(address) = word.parse::<IpAddr>() {
        return Some((number(address), number(address)));
    }
    if let Some((first, last)) = word.split_once('-') {
        let (first, last) = (first.parse::<IpAddr>().ok()?, last.parse::<IpAddr>().ok()?);
        return (first.is_ipv4() == last.is_ipv4()).then(|| (number(first), number(last)));
    }
    word.parse::<IpNetwork>().ok().map(span_of)
}

fn span_of(prefix: IpNetwork) -> Span {
    let last = match prefix {
        IpNetwork::V4(prefix) => IpAddr::V4(prefix.broadcast()),
        IpNetwork::V6(prefix) => IpAddr::V6(prefix.broadcast()),
    };
    (number(prefix.network()), number(last))
}

/// Adjacent and overlapping spans as one.
fn joined(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut joined: Vec<Span> = Vec::new();
    for (first, last) in spans {
        match joined.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => joined.push((first, last)),
        }
    }
    joined
}

/// What all entries of a line without a comment of `#` or `//` cover.
fn covered_by(line: &str) -> Vec<Span> {
    let mut line = line.replace('"', "");
    if !line.trim_start().starts_with("add ") {
        // The one way to write an entry in three words; it must be the first.
        line = line.replacen(" - ", "-", 1);
    }
    let words = |text: &str| -> Vec<Option<Span>> {
        let separators = |c: char| c.is_whitespace() || ",;|\"'{}=!()".contains(c);
        text.split(separators).filter(|word| !word.is_empty()).map(span).collect()
    };
    let mut parts = line.split(';').map(words);
    let before: Vec<_> = parts.next().unwrap_or_default();
    let after: Vec<_> = parts.collect();
    // What follows a semicolon is a comment, unless it starts with an entry.
    let comment = !after.iter().any(|words| words.first().is_some_and(Option::is_some));
    let after = if comment { Vec::new() } else { after.concat() };
    joined(before.into_iter().chain(after).flatten().collect())
}

/// An entry that is no bare address.
fn sure_entry() -> impl Strategy<Value = String> {
    let v4 = (any::<u32>(), 1..=32_u8).prop_map(|(address, length)| {
        Ipv4Network::new(address.into(), length).map(|p| format!("{}/{length}", p.network())).unwrap()
    });
    let v6 = (any::<u128>(), 1..=128_u8).prop_map(|(address, length)| {
        let address = address | 1 << 127;
        Ipv6Network::new(address.into(), length).map(|p| format!("{}/{length}", p.network())).unwrap()
    });
    let masked = any::<u16>().prop_map(|net| format!("10.{}.{}.0/255.255.255.0", net >> 8, net & 255));
    let range = (any::<u16>(), any::<u8>(), any::<u8>()).prop_map(|(net, a, b)| {
        let (first, last) = (a.min(b), a.max(b));
        let [x, y] = net.to_be_bytes();
        format!("172.{x}.{y}.{first}-172.{x}.{y}.{last}")
    });
    let range_v6 = (1..9_u16, 0..99_u16).prop_map(|(a, b)| format!("2001:db8::{a:x}-2001:db8::{a}:{b}"));
    prop_oneof![v4, v6, masked, range, range_v6]
}

fn any_entry() -> impl Strategy<Value = String> {
    let v4 = any::<u32>().prop_map(|address| Ipv4Addr::from(address).to_string());
    let v6 = any::<u128>().prop_map(|address| Ipv6Addr::from(address | 1 << 127).to_string());
    let bare = prop_oneof![v4, v6];
    prop_oneof![sure_entry(), bare, sure_entry().prop_map(|entry| format!("\"{entry}\""))]
}

/// Anything else that stands in lists.
const WORDS: [&str; 33] = [
    "10",
    "0",
    "DROP",
    "deny",
    "NL",
    "allow",
    "PERMIT",
    "nomatch",
    "timeout",
    "300",
    "}",
    "{",
    "!",
    "x",
    "add",
    "bl",
    "-exist",
    "create",
    "hash:net",
    "flush",
    "COMMIT",
    "http://a/b#c",
    "a.example.org",
    "tcp:80",
    "=",
    "\"a # b\"",
    "\"a;b\"",
    "\"",
    "/24",
    "000",
    "(",
    ")",
    ";",
];

const SEPARATORS: [&str; 14] =
    [" ", "\t", ",", ", ", " , ", ";", " ; ", "|", " | ", "\" \"", "' '", "=", " !", " - "];

fn parts() -> impl Strategy<Value = Vec<(String, &'static str)>> {
    let word = prop_oneof![2 => any_entry(), 1 => prop::sample::select(&WORDS[..]).prop_map(str::to_owned)];
    prop::collection::vec((word, prop::sample::select(&SEPARATORS[..])), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn an_accepted_line_is_read_in_full(
        parts in parts(),
        start in prop_oneof![8 => Just(""), 1 => Just("add bl "), 1 => Just("\t")],
        last in prop_oneof![any_entry(), Just("x".to_owned()), Just(String::new())],
        comment in prop_oneof![Just(""), Just(" # 192.0.2.77"), Just(" // 2001:db8::77")],
    ) {
        let words = parts.iter().flat_map(|(word, end)| [word, *end]);
        let line = start.to_owned() + &words.collect::<String>() + &last;
        let Ok(list) = parse((line.clone() + comment).as_bytes(), 0, &mut |_, _| {}) else { return Ok(()) };
        if list.refused > 0 {
            prop_assert_eq!(list.prefixes.len(), 0);
        } else if !line.trim_start().starts_with(';') {
            let read = joined(list.prefixes.iter().copied().map(span_of).collect());
            prop_assert_eq!(read, covered_by(&line), "{}", line);
        }
    }

    #[test]
    fn prefixes_and_ranges_are_read_in_full(
        entries in prop::collection::vec(sure_entry(), 1..9),
        separator in prop::sample::select(&[" ", "\t", ",", ", ", ";", "; "][..]),
        end in prop::sample::select(&["", "\n", "\r\n", "\r", ",", " }", " # x", ";"][..]),
    ) {
        let line = entries.join(separator) + end;
        let list = parse(line.as_bytes(), 0, &mut |_, _| {}).unwrap();
        prop_assert_eq!((list.lines, list.refused), (1, 0), "{}", &line);
        let read = joined(list.prefixes.iter().copied().map(span_of).collect());
        prop_assert_eq!(read, joined(entries.iter().filter_map(|entry| span(entry)).collect()));
    }
}
