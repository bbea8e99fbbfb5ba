//! The two kinds of databases.

/// What a database maps addresses to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Autonomous systems.
    Asn,
    /// Countries.
    Country,
}

impl Kind {
    /// The key of `[origin]` in the configuration.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Asn => "asn",
            Self::Country => "country",
        }
    }

    /// For error messages.
    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::Asn => "autonomous system",
            Self::Country => "country",
        }
    }
}
