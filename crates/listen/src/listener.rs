//! A place to listen at.

use std::{
    fmt, fs, io,
    net::SocketAddr,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::Deserialize;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tracing::warn;

use crate::connection::Connection;

/// Who may use a Unix socket: its owner and group.
const SOCKET_MODE: u32 = 0o660;
const UNIX: &str = "unix:";

/// A place to listen at.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Listen {
    /// An address and a port.
    Address(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Listen {
    /// Whether nobody beyond this host can ask.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Address(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix(UNIX) {
            Some(path) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(path) => Err(format!("`{path}` is no absolute path; a Unix socket is unix:/PATH")),
            None => text.parse().map(Self::Address).map_err(|_| {
                format!(
                    "`{text}` is no place to listen at; there are ADDRESS:PORT, [IPV6]:PORT and unix:/PATH"
                )
            }),
        }
    }
}

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "{UNIX}{}", path.display()),
        }
    }
}

/// Why nobody can be listened to there.
#[derive(Debug, thiserror::Error)]
#[error("listening at {listen}: {why}; name another place in the configuration, or end who uses it")]
pub struct NotThere {
    listen: Listen,
    why: String,
}

/// Takes in those who ask.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: SocketFile },
}

/// A socket's name, which goes when this is dropped.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            warn!(socket = %self.0.display(), %error, "the socket could not be removed");
        }
    }
}

impl Listener {
    /// Listens there. A socket that a dead process left is replaced; one that answers is not.
    ///
    /// # Errors
    ///
    /// If somebody else listens there, or it is not allowed.
    pub async fn bind(listen: &Listen) -> Result<Self, NotThere> {
        let failed = |why: String| NotThere { listen: listen.clone(), why };
        match listen {
            Listen::Address(address) => {
                let listener = TcpListener::bind(address).await.map_err(|error| failed(error.to_string()))?;
                Ok(Self(Kind::Tcp(listener)))
            }
            Listen::Unix(path) => bind_unix(path).await.map(Self).map_err(failed),
        }
    }

    /// The address that it has, where it is one: of port 0, the system chooses another.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.0 {
            Kind::Tcp(listener) => listener.local_addr().ok(),
            Kind::Unix { .. } => None,
        }
    }

    /// Takes in the next one.
    ///
    /// # Errors
    ///
    /// If the system has no room for it.
    pub async fn accept(&self) -> io::Result<Connection> {
        match &self.0 {
            Kind::Tcp(listener) => listener.accept().await.map(|(stream, _)| Connection::Tcp(stream)),
            Kind::Unix { listener, .. } => {
                listener.accept().await.map(|(stream, _)| Connection::Unix(stream))
            }
        }
    }
}

async fn bind_unix(path: &Path) -> Result<Kind, String> {
    if UnixStream::connect(path).await.is_ok() {
        return Err("another process answers there".to_owned());
    }
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err("what is there is no socket".to_owned());
        }
        Ok(_) => fs::remove_file(path).map_err(|error| format!("removing a stale socket: {error}"))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(format!("looking at it: {error}")),
    }
    let listener = UnixListener::bind(path).map_err(|error| error.to_string())?;
    let file = SocketFile(path.to_owned());
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))
        .map_err(|error| format!("setting its mode: {error}"))?;
    Ok(Kind::Unix { listener, _file: file })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_written_alike() {
        for text in ["127.0.0.1:9101", "[::1]:9101", "0.0.0.0:80", "unix:/run/floodwall/metrics.sock"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        for (text, told) in [
            ("9101", "ADDRESS:PORT"),
            ("localhost:9101", "ADDRESS:PORT"),
            ("unix:run/x", "absolute path"),
            ("127.0.0.1", "ADDRESS:PORT"),
        ] {
            let error = text.parse::<Listen>().unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn what_others_can_reach_is_not_local() {
        let local = |text: &str| text.parse::<Listen>().unwrap().is_local();
        assert!(local("127.0.0.1:1") && local("127.8.0.1:1") && local("[::1]:1") && local("unix:/x"));
        assert!(local("[::ffff:127.0.0.1]:1"));
        assert!(!local("0.0.0.0:1") && !local("[::]:1") && !local("192.0.2.1:1"));
    }
}
