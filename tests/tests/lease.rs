//! The daemon is stopped: what it has decided by itself ends after its lease, and what it was told stays.

use std::{
    net::UdpSocket,
    thread,
    time::{Duration, Instant},
};

use anyhow::ensure;
use floodwall_lab::{or_skip, pair::INSIDE_V4, skip::require_root};
use floodwall_tests::{
    protected::Protected,
    requests::{passing, prove, syn, wait_for},
};
use nix::sys::signal::Signal;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
const CONFIGURATION: &str = r#"
samples-per-second = 0
lease = "5s"
[defaults]
source-syn = { rate = 5, burst = 10, then = "ban for 10m" }
"#;
const LEASE: Duration = Duration::from_secs(5);
const OFFENDER: &str = "198.51.100.20";
/// Well beyond the suspects that pass as they are few.
const MANY: u16 = 400;

/// How many of so many datagrams get past the filter that are for a port where nothing listens.
fn unasked(host: &Protected) -> anyhow::Result<usize> {
    let frames: Vec<_> =
        (0..MANY).map(|port| host.from("198.51.100.9").udp(20_000 + port, 7_777).build()).collect();
    passing(host, &frames)
}

fn from(host: &Protected, source: &str) -> anyhow::Result<bool> {
    Ok(passing(host, &[syn(host, source, 999)])? == 1)
}

/// A daemon that knows what listens, has a prefix blocked, and has banned somebody.
fn in_force(label: &str) -> anyhow::Result<Protected> {
    let host = Protected::start_as_configured(label, BINARY, CONFIGURATION)?;
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    prove(&host, &[OFFENDER])?;
    let requests: Vec<_> = (0..40).map(|port| syn(&host, OFFENDER, 2_000 + port)).collect();
    passing(&host, &requests)?;
    wait_for("the ban is listed", || Ok(!host.json_lines(&["ban", "list"])?.is_empty()))?;
    wait_for("what nobody asked for is dropped", || Ok(unasked(&host)? < 120))?;
    Ok(host)
}

#[test]
fn a_daemon_that_is_stopped_refuses_nothing_for_longer_than_its_lease() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = in_force("lease")?;
    host.signal(Signal::SIGSTOP)?;
    let stopped = Instant::now();
    ensure!(unasked(&host)? < 120, "within the lease it goes on");
    ensure!(!from(&host, OFFENDER)? && !from(&host, "203.0.113.7")?);
    assert!(stopped.elapsed() < LEASE, "this machine is too slow to tell");

    thread::sleep((LEASE + Duration::from_secs(1)).saturating_sub(stopped.elapsed()));
    ensure!(from(&host, OFFENDER)?, "nobody answers for the ban any more");
    assert_eq!(unasked(&host)?, usize::from(MANY), "nor for what listens");
    ensure!(!from(&host, "203.0.113.7")?, "an operator's word holds");
    // Opened when nobody looks any more.
    let service = host.lab.inside.namespace().enter(|| UdpSocket::bind((INSIDE_V4, 7_777)))??;
    service.set_read_timeout(Some(Duration::from_secs(2)))?;
    let client = host.lab.outside.namespace().enter(|| UdpSocket::bind("0.0.0.0:0"))??;
    client.set_read_timeout(Some(Duration::from_secs(2)))?;
    client.send_to(b"a customer", (INSIDE_V4, 7_777))?;
    let mut bytes = [0; 64];
    loop {
        let (length, from) = service.recv_from(&mut bytes)?;
        if &bytes[..length] == b"a customer" {
            service.send_to(b"welcome", from)?;
            break;
        }
    }
    let length = client.recv(&mut bytes)?;
    assert_eq!(&bytes[..length], b"welcome");

    host.signal(Signal::SIGCONT)?;
    wait_for("the daemon answers again", || Ok(host.run(&["status"])?.status.success()))?;
    wait_for("what it has decided is in force again", || Ok(!from(&host, OFFENDER)?))?;
    Ok(())
}

#[test]
fn a_restart_within_the_lease_keeps_what_was_decided() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = in_force("leasekept")?;
    host.end(Signal::SIGKILL)?;
    ensure!(!from(&host, OFFENDER)?, "the daemon is dead");
    host.launch()?;
    for _ in 0..3 {
        ensure!(!from(&host, OFFENDER)? && !from(&host, "203.0.113.7")?, "it is there again");
        ensure!(unasked(&host)? < 120);
        thread::sleep(LEASE / 2);
    }
    Ok(())
}
