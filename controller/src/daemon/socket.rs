//! The control socket's place in the file system.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use tokio::net::{UnixListener, UnixStream};
use tracing::warn;

/// Who may talk to the control socket: its owner and group.
const SOCKET_MODE: u32 = 0o660;

/// The socket's name, which goes when this is dropped.
pub(super) struct SocketFile(PathBuf);

/// Binds the control socket. One that a dead daemon left is replaced; one that answers is not.
///
/// Whoever connects from now on waits until the daemon is ready, and is let go of if it does not become so.
pub(super) async fn bind(path: &Path) -> anyhow::Result<(UnixListener, SocketFile)> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).with_context(|| format!("creating {}", directory.display()))?;
    }
    if UnixStream::connect(path).await.is_ok() {
        bail!("another floodwall answers on {}; stop it, or name another --socket", path.display());
    }
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            bail!("{} is there and not a socket; name another --socket", path.display());
        }
        Ok(_) => {
            fs::remove_file(path).with_context(|| format!("removing the stale socket {}", path.display()))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("looking at {}", path.display())),
    }
    let listener =
        UnixListener::bind(path).with_context(|| format!("binding the control socket {}", path.display()))?;
    let file = SocketFile(path.to_owned());
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))
        .with_context(|| format!("setting the mode of {}", path.display()))?;
    Ok((listener, file))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            warn!(socket = %self.0.display(), %error, "the control socket could not be removed");
        }
    }
}
