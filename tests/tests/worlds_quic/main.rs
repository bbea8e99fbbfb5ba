//! A host with a QUIC server, with a real daemon and its default configuration: in peace nobody notices the filter; while the
//! server is flooded from forged addresses, open connections go on and newcomers get in.

mod quic;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use floodwall_lab::{
    frame::Frame,
    link::Mac,
    or_skip,
    skip::{require_root, require_tool},
    wire::Sender,
};
use floodwall_tests::world::{HOST, World};
use quic::Quic;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
const PORT: u16 = 443;
/// Addresses outside that clients have.
const CLIENTS: u8 = 200;
/// Between two clients: 60 come in a second.
const DISTANCE: Duration = Duration::from_micros(16_667);
/// Packets/s of the flood.
const FLOOD: u32 = 9_000;

/// A host with a QUIC server, and the addresses of its clients outside.
fn world(label: &str) -> anyhow::Result<(World, Quic, Vec<Ipv4Addr>)> {
    let mut world = World::new(BINARY, label)?;
    world.e0.address(&format!("{HOST}/24"))?;
    let clients: Vec<_> = (0..CLIENTS).map(|number| Ipv4Addr::new(10, 99, 0, 10 + number)).collect();
    for client in &clients {
        world.r0.address(&format!("{client}/24"))?;
    }
    let directory = world.file("quic");
    std::fs::create_dir(&directory)?;
    let quic = Quic::serve(&world.host, SocketAddr::new(HOST, PORT), &directory)?;
    world.protect()?;
    Ok((world, quic, clients))
}

/// The datagram with a number, to the server from a forged address: it has the form of a client's first one (RFC 9000, section
/// 17.2.2), and holds nothing that can be decrypted.
fn forged(number: u32, host: Ipv4Addr, [from, to]: [Mac; 2]) -> Vec<u8> {
    let number = number.wrapping_mul(2_654_435_761);
    let mut payload = [7; 1_200];
    payload[..6].copy_from_slice(&[0xc3, 0, 0, 0, 1, 8]);
    payload[6..10].copy_from_slice(&number.to_be_bytes());
    let frame = Frame::ipv4(Ipv4Addr::from(0x2d00_0000 | number >> 8), host).macs(from, to);
    frame.udp(1_024 + (number % 60_000) as u16, PORT).payload(&payload).build()
}

/// Floods the server until it is told to stop, with no datagram twice.
fn flood(world: &World, stop: Arc<AtomicBool>, sent: Arc<AtomicU64>) -> anyhow::Result<()> {
    /// Datagrams that are sent at once.
    const BATCH: u32 = 90;
    let std::net::IpAddr::V4(host) = HOST else { anyhow::bail!("{HOST} is no IPv4 address") };
    let (sender, macs) = (Sender::open(&world.outside, world.r0.name())?, [world.r0.mac(), world.e0.mac()]);
    thread::spawn(move || {
        let start = Instant::now();
        for batch in 0.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let frames: Vec<_> =
                (0..BATCH).map(|number| forged(batch * BATCH + number, host, macs)).collect();
            sent.fetch_add(sender.send_batch(&frames).unwrap_or(0) as u64, Ordering::Relaxed);
            thread::sleep((Duration::from_secs(1) / FLOOD * BATCH * batch).saturating_sub(start.elapsed()));
        }
    });
    Ok(())
}

#[test]
fn clients_come_in_peace() -> anyhow::Result<()> {
    or_skip!(require_root());
    or_skip!(require_tool("openssl"));
    let (world, quic, clients) = world("w-quic")?;
    let served = quic.visits(&world.outside, &clients, 1_800, DISTANCE)?;
    assert_eq!(served.failed, 0, "of 1,800\n{}", world.told());
    assert_eq!(world.dropped()?, 0, "{}", world.told());
    assert!(!world.log().contains("attack began"), "{}", world.log());
    Ok(())
}

#[test]
fn a_flood_of_forged_first_packets() -> anyhow::Result<()> {
    or_skip!(require_root());
    or_skip!(require_tool("openssl"));
    let (world, quic, clients) = world("w-quic-fl")?;
    let (first, newcomers) = clients.split_at(20);
    let talk = quic.connect(&world.outside, first[0])?;
    talk.say()?;
    quic.visits(&world.outside, first, 300, DISTANCE)?;
    let before = world.dropped()?;
    let (stop, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    flood(&world, Arc::clone(&stop), Arc::clone(&sent))?;
    thread::sleep(Duration::from_secs(5));
    let (mut longest, start) = (Duration::ZERO, Instant::now());
    let served = thread::scope(|scope| {
        let visits = scope.spawn(|| quic.visits(&world.outside, newcomers, 600, DISTANCE));
        while start.elapsed() < Duration::from_secs(10) {
            longest = longest.max(talk.say()?);
            thread::sleep(Duration::from_millis(100));
        }
        visits.join().map_err(|_| anyhow::anyhow!("the clients panicked"))?
    });
    stop.store(true, Ordering::Relaxed);
    let served = served?;
    let (dropped, sent) = (world.dropped()? - before, sent.load(Ordering::Relaxed));
    println!(
        "{} % of {} newcomers were served, half of them within {:?}, 95 % within {:?}; the open connection was answered within \
         {longest:?}; {dropped} of {sent} packets of the flood were dropped",
        served.percent(),
        served.after.len() + served.failed,
        served.within(50),
        served.within(95)
    );
    assert!(dropped * 100 >= sent * 80, "{dropped} of {sent} were dropped\n{}", world.told());
    assert!(longest < Duration::from_secs(1), "a gap of {longest:?}\n{}", world.told());
    assert!(served.percent() >= 90, "{served:?}\n{}", world.told());
    Ok(())
}
