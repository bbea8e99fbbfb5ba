//! Links, devices and CPUs as they are judged, over a tree as `/sys` has it.

use std::{fs, path::Path};

use super::*;
use crate::host::Ports;

const GBIT: u64 = 1_000_000_000;

/// A tree as `/sys` has it: a bond of two ports, of which one is looked at, and a device without a wire.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        tree.interface("bond0", 7, None);
        tree.interface("eth0", 2, Some("1000"));
        tree.interface("eth1", 3, Some("-1"));
        tree.interface("veth0", 4, Some("10000"));
        for port in ["eth0", "eth1"] {
            let below = tree.path("bond0", &format!("lower_{port}"));
            std::os::unix::fs::symlink(tree.path(port, ""), below).unwrap();
            let driver = tree.0.path().join("drivers/igb");
            fs::create_dir_all(&driver).unwrap();
            fs::create_dir_all(tree.path(port, "device")).unwrap();
            std::os::unix::fs::symlink(driver, tree.path(port, "device/driver")).unwrap();
        }
        tree
    }

    fn path(&self, name: &str, what: &str) -> std::path::PathBuf {
        self.0.path().join("class/net").join(name).join(what)
    }

    fn interface(&self, name: &str, index: u32, speed: Option<&str>) {
        fs::create_dir_all(self.path(name, "statistics")).unwrap();
        fs::write(self.path(name, "ifindex"), format!("{index}\n")).unwrap();
        speed
            .into_iter()
            .for_each(|speed| fs::write(self.path(name, "speed"), format!("{speed}\n")).unwrap());
        self.count(name, 0, 0, 0);
    }

    fn count(&self, name: &str, bytes: u64, packets: u64, missed: u64) {
        for (counter, value) in [
            ("rx_bytes", bytes),
            ("rx_packets", packets),
            ("tx_bytes", 0),
            ("tx_packets", 0),
            ("rx_missed_errors", missed),
            ("rx_fifo_errors", 0),
            ("rx_over_errors", 0),
        ] {
            fs::write(self.path(name, &format!("statistics/{counter}")), format!("{value}\n")).unwrap();
        }
    }

    fn root(&self) -> &Path {
        self.0.path()
    }
}

fn words(told: Vec<What>) -> Vec<String> {
    told.iter().map(ToString::to_string).collect()
}

#[test]
fn a_full_link_below_a_bond_is_told_with_its_figures_once_and_its_end() {
    let tree = Tree::new();
    let (ports, mut pipe) = (Ports::below(tree.root()), Pipe::default());
    let look = |pipe: &mut Pipe| {
        let readings = Readings::from([("bond0".to_owned(), ports.of("bond0", 7))]);
        let (links, told) = pipe.links(&readings, 1.0);
        (links, words(told))
    };
    let (links, told) = look(&mut pipe);
    assert_eq!((links.len(), told.len()), (2, 0));
    assert_eq!((links[0].speed, links[1].speed), (Some(GBIT), None), "eth1 does not know its own");
    // 1.4 million of the smallest packets a second are 84 MB/s as they are counted, and 941 Mbit/s on the wire.
    let (mut bytes, mut packets, mut missed) = (0, 0, 0);
    let mut told = Vec::new();
    for _ in 0..6 {
        (bytes, packets, missed) = (bytes + 84_000_000, packets + 1_400_000, missed + 14_000);
        tree.count("eth0", bytes, packets, missed);
        let (links, news) = look(&mut pipe);
        assert!(links[0].in_percent.is_some_and(|percent| (94.0..94.2).contains(&percent)), "{links:?}");
        told.extend(news);
    }
    assert_eq!(told.len(), 2, "each once: {told:?}");
    assert!(
        told[0].contains(
            "THE LINK eth0 IS FULL before floodwall sees the packets: 940.8 Mbit/s of 1 Gbit/s (94 %)"
        ) && told[0].contains("14000 packets/s of 1414000")
            && told[0].contains("ask your provider"),
        "{told:?}"
    );
    assert!(told[1].contains("eth0 LOSES PACKETS"), "{told:?}");
    let (links, _) = look(&mut pipe);
    assert!(links[0].full && !links[1].full && links[0].problems.len() == 2, "{links:?}");
    let mut told = Vec::new();
    for _ in 0..12 {
        told.extend(look(&mut pipe).1);
    }
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().any(|text| text.contains("eth0 is not full any more")), "{told:?}");
    assert!(!look(&mut pipe).0[0].full);
}

#[test]
fn a_device_without_a_wire_has_no_speed_and_is_judged_by_what_it_loses() {
    let tree = Tree::new();
    let (ports, mut pipe) = (Ports::below(tree.root()), Pipe::default());
    let mut told = Vec::new();
    let mut last = LinkStatus::default();
    for second in 0..8 {
        // 100 Gbit/s, were it a wire.
        tree.count("veth0", second * 12_500_000_000, second * 10_000_000, second * 5_000);
        let readings = Readings::from([("veth0".to_owned(), ports.of("veth0", 4))]);
        let (mut links, news) = pipe.links(&readings, 1.0);
        told.extend(words(news));
        last = links.remove(0);
    }
    assert_eq!((last.speed, last.in_percent), (None, None));
    assert_eq!(told, Vec::<String>::new(), "half a packet of a thousand is lost: {last:?}");
    for second in 8..16 {
        tree.count("veth0", second * 12_500_000_000, second * 10_000_000, second * 500_000);
        let readings = Readings::from([("veth0".to_owned(), ports.of("veth0", 4))]);
        told.extend(words(pipe.links(&readings, 1.0).1));
    }
    assert!(told.len() == 1 && told[0].contains("speed not known"), "{told:?}");
}

#[test]
fn another_interface_of_that_name_and_counters_that_begin_anew_are_not_judged() {
    let tree = Tree::new();
    let ports = Ports::below(tree.root());
    assert_eq!(ports.of("eth0", 99), None, "it is in another network namespace");
    let counters = |bytes| PortCounters { in_bytes: bytes, ..PortCounters::default() };
    assert_eq!(Rates::between(&counters(7), &counters(6), 1.0), None);
    let mut pipe = Pipe::default();
    let (links, _) = pipe.links(&Readings::from([("eth0".to_owned(), None)]), 1.0);
    assert_eq!((links[0].interface.as_str(), links[0].in_rate), ("eth0", None));
}

#[test]
fn one_queue_that_has_nearly_all_is_named_where_packets_are_lost() {
    let counters = |first: u64, lost| PortCounters {
        in_packets: first + 1_000,
        lost,
        queues: vec![first, 500, 500, 0],
        ..PortCounters::default()
    };
    let rates = Rates::between(&counters(0, 0), &counters(900_000, 9_000), 1.0).unwrap();
    let text = super::words::of_port("eth0", Aspect::Lost, Turn::Strained, None, &rates);
    assert!(text.contains("100 % of the packets come by one of its 4 queues"), "{text}");
    let few = Rates::between(&counters(0, 0), &counters(900, 9_000), 1.0).unwrap();
    assert_eq!(few.lopsided(), None, "too few to tell");
}

#[test]
fn busy_cpus_and_full_backlogs_are_told() {
    let mut pipe = Pipe::default();
    let mut told = Vec::new();
    let mut status = CpuStatus::default();
    for second in 0..6_u64 {
        let backlog = Backlog { processed: second * 100_000, dropped: second * 1_000, ..Backlog::default() };
        let (now, news) = pipe.cpus(&BTreeMap::from([(0, 3.0), (1, 99.0)]), 96.0, backlog, 1.0);
        status = now;
        told.extend(words(news));
    }
    assert_eq!((status.busiest_percent, status.backlog_dropped_rate), (Some(99.0), Some(1_000)));
    assert_eq!((told.len(), status.problems.len()), (2, 2), "{told:?}");
    assert!(told.iter().any(|text| text.contains("99 % of its time")), "{told:?}");
    assert!(told.iter().any(|text| text.contains("1000 packets/s")), "{told:?}");
}

#[test]
fn amounts_for_people() {
    for (bits, text) in [
        (9.7e9, "9.7 Gbit/s"),
        (1e9, "1 Gbit/s"),
        (100e9, "100 Gbit/s"),
        (940.8e6, "940.8 Mbit/s"),
        (12.0, "12 bit/s"),
    ] {
        assert_eq!(super::words::amount(bits), text);
    }
}
