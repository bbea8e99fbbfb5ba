//! Why a message was not taken, and whether it is worth another try.

use std::time::Duration;

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It may be taken later.
    Again {
        /// In words, without any secret.
        text: String,
        /// Not before this has passed, if the receiver has said so.
        after: Option<Duration>,
    },
    /// The same message will never be taken.
    Refused {
        /// In words, without any secret.
        text: String,
    },
}

impl Failure {
    pub(crate) fn again(text: impl Into<String>) -> Self {
        Self::Again { text: text.into(), after: None }
    }

    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self::Refused { text: text.into() }
    }

    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Again { text, .. } | Self::Refused { text } => text,
        }
    }
}
