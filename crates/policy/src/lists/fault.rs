//! What can be wrong with a prefix or a line.

use ipnetwork::IpNetwork;

use super::text;

/// A text that is no prefix (or address), and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}: {fault}")]
pub struct PrefixError {
    /// What was given, shortened and with everything but printable ASCII escaped.
    pub text: String,
    /// What is wrong with it.
    pub fault: Fault,
}

impl PrefixError {
    pub(super) fn new(given: &str, fault: Fault) -> Self {
        Self { text: text::shortened(given.as_bytes()), fault }
    }
}

/// What is wrong, and where it can be told, what was meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The prefix names a host, not a network.
    #[error("host bits set; meant {0}?")]
    HostBits(IpNetwork),
    /// `::ffff:a.b.c.d`: such packets are IPv4 on the wire, so the entry would never match.
    #[error("an IPv4-mapped IPv6 address, which is IPv4 on the wire; meant {0}?")]
    Mapped(IpNetwork),
    /// `010.0.0.1` is 10.0.0.1 to some and 8.0.0.1 to others.
    #[error("leading zero in `{0}`, which some read as octal; write the number without it")]
    LeadingZero(String),
    /// An octet above 255.
    #[error("`{0}` is no octet; an octet is 0 to 255")]
    ByteField(String),
    /// `10/8`, `10.1`.
    #[error("an IPv4 address has four octets; meant {0}?")]
    Short(String),
    /// `192.0.2.*`.
    #[error("no wildcards; meant {0}?")]
    Star(String),
    /// The length is no number, or too big.
    #[error("`{given}` is no prefix length; it is a number from 0 to {max}")]
    Length {
        /// What stood after the slash.
        given: String,
        /// 32 or 128.
        max: u8,
    },
    /// A netmask with holes.
    #[error("`{0}` is not a contiguous netmask")]
    Netmask(String),
    /// A netmask upside down, as routers write it.
    #[error("a wildcard mask, not a netmask; meant {0}?")]
    WildcardMask(IpNetwork),
    /// `192.0.2.1:80`, `[2001:db8::1]:80`.
    #[error("a port has no place here; meant {0}?")]
    Port(IpNetwork),
    /// `[2001:db8::1]`.
    #[error("no brackets; meant {0}?")]
    Brackets(IpNetwork),
    /// `fe80::1%eth0`.
    #[error("an address with a zone is good on one interface only; leave out `%{0}`")]
    Zone(String),
    /// A range where one prefix is wanted.
    #[error("a range; meant {0}?")]
    Range(String),
    /// A prefix where an address is wanted.
    #[error("a prefix, where one address is wanted; meant {0}?")]
    Prefix(String),
    /// `b-a`.
    #[error("the range ends before it starts")]
    RangeOrder,
    /// `192.0.2.1-2001:db8::1`.
    #[error("the range starts in one address family and ends in the other")]
    RangeFamilies,
    /// `192.0.2.1-…` with something else than an address at either end.
    #[error("a range is two addresses: `{0}` is none")]
    RangeEnd(String),
    /// Two addresses: start and end, address and netmask, or two entries? Reading one of them would block too
    /// little.
    #[error("two addresses in a line; write a prefix, a range `a-b`, or two lines")]
    SecondAddress,
    /// A prefix or range further on in the line, where not all of the line is entries.
    #[error("`{0}` stands in the same line and would be left out; write one entry a line")]
    OtherEntry(String),
    /// `!192.0.2.1`.
    #[error("`!` makes it an exception; put it on the allowlist instead")]
    Negated,
    /// `192.0.2.1 permit`.
    #[error("`{0}` says to let it pass; take out the line, or put the entry on the allowlist")]
    Passing(String),
    /// `192.0.2.0 - 192.0.2.9 , 200 , name`.
    #[error("the level {0} says to let it pass (only up to 127 is blocked); take out the line")]
    AccessLevel(String),
    /// `0.0.0.0 ads.example.org`.
    #[error(
        "a line of a hosts file, whose address is where the name is sent; list addresses to block, not names"
    )]
    HostsFile,
    /// `10.0.0.0 /8`.
    #[error("a blank before the slash; meant {0}?")]
    SpacedLength(String),
    /// `add SET ENTRY nomatch`, `ENTRY nomatch`.
    #[error("`nomatch` makes it an exception; put it on the allowlist instead")]
    NoMatch,
    /// A line of `ipset save` that is cut off.
    #[error("an `ipset` line that ends too early")]
    IpsetEnd,
    /// An entry like `192.0.2.1,tcp:80`.
    #[error("an `ipset` entry of more than an address or prefix")]
    IpsetEntry,
    /// A set of other things than addresses.
    #[error("a set of type `{0}`; only hash:ip, hash:net and bitmap:ip hold nothing but addresses")]
    IpsetType(String),
    /// An entry of such a set.
    #[error("an entry of a set that could not be read (see its `create` line)")]
    IpsetUnread,
    /// More sets than ipset can have.
    #[error("more than {0} sets")]
    IpsetSets(usize),
    /// A `create` option whose value is no number in range.
    #[error("`netmask {0}` is none for this set")]
    IpsetNetmask(String),
    /// Commands that take away what others put in.
    #[error("`ipset {0}` cannot be followed; a list only adds")]
    IpsetCommand(String),
    /// Longer than any list's line.
    #[error("longer than {0} bytes; not a list of one entry a line?")]
    TooLong(usize),
    /// Bytes that no text has.
    #[error("not text")]
    Binary,
    /// Nothing at all.
    #[error("empty; a prefix looks like 203.0.113.0/24 or 2001:db8::/32")]
    Empty,
    /// Anything else.
    #[error("no IP address or prefix")]
    NoAddress,
}
