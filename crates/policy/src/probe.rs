//! How it is tried whether a service answers, and how fast.

use std::{fmt, net::SocketAddr, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A probe: `tcp://192.0.2.10:443` connects, `http://192.0.2.10:80/health` asks and wants a status below 500.
///
/// Addresses are numbers: a name would have to be looked up, which may be what is under attack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Where to connect.
    pub address: SocketAddr,
    /// What to ask for over HTTP; `None`: to be connected is enough.
    pub path: Option<String>,
}

/// A text that is not a probe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no probe; tcp://192.0.2.10:443 and http://[2001:db8::1]:80/health are (addresses, not names)"
)]
pub struct MalformedProbe(String);

impl FromStr for Probe {
    type Err = MalformedProbe;

    fn from_str(text: &str) -> Result<Self, MalformedProbe> {
        let refused = || MalformedProbe(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(refused)?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let printable = path.bytes().all(|byte| byte.is_ascii_graphic());
        let path = match scheme {
            "tcp" if path == "/" => None,
            "http" if printable => Some(path.to_owned()),
            _ => return Err(refused()),
        };
        Ok(Self { address: authority.parse().map_err(|_| refused())?, path })
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(formatter, "http://{}{path}", self.address),
            None => write!(formatter, "tcp://{}", self.address),
        }
    }
}

impl<'de> Deserialize<'de> for Probe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Probe {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_written_as_they_are_read() {
        for text in ["tcp://192.0.2.10:443", "http://[2001:db8::1]:80/health?x"] {
            assert_eq!(text.parse::<Probe>().map(|probe| probe.to_string()), Ok(text.to_owned()));
        }
        for text in [
            "192.0.2.10:443",
            "tcp://example.org:443",
            "tcp://192.0.2.1:1/x",
            "http://192.0.2.1/",
            "http://192.0.2.1:80/a b",
        ] {
            assert!(text.parse::<Probe>().is_err(), "{text}");
        }
    }
}
