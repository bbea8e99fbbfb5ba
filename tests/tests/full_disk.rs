//! The disk under the record of an incident is full in its midst: it is told, an attack is found and dropped as ever, the record
//! is sound, and is complete once there is room.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use floodwall_lab::{or_skip, skip::require_root};
use floodwall_tests::{
    business::{LESSER_FLOOD, flooded, listen, wait_for_signature},
    disk::Disk,
    protected::Protected,
};
use nix::sys::signal::Signal;
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
/// A disk that is filled takes its time.
const PATIENCE: Duration = Duration::from_secs(40);

/// Waits until the report on the first incident is as it should be.
fn report(host: &Protected, what: &str, holds: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let output = host.run(&["--json", "incident", "report", "1"])?;
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if output.status.success() && holds(&report) {
            return Ok(report);
        }
        anyhow::ensure!(Instant::now() < deadline, "never: {what}: {report}\n{}", host.log());
        sleep(Duration::from_millis(100));
    }
}

fn dropped(report: &Value) -> u64 {
    report["incident"]["traffic"]["dropped"].as_u64().unwrap_or_default()
}

fn is_told(host: &Protected) -> anyhow::Result<bool> {
    let output = host.run(&["status"])?;
    Ok(String::from_utf8_lossy(&output.stdout).contains("the record of incidents cannot be written"))
}

fn until(what: &str, mut holds: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !holds()? {
        anyhow::ensure!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(100));
    }
    Ok(())
}

#[test]
fn a_full_disk_is_told_and_costs_no_detection_and_no_record() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start_with_defaults("full", BINARY)?;
    host.end(Signal::SIGTERM)?;
    let disk = Disk::mounted(&host.state_dir(), &host.file("disk.img"))?;
    host.launch()?;
    let _service = listen(&host)?;
    sleep(Duration::from_secs(3));

    // It is full before the attack begins, so that nothing of it is on disk.
    disk.fill()?;
    let flood = flooded(&host, LESSER_FLOOD, Duration::from_secs(120))?;
    wait_for_signature(&host)?;
    let enough = u64::from(LESSER_FLOOD) * 2;
    let full = report(&host, "it is dropped and recorded in memory", |report| {
        dropped(report) > enough && report["incomplete"].is_string()
    })?;
    until("status says that the disk is full", || is_told(&host))?;

    // With room, all of it is written, also of the time when there was none.
    disk.clear()?;
    until("it is written", || Ok(!is_told(&host)?))?;
    let written = report(&host, "it is complete", |report| report["incomplete"].is_null())?;
    let first = |report: &Value| report["series"][0]["time"].clone();
    assert_eq!((&written["incident"]["key"], first(&written)), (&full["incident"]["key"], first(&full)));

    // Full once more, killed, and started on the full disk: the file is sound, and the incident goes on under its number.
    disk.fill()?;
    until("status says so again", || is_told(&host))?;
    let before = report(&host, "it goes on", |_| true)?;
    host.end(Signal::SIGKILL)?;
    host.launch()?;
    let after = report(&host, "it is dropped after the kill", |report| {
        dropped(report) > dropped(&written) + enough && report["incident"]["waves"][0]["ended_ms"].is_null()
    })?;
    assert_eq!((&after["incident"]["key"], first(&after)), (&before["incident"]["key"], first(&before)));
    assert!(!host.state_dir().join("incidents.db.damaged").exists(), "the record was damaged");
    disk.clear()?;
    report(&host, "it is complete in the end", |report| report["incomplete"].is_null())?;
    assert!(!is_told(&host)?);
    flood.stop()?;
    host.end(Signal::SIGTERM)?;
    Ok(())
}
