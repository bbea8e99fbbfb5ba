//! Attacks are noticed, told from customers by their headers, and dropped; customers stay.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use floodwall_lab::{
    flood::{Bounds, Flood, UdpFrom},
    or_skip,
    pair::INSIDE_V4,
    skip::require_root,
};
use floodwall_tests::{
    business::{FLOOD, PEACE, flooded, open_for_business, wait_for_signature},
    protected::{PATIENCE, Protected},
};
use nix::sys::signal::Signal;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");

#[test]
fn a_spoofed_flood_is_dropped_by_its_fingerprint_and_customers_stay() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start_with_defaults("signed", BINARY)?;
    let (_service, mut customers) = open_for_business(&host)?;
    sleep(PEACE);
    let before = customers.interval().rate();
    anyhow::ensure!(before > 20.0, "only {before} requests/s in peace");
    let learnt = host.json(&["signature", "list"])?["baseline"].as_u64();
    assert!(learnt > Some(600), "{learnt:?} samples of what is usual");
    host.end(Signal::SIGTERM)?;
    host.launch()?;
    let list = host.json(&["signature", "list"])?;
    assert!(list["baseline"].as_u64() >= learnt, "what was learnt outlives a restart: {list}");

    let began = Instant::now();
    let flood = flooded(&host, FLOOD, Duration::from_secs(20))?;
    let signature = wait_for_signature(&host)?;
    let noticed = began.elapsed();
    assert!(noticed < Duration::from_secs(3), "noticed after {noticed:?}");
    let text = signature["text"].as_str().unwrap_or_default();
    assert!(text.contains("flags=syn") && text.contains("window=0"), "{text}");

    customers.interval();
    let (passed, dropped) = (host.count("clean")?, host.count("signature")?);
    sleep(Duration::from_secs(3));
    let during = customers.interval();
    let (passed, dropped) = (host.count("clean")? - passed, host.count("signature")? - dropped);
    assert!(during.rate() > before * 0.5, "{} requests/s instead of {before}", during.rate());
    assert_eq!(during.failed, 0, "requests failed during the attack");
    assert!(dropped > 10_000, "only {dropped} packets dropped by the signature, and {passed} passed");

    // Killed in the midst of it, it goes on with what was found.
    sleep(Duration::from_secs(1));
    host.end(Signal::SIGKILL)?;
    host.launch()?;
    let listed = host.json(&["signature", "list"])?;
    let resumed = &listed["signatures"][0];
    assert_eq!((resumed["text"].as_str(), &resumed["enforced"]), (Some(text), &true.into()), "{listed}");
    assert!(host.log().contains("goes on with what was found before the restart"), "{}", host.log());
    let signature = wait_for_signature(&host)?;

    // What was found can be kept: it is there after a restart, and drops at once.
    let number = signature["number"].to_string();
    host.ok(&["signature", "pin", &number])?;
    host.end(Signal::SIGKILL)?;
    host.launch()?;
    let kept = wait_for_signature(&host)?;
    assert_eq!((kept["text"].as_str(), &kept["pinned"]), (Some(text), &true.into()), "{kept}");
    flood.stop()?;
    host.ok(&["signature", "drop", &kept["number"].to_string()])?;
    assert_eq!(host.json(&["signature", "list"])?["signatures"], serde_json::json!([]));
    Ok(())
}

#[test]
fn answers_to_nothing_are_refused_and_answers_to_the_host_pass() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start_with_defaults("reflected", BINARY)?;
    // A socket of the host's own that waits for answers.
    let inside = host.lab.inside.namespace().enter(|| std::net::UdpSocket::bind((INSIDE_V4, 40_000)))??;
    inside.set_read_timeout(Some(PATIENCE))?;
    let target = host.target(9);
    let sources = (1..200).map(|last| [198, 51, 100, last].into()).collect();
    let bounds = Bounds { rate: 5_000, duration: Duration::from_secs(10) };
    let flood = Flood::start(&host.lab.outside, UdpFrom::new(target, sources, 400, 3), bounds)?;
    let deadline = Instant::now() + PATIENCE;
    while host.count("unsolicited")? < 2_000 {
        anyhow::ensure!(Instant::now() < deadline, "nothing is refused: {}", host.ok(&["status"])?);
        sleep(Duration::from_millis(50));
    }
    let answer = host.from("203.0.113.53").udp(53, 40_000).payload(b"answer").build();
    host.sender.send(&answer)?;
    let mut bytes = [0; 64];
    let (length, _) = inside.recv_from(&mut bytes)?;
    assert_eq!(&bytes[..length], b"answer", "while others are refused");
    let refused = host.from("203.0.113.53").udp(53, 40_001).payload(b"answer").build();
    assert!(!host.passes(&refused)?, "an answer to a port that nobody waits at");
    flood.stop()?;
    Ok(())
}

#[test]
fn a_flood_that_has_filled_the_queue_is_noticed_and_stopped() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start_with_defaults("full-queue", BINARY)?;
    let inside = host.lab.inside.namespace();
    inside.sysctl("net.ipv4.tcp_syncookies", "0")?;
    inside.sysctl("net.ipv4.tcp_max_syn_backlog", "128")?;
    let (_service, mut customers) = open_for_business(&host)?;
    sleep(Duration::from_secs(2));
    anyhow::ensure!(customers.interval().rate() > 20.0, "customers are served in peace");
    let flood = flooded(&host, FLOOD, Duration::from_secs(30))?;
    let signature = wait_for_signature(&host)?;
    // What was half open before that goes once the host has asked for it often enough; of the newcomers none is kept waiting.
    let (passed, dropped) = (host.count("clean")?, host.count("signature")?);
    sleep(Duration::from_secs(3));
    let (passed, dropped) = (host.count("clean")? - passed, host.count("signature")? - dropped);
    assert!(dropped > 10_000 && passed * 5 < dropped, "{dropped} dropped, {passed} passed: {signature}");
    flood.stop()?;
    Ok(())
}
