//! The source table: a limit means what it says on any number of processors, and however many others there are.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use floodwall_common::{
    prefix::Address,
    source::Key,
    wire::{
        Reason::{Clean, PacketRate},
        Settings,
    },
};
use floodwall_lab::{frame::Frame, random::Random};
use floodwall_tests::{
    engine::{Engine, START},
    on_both_engines,
};

/// Where the source stands in an Ethernet frame that holds an IPv4 packet.
const SOURCE: std::ops::Range<usize> = 26..30;
const MILLISECOND: u64 = 1_000_000;

/// A datagram, and the means to send it from anywhere. Nobody looks at its checksum.
struct Datagram(Vec<u8>);

impl Datagram {
    fn new() -> Self {
        Self(Frame::ipv4("198.51.100.1", "192.0.2.10").udp(40_000, 9_999).payload(&[0; 20]).build())
    }

    fn from(&mut self, source: u32) -> &[u8] {
        self.0[SOURCE].copy_from_slice(&source.to_be_bytes());
        &self.0
    }
}

/// Within 5 % of what is expected.
fn assert_near(passed: u64, expected: f64, what: &str) {
    let ratio = passed as f64 / expected;
    assert!((0.95..=1.05).contains(&ratio), "{what}: {passed} packets passed, not {expected:.0}");
}

#[test]
fn a_limit_is_the_same_on_one_processor_and_on_many() -> anyhow::Result<()> {
    const RATE: u64 = 20_000;
    // Enough for as long as a sender may have to wait for a processor: what it cannot ask for then is no packet less.
    const BURST: u64 = 10_000;
    on_both_engines!(|engine| {
        engine.limit_packets(RATE, BURST);
        for (number, threads) in [1, 4].into_iter().enumerate() {
            let source = u32::from(Ipv4Addr::new(198, 51, 100, 10 + number as u8));
            // Each of the rounds begins with a full bucket, a minute after the one before.
            let start_ns = START + (number as u64 + 1) * 60_000 * MILLISECOND;
            let (start, passed) = (Instant::now(), AtomicU64::new(0));
            let now_ns = || start_ns + start.elapsed().as_nanos() as u64;
            thread::scope(|scope| -> anyhow::Result<()> {
                let send = || -> anyhow::Result<()> {
                    let mut datagram = Datagram::new();
                    while start.elapsed() < Duration::from_millis(1_500) {
                        engine.tell_time(now_ns());
                        let clean = engine.judge(datagram.from(source))? == Clean;
                        passed.fetch_add(u64::from(clean), Ordering::Relaxed);
                    }
                    Ok(())
                };
                let threads: Vec<_> = (0..threads).map(|_| scope.spawn(send)).collect();
                threads.into_iter().try_for_each(|thread| thread.join().expect("a sender panicked"))
            })?;
            let expected = start.elapsed().as_secs_f64() * RATE as f64 + BURST as f64;
            assert_near(passed.into_inner(), expected, &format!("{}, {threads} senders", engine.name));
        }
    })
}

/// A heavy source among `spoofed` others in ten seconds, each of which sends one packet.
fn heavy_among(engine: &Engine, spoofed: u64) -> anyhow::Result<()> {
    const MILLISECONDS: u64 = 10_000;
    engine.limit_packets(1_000, 100);
    let heavy = u32::from(Ipv4Addr::new(198, 51, 100, 66));
    let (mut datagram, mut random) = (Datagram::new(), Random::new(7));
    let (mut passed, mut sent) = (0, 0);
    for millisecond in 0..MILLISECONDS {
        engine.tell_time(START + millisecond * MILLISECOND);
        for _ in 0..3 {
            passed += u64::from(engine.judge(datagram.from(heavy))? == Clean);
        }
        while sent < spoofed * (millisecond + 1) / MILLISECONDS {
            engine.judge(datagram.from(random.bits() as u32))?;
            sent += 1;
        }
    }
    assert_near(passed, 10_100.0, &format!("{}, {spoofed} spoofed sources", engine.name));
    Ok(())
}

#[test]
fn a_heavy_source_stays_limited_among_ten_million_spoofed_ones() -> anyhow::Result<()> {
    heavy_among(&Engine::model_with_room(1_000_000)?, 10_000_000)
}

#[test]
fn a_heavy_source_stays_limited_among_many_times_what_the_table_holds() -> anyhow::Result<()> {
    on_both_engines!(|engine| {
        // A hundred for each place in the table.
        heavy_among(&engine, 400_000)?;
    })
}

/// Sources that share a set with `victim` for whoever believes these secrets.
fn colliding(settings: &Settings, victim: u32, sets: u64) -> Vec<u32> {
    let set = |source| Key::of(settings, Address::v4(source)).set(settings, sets - 1);
    let mut random = Random::new(11);
    let sources = std::iter::repeat_with(|| random.bits() as u32);
    sources.filter(|source| *source != victim && set(*source) == set(victim)).take(8).collect()
}

/// How many packets of a victim that sends 100/s in 20 s pass a limit of 50/s, while these send 2,000/s each.
fn passed_among(engine: &Engine, victim: u32, attackers: &[u32]) -> anyhow::Result<u64> {
    engine.limit_packets(50, 10);
    let mut datagram = Datagram::new();
    let mut passed = 0;
    for step in 0..2_000 {
        engine.tell_time(START + step * 10 * MILLISECOND);
        passed += match engine.judge(datagram.from(victim))? {
            Clean => 1,
            PacketRate => 0,
            other => anyhow::bail!("{other:?}"),
        };
        for attacker in attackers {
            for _ in 0..20 {
                engine.judge(datagram.from(*attacker))?;
            }
        }
    }
    Ok(passed)
}

/// Sources that are made to collide push others out of their set, and free them of their limits. Who does not know
/// the secrets of the hash cannot make any.
#[test]
fn a_table_attack_gains_nothing_without_the_secrets() -> anyhow::Result<()> {
    let victim = u32::from(Ipv4Addr::new(198, 51, 100, 77));
    let guessed = Settings::default();
    for (seed, value) in guessed.seed.iter().zip([0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb, 0]) {
        seed.store(value);
    }
    on_both_engines!(|engine| {
        let sets = engine.settings().source_mask.load() + 1;
        let passed = passed_among(&engine, victim, &colliding(&guessed, victim, sets))?;
        assert_near(passed, 1_010.0, &format!("{}, secrets guessed", engine.name));
    })
}

/// So the test above is able to tell.
#[test]
fn a_table_attack_works_for_who_knows_the_secrets() -> anyhow::Result<()> {
    let victim = u32::from(Ipv4Addr::new(198, 51, 100, 77));
    let engine = Engine::model()?;
    let sets = engine.settings().source_mask.load() + 1;
    let passed = passed_among(&engine, victim, &colliding(engine.settings(), victim, sets))?;
    assert!(passed > 1_500, "{passed} packets of the victim passed");
    Ok(())
}
