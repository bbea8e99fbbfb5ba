//! A hundred thousand bans at once.

use std::{
    io::Read as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    thread,
    time::{Duration, Instant},
};

use floodwall_lab::{frame::Frame, or_skip, pair::INSIDE_V4, skip::require_root};
use floodwall_tests::{
    protected::{PATIENCE, Protected, SILENCE},
    requests::INSIDE_V6,
};
use socket2::{Domain, Socket, Type};

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
const BANS: u32 = 100_000;
/// Each takes up room twice: for itself, and for what the rule counts of it.
const SOURCES: u32 = 2_000_000;
/// Where too many share a set of the source table, it forgets some of what they have shown.
const ENOUGH: u64 = BANS as u64 * 999 / 1_000;
/// What the two hosts say to each other by themselves meanwhile: multicast listener reports.
const NOISE: u64 = 64;
/// How long a ban lasts: as long as it takes to make them all and look at them, on a slow machine.
const LENGTH: Duration = Duration::from_secs(40);

#[test]
fn a_hundred_thousand_bans_are_enforced_listed_and_over() -> anyhow::Result<()> {
    or_skip!(require_root());
    let text = format!(
        "[defaults]\nsource-syn = {{ rate = 1, burst = 1, then = \"ban for {}s\" }}\nprefix-syn = {{ mode = \"off\" }}\n\
         service-syn = {{ mode = \"off\" }}",
        LENGTH.as_secs()
    );
    let host = Protected::start_for_sources("many", BINARY, SOURCES, &text)?;
    prove(&host)?;
    let frames: Vec<_> = (0..BANS).map(|n| syn(&host, n)).collect();
    // The first packet of each is within its limit, and the second is not.
    let start = Instant::now();
    let twice: Vec<_> = frames.iter().flat_map(|frame| [frame, frame]).cloned().collect();
    let before = host.count("clean")?;
    send(&host, &twice)?;
    thread::sleep(SILENCE);
    let passed = host.count("clean")? - before;
    assert!(passed <= u64::from(BANS) + NOISE, "of none more than one packet passes, and yet {passed} did");
    // A veth drops what comes faster than it is looked at.
    let listed = loop {
        let listed = host.json_lines(&["ban", "list"])?;
        if listed.len() >= ENOUGH as usize || start.elapsed() > LENGTH / 2 {
            break listed.len() as u64;
        }
        send(&host, &twice)?;
        thread::sleep(Duration::from_millis(500));
    };
    let made = start.elapsed();
    let over = host.count("syn-rate")?;
    assert!(
        listed >= ENOUGH,
        "{listed} of {BANS} are banned, {over} packets were over the limit: {}",
        host.log()
    );
    println!("{listed} made and listed after {made:.1?}");
    let passed = host.count("clean")?;
    send(&host, &frames)?;
    thread::sleep(SILENCE);
    let passed = host.count("clean")? - passed;
    let most = u64::from(BANS) - listed + NOISE;
    assert!(passed <= most, "every one of them is banned, and yet {passed} packets passed");
    let said = host.ok(&["ban", "list", "--limit", "1"])?;
    assert!(said.contains("of 100,000 bans") || said.contains("of 99,9"), "{said}");
    // The last of them is over so long after it was made, and with it all.
    thread::sleep((made + LENGTH + Duration::from_secs(2)).saturating_sub(start.elapsed()));
    assert!(host.json_lines(&["ban", "list"])?.is_empty(), "all are over");
    let before = host.count("clean")?;
    send_until(&host, &frames, "clean", before)?;
    let passed = host.count("clean")? - before;
    assert!((u64::from(BANS)..=u64::from(BANS) + NOISE).contains(&passed), "{passed} are let in again");
    Ok(())
}

/// Has each source complete a connection, as nobody is banned whose packets may be forged.
fn prove(host: &Protected) -> anyhow::Result<()> {
    let (outside, inside) = (host.lab.outside.namespace(), host.lab.inside.namespace());
    outside.ip("-4 route add local 10.0.0.0/8 dev lo")?;
    outside.ip("-6 route add local 2001:db9::/32 dev lo")?;
    let listener = inside.enter(|| TcpListener::bind("[::]:80"))??;
    let accept = thread::spawn(move || -> std::io::Result<()> {
        for _ in 0..BANS {
            // It is closed at once, which completes the handshake as any other answer does.
            drop(listener.accept()?);
        }
        Ok(())
    });
    let to_v6: IpAddr = INSIDE_V6.parse()?;
    let connect = |n: u32| -> std::io::Result<()> {
        let source = source(n);
        let to = if source.is_ipv4() { INSIDE_V4.into() } else { to_v6 };
        let socket = Socket::new(Domain::for_address(SocketAddr::new(to, 80)), Type::STREAM, None)?;
        // An IPv6 address of a local route may be taken though no interface has it.
        if source.is_ipv6() {
            socket.set_freebind_v6(true)?;
        }
        socket.set_linger(Some(Duration::ZERO))?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        socket.connect_timeout(&SocketAddr::new(to, 80).into(), PATIENCE)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        (&socket).read(&mut [0]).map(drop)
    };
    outside.enter(|| (0..BANS).try_for_each(connect))??;
    accept.join().map_err(|_| anyhow::anyhow!("the thread that accepts has failed"))??;
    Ok(())
}

/// The `n`th source; every fourth has an IPv6 address.
fn source(n: u32) -> IpAddr {
    if n.is_multiple_of(4) {
        let bits = 0x2001_0db9_u128 << 96 | u128::from(n >> 16) << 80 | u128::from(n & 0xffff) << 64 | 1;
        return Ipv6Addr::from_bits(bits).into();
    }
    Ipv4Addr::from_bits(0x0a00_0000 + n).into()
}

/// A SYN of the `n`th source; every fourth comes over IPv6.
fn syn(host: &Protected, n: u32) -> Vec<u8> {
    if n.is_multiple_of(4) {
        return Frame::ipv6(source(n).to_string().as_str(), INSIDE_V6)
            .between(&host.lab.outside, &host.lab.inside)
            .tcp(7, 80)
            .syn()
            .build();
    }
    host.from(&source(n).to_string()).tcp(7, 80).syn().build()
}

/// Sends frames until so many of them have come to count beyond `before`: a veth drops what comes faster than it is
/// looked at.
fn send_until(host: &Protected, frames: &[Vec<u8>], reason: &str, before: u64) -> anyhow::Result<()> {
    for _ in 0..5 {
        if host.count(reason)? - before >= u64::from(BANS) {
            break;
        }
        send(host, frames)?;
        thread::sleep(SILENCE);
    }
    Ok(())
}

fn send(host: &Protected, frames: &[Vec<u8>]) -> anyhow::Result<()> {
    for batch in frames.chunks(64) {
        let mut sent = 0;
        while sent < batch.len() {
            sent += host.sender.send_batch(&batch[sent..])?;
        }
    }
    Ok(())
}
