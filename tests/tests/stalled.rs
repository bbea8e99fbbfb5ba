//! The disk with the state on it does not answer: what is not a change goes on.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::ensure;
use floodwall_lab::{or_skip, skip::require_root};
use floodwall_tests::{
    business::{FLOOD, PEACE, flooded, open_for_business, wait_for_signature},
    disk::Disk,
    protected::Protected,
    requests::wait_for,
};
use nix::sys::signal::Signal;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
/// Much longer than any of these commands takes, and much shorter than the disk is frozen.
const SOON: Duration = Duration::from_secs(8);

#[test]
fn status_bypass_and_detection_go_on_while_the_disk_does_not_answer() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("stalled", BINARY)?;
    host.end(Signal::SIGTERM)?;
    let state = host.state_dir();
    let disk = Disk::mounted(&state, &host.file("disk.img"))?;
    host.launch()?;
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    let blocked = host.from("203.0.113.7").udp(1, 2).build();

    disk.freeze()?;
    let mut adding = host.command(&["block", "add", "192.0.2.128"]).spawn()?;
    thread::sleep(Duration::from_millis(300));
    ensure!(adding.try_wait()?.is_none(), "it was answered before it was on disk");
    // One whose client gives up before its turn has come.
    let mut abandoned = host.command(&["block", "add", "192.0.2.129"]).spawn()?;
    thread::sleep(Duration::from_millis(300));
    abandoned.kill()?;
    abandoned.wait()?;
    let asked = Instant::now();
    wait_for("it is told", || {
        let output = host.run(&["status"])?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(output.status.code() == Some(9) && said.contains("THE DISK DOES NOT ANSWER"))
    })?;
    assert!(!host.passes(&blocked)?, "what is in force stays");
    host.ok(&["bypass", "on", "--for", "1m"])?;
    assert!(host.passes(&blocked)?);
    host.ok(&["bypass", "off"])?;
    host.ok(&["signature", "list"])?;
    host.ok(&["rule", "list"])?;
    host.ok(&["block", "list"])?;
    assert!(asked.elapsed() < SOON, "something has waited for the disk: {:?}", asked.elapsed());
    ensure!(adding.try_wait()?.is_none(), "it was answered before it was on disk");

    disk.thaw()?;
    ensure!(adding.wait()?.success(), "the change that waited is made");
    assert!(!host.passes(&host.from("192.0.2.128").udp(1, 2).build())?);
    wait_for("all is well", || Ok(host.run(&["status"])?.status.code() == Some(0)))?;
    let list = host.ok(&["block", "list"])?;
    assert!(!list.contains("192.0.2.129"), "what nobody waited for any more was made: {list}");
    wait_for("all is well", || Ok(host.run(&["status"])?.status.code() == Some(0)))?;
    host.end(Signal::SIGTERM)?;
    Ok(())
}

/// Asks for the status, or switches the bypass off, once after the other for a while; how long each took, in order.
fn answers(host: &Protected, arguments: &[&str], count: usize) -> anyhow::Result<Vec<Duration>> {
    let mut took = Vec::with_capacity(count);
    for _ in 0..count {
        let asked = Instant::now();
        // The exit code of the status tells of the disk.
        host.run(arguments)?;
        took.push(asked.elapsed());
    }
    took.sort_unstable();
    Ok(took)
}

/// What a flood meets while the disk answers, or does not.
#[derive(Debug)]
struct Met {
    /// How long it took until a signature dropped.
    found_after: Duration,
    signature: String,
    /// 99 of 100 answers took no longer, of the status and of the bypass.
    p99: Duration,
    /// Requests/s of the customers, and those that failed.
    served: (f64, u64),
}

fn flood(label: &str, is_frozen: bool) -> anyhow::Result<Met> {
    let mut host = Protected::start_with_defaults(label, BINARY)?;
    host.end(Signal::SIGTERM)?;
    let disk = Disk::mounted(&host.state_dir(), &host.file("disk.img"))?;
    host.launch()?;
    let (_service, mut customers) = open_for_business(&host)?;
    thread::sleep(PEACE);
    if is_frozen {
        disk.freeze()?;
    }
    customers.interval();
    let began = Instant::now();
    let flood = flooded(&host, FLOOD, Duration::from_secs(30))?;
    let signature = wait_for_signature(&host)?["text"].as_str().unwrap_or_default().to_owned();
    let found_after = began.elapsed();
    let before = host.count("signature")?;
    wait_for("it drops", || Ok(host.count("signature")? > before + 1_000))?;
    let status = answers(&host, &["status"], 100)?;
    let bypass = answers(&host, &["bypass", "off"], 100)?;
    let served = customers.interval();
    let asked = Instant::now();
    let report = host.json(&["incident", "report", "1"])?;
    ensure!(asked.elapsed() < SOON, "the report has waited for the disk: {:?}", asked.elapsed());
    ensure!(report["incident"]["traffic"]["dropped"].as_u64() > Some(1_000), "{report}");
    ensure!(report["incomplete"].is_string() == is_frozen, "{}", report["incomplete"]);
    flood.stop()?;
    if is_frozen {
        disk.thaw()?;
        wait_for("what was recorded meanwhile is on disk", || {
            let later = host.json(&["incident", "report", "1"])?;
            let seconds = |report: &serde_json::Value| report["series"].as_array().map_or(0, Vec::len);
            Ok(later["incomplete"].is_null() && seconds(&later) >= seconds(&report))
        })?;
    }
    host.end(Signal::SIGTERM)?;
    Ok(Met {
        found_after,
        signature,
        p99: status[98].max(bypass[98]),
        served: (served.rate(), served.failed),
    })
}

#[test]
fn an_attack_is_found_and_dropped_as_ever_while_the_disk_does_not_answer() -> anyhow::Result<()> {
    or_skip!(require_root());
    let usual = flood("thawed", false)?;
    let frozen = flood("frozen", true)?;
    println!("usual {usual:?}\nfrozen {frozen:?}");
    assert_eq!(frozen.signature, usual.signature);
    assert!(frozen.found_after < usual.found_after + Duration::from_secs(2), "{frozen:?} {usual:?}");
    assert!(frozen.served.1 == 0 && frozen.served.0 > 20.0, "{frozen:?}");
    assert!(frozen.p99 < usual.p99 + Duration::from_millis(500), "{frozen:?} {usual:?}");
    Ok(())
}
