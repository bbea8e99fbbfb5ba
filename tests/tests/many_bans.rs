//! A hundred thousand bans at once.

use std::{
    thread,
    time::{Duration, Instant},
};

use floodwall_lab::{frame::Frame, or_skip, skip::require_root};
use floodwall_tests::protected::{Protected, SILENCE};

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
const BANS: u32 = 100_000;
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
    let host = Protected::start_configured("many", BINARY, &text)?;
    let frames: Vec<_> = (0..BANS).map(|n| syn(&host, n)).collect();
    // The first packet of each is within its limit, and the second is not.
    let start = Instant::now();
    let twice: Vec<_> = frames.iter().flat_map(|frame| [frame, frame]).cloned().collect();
    let before = host.count("clean")?;
    send(&host, &twice)?;
    thread::sleep(SILENCE);
    let passed = host.count("clean")? - before;
    assert!(passed <= u64::from(BANS) + NOISE, "of none more than one packet passes, and yet {passed} did");
    send_until(&host, &twice, "syn-rate", 0)?;
    let made = start.elapsed();
    assert_eq!(host.count("syn-rate")?, u64::from(BANS), "each has crossed its limit");
    // Those that the ring has no room for are found where they stand.
    let listed = loop {
        let listed = host.json_lines(&["ban", "list"])?;
        if listed.len() == BANS as usize || start.elapsed() > LENGTH {
            break listed;
        }
        thread::sleep(Duration::from_millis(500));
    };
    assert_eq!(listed.len(), BANS as usize, "{}", host.log());
    println!("made in {made:.1?}, listed after {:.1?}", start.elapsed());
    let passed = host.count("clean")?;
    send(&host, &frames)?;
    thread::sleep(SILENCE);
    let passed = host.count("clean")? - passed;
    assert!(passed <= NOISE, "every one of them is banned, and yet {passed} packets passed");
    assert!(host.ok(&["ban", "list", "--limit", "1"])?.contains("of 100,000 bans"));
    // The last of them is over so long after it was made, and with it all.
    thread::sleep((made + LENGTH + Duration::from_secs(1)).saturating_sub(start.elapsed()));
    assert!(host.json_lines(&["ban", "list"])?.is_empty(), "all are over");
    let before = host.count("clean")?;
    send_until(&host, &frames, "clean", before)?;
    let passed = host.count("clean")? - before;
    assert!((u64::from(BANS)..=u64::from(BANS) + NOISE).contains(&passed), "{passed} are let in again");
    Ok(())
}

/// A SYN of the `n`th source; every fourth comes over IPv6.
fn syn(host: &Protected, n: u32) -> Vec<u8> {
    if n.is_multiple_of(4) {
        let source = format!("2001:db9:{:x}:{:x}::1", n >> 16, n & 0xffff);
        return Frame::ipv6(source.as_str(), "2001:db8:5::10")
            .between(&host.lab.outside, &host.lab.inside)
            .tcp(7, 80)
            .syn()
            .build();
    }
    let source = std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).to_string();
    host.from(&source).tcp(7, 80).syn().build()
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
