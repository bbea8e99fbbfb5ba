//! Whether what stands after an entry changes what it means.

use std::net::IpAddr;

use super::{
    Fault,
    columns::{self, Tail},
    prefix, text,
};

/// How `permit_mynetworks` and others of Postfix start.
const PERMIT: &[u8] = b"permit_";

/// The last level of eMule's `ipfilter.dat` that blocks.
const BLOCKING: &[u8] = b"127";

/// Whether an entry may be read without what follows it.
///
/// Of the words, only those of the column right after the entry count, since further columns are free text;
/// but for `nomatch`, and for addresses, which may stand anywhere.
pub(super) fn check(entry: &[u8], tail: &Tail<'_>) -> Result<(), Fault> {
    if let Some(other) = columns::entry_in(tail.columns) {
        return Err(match columns::is_sure(entry) || columns::is_sure(columns::trimmed(other)) {
            // Start and end, or address and netmask: to take the first for a whole entry would block too
            // little.
            false => Fault::SecondAddress,
            true => Fault::OtherEntry(text::shortened(other)),
        });
    }
    if tail.columns.len() > b"nomatch".len()
        && columns::tokens(tail.columns).any(|word| word.eq_ignore_ascii_case(b"nomatch"))
    {
        return Err(Fault::NoMatch);
    }
    let Some(column) = Column::first(tail.body) else { return Ok(()) };
    if is_sink(entry) && column.is_name() {
        return Err(Fault::HostsFile);
    }
    if column.opening == b"," && column.has_port() {
        return Err(Fault::IpsetEntry);
    }
    if column.passes() {
        return Err(Fault::Passing(text::shortened(column.text)));
    }
    Ok(())
}

/// Whether a range whose ends stand apart may be read: `first - last , level , name` is a line of eMule's.
pub(super) fn check_level(tail: &Tail<'_>) -> Result<(), Fault> {
    let mut columns = tail.columns.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    let (before, level, name) = (columns.next(), columns.next(), columns.next());
    match (before, level, name) {
        (Some([]), Some(level), Some(_)) if level.len() == 3 && level.iter().all(u8::is_ascii_digit) => {
            if level > BLOCKING {
                Err(Fault::AccessLevel(text::shortened(level)))
            } else {
                Ok(())
            }
        }
        _ => Ok(()),
    }
}

/// Whether the entry is a member of a set of ipset or nftables with a timeout of its own; 0 is none
/// (ipset(8)).
pub(super) fn has_timeout(tail: &Tail<'_>) -> bool {
    let mut words = columns::tokens(tail.columns);
    words.next() == Some(b"timeout") && words.next().is_some_and(|seconds| seconds != b"0")
}

/// Where the files of hosts that block names send them, and what else they start with.
fn is_sink(entry: &[u8]) -> bool {
    match prefix::address_of(entry) {
        Some(IpAddr::V4(address)) => {
            address.is_unspecified() || address.is_loopback() || address.is_broadcast()
        }
        Some(IpAddr::V6(address)) => {
            // Debian's files have `fe00::0 ip6-localnet`.
            address.is_unspecified()
                || address.is_loopback()
                || address.is_multicast()
                || address.segments() == [0xfe00, 0, 0, 0, 0, 0, 0, 0]
        }
        None => false,
    }
}

/// The column right after the entry.
struct Column<'a> {
    /// What stands between it and the entry.
    opening: &'a [u8],
    text: &'a [u8],
    /// What comes next.
    closing: Option<u8>,
}

impl<'a> Column<'a> {
    /// Quoted, the column ends with the quote; after a comma, `;` or `|` it ends with the next; after blanks,
    /// with any of these.
    fn first(body: &'a [u8]) -> Option<Self> {
        let starts = |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii() || *byte == b'!';
        let (opening, rest) = body.split_at(body.iter().position(starts)?);
        let separator = [b'"', b',', b';', b'|'].into_iter().find(|separator| opening.contains(separator));
        let ends = |byte: &u8| match separator {
            Some(separator) => *byte == separator,
            None => byte.is_ascii_whitespace() || matches!(byte, b',' | b';' | b'|'),
        };
        let (text, rest) = rest.split_at(rest.iter().position(ends).unwrap_or(rest.len()));
        Some(Self { opening, text: text.trim_ascii(), closing: rest.first().copied() })
    }

    /// The name of a host.
    fn is_name(&self) -> bool {
        let letters = self.text.iter().any(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii());
        letters && self.opening.trim_ascii().is_empty() && !is_of_member(self.text)
    }

    /// `tcp:80`.
    fn has_port(&self) -> bool {
        let colon = memchr::memchr(b':', self.text);
        colon.is_some_and(|colon| is_protocol(&self.text[..colon]))
    }

    /// A verdict that lets pass: a word, perhaps after the name of its column, or the 0 of a `geo` block of
    /// nginx.
    fn passes(&self) -> bool {
        let text = columns::trimmed(self.text);
        let named = text.iter().rposition(|byte| matches!(byte, b'=' | b':')).map_or(0, |at| at + 1);
        let word = columns::trimmed(&text[named..]);
        let postfix = word.get(..PERMIT.len()).is_some_and(|start| start.eq_ignore_ascii_case(PERMIT));
        let geo = self.opening.trim_ascii().is_empty() && self.text == b"0" && self.closing == Some(b';');
        self.text == b"!" || lets_pass(word) || postfix || geo
    }
}

/// Words with which tables say that an address is not to be blocked: Postfix and Sendmail (`OK`, `DUNNO`,
/// `RELAY`), tcp-wrappers (`ALLOW`), Cisco (`permit`), Juniper (`except`), nftables and iptables (`accept`,
/// `return`, `continue`), pf (`pass`), mail filters, and people.
fn lets_pass(word: &[u8]) -> bool {
    matches!(
        word.to_ascii_lowercase().as_slice(),
        b"accept"
            | b"accepted"
            | b"allow"
            | b"allowed"
            | b"allowlist"
            | b"allowlisted"
            | b"bypass"
            | b"continue"
            | b"dunno"
            | b"except"
            | b"exception"
            | b"exclude"
            | b"excluded"
            | b"exempt"
            | b"exempted"
            | b"ignore"
            | b"ignored"
            | b"ok"
            | b"pass"
            | b"passed"
            | b"permit"
            | b"permitted"
            | b"relay"
            | b"return"
            | b"skip"
            | b"trust"
            | b"trusted"
            | b"unban"
            | b"unblock"
            | b"white"
            | b"whitelist"
            | b"whitelisted"
    )
}

/// What ipset and nftables say of a member of a set.
fn is_of_member(word: &[u8]) -> bool {
    matches!(word, b"timeout" | b"expires" | b"packets" | b"bytes" | b"counter" | b"comment")
}

/// How entries of a set of type `hash:ip,port` go on.
fn is_protocol(word: &[u8]) -> bool {
    matches!(word, b"tcp" | b"udp" | b"sctp" | b"udplite" | b"icmp" | b"icmpv6" | b"icmp6")
}
