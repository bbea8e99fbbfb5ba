//! Hosts as people run them, with a real daemon and its default configuration: the world outside, a host, and what it
//! carries.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use floodwall_lab::{
    frame::{Frame, Network},
    link::{Mac, Port, veth},
    namespace::Namespace,
    wire::Sender,
};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(25);
/// Connections in peace, and again in a flood.
const CONNECTIONS: usize = 200;
/// How many of these may fail.
const FAILURES: usize = CONNECTIONS / 100;
/// Packets/s of the flood, a third of each kind.
const FLOOD: u64 = 9_000;
/// An address outside.
pub const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 2));
/// The host's address.
pub const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 1));

/// The world outside, the host, and what it carries.
pub struct World {
    binary: PathBuf,
    /// What the daemon finds in its environment.
    pub environment: Vec<(&'static str, &'static str)>,
    /// The world outside.
    pub outside: Namespace,
    /// The host.
    pub host: Namespace,
    /// Whom it carries packets for.
    pub carried: Namespace,
    /// The protected interface.
    pub e0: Port,
    /// The end of its cable outside.
    pub r0: Port,
    daemon: Option<Child>,
    directory: tempfile::TempDir,
    bpffs: PathBuf,
    over: Arc<AtomicBool>,
}

impl World {
    /// A host without addresses, and nobody whom it carries anything for.
    pub fn new(binary: &str, label: &str) -> anyhow::Result<Self> {
        let namespace = |end: &str| -> anyhow::Result<Namespace> {
            let namespace = Namespace::new(&format!("{label}-{end}"))?;
            namespace.sysctl("net.ipv4.ip_forward", "0")?;
            Ok(namespace)
        };
        let (outside, host, carried) = (namespace("out")?, namespace("host")?, namespace("in")?);
        let (e0, r0) = veth(&host, "e0", &outside, "r0")?;
        r0.address(&format!("{OUTSIDE}/24"))?;
        let bpffs = PathBuf::from(format!("/sys/fs/bpf/{}", host.name()));
        let directory = tempfile::tempdir()?;
        let over = Arc::default();
        Ok(Self {
            binary: binary.into(),
            environment: Vec::new(),
            outside,
            host,
            carried,
            e0,
            r0,
            daemon: None,
            directory,
            bpffs,
            over,
        })
    }

    /// A guest that the host routes for.
    pub fn with_routed_guest(binary: &str, label: &str) -> anyhow::Result<Self> {
        let world = Self::new(binary, label)?;
        world.e0.address(&format!("{HOST}/24"))?;
        let (b0, c0) = veth(&world.host, "b0", &world.carried, "c0")?;
        b0.address("10.98.0.1/24")?;
        c0.address("10.98.0.2/24")?;
        c0.route("default", Ipv4Addr::new(10, 98, 0, 1).into())?;
        world.e0.route("default", OUTSIDE)?;
        world.r0.route("10.98.0.0/24", HOST)?;
        world.host.sysctl("net.ipv4.ip_forward", "1")?;
        Ok(world)
    }

    /// A command of the host's.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.host.command(&self.binary);
        command.args(arguments).arg("--socket").arg(self.directory.path().join("socket"));
        command
    }

    /// Starts the daemon with all that a fresh install does.
    pub fn protect(&mut self) -> anyhow::Result<()> {
        let mut command = self.command(&["run", "--iface", "e0"]);
        command.arg("--state-dir").arg(self.directory.path().join("state")).arg("--bpffs").arg(&self.bpffs);
        command.envs(self.environment.iter().copied());
        let log = File::create(self.directory.path().join("log"))?;
        self.daemon = Some(command.stdout(Stdio::null()).stderr(log).spawn().context("starting the daemon")?);
        let deadline = Instant::now() + PATIENCE;
        while !self.command(&["status"]).output()?.status.success() {
            if Instant::now() > deadline {
                bail!("the daemon does not answer: {}", self.log());
            }
            thread::sleep(Duration::from_millis(50));
        }
        // Flows that were open before have ten seconds to show themselves.
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains("what leaves is seen on") {
            if Instant::now() > deadline {
                bail!("the checks do not hold: {}", self.told());
            }
            thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// Kills the daemon.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let mut daemon = self.daemon.take().context("no daemon runs")?;
        daemon.kill()?;
        daemon.wait()?;
        Ok(())
    }

    /// What a command of the daemon's says, which must succeed.
    pub fn says(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.command(arguments).output()?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// A file for the test to use.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where its filter is pinned.
    pub fn bpffs(&self) -> &Path {
        &self.bpffs
    }

    /// What the daemon has said since it was last started.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// What the daemon says of itself.
    pub fn told(&self) -> String {
        let said = |arguments: &[&str]| match self.command(arguments).output() {
            Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
            Err(error) => error.to_string(),
        };
        [said(&["status"]), said(&["signature", "list"]), self.log()].join("\n")
    }

    /// Packets dropped so far.
    pub fn dropped(&self) -> anyhow::Result<u64> {
        let output = self.command(&["status", "--json"]).output()?;
        let status: Value = serde_json::from_slice(&output.stdout)?;
        let counters = status["counters"].as_array().cloned().unwrap_or_default();
        let dropped = counters.iter().filter(|counter| counter["verdict"] == "drop");
        Ok(dropped.filter_map(|counter| counter["packets"].as_u64()).sum())
    }

    /// Something that answers every connection to a port with what came first.
    pub fn serve(&self, who: &Namespace, port: u16) -> anyhow::Result<()> {
        let listener = who.enter(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)))??;
        let over = Arc::clone(&self.over);
        who.spawn("server", move || {
            for stream in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                thread::spawn(move || -> std::io::Result<()> {
                    let mut bytes = [0; 64];
                    loop {
                        let length = stream.read(&mut bytes)?;
                        if length == 0 {
                            return Ok(());
                        }
                        stream.write_all(&bytes[..length])?;
                    }
                });
            }
        })?;
        Ok(())
    }

    /// Something that reads all that is sent to a port.
    pub fn sink(&self, who: &Namespace, port: u16) -> anyhow::Result<()> {
        let listener = who.enter(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)))??;
        who.spawn("sink", move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || std::io::copy(&mut { stream }, &mut std::io::sink()));
            }
        })?;
        Ok(())
    }

    /// Floods an address, by way of a link-layer address, until it is told to stop; says how many packets were sent.
    pub fn flood(&self, to: Mac, address: IpAddr, port: u16, stop: Arc<AtomicBool>, sent: Arc<AtomicU64>) {
        let sender = Sender::open(&self.outside, self.r0.name()).expect("a socket for the flood");
        let frames = self.unasked(to, address, port);
        thread::spawn(move || {
            for batch in frames.chunks(90).cycle() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let taken = sender.send_batch(batch).unwrap_or(0);
                sent.fetch_add(taken as u64, Ordering::Relaxed);
                thread::sleep(Duration::from_micros(90 * 1_000_000 / FLOOD));
            }
        });
    }
}

impl World {
    /// Sends so many packets that nobody has asked for to the host at an address, by this device outside, and returns how many.
    pub fn send_unasked(&self, by: &str, address: IpAddr, port: u16, packets: usize) -> anyhow::Result<u64> {
        let sender = Sender::open(&self.outside, by)?;
        let mut sent = 0;
        for batch in self.unasked(self.e0.mac(), address, port).chunks(90).take(packets.div_ceil(90)) {
            sent += sender.send_batch(batch)? as u64;
            // The other end of the cable takes a few at a time.
            thread::sleep(Duration::from_millis(2));
        }
        Ok(sent)
    }

    /// What nobody has asked for, from outside to an address by way of a link-layer address.
    fn unasked(&self, to: Mac, address: IpAddr, port: u16) -> Vec<Vec<u8>> {
        let from = self.r0.mac();
        match address {
            IpAddr::V4(address) => unasked(port, |number| {
                Frame::ipv4(Ipv4Addr::from(0x2d00_0000 | number >> 8), address).macs(from, to)
            }),
            IpAddr::V6(address) => unasked(port, |number| {
                let source = (0x2001_0db8 << 96) | u128::from(number) << 64 | 7;
                Frame::ipv6(Ipv6Addr::from(source), address).macs(from, to)
            }),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.kill();
            let _ = daemon.wait();
            let mut detach = self.command(&["detach", "e0"]);
            let _ = detach.arg("--bpffs").arg(&self.bpffs).output();
        }
    }
}

/// Answers by UDP and TCP that nobody has asked for, and segments of no connection to a port, in equal parts; `frame` begins
/// one from a source with a number.
fn unasked<N: Network>(port: u16, frame: impl Fn(u32) -> Frame<N>) -> Vec<Vec<u8>> {
    let one = |number: u32| {
        let frame = frame(number.wrapping_mul(2_654_435_761));
        let high = 1_024 + (number % 60_000) as u16;
        match number % 3 {
            0 => frame.udp(53, high).payload(&[7; 64]).build(),
            1 => frame.tcp(80, high).syn().ack().build(),
            _ => frame.tcp(high, port).ack().build(),
        }
    };
    (0..9_000).map(one).collect()
}

/// Whether this kernel makes a device of a kind, by these words of `ip link add`.
///
/// # Errors
///
/// If not, with a reason to skip a test for.
pub fn require_device(kind: &str, more: &str) -> Result<(), String> {
    let try_it = || -> anyhow::Result<()> {
        let namespace = Namespace::new("kinds")?;
        namespace.ip(&format!("link add probe0 type {kind} {more}")).map(drop)
    };
    try_it().map_err(|_| format!("this kernel makes no {kind}"))
}

/// How many of many connections from `who` to an address fail.
pub fn failures(who: &Namespace, to: SocketAddr) -> anyhow::Result<usize> {
    failures_of(who, to, CONNECTIONS, Duration::from_millis(11))
}

/// How many of so many connections fail, one begun after the other at this distance.
pub fn failures_of(
    who: &Namespace,
    to: SocketAddr,
    connections: usize,
    distance: Duration,
) -> anyhow::Result<usize> {
    failures_among(who, connections, distance, move |_| {
        let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(3))?;
        stream.set_read_timeout(Some(Duration::from_secs(3)))?;
        stream.write_all(b"hello")?;
        stream.read_exact(&mut [0; 5])
    })
}

/// Bytes that were sent to an address within a time.
pub fn upload(who: &Namespace, to: SocketAddr, time: Duration) -> anyhow::Result<usize> {
    let work = move || -> std::io::Result<usize> {
        let mut stream = TcpStream::connect(to)?;
        stream.set_write_timeout(Some(Duration::from_secs(2)))?;
        let (bytes, start, mut sent) = (vec![0; 1 << 20], Instant::now(), 0);
        while start.elapsed() < time {
            sent += stream.write(&bytes)?;
        }
        Ok(sent)
    };
    Ok(who.enter(work)??)
}

/// A connection that somebody makes: from whom, and to where.
pub type Visit<'a> = (&'a Namespace, IpAddr, u16);

/// What people do goes on in peace and in a flood of that destination, and of the flood nearly nothing passes.
pub fn stands(
    world: &World,
    visits: &[Visit<'_>],
    to: Mac,
    address: IpAddr,
    port: u16,
) -> anyhow::Result<()> {
    let all_succeed = |when: &str| -> anyhow::Result<()> {
        for (who, address, port) in visits {
            let failed = failures(who, SocketAddr::new(*address, *port))?;
            assert!(
                failed <= FAILURES,
                "{when}, {} to {address}:{port}: {failed} of {CONNECTIONS} failed\n{}",
                who.label(),
                world.told()
            );
        }
        Ok(())
    };
    all_succeed("in peace")?;
    flooded(world, to, address, port, || all_succeed("flooded"))
}

/// Of so many requests at most one in a thousand fails in peace, and one in a hundred in a flood of the host, of which nearly
/// nothing passes; `ask` says how many fail.
pub fn serves(
    world: &World,
    requests: usize,
    port: u16,
    ask: impl Fn() -> anyhow::Result<usize>,
) -> anyhow::Result<()> {
    let failed = ask()?;
    assert!(failed * 1_000 <= requests, "in peace {failed} of {requests} failed\n{}", world.told());
    flooded(world, world.e0.mac(), HOST, port, || {
        let failed = ask()?;
        assert!(failed * 100 <= requests, "flooded, {failed} of {requests} failed\n{}", world.told());
        Ok(())
    })
}

/// Does something while an address is flooded, by way of a link-layer address: of the flood nearly nothing passes.
pub fn flooded(
    world: &World,
    to: Mac,
    address: IpAddr,
    port: u16,
    work: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (stop, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let before = world.dropped()?;
    world.flood(to, address, port, Arc::clone(&stop), Arc::clone(&sent));
    let outcome = work();
    stop.store(true, Ordering::Relaxed);
    thread::sleep(Duration::from_millis(300));
    outcome?;
    let (dropped, sent) = (world.dropped()? - before, sent.load(Ordering::Relaxed));
    assert!(sent > 2 * FLOOD, "{sent} sent");
    assert!(dropped * 100 >= sent * 95, "{dropped} of {sent} were dropped\n{}", world.told());
    Ok(())
}

/// How many of so many requests fail that somebody makes, one begun after the other at this distance.
pub fn failures_among(
    who: &Namespace,
    requests: usize,
    distance: Duration,
    one: impl Fn(usize) -> std::io::Result<()> + Copy + Send + 'static,
) -> anyhow::Result<usize> {
    who.enter(move || {
        let start = |number| {
            thread::sleep(distance);
            thread::spawn(move || one(number))
        };
        let all: Vec<_> = (0..requests).map(start).collect();
        all.into_iter().map(thread::JoinHandle::join).filter(|one| !matches!(one, Ok(Ok(())))).count()
    })
}

/// A program that runs until this is let go of.
#[derive(Debug)]
pub struct Program(Child);

impl Program {
    /// Runs one, and waits until it takes connections at a TCP port of where it runs.
    pub fn start(who: &Namespace, command: &mut Command, port: u16) -> anyhow::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut program = Self(child.with_context(|| format!("starting {name}"))?);
        let deadline = Instant::now() + PATIENCE;
        let there = || who.enter(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        while !there()? {
            if let Some(status) = program.0.try_wait()? {
                bail!("{name} has ended: {status}");
            }
            ensure!(Instant::now() < deadline, "{name} takes no connection at port {port}");
            thread::sleep(Duration::from_millis(50));
        }
        Ok(program)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
