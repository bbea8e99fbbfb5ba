//! How a command ends: exit codes that scripts can rely on, and what is said.
//!
//! The codes are those of [`CODES`], which `floodwall --help` prints too. With `--json` a failure is one
//! document on standard output, `{"failure":{"kind":"not-found","message":"…"}}`; otherwise it is a line on
//! standard error.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    api::{Failure, FailureKind, ImportReport},
    client::ClientError,
};

/// The exit codes, for `--help`.
pub(super) const CODES: &str = "\
Exit codes:
   0  done
   1  floodwall's own fault, or the machine's
   2  not understood: usage, an invalid prefix, rate, duration or file
   3  what was to be removed or shown is not there
   4  refused: dangerous without --force (or --yes)
   5  a list with bad lines; nothing was imported
   6  the table is full
   7  no daemon answers on the socket
   8  permission denied
   9  status, doctor: something keeps the filter from doing all of its work; it says what
  10  test --exit-code: the other list decides
  11  test --exit-code: no list holds the address
  12  replay: the capture is damaged; what comes before the damage was judged
  13  the state on disk is damaged, as `floodwall status` or `floodwall state check` says; changes are refused
  14  too much is asked for at the moment: try again";

/// How a command that was carried out ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// As it should.
    Plain,
    /// `status`: something keeps the filter from doing all of its work.
    Impaired,
    /// `test --exit-code`: the other list decides.
    OtherList,
    /// `test --exit-code`: no list holds the address.
    Unlisted,
    /// `replay`: the capture is damaged, and was judged up to there.
    Damaged,
    /// `state`: the state directory is damaged.
    StateDamaged,
}

/// Kinds of failure: those that the daemon tells of, and those of reaching it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "FailedKind")]
pub(super) enum Kind {
    Internal,
    Invalid,
    NotFound,
    Refused,
    BadList,
    Full,
    Unreachable,
    Denied,
    StateDamaged,
    Busy,
}

/// A command that was not carried out.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "FailedCommand")]
pub(super) struct Failed {
    failure: Words,
    /// What was wrong with a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Box<ImportReport>>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "FailedWords")]
struct Words {
    kind: Kind,
    message: String,
}

/// Why a command stopped.
#[derive(Debug)]
pub(super) enum Stop {
    Failed(Failed),
    /// Whoever reads the output has seen enough, as `head` has; no failure.
    Closed,
}

impl Done {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Impaired => 9,
            Self::OtherList => 10,
            Self::Unlisted => 11,
            Self::Damaged => 12,
            Self::StateDamaged => Kind::StateDamaged.code(),
        }
    }
}

impl Kind {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Invalid => 2,
            Self::NotFound => 3,
            Self::Refused => 4,
            Self::BadList => 5,
            Self::Full => 6,
            Self::Unreachable => 7,
            Self::Denied => 8,
            Self::StateDamaged => 13,
            Self::Busy => 14,
        }
    }

    /// What a system's error means for whoever asked.
    pub(super) fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied,
            io::ErrorKind::NotFound | io::ErrorKind::IsADirectory => Self::Invalid,
            _ => Self::Internal,
        }
    }
}

impl From<FailureKind> for Kind {
    fn from(kind: FailureKind) -> Self {
        match kind {
            FailureKind::Invalid => Self::Invalid,
            FailureKind::NotFound => Self::NotFound,
            FailureKind::Refused => Self::Refused,
            FailureKind::BadList => Self::BadList,
            FailureKind::Full => Self::Full,
            FailureKind::StateDamaged => Self::StateDamaged,
            FailureKind::Busy => Self::Busy,
            FailureKind::Denied => Self::Denied,
            FailureKind::Internal => Self::Internal,
        }
    }
}

impl Failed {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { failure: Words { kind, message: message.into() }, report: None }
    }

    /// What the daemon refused.
    pub(super) fn told(failure: Failure, report: Option<ImportReport>) -> Self {
        Self { report: report.map(Box::new), ..Self::new(failure.kind.into(), failure.message) }
    }

    /// Says so, and gives the exit code.
    pub(super) fn report(&self, json: bool) -> ExitCode {
        // Nobody is left to hear of a failure to tell a failure.
        if json {
            let mut text = serde_json::to_vec(self).unwrap_or_default();
            text.push(b'\n');
            drop(io::stdout().write_all(&text));
        } else {
            drop(writeln!(io::stderr(), "error: {}", self.failure.message));
        }
        ExitCode::from(self.failure.kind.code())
    }

    #[cfg(test)]
    pub(super) fn kind(&self) -> Kind {
        self.failure.kind
    }

    #[cfg(test)]
    pub(super) fn message(&self) -> &str {
        &self.failure.message
    }
}

impl From<Failed> for Stop {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        let kind = match &error {
            ClientError::Failed(failure) => failure.kind.into(),
            ClientError::NoSocket(_) | ClientError::NobodyAnswers(_) | ClientError::Connect { .. } => {
                Kind::Unreachable
            }
            ClientError::Busy(_) => Kind::Busy,
            ClientError::Denied(_) => Kind::Denied,
            ClientError::Upload(error) => Kind::of_io(error),
            ClientError::Lost(_) | ClientError::Silent(_) | ClientError::Foreign(_) => Kind::Internal,
        };
        Failed::new(kind, error.to_string()).into()
    }
}

/// Errors of writing the output.
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Failed::new(Kind::Internal, format!("writing the output: {error}")).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_documented() {
        let kinds = [
            Kind::Internal,
            Kind::Invalid,
            Kind::NotFound,
            Kind::Refused,
            Kind::BadList,
            Kind::Full,
            Kind::Unreachable,
            Kind::Denied,
            Kind::StateDamaged,
            Kind::Busy,
        ];
        let done = [Done::Plain, Done::Impaired, Done::OtherList, Done::Unlisted, Done::Damaged];
        let mut codes: Vec<u8> =
            kinds.iter().map(|kind| kind.code()).chain(done.iter().map(|done| done.code())).collect();
        codes.sort_unstable();
        let documented: Vec<u8> = CODES
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(codes, documented);
    }

    #[test]
    fn failures_as_scripts_see_them() {
        let kind = |error: ClientError| match Stop::from(error) {
            Stop::Failed(failed) => serde_json::to_value(&failed).unwrap()["failure"]["kind"].clone(),
            Stop::Closed => panic!("an error of the client is a failure"),
        };
        let told = |kind| ClientError::Failed(Failure { kind, message: String::new() });
        assert_eq!(kind(told(FailureKind::BadList)), "bad-list");
        assert_eq!(kind(told(FailureKind::NotFound)), "not-found");
        assert_eq!(kind(told(FailureKind::StateDamaged)), "state-damaged");
        assert_eq!(kind(ClientError::NoSocket("s".into())), "unreachable");
        assert_eq!(kind(ClientError::Denied("s".into())), "denied");
        assert_eq!(kind(ClientError::Lost(String::new())), "internal");
        let failed = Failed::new(Kind::Refused, "no");
        assert_eq!(
            serde_json::to_string(&failed).unwrap(),
            r#"{"failure":{"kind":"refused","message":"no"}}"#
        );
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        assert!(matches!(Stop::from(io::Error::from(io::ErrorKind::BrokenPipe)), Stop::Closed));
        assert!(matches!(Stop::from(io::Error::other("disk full")), Stop::Failed(_)));
    }
}
