//! Where to listen, as the configuration says it.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};

use serde::Deserialize;

/// What a Unix socket's path is preceded by.
const UNIX: &str = "unix:";

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum ListenAddress {
    /// At an IP address and a port, written `127.0.0.1:9101` or `[::1]:9101`.
    Tcp(SocketAddr),
    /// At a Unix socket, written `unix:/PATH`.
    Unix(PathBuf),
}

/// Why a text does not say where to listen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The path of a Unix socket is relative.
    #[error("`{0}` is not an absolute path; a Unix socket is written unix:/PATH")]
    RelativePath(String),
    /// It is neither an address with a port nor a Unix socket.
    #[error("`{0}` says nowhere to listen; write ADDRESS:PORT, [IPV6]:PORT or unix:/PATH")]
    Malformed(String),
}

impl ListenAddress {
    /// Whether only processes on this host can connect.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text.strip_prefix(UNIX) {
            Some(path) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(path) => Err(AddressError::RelativePath(path.to_owned())),
            None => text.parse().map(Self::Tcp).map_err(|_| AddressError::Malformed(text.to_owned())),
        }
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "{UNIX}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_it_is_read() {
        for text in ["127.0.0.1:9101", "[::1]:9101", "0.0.0.0:80", "unix:/run/floodwall/metrics.sock"] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_malformed_address_is_refused() {
        for text in ["9101", "localhost:9101", "127.0.0.1"] {
            assert_eq!(text.parse::<ListenAddress>(), Err(AddressError::Malformed(text.to_owned())));
        }
        assert_eq!(
            "unix:run/x".parse::<ListenAddress>(),
            Err(AddressError::RelativePath("run/x".to_owned()))
        );
    }

    #[test]
    fn only_loopback_addresses_and_unix_sockets_are_local() {
        let local = |text: &str| text.parse::<ListenAddress>().unwrap().is_local();
        assert!(local("127.0.0.1:1") && local("127.8.0.1:1") && local("[::1]:1") && local("unix:/x"));
        assert!(local("[::ffff:127.0.0.1]:1"));
        assert!(!local("0.0.0.0:1") && !local("[::]:1") && !local("192.0.2.1:1"));
    }
}
