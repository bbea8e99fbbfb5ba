//! One TCP connection through a protected interface, beside one through an interface whose program only passes.
//!
//! Sender, receiver, softirqs and the daemon share one processor, so that whatever the filter takes is missing from the
//! transfer. The two transfers take turns, and each round's are one pair.

use std::{
    fmt,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use floodwall_lab::{
    daemon::{Daemon, Options},
    link::veth,
    namespace::Namespace,
};
use serde::Serialize;

use super::{INTERFACE, MODE};
use crate::{bpf, measure, stand::Passer};

const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const PORT: u16 = 5001;
/// How long a transfer is measured, and how long it runs before.
const TIME: Duration = Duration::from_secs(1);
const SETTLE: Duration = Duration::from_millis(200);
/// Bytes that are written at once.
const PIECE: usize = 128 << 10;

/// What came of both directions.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Bulk {
    /// Data that comes in by the interface; acknowledgements leave by it.
    inbound: Pairs,
    /// Data that leaves by it.
    outbound: Pairs,
}

/// Bytes/s of each round.
#[derive(Clone, Debug, Default, Serialize)]
struct Pairs {
    passing: Vec<f64>,
    floodwall: Vec<f64>,
}

impl Pairs {
    /// The median of the rounds' ratios.
    fn ratio(&self) -> f64 {
        let ratios = self.floodwall.iter().zip(&self.passing).map(|(ours, theirs)| ours / theirs);
        measure::median(&ratios.collect::<Vec<_>>()).unwrap_or(f64::NAN)
    }
}

impl fmt::Display for Bulk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounds = self.inbound.passing.len();
        writeln!(out, "one TCP connection, everything on one processor; medians of {rounds} pairs")?;
        writeln!(out, "{:24} {:>14} {:>14} {:>8}", "Gbit/s", "passes only", "floodwall", "ratio")?;
        for (name, pairs) in [("data comes in", &self.inbound), ("data leaves", &self.outbound)] {
            let gigabits = |rates: &[f64]| measure::median(rates).unwrap_or(f64::NAN) * 8.0 / 1e9;
            let [passing, floodwall] = [&pairs.passing, &pairs.floodwall].map(|rates| gigabits(rates));
            writeln!(out, "{name:24} {passing:>14.2} {floodwall:>14.2} {:>8.3}", pairs.ratio())?;
        }
        Ok(())
    }
}

/// A host and somebody outside, joined by a cable.
struct Line {
    outside: Namespace,
    host: Namespace,
    _guard: Guard,
}

/// What sees the packets that come in. It is only held.
#[expect(dead_code, reason = "it guards for as long as it is there")]
enum Guard {
    Passer(OwnedFd),
    Floodwall(Daemon),
}

pub(super) fn run(binary: &Path, rounds: usize) -> anyhow::Result<Bulk> {
    measure::stay_on_one_processor()?;
    let passer = Passer::load()?;
    let passing = Line::build(|host, interface| {
        let link =
            host.enter(|| bpf::attach(passer.program()?, interface).context("attaching in native mode"));
        Ok(Guard::Passer(link??))
    })?;
    let floodwall = Line::build(|host, _| {
        let options = Options { binary, interfaces: &[INTERFACE], mode: MODE };
        let mut daemon = Daemon::start(host, &options, |_| String::new())?;
        daemon.wait_for_start()?;
        Ok(Guard::Floodwall(daemon))
    })?;
    let mut bulk = Bulk { inbound: Pairs::default(), outbound: Pairs::default() };
    for round in 1..=rounds {
        eprintln!("bench: bulk, pair {round} of {rounds}");
        bulk.inbound.passing.push(passing.inbound()?);
        bulk.inbound.floodwall.push(floodwall.inbound()?);
        bulk.outbound.floodwall.push(floodwall.outbound()?);
        bulk.outbound.passing.push(passing.outbound()?);
    }
    Ok(bulk)
}

impl Line {
    fn build(guard: impl FnOnce(&Namespace, u32) -> anyhow::Result<Guard>) -> anyhow::Result<Self> {
        let (outside, host) = (Namespace::new("bulk-outside")?, Namespace::new("bulk-host")?);
        let (port, uplink) = veth(&outside, "to-host", &host, INTERFACE)?;
        port.address(&format!("{OUTSIDE}/24"))?;
        uplink.address(&format!("{HOST}/24"))?;
        let guard = guard(&host, uplink.index())?;
        Ok(Self { outside, host, _guard: guard })
    }

    fn inbound(&self) -> anyhow::Result<f64> {
        transfer(&self.outside, &self.host, HOST)
    }

    fn outbound(&self) -> anyhow::Result<f64> {
        transfer(&self.host, &self.outside, OUTSIDE)
    }
}

/// Sends as much as there is time for over a connection of its own; says how many bytes/s have come.
fn transfer(from: &Namespace, to: &Namespace, address: Ipv4Addr) -> anyhow::Result<f64> {
    let address = SocketAddr::new(address.into(), PORT);
    let listener = to.enter(|| TcpListener::bind(address))?.context("listening")?;
    let sender = from.enter(|| TcpStream::connect(address))?.context("connecting")?;
    let (mut receiver, _) = listener.accept().context("accepting a connection")?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let piece = vec![0_u8; PIECE];
            while !over.load(Ordering::Relaxed) {
                (&sender).write_all(&piece).context("sending")?;
            }
            sender.shutdown(Shutdown::Write).context("ending a connection")
        });
        let mut piece = vec![0_u8; PIECE];
        let mut receive_for = |time: Duration| -> anyhow::Result<f64> {
            let (start, mut bytes) = (Instant::now(), 0);
            while start.elapsed() < time {
                bytes += receiver.read(&mut piece).context("receiving")?;
            }
            Ok(bytes as f64 / start.elapsed().as_secs_f64())
        };
        let rate = receive_for(SETTLE).and_then(|_| receive_for(TIME));
        over.store(true, Ordering::Relaxed);
        // What is under way is taken in, so that the sender comes to its end.
        while receiver.read(&mut piece).is_ok_and(|bytes| bytes > 0) {}
        sending.join().map_err(|_| anyhow!("the sender panicked"))??;
        rate
    })
}
