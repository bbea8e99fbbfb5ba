//! What the daemon would read off the host it protects: its addresses and open ports.

use std::{
    fmt, fs,
    net::{IpAddr, SocketAddr},
    path::Path,
    str::FromStr,
};

use anyhow::{Context as _, bail};
use floodwall_common::parse::protocol;
use serde::{Deserialize, Deserializer, de};

use super::opened_flows::OpenedFlow;

/// The protected host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// What listens on it.
    pub services: Vec<Service>,
    /// What times of flows are counted from, ns since 1970; if it is not said, from the first packet.
    pub epoch: Option<u64>,
    /// Flows that were there already when the capture begins.
    pub connections: Vec<OpenedFlow>,
}

/// A port that something listens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service {
    /// IP protocol number: TCP or UDP.
    pub protocol: u8,
    /// The port.
    pub port: u16,
}

/// The file as it is written: by hand, or beside a scenario (which says much else).
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    addresses: Vec<IpAddr>,
    protected: Option<Protected>,
    #[serde(default)]
    services: Vec<Service>,
    /// Seconds since 1970.
    epoch: Option<f64>,
    #[serde(default)]
    connections: Vec<Connection>,
}

/// A flow that was there already.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Connection {
    protocol: String,
    local: SocketAddr,
    remote: SocketAddr,
}

impl Connection {
    fn flow(&self) -> anyhow::Result<OpenedFlow> {
        let Self { protocol, local, remote } = self;
        let protocol = number(protocol)
            .with_context(|| format!("the protocol of a connection is `tcp` or `udp`, not `{protocol}`"))?;
        if local.is_ipv4() != remote.is_ipv4() {
            bail!("a connection has two ends of one kind, not {local} and {remote}");
        }
        Ok(OpenedFlow {
            after_epoch_ns: 0,
            protocol,
            local: local.ip(),
            local_port: local.port(),
            remote: remote.ip(),
            remote_port: remote.port(),
        })
    }
}

/// The number of a protocol with ports.
fn number(protocol: &str) -> Option<u8> {
    match protocol {
        "tcp" => Some(protocol::TCP),
        "udp" => Some(protocol::UDP),
        _ => None,
    }
}

/// The host of a scenario.
#[derive(Deserialize)]
struct Protected {
    #[serde(default)]
    v4: OneOrMany,
    #[serde(default)]
    v6: OneOrMany,
}

#[derive(Default, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    #[default]
    None,
    One(IpAddr),
    Many(Vec<IpAddr>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<IpAddr> {
        match self {
            Self::None => Vec::new(),
            Self::One(address) => vec![address],
            Self::Many(addresses) => addresses,
        }
    }
}

impl Host {
    /// Reads `{"addresses": ["192.0.2.10"], "services": ["tcp/22"]}`, or the description of a scenario. `connections` are
    /// `{"protocol": "tcp", "local": "192.0.2.10:22", "remote": "203.0.113.7:40000"}`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is no such JSON, or names no address.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("reading what is known of the host, {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("host {}", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let File { mut addresses, protected, services, epoch, connections } = serde_json::from_str(text)?;
        if let Some(Protected { v4, v6 }) = protected {
            addresses.extend(v4.into_vec());
            addresses.extend(v6.into_vec());
        }
        if addresses.is_empty() {
            bail!("it names no address; `addresses` lists those of the host");
        }
        let epoch = epoch.map(|seconds| (seconds * 1e9) as u64);
        let connections = connections.iter().map(Connection::flow).collect::<anyhow::Result<_>>()?;
        Ok(Self { addresses, services, epoch, connections })
    }
}

impl fmt::Display for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = if self.protocol == protocol::TCP { "tcp" } else { "udp" };
        write!(formatter, "{protocol}/{}", self.port)
    }
}

/// As it is written: `tcp/22`.
impl FromStr for Service {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no service; one is tcp/22 or udp/53");
        let (protocol, port) = text.split_once('/').ok_or_else(wrong)?;
        let protocol = number(protocol).ok_or_else(wrong)?;
        Ok(Self { protocol, port: port.parse().map_err(|_| wrong())? })
    }
}

impl<'de> Deserialize<'de> for Service {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand_and_of_a_scenario() {
        let service = |protocol, port| Service { protocol, port };
        let host = Host::parse(r#"{"addresses": ["192.0.2.10"], "services": ["tcp/22", "udp/53"]}"#).unwrap();
        assert_eq!(host.services, [service(6, 22), service(17, 53)]);
        assert_eq!((host.addresses, host.epoch), (vec!["192.0.2.10".parse().unwrap()], None));
        let host = Host::parse(
            r#"{"name": "x", "epoch": 1767225600, "services": [],
                "protected": {"v4": ["192.0.2.10", "192.0.2.11"], "v6": "2001:db8::1", "mac": "x"}}"#,
        );
        let host = host.unwrap();
        assert_eq!((host.addresses.len(), host.epoch), (3, Some(1_767_225_600_000_000_000)));
    }

    #[test]
    fn connections_that_were_there_have_two_ends() {
        let host = Host::parse(
            r#"{"addresses": ["192.0.2.10"], "connections": [
                {"protocol": "tcp", "local": "192.0.2.10:443", "remote": "203.0.113.7:40000"},
                {"protocol": "udp", "local": "[2001:db8::1]:51820", "remote": "[2001:db8::7]:9"}]}"#,
        );
        let connections = host.unwrap().connections;
        let ends = connections.iter().map(|flow| (flow.protocol, flow.local_port, flow.remote_port));
        assert_eq!(ends.collect::<Vec<_>>(), [(6, 443, 40_000), (17, 51_820, 9)]);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(
            (connections[0].local, connections[0].remote),
            (address("192.0.2.10"), address("203.0.113.7"))
        );
    }

    #[test]
    fn mistakes_are_explained() {
        for (text, expected) in [
            ("{}", "names no address"),
            (r#"{"addresses": ["192.0.2.10"], "services": ["icmp/1"]}"#, "tcp/22 or udp/53"),
            (r#"{"addresses": ["192.0.2"]}"#, "invalid IP address"),
            (
                r#"{"addresses": ["192.0.2.10"], "connections": [
                    {"protocol": "sctp", "local": "192.0.2.10:1", "remote": "203.0.113.7:2"}]}"#,
                "`tcp` or `udp`, not `sctp`",
            ),
            (
                r#"{"addresses": ["192.0.2.10"], "connections": [
                    {"protocol": "tcp", "local": "192.0.2.10:1", "remote": "[2001:db8::7]:2"}]}"#,
                "two ends of one kind",
            ),
            (
                r#"{"addresses": ["192.0.2.10"], "connections": [{"protocol": "tcp", "local": "192.0.2.10:1"}]}"#,
                "missing field `remote`",
            ),
        ] {
            let error = format!("{:#}", Host::parse(text).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
