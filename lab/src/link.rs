//! Virtual cables between namespaces.

use std::net::IpAddr;

use anyhow::{Context as _, Result, bail};

use crate::interface;
use crate::namespace::Namespace;

/// A hardware address, in the order of the wire.
pub type Mac = [u8; 6];

/// One end of a cable: an interface in a namespace. Keeps the namespace alive.
#[derive(Clone, Debug)]
pub struct Port {
    namespace: Namespace,
    name: String,
    index: u32,
    mac: Mac,
}

/// Packets and bytes an interface has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets that came in (a veth counts them before XDP sees them).
    pub rx_packets: u64,
    /// Bytes that came in.
    pub rx_bytes: u64,
    /// Packets that came in and were lost for lack of room.
    pub rx_dropped: u64,
    /// Packets that went out.
    pub tx_packets: u64,
    /// Bytes that went out.
    pub tx_bytes: u64,
}

/// Joins `a` and `b` by a veth pair and brings both ends up, without addresses.
///
/// Both ends put frames on the cable as they are sent: checksum and segmentation offloads are
/// off. MAC addresses are made of the namespace's label and the interface's name, so they are
/// the same in every run.
///
/// # Errors
/// Without root, when a name is taken, or when iproute2 is missing.
pub fn veth(a: &Namespace, name_a: &str, b: &Namespace, name_b: &str) -> Result<(Port, Port)> {
    let (mac_a, mac_b) = (mac_of(a, name_a), mac_of(b, name_b));
    a.ip(&format!(
        "link add name {name_a} address {} type veth peer name {name_b} address {} netns {}",
        mac_text(mac_a),
        mac_text(mac_b),
        b.name(),
    ))?;
    Ok((Port::bring_up(a, name_a, mac_a)?, Port::bring_up(b, name_b, mac_b)?))
}

/// Makes a tap device, which a virtual machine takes for its cable, and brings it up, without an address. It is there, and
/// takes frames that nobody gets, before the machine is.
///
/// # Errors
/// Without root, when the name is taken, where the kernel has no tap devices, or when iproute2 is missing.
pub fn tap(namespace: &Namespace, name: &str) -> Result<Port> {
    let mac = mac_of(namespace, name);
    namespace.ip(&format!("tuntap add dev {name} mode tap"))?;
    namespace.ip(&format!("link set dev {name} address {}", mac_text(mac)))?;
    Port::bring_up(namespace, name, mac)
}

impl Port {
    fn bring_up(namespace: &Namespace, name: &str, mac: Mac) -> Result<Self> {
        let index = namespace.enter(|| {
            interface::plain_frames(name)?;
            interface::up(name)?;
            interface::index(name)
        })??;
        Ok(Self { namespace: namespace.clone(), name: name.to_owned(), index, mac })
    }

    /// The namespace it stands in.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The interface's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The interface's index within its namespace.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The interface's hardware address.
    #[must_use]
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// Gives it an address with prefix length, such as `192.0.2.1/24` or `2001:db8::1/64`, in use
    /// at once (no duplicate address detection).
    ///
    /// # Errors
    /// When the address is malformed or taken.
    pub fn address(&self, prefix: &str) -> Result<()> {
        let nodad = if prefix.contains(':') { " nodad" } else { "" };
        self.namespace.ip(&format!("address add {prefix} dev {}{nodad}", self.name)).map(drop)
    }

    /// Tells it where `address` lives, so that neither ARP nor neighbour discovery is needed.
    ///
    /// # Errors
    /// When the kernel refuses the entry.
    pub fn neighbour(&self, address: IpAddr, mac: Mac) -> Result<()> {
        let (mac, name) = (mac_text(mac), &self.name);
        self.namespace
            .ip(&format!("neighbour replace {address} lladdr {mac} dev {name} nud permanent"))
            .map(drop)
    }

    /// Sends `prefix` (or `default`) out of this port through the neighbour `via`.
    ///
    /// # Errors
    /// When `via` is not on the link.
    pub fn route(&self, prefix: &str, via: IpAddr) -> Result<()> {
        let family = if via.is_ipv6() { "-6" } else { "-4" };
        self.namespace.ip(&format!("{family} route replace {prefix} via {via} dev {}", self.name)).map(drop)
    }

    /// Sets the largest IP packet it carries, in bytes.
    ///
    /// # Errors
    /// When the kernel refuses the size (an attached XDP program may bound it).
    pub fn mtu(&self, bytes: u32) -> Result<()> {
        self.namespace.ip(&format!("link set dev {} mtu {bytes}", self.name)).map(drop)
    }

    /// What the interface has counted so far.
    ///
    /// # Errors
    /// When the interface is gone.
    pub fn counters(&self) -> Result<Counters> {
        // `thread-self`: plain /proc/net shows the namespace of the process's first thread.
        let table = self
            .namespace
            .enter(|| std::fs::read_to_string("/proc/thread-self/net/dev"))?
            .context("reading interface counters from /proc/thread-self/net/dev")?;
        counters_of(&table, &self.name)
    }
}

/// Finds an interface's line in the table of `/proc/net/dev`.
fn counters_of(table: &str, name: &str) -> Result<Counters> {
    for line in table.lines() {
        let Some((interface, numbers)) = line.split_once(':') else { continue };
        if interface.trim() != name {
            continue;
        }
        let numbers: Vec<u64> = numbers
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()
            .with_context(|| format!("reading the counters of interface {name} from {line:?}"))?;
        let &[rx_bytes, rx_packets, _, rx_dropped, _, _, _, _, tx_bytes, tx_packets, ..] = &numbers[..]
        else {
            bail!("too few counters for interface {name} in {line:?}");
        };
        return Ok(Counters { rx_packets, rx_bytes, rx_dropped, tx_packets, tx_bytes });
    }
    bail!("interface {name} is not in the counter table; is it gone?")
}

/// A locally administered address made of where the interface stands (FNV-1a, 40 bits of it).
fn mac_of(namespace: &Namespace, name: &str) -> Mac {
    let text = [namespace.label(), "/", name].concat();
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let [a, b, c, d, e, ..] = hash.to_be_bytes();
    [0x02, a, b, c, d, e]
}

/// The way programs write a hardware address: `02:00:00:00:00:01`.
#[must_use]
pub fn mac_text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skip::{or_skip, require_root, require_tool};
    use crate::wire::Sender;

    #[test]
    fn the_counter_table_is_read() {
        let table = "Inter-|   Receive |  Transmit\n face |bytes packets errs drop\n    lo: 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\n    v0: 10 20 0 5 0 0 0 0 30 40 0 0 0 0 0 0\n";
        let expected = Counters { rx_packets: 20, rx_bytes: 10, rx_dropped: 5, tx_packets: 40, tx_bytes: 30 };
        assert_eq!(counters_of(table, "v0").unwrap(), expected);
        assert!(counters_of(table, "v1").unwrap_err().to_string().contains("v1"));
    }

    #[test]
    fn both_ends_are_up_with_fixed_macs_and_plain_frames() {
        or_skip!(require_root());
        or_skip!(require_tool("ethtool"));
        let (a, b) = (Namespace::new("one").unwrap(), Namespace::new("two").unwrap());
        let (left, right) = veth(&a, "v0", &b, "v0").unwrap();
        assert_ne!(left.mac(), right.mac());
        for port in [&left, &right] {
            let shown = port.namespace().ip("-o link show v0").unwrap();
            assert!(shown.contains("LOWER_UP") && shown.contains(&mac_text(port.mac())), "{shown}");
            let features = port.namespace().command("ethtool").args(["-k", "v0"]).output().unwrap();
            let features = String::from_utf8_lossy(&features.stdout).into_owned();
            for feature in ["tx-checksumming", "tx-tcp-segmentation", "generic-segmentation-offload"] {
                assert!(features.contains(&format!("{feature}: off")), "{features}");
            }
        }
        assert_eq!(left.mac(), mac_of(&Namespace::new("one").unwrap(), "v0"));
    }

    #[test]
    fn a_tap_device_takes_frames_before_there_is_a_machine() {
        or_skip!(require_root());
        let namespace = Namespace::new("tap").unwrap();
        let port = tap(&namespace, "tap0").unwrap();
        assert!(namespace.ip("-o link show tap0").unwrap().contains(&mac_text(port.mac())));
        // What there is no room for is lost, and no error.
        Sender::open(&namespace, "tap0").unwrap().send_batch(&[[0_u8; 60]]).unwrap();
        assert!(tap(&namespace, "tap0").unwrap_err().to_string().contains("busy"));
    }

    #[test]
    fn a_taken_name_is_refused_with_the_reason() {
        or_skip!(require_root());
        let (a, b) = (Namespace::new("one").unwrap(), Namespace::new("two").unwrap());
        veth(&a, "v0", &b, "v0").unwrap();
        let error = veth(&a, "v0", &b, "v1").unwrap_err().to_string();
        assert!(error.contains("File exists"), "{error}");
    }
}
