//! What a line says.

use std::iter;

use ipnetwork::IpNetwork;

use super::{
    Fault, ParsedList,
    columns::{self, Tail},
    ipset::{self, Sets},
    lines::MAX_LINE,
    meaning, prefix,
    range::{self, Prefixes},
    text,
};

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// No entry: blank, a comment, a header.
    Nothing,
    One(IpNetwork),
    Many(Prefixes),
    /// More than one entry, none of which says nothing.
    Several(Vec<Said>),
}

impl Said {
    fn put_into(self, prefixes: &mut Vec<IpNetwork>) {
        match self {
            Self::Nothing => {}
            Self::One(prefix) => prefixes.push(prefix),
            Self::Many(range) => prefixes.extend(range),
            Self::Several(entries) => entries.into_iter().for_each(|entry| entry.put_into(prefixes)),
        }
    }
}

/// Reads lines one after another.
#[derive(Default)]
pub(super) struct LineReader {
    /// Sets that `ipset save` has told of.
    sets: Sets,
}

impl LineReader {
    /// Puts into `list` what `line`, which is without its line feed and already counted, says.
    pub(super) fn read(&mut self, line: &[u8], list: &mut ParsedList) {
        let line = match line.strip_prefix(b"\xef\xbb\xbf") {
            Some(line) if list.lines == 1 => line,
            _ => line,
        };
        let line = line.trim_ascii();
        match self.say(line, list) {
            Ok(said) => said.put_into(&mut list.prefixes),
            Err(fault) => list.refuse(line, &fault),
        }
    }

    fn say(&mut self, line: &[u8], list: &mut ParsedList) -> Result<Said, Fault> {
        if is_idle(line) {
            return Ok(Said::Nothing);
        }
        if line.len() > MAX_LINE {
            return Err(Fault::TooLong(MAX_LINE));
        }
        if line.contains(&0) {
            return Err(Fault::Binary);
        }
        match ipset::Command::of(line) {
            Some(command) => self.sets.follow(command, &mut list.timeouts),
            None => entries_and_columns(line, &mut list.timeouts),
        }
    }
}

/// Nothing, or a comment.
fn is_idle(line: &[u8]) -> bool {
    matches!(line.first(), None | Some(b'#' | b';')) || line.starts_with(b"//")
}

/// All entries of a line, and columns that are left alone as long as they do not change what these mean.
/// Counts entries whose timeout is not taken over.
fn entries_and_columns(line: &[u8], timeouts: &mut u64) -> Result<Said, Fault> {
    let (field, after) = first_field(line);
    let first = entry(field).map_err(|fault| match line {
        [b'!', negated @ ..] if columns::entry_in(negated).is_some() => Fault::Negated,
        _ => fault,
    })?;
    let (second, after_second) = first_field(after.trim_ascii_start());
    if second == b"-" {
        let (last, after) = first_field(after_second.trim_ascii_start());
        let said = range::read(field, last)?;
        let tail = Tail::of(after);
        meaning::check_level(&tail)?;
        meaning::check(b"-", &tail)?;
        return Ok(Said::Many(said));
    }
    let tail = Tail::of(after);
    if tail.is_empty() {
        return Ok(first);
    }
    let (second, _) = first_field(next_column(tail.columns));
    if second.starts_with(b"/") {
        return Err(Fault::SpacedLength(text::shortened(&[field, second].concat())));
    }
    if columns::is_sure(field)
        && let Some(others) = tail.entries()
    {
        let others = others.into_iter().map(entry);
        return iter::once(Ok(first)).chain(others).collect::<Result<_, _>>().map(Said::Several);
    }
    meaning::check(field, &tail)?;
    *timeouts += u64::from(meaning::has_timeout(&tail));
    Ok(first)
}

/// A prefix or a range.
pub(super) fn entry(field: &[u8]) -> Result<Said, Fault> {
    if field.is_empty() {
        return Err(Fault::NoAddress);
    }
    if let Some(dash) = memchr::memchr(b'-', field)
        && prefix::address_of(&field[..dash]).is_some()
    {
        return range::read(&field[..dash], &field[dash + 1..]).map(Said::Many);
    }
    prefix::read(field).map(Said::One)
}

/// The first column, without quotes around it, and what follows.
fn first_field(line: &[u8]) -> (&[u8], &[u8]) {
    let end = line.iter().position(|&byte| byte.is_ascii_whitespace() || matches!(byte, b',' | b';' | b'#'));
    let (field, after) = line.split_at(end.unwrap_or(line.len()));
    (columns::unquoted(field), after)
}

/// What follows a column, without the blanks or the comma in between.
fn next_column(after: &[u8]) -> &[u8] {
    let after = after.trim_ascii_start();
    after.strip_prefix(b",").map_or(after, <[u8]>::trim_ascii_start)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::lists::{ParsedList, parse};

    fn list(text: &str) -> ParsedList {
        parse(text.as_bytes(), text.len() as u64, &mut |_, _| {}).unwrap()
    }

    /// The prefixes of a list without a refused line.
    fn prefixes(text: &str) -> String {
        let list = list(text);
        assert_eq!(list.problems, []);
        list.prefixes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    /// What is wrong with the one line that is.
    fn why(line: &str) -> String {
        let list = list(line);
        assert_eq!((list.refused, list.prefixes.len()), (1, 0), "{line}");
        list.problems[0].message.clone()
    }

    #[test]
    fn plain_lists_of_both_families() {
        assert_eq!(
            prefixes("192.0.2.1\n\n2001:db8::/32\n  198.51.100.0/24  \n10.0.0.0/255.0.0.0\n2001:DB8::1"),
            "192.0.2.1/32 2001:db8::/32 198.51.100.0/24 10.0.0.0/8 2001:db8::1/128"
        );
    }

    #[test]
    fn windows_line_ends_and_byte_order_mark() {
        assert_eq!(prefixes("\u{feff}192.0.2.1\r\n\r\n192.0.2.2\r\n"), "192.0.2.1/32 192.0.2.2/32");
        assert_eq!(prefixes("\u{feff}# list\r\n192.0.2.1"), "192.0.2.1/32");
    }

    #[test]
    fn comments_on_lines_of_their_own_and_after_entries() {
        assert_eq!(
            prefixes(
                "# a\n; b\n// c\n  # d\n192.0.2.1 # e\n192.0.2.2#f\n192.0.2.3 ; g\n192.0.2.4;h\n192.0.2.5 // i"
            ),
            "192.0.2.1/32 192.0.2.2/32 192.0.2.3/32 192.0.2.4/32 192.0.2.5/32"
        );
    }

    #[test]
    fn firehol() {
        let text = "#\n# dshield\n#\n# ipv4 hash:net ipset\n# Entries : 2 unique IPs\n#\n5.188.206.0/24\n45.95.146.0/24\n";
        assert_eq!(prefixes(text), "5.188.206.0/24 45.95.146.0/24");
    }

    #[test]
    fn spamhaus() {
        let text = "; Spamhaus DROP List\n; Last-Modified: x\n1.10.16.0/20 ; SBL256894\n2a12:2640::/29 \n";
        assert_eq!(prefixes(text), "1.10.16.0/20 2a12:2640::/29");
    }

    #[test]
    fn tables_whose_first_column_is_the_address() {
        assert_eq!(
            prefixes(
                "192.0.2.1\t10\n192.0.2.2,NL,NL-NH,Amsterdam,1098 XH\n2001:db8::/32,US,\n\"192.0.2.3\",\"x\"\n192.0.2.4,,"
            ),
            "192.0.2.1/32 192.0.2.2/32 2001:db8::/32 192.0.2.3/32 192.0.2.4/32"
        );
        assert_eq!(why("2024-01-01,192.0.2.1"), "no IP address or prefix");
        assert_eq!(why("ip_prefix,country"), "no IP address or prefix");
        assert_eq!(why(",192.0.2.1"), "no IP address or prefix");
    }

    #[test]
    fn columns_that_change_the_meaning_are_not_dropped() {
        let two = "two addresses in a line; write a prefix, a range `a-b`, or two lines";
        for line in
            ["192.0.2.0 192.0.2.255", "192.0.2.0,192.0.2.255,24", "10.0.0.0 255.0.0.0", "192.0.2.1, ::1"]
        {
            assert_eq!(why(line), two, "{line}");
        }
        assert_eq!(why("10.0.0.0 /8"), "a blank before the slash; meant 10.0.0.0/8?");
    }

    #[test]
    fn ranges() {
        assert_eq!(
            prefixes("192.0.2.0-192.0.2.2\n198.51.100.0 - 198.51.100.255 # x\n2001:db8::-2001:db8::1"),
            "192.0.2.0/31 192.0.2.2/32 198.51.100.0/24 2001:db8::/127"
        );
        assert_eq!(why("192.0.2.2-192.0.2.1"), "the range ends before it starts");
        assert_eq!(why("192.0.2.2-"), "a range is two addresses: `` is none");
        assert_eq!(why("192.0.2.2 - x"), "a range is two addresses: `x` is none");
        assert_eq!(why("192.0.2.0-9"), "a range is two addresses: `9` is none");
        assert_eq!(
            why("192.0.2.0/24-192.0.3.0/24"),
            "`24-192.0.3.0/24` is no prefix length; it is a number from 0 to 32"
        );
    }

    #[test]
    fn duplicates_are_counted_and_dropped() {
        let list = list("192.0.2.1\n192.0.2.1/32\n192.0.2.0/24\n192.0.2.1\n::1\n0::1\n192.0.2.0-192.0.2.255");
        assert_eq!((list.lines, list.prefixes.len(), list.duplicates, list.refused), (7, 3, 4, 0));
    }

    #[test]
    fn refused_lines_are_numbered_and_the_rest_is_read() {
        let list = list("# x\r\n\r\n203.0.113.7/24\r\n192.0.2.1\r\n010.0.0.1\r\nexample.org\x07 # y\r\n");
        let problems: Vec<_> =
            list.problems.iter().map(|p| (p.line, p.text.as_str(), p.message.as_str())).collect();
        assert_eq!(
            problems,
            [
                (3, "203.0.113.7/24", "host bits set; meant 203.0.113.0/24?"),
                (
                    5,
                    "010.0.0.1",
                    "leading zero in `010`, which some read as octal; write the number without it"
                ),
                (6, "example.org\\x07 # y", "not text"),
            ]
        );
        assert_eq!((list.lines, list.prefixes.len(), list.refused), (6, 1, 3));
    }

    #[test]
    fn a_hundred_refused_lines_are_kept_and_all_are_counted() {
        let list = list(&"x\n".repeat(250));
        assert_eq!((list.lines, list.refused, list.problems.len()), (250, 250, 100));
    }

    #[test]
    fn binary_lines() {
        let list =
            parse(b"\x00\x01\n\xff\xfe\xfd\n1.2.3.4\x00\n1.2.3.4 \xe9t\xe9\n".as_slice(), 0, &mut |_, _| {})
                .unwrap();
        assert_eq!(
            list.problems.iter().map(|p| &*p.text).collect::<Vec<_>>(),
            ["\\x00\\x01", "\\xff\\xfe\\xfd", "1.2.3.4\\x00"]
        );
        assert!(list.problems.iter().all(|p| p.message == "not text"));
        assert_eq!(list.prefixes.len(), 1, "a Latin-1 comment is none of our business");
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(text: Vec<u8>) {
            let _ = parse(text.as_slice(), 0, &mut |_, _| {});
        }

        #[test]
        fn near_misses_never_panic_and_every_line_is_accounted_for(
            text in "(([0-9a-fA-F:.,/*%\\[\\]\" \t;#\r-]|add |create |x hash:ip |netmask |nomatch|ffff|255){0,12}\n){0,8}"
        ) {
            let Ok(list) = parse(text.as_bytes(), 0, &mut |_, _| {}) else { return Ok(()) };
            let lines = text.replace("\r\n", "\n").replace('\r', "\n");
            prop_assert_eq!(list.lines, lines.lines().count() as u64);
            prop_assert!(list.refused <= list.lines);
        }

        #[test]
        fn what_is_printed_is_read_back(v4: (u32, u8), v6: (u128, u8)) {
            let v4 = ipnetwork::Ipv4Network::new(v4.0.into(), v4.1 % 33).unwrap();
            let v6 = ipnetwork::Ipv6Network::new((v6.0 | 1 << 127).into(), v6.1 % 129).unwrap();
            let lines = format!("{}/{}\n{}/{}\n", v4.network(), v4.prefix(), v6.network(), v6.prefix());
            prop_assert_eq!(prefixes(&lines).replace(' ', "\n") + "\n", lines);
        }
    }
}
