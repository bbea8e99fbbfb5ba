//! Hosts as people run them, with a real daemon and its default configuration, and what they do all day that looks like a
//! flood in small: nothing of it is dropped, and it is told as no attack.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use anyhow::ensure;
use floodwall_lab::{
    frame::Frame,
    link::veth,
    namespace::Namespace,
    or_skip,
    skip::require_root,
    wire::{Receiver, Sender},
};
use floodwall_tests::{
    dns::{self, NameServer},
    world::{HOST, OUTSIDE, World, failures_among},
};

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// After this, that a source is not known says something.
const SETTLED: Duration = Duration::from_secs(4);

/// Nothing was dropped, and nothing told as an attack.
fn is_at_peace(world: &World) -> anyhow::Result<()> {
    assert_eq!(world.dropped()?, 0, "{}", world.told());
    let log = world.log();
    assert!(!log.contains("attack 1"), "{log}");
    Ok(())
}

/// Does something so many times, evenly, within a time.
fn evenly(
    times: usize,
    time: Duration,
    mut act: impl FnMut(usize) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let start = Instant::now();
    for number in 0..times {
        act(number)?;
        let due = start + time * number as u32 / times as u32;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

/// An office behind its gateway, of which everybody looks whether the same address answers: by the limit of pings of one source,
/// one in six would be answered.
#[test]
fn many_behind_a_gateway_ping_the_same_address() -> anyhow::Result<()> {
    or_skip!(require_root());
    const PINGS: usize = 900;
    let mut world = World::new(BINARY, "p-ping")?;
    let guest = Ipv4Addr::new(10, 98, 0, 2);
    world.e0.address(&format!("{HOST}/24"))?;
    let (b0, c0) = veth(&world.host, "b0", &world.carried, "c0")?;
    b0.address("10.98.0.1/24")?;
    c0.address(&format!("{guest}/24"))?;
    world.host.sysctl("net.ipv4.ip_forward", "1")?;
    world.r0.route("10.98.0.0/24", HOST)?;
    world.protect()?;
    let replies = Receiver::open(&world.carried, "c0")?;
    let sender = Sender::open(&world.carried, "c0")?;
    let IpAddr::V4(outside) = OUTSIDE else { unreachable!("it is IPv4") };
    evenly(PINGS, Duration::from_secs(3), |number| {
        let frame =
            Frame::ipv4(guest, outside).between(&c0, &b0).icmp(8, 0).echo(number as u16 % 60, number as u16);
        // Some are as long as looks for the path's MTU are.
        let payload: &[u8] = if number % 10 == 0 { &[7; 1_400] } else { &[7; 56] };
        sender.send(&frame.payload(payload).build())
    })?;
    let is_reply = |frame: &[u8]| frame.len() > 34 && frame[23] == 1 && frame[34] == 0;
    let answered = replies.collect(PINGS, PATIENCE, is_reply)?.len();
    assert!(answered * 100 >= PINGS * 99, "{answered} of {PINGS} were answered\n{}", world.told());
    is_at_peace(&world)
}

/// Something that answers each datagram with a longer one.
fn answer_at_length(who: &Namespace, at: SocketAddr, length: usize) -> anyhow::Result<()> {
    let socket = who.enter(|| UdpSocket::bind(at))??;
    who.spawn("answers", move || {
        let mut question = [0; 512];
        while let Ok((_, from)) = socket.recv_from(&mut question) {
            let _ = socket.send_to(&vec![7; length], from);
        }
    })?;
    Ok(())
}

/// A file server by UDP, or a name server with signed answers: one address that sends nothing but fragments.
#[test]
fn the_host_is_answered_in_fragments() -> anyhow::Result<()> {
    or_skip!(require_root());
    const QUESTIONS: usize = 1_200;
    let mut world = World::new(BINARY, "p-fragments")?;
    world.e0.address(&format!("{HOST}/24"))?;
    let server = SocketAddr::new(OUTSIDE, 2_049);
    answer_at_length(&world.outside, server, 8_000)?;
    world.protect()?;
    let socket = world.host.enter(|| UdpSocket::bind((HOST, 0)))??;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut answer = vec![0; 9_000];
    let mut missing = 0;
    evenly(QUESTIONS, Duration::from_secs(3), |_| {
        socket.send_to(b"question", server)?;
        missing += usize::from(!socket.recv_from(&mut answer).is_ok_and(|(length, _)| length == 8_000));
        ensure!(missing < 10, "{missing} answers are missing\n{}", world.told());
        Ok(())
    })?;
    // Each answer comes in six fragments.
    let lost = world.dropped()?;
    assert!(lost * 1_000 <= 6 * QUESTIONS as u64, "{lost} fragments were dropped\n{}", world.told());
    assert!(!world.log().contains("attack 1"), "{}", world.log());
    Ok(())
}

/// A tunnel, a call or an upload by QUIC begins: thousands of packets/s of one address that was never seen before.
#[test]
fn a_stream_by_udp_begins() -> anyhow::Result<()> {
    or_skip!(require_root());
    const PACKETS: usize = 16_000;
    let mut world = World::new(BINARY, "p-stream")?;
    world.e0.address(&format!("{HOST}/24"))?;
    let service = SocketAddr::new(HOST, 51_820);
    let _socket = world.host.enter(|| UdpSocket::bind(service))??;
    world.protect()?;
    thread::sleep(SETTLED);
    let client = world.outside.enter(|| UdpSocket::bind((OUTSIDE, 0)))??;
    evenly(PACKETS, Duration::from_secs(4), |_| {
        client.send_to(&[7; 1_200], service)?;
        Ok(())
    })?;
    thread::sleep(Duration::from_millis(500));
    is_at_peace(&world)
}

/// Clients of a service by UDP that were never seen before: so many a second, each of which sends so many datagrams at this
/// distance, and goes.
struct Crowd {
    a_second: usize,
    datagrams: usize,
    distance: Duration,
    port: u16,
    payload: Vec<u8>,
}

impl Crowd {
    const LASTS: Duration = Duration::from_secs(12);

    /// They come to a host that answers them. Nothing is lost, and no attack told.
    fn comes_to(&self, world: &World) -> anyhow::Result<()> {
        let sender = Sender::open(&world.outside, world.r0.name())?;
        let (IpAddr::V4(host), clients) = (HOST, self.a_second * Self::LASTS.as_secs() as usize) else {
            unreachable!("it is IPv4")
        };
        // Whose turn it is, in order: the first datagram of one, the second of another who came earlier.
        let mut turns: Vec<_> = (0..clients)
            .flat_map(|client| (0..self.datagrams).map(move |datagram| (client, datagram)))
            .map(|(client, datagram)| {
                let comes = Duration::from_secs(1) * client as u32 / self.a_second as u32;
                (comes + self.distance * datagram as u32, client)
            })
            .collect();
        turns.sort_unstable();
        let start = Instant::now();
        for (due, client) in turns {
            let address = Ipv4Addr::from(0x2d00_0000 | (client as u32).wrapping_mul(2_654_435_761) >> 8);
            let frame = Frame::ipv4(address, host).between(&world.r0, &world.e0);
            sender.send(
                &frame.udp(20_000 + client as u16 % 30_000, self.port).payload(&self.payload).build(),
            )?;
            thread::sleep(due.saturating_sub(start.elapsed()));
        }
        thread::sleep(Duration::from_millis(500));
        is_at_peace(world)
    }
}

/// A host that all of a crowd are routed to, by way of one neighbour.
fn open_to_all(label: &str) -> anyhow::Result<World> {
    let world = World::new(BINARY, label)?;
    world.e0.address(&format!("{HOST}/24"))?;
    world.e0.neighbour(OUTSIDE, world.r0.mac())?;
    world.e0.route("default", OUTSIDE)?;
    Ok(world)
}

/// The name server of a busy domain, freshly protected: hardly anyone who asks has asked before.
#[test]
fn many_ask_a_name_server_for_the_first_time() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut world = open_to_all("p-names")?;
    let _server = NameServer::start(&world.host, HOST)?;
    world.protect()?;
    thread::sleep(SETTLED);
    let payload = dns::question(7, "www.example.org");
    Crowd { a_second: 400, datagrams: 1, distance: Duration::ZERO, port: dns::PORT, payload }.comes_to(&world)
}

/// Players come to a game.
#[test]
fn many_begin_to_play() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut world = open_to_all("p-game")?;
    answer_at_length(&world.host, SocketAddr::new(HOST, 27_015), 200)?;
    world.protect()?;
    thread::sleep(SETTLED);
    let distance = Duration::from_millis(200);
    Crowd { a_second: 100, datagrams: 20, distance, port: 27_015, payload: vec![7; 60] }.comes_to(&world)
}

/// Browsers look at a page by QUIC, and go.
#[test]
fn many_look_at_a_page() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut world = open_to_all("p-quic")?;
    answer_at_length(&world.host, SocketAddr::new(HOST, 443), 1_200)?;
    world.protect()?;
    thread::sleep(SETTLED);
    let distance = Duration::from_millis(40);
    Crowd { a_second: 60, datagrams: 15, distance, port: 443, payload: vec![7; 1_200] }.comes_to(&world)
}

/// A public time server: a thousand clients a second, who ask once.
#[test]
fn many_ask_a_time_server_once() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut world = open_to_all("p-time")?;
    answer_at_length(&world.host, SocketAddr::new(HOST, 123), 48)?;
    world.protect()?;
    thread::sleep(SETTLED);
    let payload = vec![0x23; 48];
    Crowd { a_second: 1_000, datagrams: 1, distance: Duration::ZERO, port: 123, payload }.comes_to(&world)
}

/// A load balancer that has looked for a while whether a port is open, from one address, and looks more often: it connects, sends
/// nothing and closes.
#[test]
fn a_load_balancer_only_looks() -> anyhow::Result<()> {
    or_skip!(require_root());
    const BEFORE: usize = 660;
    const LOOKS: usize = 1_200;
    let mut world = World::new(BINARY, "p-looks")?;
    world.e0.address(&format!("{HOST}/24"))?;
    world.serve(&world.host, 80)?;
    world.protect()?;
    for (looks, distance) in [(BEFORE, 50), (LOOKS, 4)] {
        let failed = failures_among(&world.outside, looks, Duration::from_millis(distance), |_| {
            TcpStream::connect_timeout(&SocketAddr::new(HOST, 80), PATIENCE).map(drop)
        })?;
        assert_eq!(failed, 0, "{failed} of {looks} failed\n{}", world.told());
    }
    is_at_peace(&world)
}
