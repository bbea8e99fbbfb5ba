//! Changes that nobody confirms are undone at their time: also of a daemon that was killed meanwhile.

use std::{
    thread,
    time::{Duration, Instant},
};

use floodwall_lab::{or_skip, skip::require_root};
use floodwall_tests::{
    protected::Protected,
    requests::{passing, syn, wait_for},
};
use nix::sys::signal::Signal;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
const SOURCE: &str = "198.51.100.7";

#[test]
fn what_nobody_confirms_is_undone_at_its_time() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("trial", BINARY)?;
    let packet = [syn(&host, SOURCE, 1_000)];
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    let said = host.ok(&["block", "add", SOURCE, "--confirm-within", "3s"])?;
    let start = Instant::now();
    assert!(said.contains("floodwall confirm 1"), "{said}");
    assert_eq!(passing(&host, &packet)?, 0, "in force at once");
    wait_for("it is undone", || Ok(passing(&host, &packet)? == 1))?;
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(8), "{took:?}");
    assert!(host.json(&["status"])?["trials"].is_null());
    let audit = host.ok(&["audit"])?;
    assert!(
        audit.contains("confirm_within=3") && audit.contains("undo") && audit.contains("(change 1)"),
        "{audit}"
    );

    host.ok(&["block", "add", SOURCE, "--confirm-within", "3s"])?;
    host.ok(&["confirm", "2"])?;
    thread::sleep(Duration::from_secs(5));
    assert_eq!(passing(&host, &packet)?, 0, "it stays");
    assert_eq!(host.json_lines(&["block", "list"])?.len(), 2);
    Ok(())
}

#[test]
fn a_daemon_that_was_killed_undoes_it_when_it_is_back() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("killed", BINARY)?;
    let packet = [syn(&host, SOURCE, 1_000)];
    host.ok(&["block", "add", SOURCE, "--confirm-within", "2s"])?;
    host.ok(&["limit", "set", "syn", "3/s", "--confirm-within", "1h"])?;
    host.end(Signal::SIGKILL)?;
    thread::sleep(Duration::from_secs(3));
    assert_eq!(passing(&host, &packet)?, 0, "nobody is there to undo it");
    host.launch()?;
    assert_eq!(passing(&host, &packet)?, 1, "undone before the daemon is ready");
    let status = host.json(&["status"])?;
    let waiting = status["trials"].as_array().cloned().unwrap_or_default();
    assert_eq!(waiting.len(), 1, "the other still waits: {status}");
    assert_eq!(waiting[0]["number"], 2);
    let audit = host.ok(&["audit"])?;
    assert!(audit.contains("undo") && audit.contains("(change 1)"), "{audit}");
    host.ok(&["confirm"])?;
    Ok(())
}
