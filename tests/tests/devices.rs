//! Hosts whose addresses are on devices above the protected one, and hosts that hand on what comes for a virtual service: a few
//! clients, and a few packets that nobody has asked for. What a kernel does not have is skipped, and tried by
//! `cargo xtask test --vm` on one that has it.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, SocketAddrV4},
    time::Duration,
};

use anyhow::ensure;
use floodwall_lab::{or_skip, skip::require_root};
use floodwall_tests::{
    ipvs,
    world::{HOST, OUTSIDE, Visit, World, failures_of, require_device},
};
use socket2::{Domain, Socket, Type};

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
/// Connections of each kind: an emulated machine is slow.
const CONNECTIONS: usize = 30;
const DISTANCE: Duration = Duration::from_millis(50);
/// Packets that nobody has asked for, sent at once, and how many of them may pass: 50/s of each of three kinds, and as many at
/// once, for a few seconds.
const UNASKED: usize = 6_000;
const PASSING: u64 = 1_200;

/// Nobody's connections fail, and nothing is dropped.
fn all_are_served(world: &World, visits: &[Visit<'_>]) -> anyhow::Result<()> {
    for (who, address, port) in visits {
        let failed = failures_of(who, SocketAddr::new(*address, *port), CONNECTIONS, DISTANCE)?;
        ensure!(
            failed == 0,
            "{} to {address}:{port}: {failed} of {CONNECTIONS} failed\n{}",
            who.label(),
            world.told()
        );
    }
    let dropped = world.dropped()?;
    ensure!(dropped == 0, "{dropped} packets were dropped\n{}", world.told());
    Ok(())
}

/// Of what nobody has asked for nearly nothing passes.
fn strays_are_stopped(world: &World, by: &str, to: IpAddr, port: u16) -> anyhow::Result<()> {
    let sent = world.send_unasked(by, to, port, UNASKED)?;
    std::thread::sleep(Duration::from_secs(1));
    let dropped = world.dropped()?;
    ensure!(dropped + PASSING >= sent, "{dropped} of {sent} were dropped\n{}", world.told());
    Ok(())
}

#[test]
fn a_host_on_a_vlan() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut world = World::new(BINARY, "d-vlan")?;
    let (host, outside) = (IpAddr::from([10, 77, 0, 1]), IpAddr::from([10, 77, 0, 2]));
    for (namespace, port, address) in [(&world.host, "e0", host), (&world.outside, "r0", outside)] {
        let made = namespace.ip(&format!("link add link {port} name {port}.7 type vlan id 7"));
        or_skip!(made.map_err(|_| "this kernel makes no vlan"));
        namespace.ip(&format!("addr add {address}/24 dev {port}.7"))?;
        namespace.ip(&format!("link set {port}.7 up"))?;
    }
    world.serve(&world.host, 80)?;
    world.serve(&world.outside, 80)?;
    world.protect()?;
    all_are_served(&world, &[(&world.outside, host, 80), (&world.host, outside, 80)])?;
    strays_are_stopped(&world, "r0.7", host, 80)
}

#[test]
fn a_host_on_a_bond() -> anyhow::Result<()> {
    or_skip!(require_root());
    or_skip!(require_device("bond", "mode active-backup"));
    let mut world = World::new(BINARY, "d-bond")?;
    world.host.ip("link add bond0 type bond mode active-backup miimon 100")?;
    world.host.ip("link set e0 down")?;
    world.host.ip("link set e0 master bond0")?;
    world.host.ip("link set bond0 up")?;
    world.host.ip(&format!("addr add {HOST}/24 dev bond0"))?;
    world.serve(&world.host, 80)?;
    world.serve(&world.outside, 80)?;
    world.protect()?;
    all_are_served(&world, &[(&world.outside, HOST, 80), (&world.host, OUTSIDE, 80)])?;
    strays_are_stopped(&world, "r0", HOST, 80)
}

#[test]
fn a_host_with_a_vrf() -> anyhow::Result<()> {
    or_skip!(require_root());
    or_skip!(require_device("vrf", "table 10"));
    let mut world = World::new(BINARY, "d-vrf")?;
    world.host.ip("link add red type vrf table 10")?;
    world.host.ip("link set red up")?;
    world.host.ip("link set e0 master red")?;
    world.e0.address(&format!("{HOST}/24"))?;
    // Servers that are not bound to it serve it as well.
    world.host.sysctl("net.ipv4.tcp_l3mdev_accept", "1")?;
    world.serve(&world.host, 80)?;
    world.serve(&world.outside, 80)?;
    world.protect()?;
    all_are_served(&world, &[(&world.outside, HOST, 80)])?;
    let asks = || -> std::io::Result<()> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind_device(Some(b"red"))?;
        socket.connect_timeout(&SocketAddr::new(OUTSIDE, 80).into(), Duration::from_secs(5))?;
        let mut stream = std::net::TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"hello")?;
        stream.read_exact(&mut [0; 5])
    };
    for _ in 0..CONNECTIONS {
        world.host.enter(asks)??;
    }
    strays_are_stopped(&world, "r0", HOST, 80)
}

#[test]
fn a_virtual_service_of_ipvs() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut world = World::with_routed_guest(BINARY, "d-ipvs")?;
    let [virtual_one, real] = [([10, 99, 0, 1], 8_080), ([10, 98, 0, 2], 80)]
        .map(|(address, port)| SocketAddrV4::new(address.into(), port));
    or_skip!(ipvs::hand_on(&world.host, virtual_one, real)?);
    world.serve(&world.carried, 80)?;
    world.serve(&world.outside, 80)?;
    world.protect()?;
    all_are_served(&world, &[(&world.outside, HOST, 8_080), (&world.carried, OUTSIDE, 80)])?;
    strays_are_stopped(&world, "r0", HOST, 8_080)
}

#[test]
fn peers_that_speak_by_ipsec() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut world = World::new(BINARY, "d-esp")?;
    world.e0.address(&format!("{HOST}/24"))?;
    let key = format!("0x{}", "5a".repeat(20));
    let mut is_there = true;
    for namespace in [&world.host, &world.outside] {
        for (from, to, spi) in [(HOST, OUTSIDE, 0x101), (OUTSIDE, HOST, 0x102)] {
            let state = format!(
                "xfrm state add src {from} dst {to} proto esp spi {spi} mode transport aead rfc4106(gcm(aes)) {key} 128"
            );
            is_there &= namespace.ip(&state).is_ok();
        }
    }
    or_skip!(is_there.then_some(()).ok_or_else(|| "this kernel has no ESP".to_owned()));
    for (namespace, own, peer) in [(&world.host, HOST, OUTSIDE), (&world.outside, OUTSIDE, HOST)] {
        for (from, to, direction) in [(own, peer, "out"), (peer, own, "in")] {
            namespace.ip(&format!(
                "xfrm policy add src {from} dst {to} dir {direction} tmpl src {from} dst {to} proto esp mode transport"
            ))?;
        }
    }
    world.serve(&world.host, 80)?;
    world.serve(&world.outside, 80)?;
    world.protect()?;
    all_are_served(&world, &[(&world.outside, HOST, 80), (&world.host, OUTSIDE, 80)])?;
    strays_are_stopped(&world, "r0", HOST, 80)
}
