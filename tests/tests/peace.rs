//! Hosts as people run them, with a real daemon and its default configuration, and what they do all day that looks like a
//! flood in small: nothing of it is dropped, and it is told as no attack.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
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
use floodwall_tests::world::{HOST, OUTSIDE, World};

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
