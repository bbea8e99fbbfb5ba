//! What stands in a line after its entry.

use super::{Fault, line_format, prefix};

/// What follows an entry: columns, a comment, both or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail<'a> {
    /// All but a comment that starts with `#` or `//`.
    pub(super) body: &'a [u8],
    /// What is no comment of any kind.
    pub(super) columns: &'a [u8],
}

impl<'a> Tail<'a> {
    /// Takes comments off `after`, which begins with whatever ended the entry.
    ///
    /// `#` and `//` start a comment at the start of a column, but not between quotes or within a word, so
    /// that the address of a web page hides nothing. What follows a `;` that is not between quotes is a
    /// comment, unless an entry stands right after it or another of the line: then `;` separates columns.
    pub(super) fn of(after: &'a [u8]) -> Self {
        let (end, semicolon) = comments(after);
        let body = &after[..end];
        let columns = match semicolon {
            Some(at) if !body.split(|&byte| byte == b';').skip(1).any(starts_with_entry) => &body[..at],
            _ => body,
        };
        Self { body, columns }
    }

    /// Whether there is neither a column nor anything that could change what the entry means.
    pub(super) fn is_empty(&self) -> bool {
        self.body.trim_ascii().is_empty()
    }

    /// The columns without quotes around them, if they are nothing but entries that leave no doubt what they
    /// are: prefixes with a length or netmask, and ranges. A bare address may be the end of a range, a
    /// netmask or a router. The brace that ends a set of nftables may be last.
    pub(super) fn entries(&self) -> Option<Vec<&'a [u8]>> {
        let separates = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b';');
        let mut fields: Vec<&[u8]> =
            self.columns.split(separates).filter(|field| !field.is_empty()).map(unquoted).collect();
        if fields.last() == Some(&b"}".as_slice()) {
            fields.pop();
        }
        let sure = |field: &&[u8]| is_sure(field) && is_entry(field);
        (!fields.is_empty() && fields.iter().all(sure)).then_some(fields)
    }
}

/// Whether an entry is more than a bare address.
pub(super) fn is_sure(field: &[u8]) -> bool {
    memchr::memchr2(b'/', b'-', field).is_some()
}

/// The first word of `text` that is an entry, or was meant for one.
pub(super) fn entry_in(text: &[u8]) -> Option<&[u8]> {
    if !may_be_entry(text) {
        return None;
    }
    tokens(text).find(|token| is_entry(token))
}

/// Words, at whatever else than an entry can consist of: blanks, quotes, braces, `|`, `=`, `!` …
pub(super) fn tokens(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let inside = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'/' | b'-' | b'_' | b'%' | b'*')
    };
    text.split(move |byte| !inside(byte)).filter(|token| !token.is_empty())
}

/// A column without the quotes around it.
pub(super) fn unquoted(field: &[u8]) -> &[u8] {
    field.strip_prefix(b"\"").and_then(|field| field.strip_suffix(b"\"")).unwrap_or(field)
}

/// A text without the punctuation around it.
pub(super) fn trimmed(text: &[u8]) -> &[u8] {
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii();
    let start = text.iter().position(inside).unwrap_or(text.len());
    let end = text.iter().rposition(inside).map_or(start, |last| last + 1);
    &text[start..end]
}

/// Where a comment of `#` or `//` starts, or the end, and the first `;` before it.
fn comments(after: &[u8]) -> (usize, Option<usize>) {
    if memchr::memchr3(b'#', b'/', b';', after).is_none() {
        return (after.len(), None);
    }
    // Between the first quote and the last; which of them belong together, cannot be told of every line.
    let quotes = memchr::memchr(b'"', after).zip(memchr::memrchr(b'"', after));
    let quoted = |at: usize| quotes.is_some_and(|(first, last)| first < at && at < last);
    let (mut fresh, mut semicolon) = (true, None);
    for (at, &byte) in after.iter().enumerate().filter(|(at, _)| !quoted(*at)) {
        if fresh && (byte == b'#' || after[at..].starts_with(b"//")) {
            return (at, semicolon);
        }
        if byte == b';' {
            semicolon = semicolon.or(Some(at));
        }
        fresh = byte.is_ascii_whitespace() || matches!(byte, b',' | b';' | b'|' | b'"');
    }
    (after.len(), semicolon)
}

/// Whether there can be an entry at all, which most columns show at once that there is not.
fn may_be_entry(text: &[u8]) -> bool {
    memchr::memchr2(b'.', b':', text).is_some()
}

fn starts_with_entry(text: &[u8]) -> bool {
    tokens(text).next().is_some_and(is_entry)
}

/// Whether a word is an entry or was meant for one, perhaps with a name before or after a colon, or with the
/// punctuation of a sentence.
fn is_entry(token: &[u8]) -> bool {
    if !may_be_entry(token) {
        return false;
    }
    if is_meant(token) || is_meant(trimmed(token)) {
        return true;
    }
    // `name:first-last`, `address:name`. What stands between two colons is the answer of a DNS blocklist.
    let mut named = token.split(|&byte| byte == b':');
    named.next().is_some_and(is_meant) || named.next_back().is_some_and(is_meant)
}

/// Whether a text is an entry, or one gone wrong.
fn is_meant(text: &[u8]) -> bool {
    match line_format::entry(text) {
        Ok(_) => true,
        Err(Fault::NoAddress | Fault::Empty | Fault::Binary) => false,
        // Numbers with dots are versions, dates and scores more often than addresses.
        Err(Fault::Short(_) | Fault::ByteField(_) | Fault::LeadingZero(_)) => is_quad(text),
        // Names of hosts may start with an address.
        Err(Fault::RangeEnd(_)) => text.iter().all(|byte| byte.is_ascii_hexdigit() || b".:/-".contains(byte)),
        Err(_) => true,
    }
}

/// An address, or four numbers that are short enough for one, or three with a length.
fn is_quad(text: &[u8]) -> bool {
    let mut halves = text.splitn(2, |&byte| byte == b'/');
    let address = halves.next().unwrap_or_default();
    let number = |octet: &[u8]| octet.len() <= 3 && octet.iter().all(u8::is_ascii_digit);
    let numbers = address.split(|&byte| byte == b'.').take_while(|octet| number(octet)).count();
    prefix::address_of(address).is_some() || numbers == 4 || numbers == 3 && halves.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(tail: Tail<'_>) -> (&str, &str) {
        (str::from_utf8(tail.body).unwrap(), str::from_utf8(tail.columns).unwrap())
    }

    #[test]
    fn comments_end_the_columns() {
        let split = |after: &'static str| texts(Tail::of(after.as_bytes()));
        assert_eq!(split(" # x"), (" ", " "));
        assert_eq!(split("#x"), ("", ""));
        assert_eq!(split(" a // b"), (" a ", " a "));
        assert_eq!(split(",a;b # c"), (",a;b ", ",a"));
        assert_eq!(split(" ; a 192.0.2.1"), (" ; a 192.0.2.1", " "));
    }

    #[test]
    fn what_only_looks_like_a_comment_ends_nothing() {
        for after in [
            ",http://a/#b,c",
            ",\"a # b\",c",
            ",\"a;b // c\",d",
            " a=\"b # c\" d",
            " ; 192.0.2.1",
            ";a;192.0.2.1",
            ";\"::1\"",
        ] {
            assert_eq!(texts(Tail::of(after.as_bytes())).1, after);
        }
        assert_eq!(texts(Tail::of(b" 5\" # x")).1, " 5\" ", "a quote that nothing closes");
        assert_eq!(texts(Tail::of(b",\"a\"# x")).1, ",\"a\"");
    }

    #[test]
    fn words_that_are_entries_or_were_meant_for_one() {
        for text in [
            "192.0.2.1",
            "192.0.2.0/24",
            "2001:db8::/32",
            "::1",
            "192.0.2.1-192.0.2.9",
            "192.0.2.0/255.255.255.0",
            "192.0.2.7/24",
            "192.0.2.0/33",
            "300.0.2.1",
            "010.0.2.1",
            "192.0.2/24",
            "192.0.2.*",
            "192.0.2.1:80",
            "[2001:db8::1]:80",
            "fe80::1%eth0",
            "192.0.2.9-192.0.2.1",
            "192.0.2.0-9",
            "::ffff:192.0.2.1",
            "(192.0.2.1)",
            "192.0.2.1.",
            "-192.0.2.9",
            "src=192.0.2.1",
            "Corp:192.0.2.1-192.0.2.9",
            "192.0.2.1:name",
            "!192.0.2.1",
            "'192.0.2.1'",
            "2001:db8::/032",
            "\u{a0}192.0.2.1",
        ] {
            assert!(entry_in(format!("a {text} b").as_bytes()).is_some(), "{text}");
        }
    }

    #[test]
    fn words_that_are_none() {
        for text in [
            "",
            "10",
            "3.14",
            "10.1",
            "1.2.3",
            "9.8/10",
            "1/2",
            "29.11.2026",
            "01.02.2026",
            "2026-11-29T10:00:00Z",
            "12:30:15",
            "AS64496",
            "NL-NH",
            "host-192-0-2-1.example",
            "192.0.2.1-dyn.example.net",
            "00:11:22:33:44:55",
            "http://192.0.2.1/x",
            ":127.0.0.2:spam",
            "Intel::ADDR",
            "96.0.4664.110",
            "/24",
            "1.2.3.4.5",
        ] {
            assert_eq!(entry_in(text.as_bytes()), None, "{text}");
        }
    }
}
