//! What an interface, and the physical ports below it, have taken in and lost.
//!
//! Read below a root, `/sys` but in tests: `class/net/NAME/speed`, `statistics/…`, and `lower_…` for what it is built upon.
//! The counters are those of Documentation/ABI/testing/sysfs-class-net-statistics.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use nix::net::if_::{Interface, if_nameindex};

use super::ethtool::Ethtool;

/// How deep interfaces may be built upon each other: a bridge upon a VLAN upon a bond upon ports is three.
const DEPTH: usize = 5;
/// Most ports below one interface that are looked at.
const PORTS: usize = 64;
/// Looks after which other interfaces below the root than there are tell that it is another network namespace's.
const FOREIGN: u32 = 3;
/// How many looks pass until that is asked again.
const LOOKS: u32 = 10;
/// Drivers that make their speed up, as there is no wire at their end.
const MADE_UP: [&str; 2] = ["vmxnet3", "netvsc"];

/// Counters of a port, as they are now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortCounters {
    /// Bytes that came in, without preamble and checksum.
    pub in_bytes: u64,
    /// Packets that came in.
    pub in_packets: u64,
    /// Bytes that went out.
    pub out_bytes: u64,
    /// Packets that went out.
    pub out_packets: u64,
    /// Packets that the device had no room for, or had to drop, before the kernel saw them.
    pub lost: u64,
    /// Packets by receive queue, where the driver counts them.
    pub queues: Vec<u64>,
}

/// A port, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// What it carries in each direction, bit/s; `None` if that is not known, or made up.
    pub speed: Option<u64>,
    /// What it has counted.
    pub counters: PortCounters,
}

/// Where ports are read.
#[derive(Debug)]
pub struct Ports {
    sys: PathBuf,
    ethtool: Option<Ethtool>,
    /// Looks in a row at which what is mounted there was another network namespace's; `None`: it is not asked.
    foreign: Option<u32>,
    looks: u32,
}

impl Ports {
    /// Those of this network namespace, below `/sys`, with what their drivers count beside.
    pub fn live() -> Self {
        Self { ethtool: Ethtool::open().ok(), foreign: Some(FOREIGN), ..Self::below(Path::new("/sys")) }
    }

    /// Those that are told of below another root.
    pub fn below(sys: &Path) -> Self {
        Self { sys: sys.to_owned(), ethtool: None, foreign: None, looks: 0 }
    }

    /// Looks whose interfaces these are: whoever enters a network namespace still sees those of the one that `/sys` was
    /// mounted in, which may have the same names. One that comes or goes at the moment tells nothing yet.
    pub fn look(&mut self) {
        let Some(foreign) = self.foreign else { return };
        let is_due = self.looks < FOREIGN || self.looks.is_multiple_of(LOOKS);
        self.looks = self.looks.wrapping_add(1);
        if !is_due {
            return;
        }
        let ours: Option<BTreeSet<(String, u64)>> = if_nameindex().ok().map(|interfaces| {
            let named = |interface: &Interface| {
                (interface.name().to_string_lossy().into_owned(), u64::from(interface.index()))
            };
            interfaces.iter().map(named).collect()
        });
        let entries = fs::read_dir(self.sys.join("class/net")).into_iter().flatten().flatten();
        let theirs = entries.filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let index = self.number(&name, "ifindex")?;
            Some((name, index))
        });
        let is_same = ours.is_some_and(|ours| ours == theirs.collect());
        self.foreign = Some(if is_same { 0 } else { foreign.saturating_add(1) });
    }

    /// The ports below an interface, or itself, if it is built upon none. `None` if it cannot be read, or what is mounted
    /// below the root is another network namespace's.
    pub fn of(&self, interface: &str, index: u32) -> Option<Vec<Port>> {
        let is_foreign = self.foreign.is_some_and(|looks| looks >= FOREIGN);
        if is_foreign || self.number(interface, "ifindex") != Some(index.into()) {
            return None;
        }
        let mut names = BTreeSet::new();
        self.collect(interface, DEPTH, &mut names);
        Some(names.iter().take(PORTS).filter_map(|name| self.port(name)).collect())
    }

    fn collect(&self, interface: &str, depth: usize, names: &mut BTreeSet<String>) {
        let below: Vec<String> = fs::read_dir(self.path(interface, ""))
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_prefix("lower_")?.to_owned()))
            .filter(|name| self.path(name, "statistics").exists())
            .collect();
        if below.is_empty() || depth == 0 {
            names.insert(interface.to_owned());
        } else {
            below.iter().for_each(|name| self.collect(name, depth - 1, names));
        }
    }

    fn port(&self, name: &str) -> Option<Port> {
        let statistic = |counter: &str| self.number(name, &format!("statistics/{counter}"));
        let drivers =
            self.ethtool.as_ref().and_then(|ethtool| ethtool.counters(name).ok()).unwrap_or_default();
        let standard =
            ["rx_missed_errors", "rx_fifo_errors", "rx_over_errors"].map(|name| statistic(name).unwrap_or(0));
        let mut counters = PortCounters {
            in_bytes: statistic("rx_bytes")?,
            in_packets: statistic("rx_packets")?,
            out_bytes: statistic("tx_bytes")?,
            out_packets: statistic("tx_packets")?,
            // Drivers show what their device has lost under one of these, or the same under several.
            lost: standard.into_iter().max().unwrap_or(0),
            queues: Vec::new(),
        };
        drivers.iter().for_each(|(name, value)| counters.take(name, *value));
        Some(Port { name: name.to_owned(), speed: self.speed(name), counters })
    }

    /// The speed that the device tells of, in Mbit/s there; -1 if it does not know.
    fn speed(&self, name: &str) -> Option<u64> {
        // What is not driven by a driver has no wire: veth, tap, bridge say 10,000, or what they were told to.
        let driver = fs::read_link(self.path(name, "device/driver")).ok()?;
        let driver = driver.file_name()?.to_str()?.to_owned();
        if MADE_UP.iter().any(|made_up| driver.contains(made_up)) {
            return None;
        }
        // Both what is not known (-1) and SPEED_UNKNOWN as an unsigned number.
        let speed = self.number(name, "speed").filter(|speed| *speed > 0 && *speed < u64::from(u32::MAX))?;
        speed.checked_mul(1_000_000)
    }

    fn number(&self, name: &str, what: &str) -> Option<u64> {
        fs::read_to_string(self.path(name, what)).ok()?.trim().parse().ok()
    }

    fn path(&self, name: &str, what: &str) -> PathBuf {
        self.sys.join("class/net").join(name).join(what)
    }
}

impl PortCounters {
    /// Takes up a counter of the driver's, if it tells of what came in before the program saw it.
    fn take(&mut self, name: &str, value: u64) {
        let lower = name.to_ascii_lowercase();
        // What the wire has brought, where the driver leaves out what XDP dropped (mlx5, i40e and ice, in this order).
        match lower.as_str() {
            "rx_bytes_phy" | "port.rx_bytes" | "rx_bytes.nic" => self.in_bytes = self.in_bytes.max(value),
            "rx_packets_phy" | "rx_packets.nic" => self.in_packets = self.in_packets.max(value),
            // Of many drivers; mlx5; i40e and ice; e1000 and igb; bnxt, ena and others. Several count the same packets, so the
            // greatest is what is sure to be lost.
            "rx_missed_errors"
            | "rx_discards_phy"
            | "port.rx_dropped"
            | "rx_dropped.nic"
            | "rx_fifo_errors"
            | "rx_over_errors"
            | "rx_overruns"
            | "rx_hw_drop_overruns"
            | "rx_out_of_buffer"
            | "rx_no_buffer_count"
            | "rx_no_buffer"
            | "rx_no_dma_resources"
            | "rx_nobuf" => {
                self.lost = self.lost.max(value);
            }
            _ => {
                if let Some(queue) = queue_of(&lower) {
                    if self.queues.len() <= queue {
                        self.queues.resize(queue + 1, 0);
                    }
                    self.queues[queue] = self.queues[queue].max(value);
                }
            }
        }
    }
}

/// The receive queue whose packets a counter counts: `rx_queue_3_packets`, `rx3_packets`, `rx-3.packets`,
/// `queue_3_rx_cnt`, `[3]: rx_ucast_packets`.
fn queue_of(name: &str) -> Option<usize> {
    let is_packets = ["packets", "rx_cnt"].iter().any(|end| name.ends_with(end));
    if !is_packets || !name.contains("rx") || name.contains("xdp") || name.contains("tx") {
        return None;
    }
    let numbers: Vec<&str> = name
        .split(|character: char| !character.is_ascii_digit())
        .filter(|number| !number.is_empty())
        .collect();
    // Another number is one of a size, a priority, or a virtual function.
    let [number] = numbers.as_slice() else { return None };
    let forms = [
        "rx_queue_#_packets",
        "rx#_packets",
        "rx-#.packets",
        "rx-#.rx_packets",
        "queue_#_rx_cnt",
        "[#]: rx_ucast_packets",
    ];
    let form = name.replacen(number, "#", 1);
    // No device has more.
    number.parse().ok().filter(|queue| *queue < 4_096 && forms.contains(&form.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_drivers_are_understood() {
        let mut counters = PortCounters { in_bytes: 100, lost: 4, ..PortCounters::default() };
        for (name, value) in [
            ("rx_bytes_phy", 900),
            ("rx_missed_errors", 7),
            ("rx_no_buffer_count", 5),
            ("rx_queue_0_packets", 10),
            ("rx_queue_2_packets", 30),
            ("rx_queue_2_xdp_packets", 99),
            ("tx_queue_1_packets", 99),
            ("rx_64_packets", 99),
        ] {
            counters.take(name, value);
        }
        assert_eq!((counters.in_bytes, counters.lost, counters.queues), (900, 7, vec![10, 0, 30]));
    }

    #[test]
    fn the_ports_of_this_namespace_are_read_and_those_of_another_are_not() {
        let mut ports = Ports::live();
        assert_eq!(ports.of("lo", 1), None, "nobody has looked yet");
        ports.look();
        let is_ours = ports.foreign == Some(0);
        assert_eq!(ports.of("lo", 1).is_some(), is_ours);
        let elsewhere = tempfile::tempdir().unwrap();
        fs::create_dir_all(elsewhere.path().join("class/net/lo/statistics")).unwrap();
        fs::write(elsewhere.path().join("class/net/lo/ifindex"), "1\n").unwrap();
        ports.sys = elsewhere.path().join("nothing");
        (0..FOREIGN * LOOKS).for_each(|_| ports.look());
        ports.sys = elsewhere.path().to_owned();
        assert_eq!(ports.of("lo", 1), None);
    }

    #[test]
    fn queues_go_by_many_names() {
        for (name, queue) in [
            ("rx_queue_3_packets", Some(3)),
            ("rx11_packets", Some(11)),
            ("rx-7.packets", Some(7)),
            ("rx-7.rx_packets", Some(7)),
            ("queue_5_rx_cnt", Some(5)),
            ("[2]: rx_ucast_packets", Some(2)),
            ("rx_packets", None),
            ("rx_prio0_packets", None),
            ("rx_65_to_127_byte_packets", None),
            ("rx_queue_99999999999_packets", None),
        ] {
            assert_eq!(queue_of(name), queue, "{name}");
        }
    }
}
