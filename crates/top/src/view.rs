//! The views, and what they are called.

/// What can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// A bit of everything.
    Overview,
    Services,
    Reasons,
    Sources,
    Prefixes,
    Signatures,
    Events,
}

impl View {
    pub(crate) const ALL: [Self; 7] = [
        Self::Overview,
        Self::Services,
        Self::Reasons,
        Self::Sources,
        Self::Prefixes,
        Self::Signatures,
        Self::Events,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Services => "Services",
            Self::Reasons => "Reasons",
            Self::Sources => "Sources",
            Self::Prefixes => "Prefixes",
            Self::Signatures => "Signatures",
            Self::Events => "Events",
        }
    }
}
