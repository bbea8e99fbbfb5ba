//! What clients of the control socket may take of the daemon, and what they may not.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    thread,
    time::Duration,
};

use floodwall_lab::{or_skip, skip::require_root};
use floodwall_tests::{
    protected::Protected,
    requests::{syn, wait_for},
};

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
/// Bytes that each of the clients sends of a list that never ends.
const STALLED: usize = 100 << 20;

#[test]
fn thirty_idle_clients_at_64_descriptors_stop_neither_counters_nor_what_looks_at_the_host()
-> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start_with_descriptors("descriptors", BINARY, 64)?;
    assert!(host.ok(&["status"])?.contains("only 64 files"), "it is told that this is little");
    let idle: Vec<_> = (0..30).map(|_| UnixStream::connect(host.socket())).collect::<Result<_, _>>()?;
    host.ok(&["block", "add", "198.51.100.0/24"])?;
    for number in 1..=5 {
        host.sender.send(&syn(&host, "198.51.100.7", 1_000))?;
        wait_for("the packet is counted", || Ok(host.count("blocked")? == number))?;
        // The host is looked at each second, and files are opened for that.
        thread::sleep(Duration::from_secs(1));
    }
    let health = host.json(&["health"])?;
    let known =
        health["signals"].as_array().into_iter().flatten().filter(|signal| !signal["value"].is_null());
    assert!(known.count() >= 3, "{health}");
    let log = host.log();
    assert!(!log.contains("Too many open files") && !log.contains("os error 24"), "{log}");
    drop(idle);
    Ok(())
}

#[test]
fn six_stalled_uploads_take_little_memory_and_keep_nobody_waiting() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("uploads", BINARY)?;
    let before = host.memory()?;
    let mut clients = Vec::new();
    for number in 0..6 {
        let stream = UnixStream::connect(host.socket())?;
        let mut writer = stream.try_clone()?;
        let head = format!(
            "POST /v1/block/import?name=stalled-{number} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
            STALLED * 2
        );
        // Who is refused, or has to wait, does not get all of it out.
        let sends = thread::spawn(move || {
            writer.write_all(head.as_bytes())?;
            (0..STALLED >> 20).try_for_each(|_| writer.write_all(&[b'\n'; 1 << 20]))
        });
        clients.push((stream, sends));
    }
    let mut most = 0;
    for _ in 0..40 {
        most = most.max(host.memory()?.saturating_sub(before));
        host.ok(&["block", "add", "198.51.100.7"])?;
        host.ok(&["block", "rm", "198.51.100.7"])?;
        thread::sleep(Duration::from_millis(50));
    }
    assert!(most < 200 << 20, "{} MiB", most >> 20);
    assert!(most > 50 << 20, "one of them is taken in: {} MiB", most >> 20);
    let mut refused = 0;
    for (mut stream, sends) in clients {
        stream.set_read_timeout(Some(Duration::from_millis(200)))?;
        let mut answer = [0; 512];
        let length = stream.read(&mut answer).unwrap_or(0);
        refused += usize::from(String::from_utf8_lossy(&answer[..length]).contains("\"busy\""));
        stream.shutdown(std::net::Shutdown::Both)?;
        drop(sends.join());
    }
    assert_eq!(refused, 2, "four lists may be on their way in at once");
    wait_for("its memory is given back", || Ok(host.memory()?.saturating_sub(before) < 50 << 20))?;
    Ok(())
}
