//! A host with Docker, with a real daemon of either and the default configuration: published ports, and what containers ask
//! for, in peace and flooded with what nobody has asked for.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    thread,
    time::Duration,
};

use floodwall_lab::{namespace::Namespace, or_skip, skip::require_root};
use floodwall_tests::{
    docker::{Docker, require_docker},
    world::{HOST, OUTSIDE, World, failures, failures_among, flooded},
};

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
/// Of each kind, in peace and flooded: as many as [`failures`] makes connections.
const REQUESTS: usize = 200;
const DISTANCE: Duration = Duration::from_millis(12);
/// Those of them that may fail in a flood.
const FAILURES: usize = REQUESTS / 100;
const PATIENCE: Duration = Duration::from_secs(3);

/// A container that answers by TCP at 8080 and by UDP at 5353 of the host with what it is sent.
fn publish(world: &World, docker: &Docker) -> anyhow::Result<Namespace> {
    let container = docker.container("web", &["8080:80", "5353:53/udp"])?;
    world.serve(&container, 80)?;
    let socket = container.enter(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 53)))??;
    thread::spawn(move || -> io::Result<()> {
        let mut bytes = [0; 64];
        loop {
            let (length, from) = socket.recv_from(&mut bytes)?;
            socket.send_to(&bytes[..length], from)?;
        }
    });
    Ok(container)
}

/// Asks by UDP, and again after a second, as clients do.
fn ask(to: SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(to)?;
    for patience in [Duration::from_secs(1), PATIENCE] {
        socket.set_read_timeout(Some(patience))?;
        socket.send(b"hello")?;
        if socket.recv(&mut [0; 16]).is_ok_and(|length| length == 5) {
            return Ok(());
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// Whether all get what they ask for, but for so many.
fn all_are_served(world: &World, container: &Namespace, most: usize, when: &str) -> anyhow::Result<()> {
    let by_tcp = failures(&world.outside, SocketAddr::new(HOST, 8_080))?;
    let by_udp = failures_among(&world.outside, REQUESTS, DISTANCE, |_| ask(SocketAddr::new(HOST, 5_353)))?;
    let from_within = failures(container, SocketAddr::new(OUTSIDE, 80))?;
    let failed = [by_tcp, by_udp, from_within];
    assert!(
        failed.iter().all(|failed| *failed <= most),
        "{when}, of {REQUESTS} by TCP, by UDP and from within, {failed:?} failed\n{}",
        world.told()
    );
    Ok(())
}

/// A host with Docker, started with these options, whose container is there before the filter, and is then replaced.
fn docker_is_served(label: &str, options: &[&str]) -> anyhow::Result<()> {
    let mut world = World::new(BINARY, label)?;
    world.e0.address(&format!("{HOST}/24"))?;
    world.e0.route("default", OUTSIDE)?;
    // Where Docker makes no rules, its containers are not hidden behind the host's address.
    world.r0.route("172.17.0.0/16", HOST)?;
    world.host.sysctl("net.ipv4.ip_forward", "1")?;
    world.serve(&world.outside, 80)?;
    let docker = Docker::start(&world.host, &world.file("docker"), options)?;
    let container = publish(&world, &docker)?;
    world.protect()?;
    all_are_served(&world, &container, 0, "in peace")?;
    drop(container);
    assert_eq!(world.dropped()?, 0, "{}", world.told());
    docker.run(&["rm", "--force", "web"])?;
    let container = publish(&world, &docker)?;
    flooded(&world, world.e0.mac(), HOST, 8_080, || {
        all_are_served(&world, &container, FAILURES, "flooded, in a container that is new")
    })
}

#[test]
fn a_docker_that_publishes_ports_with_its_proxy() -> anyhow::Result<()> {
    or_skip!(require_root());
    or_skip!(require_docker());
    docker_is_served("w-dock", &["--userland-proxy=true"])
}

#[test]
fn a_docker_that_publishes_ports_without_its_proxy() -> anyhow::Result<()> {
    or_skip!(require_root());
    or_skip!(require_docker());
    docker_is_served("w-dock-nat", &["--userland-proxy=false"])
}

#[test]
fn a_docker_whose_proxy_is_all_that_publishes_ports() -> anyhow::Result<()> {
    or_skip!(require_root());
    or_skip!(require_docker());
    docker_is_served("w-dock-proxy", &["--iptables=false", "--ip6tables=false", "--ip-masq=false"])
}
