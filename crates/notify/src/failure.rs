//! Failed deliveries, and whether to retry them.

use std::time::Duration;

/// Why a message was not delivered. No text of it contains a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A later attempt may succeed.
    Again {
        /// The reason.
        text: String,
        /// How long the receiver wants no further attempt, if it has said so.
        after: Option<Duration>,
    },
    /// The receiver will never accept this message.
    Refused {
        /// The reason.
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
