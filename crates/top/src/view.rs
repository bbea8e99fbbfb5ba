//! The views and their names.

/// A view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// Curves, and the beginning of every other view.
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
