//! Hosts as people run them, with a real daemon and its default configuration: whatever the host carries goes on, in peace
//! and while it is flooded with what nobody has asked for.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use floodwall_lab::{
    frame::{Frame, Network},
    link::{Mac, Port, veth},
    namespace::Namespace,
    or_skip,
    skip::{require_root, require_tool},
    wire::Sender,
};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
const PATIENCE: Duration = Duration::from_secs(25);
/// Connections in peace, and again in a flood.
const CONNECTIONS: usize = 200;
/// How many of these may fail.
const FAILURES: usize = CONNECTIONS / 100;
/// Packets/s of the flood, a third of each kind.
const FLOOD: u64 = 9_000;
const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 2));
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 1));

/// The world outside, the host, and what it carries.
struct World {
    outside: Namespace,
    host: Namespace,
    carried: Namespace,
    /// The protected interface, and the end of its cable outside.
    e0: Port,
    r0: Port,
    daemon: Option<Child>,
    directory: tempfile::TempDir,
    bpffs: PathBuf,
    over: Arc<AtomicBool>,
}

impl World {
    /// A host without addresses, and nobody whom it carries anything for.
    fn new(label: &str) -> anyhow::Result<Self> {
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
        Ok(Self { outside, host, carried, e0, r0, daemon: None, directory, bpffs, over })
    }

    /// A guest that the host routes for.
    fn with_routed_guest(label: &str) -> anyhow::Result<Self> {
        let world = Self::new(label)?;
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

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.host.command(BINARY);
        command.args(arguments).arg("--socket").arg(self.directory.path().join("socket"));
        command
    }

    /// Starts the daemon with all that a fresh install does.
    fn protect(&mut self) -> anyhow::Result<()> {
        let mut command = self.command(&["run", "--iface", "e0"]);
        command.arg("--state-dir").arg(self.directory.path().join("state")).arg("--bpffs").arg(&self.bpffs);
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
        while !self.log().contains("what leaves is seen on") {
            if Instant::now() > deadline {
                bail!("the checks do not hold: {}", self.told());
            }
            thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// What the daemon says of itself.
    fn told(&self) -> String {
        let said = |arguments: &[&str]| match self.command(arguments).output() {
            Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
            Err(error) => error.to_string(),
        };
        [said(&["status"]), said(&["signature", "list"]), self.log()].join("\n")
    }

    /// Packets dropped so far.
    fn dropped(&self) -> anyhow::Result<u64> {
        let output = self.command(&["status", "--json"]).output()?;
        let status: Value = serde_json::from_slice(&output.stdout)?;
        let counters = status["counters"].as_array().cloned().unwrap_or_default();
        let dropped = counters.iter().filter(|counter| counter["verdict"] == "drop");
        Ok(dropped.filter_map(|counter| counter["packets"].as_u64()).sum())
    }

    /// Something that answers every connection to a port with what came first.
    fn serve(&self, who: &Namespace, port: u16) -> anyhow::Result<()> {
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
    fn sink(&self, who: &Namespace, port: u16) -> anyhow::Result<()> {
        let listener = who.enter(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)))??;
        who.spawn("sink", move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || std::io::copy(&mut { stream }, &mut std::io::sink()));
            }
        })?;
        Ok(())
    }

    /// Floods an address, by way of a link-layer address, until it is told to stop; says how many packets were sent.
    fn flood(&self, to: Mac, address: IpAddr, port: u16, stop: Arc<AtomicBool>, sent: Arc<AtomicU64>) {
        let sender = Sender::open(&self.outside, self.r0.name()).expect("a socket for the flood");
        let (from, to) = (self.r0.mac(), to);
        let frames = match address {
            IpAddr::V4(address) => unasked(port, |number| {
                Frame::ipv4(Ipv4Addr::from(0x2d00_0000 | number >> 8), address).macs(from, to)
            }),
            IpAddr::V6(address) => unasked(port, |number| {
                let source = (0x2001_0db8 << 96) | u128::from(number) << 64 | 7;
                Frame::ipv6(Ipv6Addr::from(source), address).macs(from, to)
            }),
        };
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

/// How many of many connections from `who` to an address fail.
fn failures(who: &Namespace, to: SocketAddr) -> anyhow::Result<usize> {
    failures_of(who, to, CONNECTIONS, Duration::from_millis(11))
}

/// How many of so many connections fail, one begun after the other at this distance.
fn failures_of(
    who: &Namespace,
    to: SocketAddr,
    connections: usize,
    distance: Duration,
) -> anyhow::Result<usize> {
    let one = move || -> std::io::Result<()> {
        let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(3))?;
        stream.set_read_timeout(Some(Duration::from_secs(3)))?;
        stream.write_all(b"hello")?;
        stream.read_exact(&mut [0; 5])
    };
    who.enter(move || {
        let start = |_| {
            thread::sleep(distance);
            thread::spawn(one)
        };
        let all: Vec<_> = (0..connections).map(start).collect();
        all.into_iter().filter_map(|one| one.join().ok()).filter(Result::is_err).count()
    })
}

/// Bytes that were sent to an address within a time.
fn upload(who: &Namespace, to: SocketAddr, time: Duration) -> anyhow::Result<usize> {
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
type Visit<'a> = (&'a Namespace, IpAddr, u16);

/// What people do goes on in peace and in a flood of that destination, and of the flood nearly nothing passes.
fn stands(world: &World, visits: &[Visit<'_>], to: Mac, address: IpAddr, port: u16) -> anyhow::Result<()> {
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
    let (stop, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let before = world.dropped()?;
    world.flood(to, address, port, Arc::clone(&stop), Arc::clone(&sent));
    let outcome = all_succeed("flooded");
    stop.store(true, Ordering::Relaxed);
    thread::sleep(Duration::from_millis(300));
    outcome?;
    let (dropped, sent) = (world.dropped()? - before, sent.load(Ordering::Relaxed));
    assert!(sent > 2 * FLOOD, "{sent} sent");
    assert!(dropped * 100 >= sent * 95, "{dropped} of {sent} were dropped\n{}", world.told());
    Ok(())
}

#[test]
fn an_end_host() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut world = World::new("w-end")?;
    world.e0.address(&format!("{HOST}/24"))?;
    world.serve(&world.host, 80)?;
    world.serve(&world.outside, 80)?;
    world.protect()?;
    let visits = [(&world.host, OUTSIDE, 80), (&world.outside, HOST, 80)];
    stands(&world, &visits, world.e0.mac(), HOST, 80)
}

#[test]
fn a_container_behind_masquerade_with_a_published_port() -> anyhow::Result<()> {
    or_skip!(require_root());
    or_skip!(require_tool("nft"));
    let mut world = World::with_routed_guest("w-nat")?;
    let rules = "table ip nat {\n\
         chain pre { type nat hook prerouting priority -100; iifname \"e0\" tcp dport 8080 dnat to 10.98.0.2:80; }\n\
         chain post { type nat hook postrouting priority 100; oifname \"e0\" masquerade; }\n }";
    let status = world.host.command("nft").arg(rules).status()?;
    assert!(status.success());
    world.serve(&world.carried, 80)?;
    world.serve(&world.outside, 80)?;
    world.protect()?;
    let visits = [(&world.carried, OUTSIDE, 80), (&world.outside, HOST, 8_080)];
    stands(&world, &visits, world.e0.mac(), HOST, 8_080)
}

#[test]
fn a_guest_that_is_routed_for() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut world = World::with_routed_guest("w-routed")?;
    let guest = IpAddr::from([10, 98, 0, 2]);
    world.serve(&world.carried, 80)?;
    world.serve(&world.outside, 80)?;
    world.protect()?;
    let visits = [(&world.carried, OUTSIDE, 80), (&world.outside, guest, 80)];
    stands(&world, &visits, world.e0.mac(), guest, 80)
}

#[test]
fn a_guest_that_is_routed_for_by_ipv6() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut world = World::new("w-routed6")?;
    let (outside, guest): (IpAddr, IpAddr) = ("fd00:99::2".parse()?, "fd00:98::2".parse()?);
    let (b0, c0) = veth(&world.host, "b0", &world.carried, "c0")?;
    world.host.sysctl("net.ipv6.conf.all.forwarding", "1")?;
    world.e0.address("fd00:99::1/64")?;
    world.r0.address("fd00:99::2/64")?;
    b0.address("fd00:98::1/64")?;
    c0.address("fd00:98::2/64")?;
    c0.route("default", "fd00:98::1".parse()?)?;
    world.e0.route("default", outside)?;
    world.r0.route("fd00:98::/64", "fd00:99::1".parse()?)?;
    // A router asks for its neighbours from a link-local address, which these have not.
    world.e0.neighbour(outside, world.r0.mac())?;
    b0.neighbour(guest, c0.mac())?;
    world.serve(&world.carried, 80)?;
    world.serve(&world.outside, 80)?;
    world.protect()?;
    let visits = [(&world.carried, outside, 80), (&world.outside, guest, 80)];
    stands(&world, &visits, world.e0.mac(), guest, 80)
}

#[test]
fn a_guest_behind_a_bridge() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut world = World::new("w-bridge")?;
    let guest = IpAddr::from([10, 99, 0, 3]);
    let (_, c0) = veth(&world.host, "b0", &world.carried, "c0")?;
    c0.address(&format!("{guest}/24"))?;
    world.host.ip("link add br0 type bridge")?;
    for port in ["e0", "b0"] {
        world.host.ip(&format!("link set {port} master br0"))?;
    }
    world.host.ip("link set br0 up")?;
    world.host.ip(&format!("addr add {HOST}/24 dev br0"))?;
    for who in [&world.host, &world.carried, &world.outside] {
        world.serve(who, 80)?;
    }
    world.protect()?;
    let visits = [
        (&world.carried, OUTSIDE, 80),
        (&world.outside, guest, 80),
        (&world.host, OUTSIDE, 80),
        (&world.outside, HOST, 80),
    ];
    stands(&world, &visits, c0.mac(), guest, 80)
}

#[test]
fn a_guest_on_a_macvlan() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut world = World::new("w-macvlan")?;
    let (guest, mac) = (IpAddr::from([10, 99, 0, 3]), [2, 0, 0, 0, 9, 3]);
    world.e0.address(&format!("{HOST}/24"))?;
    world.host.ip("link add mv0 address 02:00:00:00:09:03 link e0 type macvlan mode bridge")?;
    world.host.ip(&format!("link set mv0 netns {}", world.carried.name()))?;
    world.carried.ip("link set mv0 up")?;
    world.carried.ip(&format!("addr add {guest}/24 dev mv0"))?;
    world.serve(&world.carried, 80)?;
    world.serve(&world.outside, 80)?;
    world.protect()?;
    let visits = [(&world.carried, OUTSIDE, 80), (&world.outside, guest, 80)];
    stands(&world, &visits, mac, guest, 80)
}

/// A load balancer, a gateway with an office behind it, a probe or a crawler: one address that opens more connections than
/// an unknown one may.
#[test]
fn one_client_opens_many_connections() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut world = World::new("w-many")?;
    world.e0.address(&format!("{HOST}/24"))?;
    world.serve(&world.host, 80)?;
    world.protect()?;
    let to = SocketAddr::new(HOST, 80);
    let failed = failures_of(&world.outside, to, 1_500, Duration::from_millis(2))?;
    assert!(failed <= 3, "{failed} of 1500 failed\n{}", world.told());
    assert_eq!(world.dropped()?, 0, "{}", world.told());
    Ok(())
}

/// What is established is no flood, however fast it is, in either direction and beside a flood.
#[test]
fn fast_transfers() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut world = World::new("w-fast")?;
    world.e0.address(&format!("{HOST}/24"))?;
    world.sink(&world.host, 5_001)?;
    world.sink(&world.outside, 5_001)?;
    world.protect()?;
    for (who, to) in [(&world.outside, HOST), (&world.host, OUTSIDE)] {
        let sent = upload(who, SocketAddr::new(to, 5_001), Duration::from_secs(3))?;
        assert!(sent > 100 << 20, "{sent} bytes in 3 s");
    }
    assert_eq!(world.dropped()?, 0, "{}", world.told());
    Ok(())
}

/// What comes in by the protected interface is answered by another one.
#[test]
fn a_host_whose_answers_leave_by_another_way() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut world = World::new("w-asymmetric")?;
    let client = IpAddr::from([10, 50, 0, 2]);
    world.e0.address(&format!("{HOST}/24"))?;
    let (e1, r1) = veth(&world.host, "e1", &world.outside, "r1")?;
    e1.address("10.97.0.1/24")?;
    r1.address("10.97.0.2/24")?;
    world.outside.ip(&format!("addr add {client}/32 dev lo"))?;
    world.host.ip(&format!("route add 10.50.0.0/24 via 10.97.0.2 dev e1 src {HOST}"))?;
    world.outside.ip(&format!("route replace {HOST} dev r0 src {client}"))?;
    world.serve(&world.host, 80)?;
    world.serve(&world.outside, 80)?;
    world.protect()?;
    let visits = [(&world.host, client, 80), (&world.outside, HOST, 80)];
    stands(&world, &visits, world.e0.mac(), HOST, 80)
}

/// The filter comes when a session through the host has long been open, and a flood comes with it.
#[test]
fn a_session_that_is_older_than_the_filter() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut world = World::with_routed_guest("w-older")?;
    world.serve(&world.outside, 80)?;
    world.serve(&world.carried, 80)?;
    let guest = IpAddr::from([10, 98, 0, 2]);
    let mut session = world.outside.enter(|| TcpStream::connect((guest, 80)))??;
    session.set_read_timeout(Some(Duration::from_secs(5)))?;
    session.write_all(b"before")?;
    session.read_exact(&mut [0; 6])?;
    world.protect()?;
    // So that it is known that the guest sends by here.
    failures(&world.carried, SocketAddr::new(OUTSIDE, 80))?;
    let (stop, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    world.flood(world.e0.mac(), guest, 80, Arc::clone(&stop), sent);
    thread::sleep(Duration::from_secs(2));
    let start = Instant::now();
    let outcome = session.write_all(b"during").and_then(|()| session.read_exact(&mut [0; 6]));
    let gap = start.elapsed();
    stop.store(true, Ordering::Relaxed);
    outcome.context("the session is cut off")?;
    assert!(gap < Duration::from_millis(1_500), "a gap of {gap:?}");
    Ok(())
}
