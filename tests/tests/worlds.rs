//! Hosts as people run them, with a real daemon and its default configuration: whatever the host carries goes on, in peace
//! and while it is flooded with what nobody has asked for.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use floodwall_lab::{
    link::veth,
    or_skip,
    skip::{require_root, require_tool},
};
use floodwall_tests::world::{HOST, OUTSIDE, World, failures, failures_of, stands, upload};

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");

#[test]
fn an_end_host() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut world = World::new(BINARY, "w-end")?;
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
    let mut world = World::with_routed_guest(BINARY, "w-nat")?;
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
    let mut world = World::with_routed_guest(BINARY, "w-routed")?;
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
    let mut world = World::new(BINARY, "w-routed6")?;
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
    let mut world = World::new(BINARY, "w-bridge")?;
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
    let mut world = World::new(BINARY, "w-macvlan")?;
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
    let mut world = World::new(BINARY, "w-many")?;
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
    let mut world = World::new(BINARY, "w-fast")?;
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
    let mut world = World::new(BINARY, "w-asymmetric")?;
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
    let mut world = World::with_routed_guest(BINARY, "w-older")?;
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
