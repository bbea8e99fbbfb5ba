//! What a database tells.

/// What a database tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Autonomous systems.
    Asn,
    /// Countries.
    Country,
}

impl Kind {
    /// As it is configured.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Asn => "asn",
            Self::Country => "country",
        }
    }

    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Asn => "autonomous system",
            Self::Country => "country",
        }
    }
}
