//! What is measured.

use serde::Serialize;

/// A program under measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Candidate {
    /// Drops, and nothing else: what all others are measured above.
    Empty,
    /// The same without `frags`.
    PlainEmpty,
    /// Parses and reads one random word of 64 MiB: the physical floor of any table.
    OneRead,
    /// The kernel's LPM trie, with a hit counter in each prefix.
    Lpm,
    /// The kernel's LRU hash of a million sources, counting each.
    Lru,
    /// Both.
    LpmAndLru,
    /// xdp-filter with all features; it knows single addresses only, and has none to look for.
    XdpFilter,
    /// floodwall with nothing listed; sources are metered.
    Unlisted,
    /// floodwall with a million prefixes; sources are metered.
    Floodwall,
    /// The same with 64 signatures in force.
    Signed,
}

impl Candidate {
    /// All, in the order of the table's columns.
    pub(crate) const ALL: [Self; 10] = [
        Self::Empty,
        Self::PlainEmpty,
        Self::OneRead,
        Self::Lpm,
        Self::Lru,
        Self::LpmAndLru,
        Self::XdpFilter,
        Self::Unlisted,
        Self::Floodwall,
        Self::Signed,
    ];

    /// The name that people see.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty dropper",
            Self::PlainEmpty => "empty dropper, no frags",
            Self::OneRead => "one random read",
            Self::Lpm => "LPM trie",
            Self::Lru => "LRU hash",
            Self::LpmAndLru => "LPM trie + LRU hash",
            Self::XdpFilter => "xdp-filter",
            Self::Unlisted => "floodwall, nothing listed",
            Self::Floodwall => "floodwall",
            Self::Signed => "floodwall, 64 signatures",
        }
    }

    /// Whether it is a program without `frags`, and needs a wrapper without them.
    pub(crate) const fn is_plain(self) -> bool {
        matches!(self, Self::PlainEmpty | Self::XdpFilter)
    }

    /// What it is measured above.
    pub(crate) const fn base(self) -> Self {
        if self.is_plain() { Self::PlainEmpty } else { Self::Empty }
    }

    /// The name of the program among the benchmark's own, unless it is someone else's.
    pub(crate) const fn own_program(self) -> Option<&'static str> {
        match self {
            Self::Empty => Some("empty"),
            Self::PlainEmpty => Some("plain_empty"),
            Self::OneRead => Some("one_read"),
            Self::Lpm => Some("lpm"),
            Self::Lru => Some("lru"),
            Self::LpmAndLru => Some("lpm_and_lru"),
            Self::XdpFilter | Self::Unlisted | Self::Floodwall | Self::Signed => None,
        }
    }
}
