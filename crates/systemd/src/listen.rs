//! Sockets that systemd listens on before the daemon is started, and hands over to it.

use std::{
    io,
    os::{
        fd::{FromRawFd as _, OwnedFd, RawFd},
        unix::net::UnixListener,
    },
    sync::atomic::{AtomicBool, Ordering},
};

use nix::sys::socket::{AddressFamily, SockaddrLike as _, SockaddrStorage, getsockname, getsockopt, sockopt};

/// Name (`FileDescriptorName=`) of the socket whose clients may do everything; one that is not named is taken for it.
pub const CONTROL: &str = "control";
/// Name of the socket whose clients may only look.
pub const READ_ONLY: &str = "read-only";

/// What was handed over. It is listened on already, and does not block.
#[derive(Debug, Default)]
pub struct Inherited {
    /// Whose clients may do everything.
    pub control: Option<UnixListener>,
    /// Whose clients may only look.
    pub read_only: Option<UnixListener>,
}

/// Why what was handed over cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InheritedError {
    /// The variables that tell of it cannot be understood.
    #[error("reading LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES, by which systemd tells of sockets: {0}")]
    Variables(#[source] io::Error),
    /// It is no socket that clients connect to by a path.
    #[error(
        "systemd has handed over `{name}`, which is no listening Unix stream socket: see ListenStream= of its unit"
    )]
    NoListener {
        /// Its name.
        name: String,
    },
    /// There are two of a kind.
    #[error(
        "systemd has handed over two sockets `{0}`; one is to be named so (FileDescriptorName= of their units)"
    )]
    Twice(&'static str),
    /// It cannot be made ready.
    #[error("preparing the socket `{name}` that systemd has handed over: {error}")]
    Prepare {
        /// Its name.
        name: String,
        /// What the system says.
        #[source]
        error: io::Error,
    },
}

/// Takes what was handed over to this process. It can be taken once; after that nothing is left.
///
/// # Errors
///
/// If something was handed over that is not what is expected.
pub fn inherited() -> Result<Inherited, InheritedError> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Inherited::default());
    }
    let given = sd_notify::listen_fds_with_names().map_err(InheritedError::Variables)?;
    given.map(|(descriptor, name)| (own(descriptor), name)).try_fold(Inherited::default(), Inherited::with)
}

fn own(descriptor: RawFd) -> OwnedFd {
    // SAFETY: by the protocol of `sd_listen_fds(3)` it was opened for this process and is nobody else's in it, and it is
    // taken once in its life.
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
    fn what_clients_cannot_connect_to_is_refused() {
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
