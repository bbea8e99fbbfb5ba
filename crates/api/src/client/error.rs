//! Why there is no answer, or not the one that was wanted.

use std::{io, path::PathBuf, time::Duration};

use crate::Failure;

/// What to do when nobody answers.
const START: &str =
    "start it with `floodwall run --iface IF`, or name its socket with --socket or FLOODWALL_SOCKET";

/// Why there is no answer, or not the one that was wanted.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no socket.
    #[error("is floodwall running? There is no socket {}; {START}", .0.display())]
    NoSocket(PathBuf),
    /// There is a socket, and nobody behind it.
    #[error("is floodwall running? Nobody answers on {}; {START}", .0.display())]
    NobodyAnswers(PathBuf),
    /// The socket is not for everybody.
    #[error("no permission to use {}; run this as root, or as a member of the socket's group", .0.display())]
    Denied(PathBuf),
    /// The socket's queue of those who want to connect is full.
    #[error("floodwall is busy: too many wait for {}; try again", .0.display())]
    Busy(PathBuf),
    /// Anything else that went wrong in connecting.
    #[error("connecting to {}: {error}", .path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// The daemon refused; nothing was changed.
    #[error("{}", .0.message)]
    Failed(Failure),
    /// The daemon hung up in the middle.
    #[error("floodwall hung up before it had answered ({0}); `floodwall status` shows whether it still runs")]
    Lost(String),
    /// The daemon is there and silent.
    #[error("no answer within {} s; the request may yet be carried out", .0.as_secs())]
    Silent(Duration),
    /// What came is no answer of floodwall's.
    #[error("what answered does not speak as this floodwall does ({0}); are their versions the same?")]
    Foreign(String),
    /// What was to be sent could not be read.
    #[error("reading the list: {0}")]
    Upload(#[source] io::Error),
}

impl ClientError {
    /// Whether it may be otherwise in a moment, without anything being done: the daemon is started anew, or busy.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Lost(_) | Self::Silent(_)) || self.is_nobody_there()
    }

    /// Whether no daemon runs, as far as the socket can tell.
    pub fn is_nobody_there(&self) -> bool {
        matches!(self, Self::NoSocket(_) | Self::NobodyAnswers(_))
    }
}
