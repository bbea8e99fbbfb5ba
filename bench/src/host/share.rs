//! The daemon's share of a processor while an attack is dropped.

use std::{
    fmt,
    net::Ipv4Addr,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use floodwall_lab::{
    daemon::{Daemon, Options},
    flood::{Bounds, FASTEST, Flood, SpoofedSyn, Target},
    link::{Port, veth},
    namespace::Namespace,
};
use serde::Serialize;

use super::{
    INTERFACE, MODE,
    watchers::{self, Watchers},
};
use crate::measure;

/// The service that is attacked (documentation range, RFC 5737).
const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const PORT: u16 = 80;
/// The flood comes out of this /8: 16 million sources.
const NETWORK: Ipv4Addr = Ipv4Addr::new(60, 0, 0, 0);
const LENGTH: u8 = 8;
/// How long a phase is measured, and the load before.
const TIME: Duration = Duration::from_secs(10);
const SETTLE: Duration = Duration::from_secs(3);
/// Commands that are sent meanwhile.
const COMMANDS: u32 = 20;

/// What the daemon took.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Share {
    phases: Vec<Phase>,
    /// Memory of its own at the end, bytes.
    memory: u64,
}

/// The same load for a while.
#[derive(Clone, Debug, Serialize)]
struct Phase {
    name: &'static str,
    /// Packets/s that were sent.
    sent: f64,
    /// Share of them that the filter dropped.
    dropped: f64,
    /// Time of a processor, where 1 is one processor's whole.
    processors: f64,
    /// How long `floodwall status` takes from start to end, seconds: the median and the longest.
    status: [f64; 2],
}

impl fmt::Display for Share {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "the daemon, as it comes, and a flood of SYNs from 16 million sources")?;
        let heads = ["packets/s", "dropped", "of a core", "status", "longest"];
        writeln!(out, "{:24} {}", "", heads.map(|head| format!("{head:>12}")).concat())?;
        for phase in &self.phases {
            let Phase { name, sent, dropped, processors, status: [median, longest] } = phase;
            let [dropped, processors] = [dropped, processors].map(|share| format!("{:.1} %", share * 100.0));
            let [median, longest] = [median, longest].map(|time| format!("{:.0} ms", time * 1e3));
            writeln!(out, "{name:24} {sent:>12.0}{dropped:>12}{processors:>12}{median:>12}{longest:>12}")?;
        }
        writeln!(out, "memory of its own: {} MiB", self.memory >> 20)
    }
}

pub(super) fn run(binary: &Path) -> anyhow::Result<Share> {
    let (attacker, host) = (Namespace::new("share-attacker")?, Namespace::new("share-host")?);
    let (attacker, uplink) = veth(&attacker, "to-host", &host, INTERFACE)?;
    uplink.address(&format!("{HOST}/24"))?;
    let router = Ipv4Addr::new(192, 0, 2, 2).into();
    uplink.neighbour(router, attacker.mac())?;
    uplink.route("default", router)?;
    let _service = host.enter(|| std::net::TcpListener::bind((HOST, PORT)))?.context("listening")?;
    let options = Options { binary, interfaces: &[INTERFACE], mode: MODE };
    let mut daemon = Daemon::start(&host, &options, watchers::configuration)?;
    daemon.wait_for_start()?;

    let stage = Stage { attacker, uplink, daemon };
    let mut phases = vec![stage.phase("in peace")?];
    let target = Target::behind(&stage.attacker, &stage.uplink, HOST, PORT);
    let bounds = Bounds { rate: FASTEST, duration: 4 * (TIME + SETTLE) };
    // As many senders as there are processors: together they send what this machine can.
    let floods: Vec<Flood> = (1..=measure::processors()?.len() as u64)
        .map(|seed| Flood::start(&stage.attacker, SpoofedSyn::new(target, NETWORK, LENGTH, seed), bounds))
        .collect::<anyhow::Result<_>>()?;
    phases.push(stage.phase("attacked")?);
    let watchers = Watchers::start(&stage.daemon)?;
    phases.push(stage.phase("attacked and watched")?);
    watchers.stop()?;
    for flood in floods {
        flood.stop().context("the flood failed")?;
    }
    Ok(Share { phases, memory: stage.daemon.memory()? })
}

struct Stage {
    attacker: Port,
    uplink: Port,
    daemon: Daemon,
}

impl Stage {
    /// Measures for a while.
    fn phase(&self, name: &'static str) -> anyhow::Result<Phase> {
        eprintln!("bench: the daemon's share, {name}");
        thread::sleep(SETTLE);
        let before = (Instant::now(), self.packets()?, self.daemon.processor_time()?);
        let mut status = Vec::new();
        for command in 1..=COMMANDS {
            let due = before.0 + TIME * command / COMMANDS;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let asked = Instant::now();
            self.daemon.ask(&["status", "--json"])?;
            status.push(asked.elapsed().as_secs_f64());
        }
        let after = (Instant::now(), self.packets()?, self.daemon.processor_time()?);
        let seconds = (after.0 - before.0).as_secs_f64();
        let [seen, passed] = [0, 1].map(|place| (after.1[place] - before.1[place]) as f64);
        let longest = status.iter().copied().fold(0.0, f64::max);
        Ok(Phase {
            name,
            sent: seen / seconds,
            dropped: if seen > 0.0 { 1.0 - passed / seen } else { 0.0 },
            processors: (after.2 - before.2).as_secs_f64() / seconds,
            status: [measure::median(&status).unwrap_or(f64::NAN), longest],
        })
    }

    /// Packets that the cable brought, and those of them that the filter passed.
    fn packets(&self) -> anyhow::Result<[u64; 2]> {
        let status: serde_json::Value = serde_json::from_str(&self.daemon.ask(&["status", "--json"])?)?;
        let counters = status["counters"].as_array().context("`floodwall status` has no counters")?;
        let sum = |verdict: &str| -> u64 {
            let of_verdict = counters.iter().filter(|counter| counter["verdict"] == verdict);
            of_verdict.filter_map(|counter| counter["packets"].as_u64()).sum()
        };
        let passed = sum("pass");
        Ok([passed + sum("drop"), passed])
    }
}
