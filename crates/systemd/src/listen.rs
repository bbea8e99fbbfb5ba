//! Socket activation: sockets that systemd opens before it starts the daemon, and hands over to it.

use std::{
    io,
    os::{
        fd::{FromRawFd as _, OwnedFd, RawFd},
        unix::net::UnixListener,
    },
    sync::atomic::{AtomicBool, Ordering},
};

use nix::sys::socket::{AddressFamily, SockaddrLike as _, SockaddrStorage, getsockname, getsockopt, sockopt};

/// Name (`FileDescriptorName=`) of the socket whose clients have all rights; also assumed for a socket with another name.
const CONTROL: &str = "control";
/// Name of the socket whose clients may only read.
const READ_ONLY: &str = "read-only";

/// The sockets that were handed over, listening and non-blocking.
#[derive(Debug, Default)]
pub struct Inherited {
    /// For clients with all rights.
    pub control: Option<UnixListener>,
    /// For clients that may only read.
    pub read_only: Option<UnixListener>,
}

/// Why a socket that was handed over cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InheritedError {
    /// The environment variables that describe the sockets cannot be parsed.
    #[error("reading LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES, by which systemd tells of sockets: {0}")]
    Variables(#[source] io::Error),
    /// A file descriptor is not a listening Unix stream socket.
    #[error(
        "systemd has handed over `{name}`, which is no listening Unix stream socket: see ListenStream= of its unit"
    )]
    NoListener {
        /// Its name.
        name: String,
    },
    /// There are two sockets for the same clients.
    #[error(
        "systemd has handed over two sockets `{0}`; one is to be named so (FileDescriptorName= of their units)"
    )]
    Twice(&'static str),
    /// A socket cannot be made non-blocking.
    #[error("preparing the socket `{name}` that systemd has handed over: {error}")]
    Prepare {
        /// Its name.
        name: String,
        /// The system's error.
        #[source]
        error: io::Error,
    },
}

/// Takes the sockets that were handed over to this process. Later calls return none.
///
/// # Errors
///
/// If a file descriptor was handed over that is not one of the expected sockets.
pub fn inherited() -> Result<Inherited, InheritedError> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Inherited::default());
    }
    let given = sd_notify::listen_fds_with_names().map_err(InheritedError::Variables)?;
    given.map(|(descriptor, name)| (own(descriptor), name)).try_fold(Inherited::default(), Inherited::with)
}

fn own(descriptor: RawFd) -> OwnedFd {
    // SAFETY: by the protocol of `sd_listen_fds(3)` the descriptor was opened for this process and nothing else in it owns
    // the descriptor, and `inherited` takes it only once.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

impl Inherited {
    fn with(mut self, (descriptor, name): (OwnedFd, String)) -> Result<Self, InheritedError> {
        if !is_unix_listener(&descriptor) {
            return Err(InheritedError::NoListener { name });
        }
        let listener = UnixListener::from(descriptor);
        listener
            .set_nonblocking(true)
            .map_err(|error| InheritedError::Prepare { name: name.clone(), error })?;
        let (kind, place) = match name.as_str() {
            READ_ONLY => (READ_ONLY, &mut self.read_only),
            _ => (CONTROL, &mut self.control),
        };
        match place.replace(listener) {
            Some(_) => Err(InheritedError::Twice(kind)),
            None => Ok(self),
        }
    }
}

fn is_unix_listener(descriptor: &OwnedFd) -> bool {
    use std::os::fd::AsRawFd as _;
    let family = getsockname::<SockaddrStorage>(descriptor.as_raw_fd()).ok().and_then(|name| name.family());
    family == Some(AddressFamily::Unix) && getsockopt(descriptor, sockopt::AcceptConn).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixDatagram, UnixStream};

    use super::*;

    fn listener(directory: &tempfile::TempDir, name: &str) -> (OwnedFd, String) {
        (UnixListener::bind(directory.path().join(name)).unwrap().into(), name.to_owned())
    }

    #[test]
    fn sockets_are_told_apart_by_their_names() {
        let directory = tempfile::tempdir().unwrap();
        let inherited = Inherited::default().with(listener(&directory, READ_ONLY)).unwrap();
        let inherited = inherited.with(listener(&directory, "floodwall.socket")).unwrap();
        let path = |listener: Option<UnixListener>| {
            listener.unwrap().local_addr().unwrap().as_pathname().unwrap().to_owned()
        };
        assert!(path(inherited.control).ends_with("floodwall.socket"));
        assert!(path(inherited.read_only).ends_with(READ_ONLY));
    }

    #[test]
    fn other_descriptors_than_listening_stream_sockets_are_refused() {
        let (stream, _other) = UnixStream::pair().unwrap();
        let error = Inherited::default().with((stream.into(), "a".to_owned())).unwrap_err();
        assert!(error.to_string().contains("`a`, which is no listening"), "{error}");
        let datagrams = UnixDatagram::unbound().unwrap();
        Inherited::default().with((datagrams.into(), CONTROL.to_owned())).unwrap_err();
    }

    #[test]
    fn two_of_a_kind_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let inherited = Inherited::default().with(listener(&directory, CONTROL)).unwrap();
        let error = inherited.with(listener(&directory, "another")).unwrap_err();
        assert!(error.to_string().contains("two sockets `control`"), "{error}");
    }
}
