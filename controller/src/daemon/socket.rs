//! The control socket's place in the file system.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use floodwall_systemd::{Inherited, inherited};
use tokio::net::{UnixListener, UnixStream};
use tracing::{info, warn};

/// Who may talk to the control socket: its owner and group.
const SOCKET_MODE: u32 = 0o660;

/// The socket's name, which goes when this is dropped.
pub(super) struct SocketFile(PathBuf);

/// The sockets that clients come by.
pub(super) struct Sockets {
    /// For those who may do everything.
    pub(super) control: UnixListener,
    /// For those who may only look, where whoever started the daemon listens for them.
    pub(super) read_only: Option<UnixListener>,
    /// The name that goes with the daemon; one that it was given belongs to whoever gave it.
    pub(super) file: Option<SocketFile>,
}

/// Takes up the sockets that systemd listens on for the daemon; else binds the control socket.
pub(super) async fn open(path: &Path) -> anyhow::Result<Sockets> {
    let Inherited { control, read_only } = inherited()?;
    let listener = |given| UnixListener::from_std(given).context("taking up a socket of systemd's");
    let read_only = read_only.map(listener).transpose()?;
    let Some(control) = control else {
        let (control, file) = bind(path).await?;
        return Ok(Sockets { control, read_only, file: Some(file) });
    };
    let at = control.local_addr().ok();
    let at =
        at.as_ref().and_then(|address| address.as_pathname()).unwrap_or(Path::new("a socket without a name"));
    info!(socket = %at.display(), "systemd listens on the control socket");
    Ok(Sockets { control: listener(control)?, read_only, file: None })
}

/// Binds the control socket. One that a dead daemon left is replaced; one that answers is not.
///
/// Whoever connects from now on waits until the daemon is ready, and is let go of if it does not become so.
async fn bind(path: &Path) -> anyhow::Result<(UnixListener, SocketFile)> {
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
