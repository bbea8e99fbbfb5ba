//! New names that there are, and names that there are not: what a name server answers tells a busy resolver from a flood.

use std::{
    net::UdpSocket,
    thread::sleep,
    time::{Duration, Instant},
};

use floodwall_lab::{or_skip, skip::require_root};
use floodwall_tests::{
    dns::{Answered, NOWHERE, NameServer, PORT, question, resolve},
    world::{HOST, OUTSIDE, World},
};

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
/// In the first half minute all names are new.
const FIRST: Duration = Duration::from_secs(31);
/// How long new names are asked for after that: longer than the longest window that they are counted in.
const PEACE: Duration = Duration::from_secs(13);
/// Within this time only those are answered whose questions are not dropped.
const BEFORE_ASKING_AGAIN: Duration = Duration::from_millis(250);
const NEW_A_SECOND: u32 = 300;
const RANDOM_A_SECOND: u32 = 1_500;

/// A resolver asks for so many names a second, by these and for so long. How many there were.
fn ask_for_many(
    world: &World,
    a_second: u32,
    time: Duration,
    name: impl Fn(u32) -> String,
) -> anyhow::Result<u32> {
    let resolver = world.outside.enter(|| UdpSocket::bind((OUTSIDE, 0)))??;
    let start = Instant::now();
    let mut asked = 0;
    while start.elapsed() < time {
        resolver.send_to(&question(asked as u16, &name(asked)), (HOST, PORT))?;
        asked += 1;
        sleep((start + Duration::from_secs(1) * asked / a_second).saturating_duration_since(Instant::now()));
    }
    Ok(asked)
}

#[test]
fn new_names_that_exist_go_on_and_random_ones_are_limited() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut world = World::new(BINARY, "names")?;
    world.e0.address(&format!("{HOST}/24"))?;
    let _server = NameServer::start(&world.host, HOST)?;
    world.protect()?;
    let asked = ask_for_many(&world, NEW_A_SECOND, FIRST + PEACE, |number| format!("customer{number}.zone"))?;
    assert_eq!(world.dropped()?, 0, "{asked} names\n{}", world.told());
    assert!(!world.log().contains("attack 1"), "{}", world.log());

    let random = ask_for_many(&world, RANDOM_A_SECOND, Duration::from_secs(4), |number| {
        format!("{:08x}.{NOWHERE}.zone", number.wrapping_mul(2_654_435_761))
    })?;
    let log = world.log();
    assert!(log.contains("that nothing is found for"), "{log}");
    let dropped = world.dropped()?;
    assert!(dropped * 2 > u64::from(random), "{dropped} of {random} were dropped\n{}", world.told());
    // The last ones that were asked for before are remembered for certain.
    for number in asked - 20..asked {
        let ask = || resolve(OUTSIDE, HOST, &format!("customer{number}.zone"), BEFORE_ASKING_AGAIN);
        assert_eq!(world.outside.enter(ask)??, Answered::OverUdp);
    }
    assert_eq!(world.dropped()?, dropped, "names that were asked for before go on");
    Ok(())
}
