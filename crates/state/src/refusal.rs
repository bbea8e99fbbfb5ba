//! Why a request is refused. The kinds are those that clients can tell apart; the details are text for the operator.

use std::fmt::Display;

use floodwall_api::ImportReport;
use floodwall_tables::prefixes::TableError;

/// Why a request is refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It cannot be done as it was said.
    #[error("{0}")]
    Invalid(String),
    /// What it is about is not there.
    #[error("{0}")]
    NotFound(String),
    /// It would cut off the host, or the one who asks.
    #[error("{0}; --force does it anyway")]
    Dangerous(String),
    /// A list has lines that are not understood.
    #[error("{} of {} lines were refused, and so nothing was imported; --skip-bad imports the others", report.refused, report.lines)]
    BadList {
        /// What was found.
        report: Box<ImportReport>,
    },
    /// A list cannot be read at all.
    #[error("{0}")]
    Unreadable(String),
    /// There is no room.
    #[error("{0}")]
    Full(String),
    /// The state is damaged, and left as it is.
    #[error("nothing can be changed: {0}")]
    Damaged(String),
    /// floodwall's own fault.
    #[error("{0}")]
    Internal(String),
}

impl Refusal {
    /// A request that cannot be carried out as it was written.
    pub(super) fn invalid(error: impl Display) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<TableError> for Refusal {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Full { .. } | TableError::OutOfMemory { .. } | TableError::OutOfRules => {
                Self::Full(format!("{error}; --max-prefixes makes a larger one at the next start"))
            }
            TableError::NotThere { .. } => Self::NotFound(error.to_string()),
            TableError::AlreadyThere { .. } => Self::Invalid(error.to_string()),
            _ => Self::Internal(error.to_string()),
        }
    }
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(format!("{error:#}"))
    }
}
