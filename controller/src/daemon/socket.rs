//! Opens the control socket: the one that systemd hands over, or else one at the configured path.

use std::{fs, path::Path};

use anyhow::Context as _;
use floodwall_listen::{SocketError, SocketFile};
use floodwall_systemd::{Inherited, inherited};
use tokio::net::UnixListener;
use tracing::info;

/// The sockets that the daemon serves.
pub(super) struct Sockets {
    /// For clients with all rights.
    pub(super) control: UnixListener,
    /// For clients that may only read. Only systemd can set it up.
    pub(super) read_only: Option<UnixListener>,
    /// The control socket's name, if the daemon has bound it and so has to remove it in the end.
    pub(super) file: Option<SocketFile>,
}

/// Takes over the sockets that systemd listens on for the daemon; without them, binds the control socket.
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

/// Binds the control socket. Clients that connect from now on wait until the daemon is ready to serve them.
async fn bind(path: &Path) -> anyhow::Result<(UnixListener, SocketFile)> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).with_context(|| format!("creating {}", directory.display()))?;
    }
    SocketFile::bind(path).await.map_err(|error| match error {
        SocketError::InUse => anyhow::anyhow!(
            "another floodwall answers on {}; stop it, or name another --socket",
            path.display()
        ),
        SocketError::NotASocket => {
            anyhow::anyhow!("{} is there and not a socket; name another --socket", path.display())
        }
        error => anyhow::Error::new(error).context(format!("binding the control socket {}", path.display())),
    })
}
