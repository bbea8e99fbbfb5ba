//! Unix sockets with a name in the file system.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};
use tracing::warn;

/// Owner and group may connect.
const MODE: u32 = 0o660;

/// The name of a Unix socket that this process has bound. Dropping it removes the name.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

/// Why a Unix socket could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A process accepts connections there.
    #[error("another process answers there")]
    InUse,
    /// Something else than a socket has the name.
    #[error("there is a file of that name which is not a socket")]
    NotASocket,
    /// Whether something has the name could not be found out.
    #[error("looking at it: {0}")]
    Inspect(#[source] io::Error),
    /// The socket of a process that has ended could not be removed.
    #[error("removing the stale socket: {0}")]
    RemoveStale(#[source] io::Error),
    /// The system refused to bind it.
    #[error("{0}")]
    Bind(#[source] io::Error),
    /// Its permissions could not be set.
    #[error("setting its mode: {0}")]
    SetMode(#[source] io::Error),
}

impl SocketFile {
    /// Binds a socket for owner and group. The socket of a process that has ended is replaced; one that answers is not.
    ///
    /// # Errors
    ///
    /// If the name is in use, or the system refuses.
    pub async fn bind(path: &Path) -> Result<(UnixListener, Self), SocketError> {
        if UnixStream::connect(path).await.is_ok() {
            return Err(SocketError::InUse);
        }
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => return Err(SocketError::NotASocket),
            Ok(_) => fs::remove_file(path).map_err(SocketError::RemoveStale)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(SocketError::Inspect(error)),
        }
        let listener = UnixListener::bind(path).map_err(SocketError::Bind)?;
        let file = Self(path.to_owned());
        fs::set_permissions(path, fs::Permissions::from_mode(MODE)).map_err(SocketError::SetMode)?;
        Ok((listener, file))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            warn!(socket = %self.0.display(), %error, "the socket could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_for_owner_and_group_and_is_removed_when_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let (listener, file) = SocketFile::bind(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert!(matches!(SocketFile::bind(&path).await, Err(SocketError::InUse)));
        drop((listener, file));
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_another_file_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        drop(SocketFile::bind(&path).await.unwrap());
        fs::write(&path, "kept").unwrap();
        assert!(matches!(SocketFile::bind(&path).await, Err(SocketError::NotASocket)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
    }
}
