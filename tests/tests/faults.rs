//! The daemon is killed, restarted, detached, started twice: packets stay judged.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use floodwall_lab::{or_skip, skip::require_root, wire::Sender};
use floodwall_tests::protected::{Protected, SILENCE};
use nix::sys::signal::Signal;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");

#[test]
fn the_filter_outlives_its_daemon_and_the_next_one_takes_over_without_a_gap() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("killed", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24", "--note", "stays"])?;
    let bad = host.from("203.0.113.7").udp(1, 2).build();
    let good = host.from("198.51.100.7").udp(1, 2).build();

    let stop = AtomicBool::new(false);
    let sender = Sender::open(host.lab.outside.namespace(), host.lab.outside.name())?;
    host.receiver.clear()?;
    let sent = std::thread::scope(|scope| -> anyhow::Result<usize> {
        let flood = scope.spawn(|| -> anyhow::Result<usize> {
            let mut sent = 0;
            while !stop.load(Ordering::Relaxed) {
                sent += sender.send_batch(&vec![bad.clone(); 16])?;
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(sent)
        });
        let mut restarts = || -> anyhow::Result<()> {
            for _ in 0..2 {
                host.end(Signal::SIGKILL)?;
                assert!(!host.passes(&bad)?, "a blocked source passes while there is no daemon");
                assert!(host.passes(&good)?, "others do not");
                host.launch()?;
            }
            Ok(())
        };
        let outcome = restarts();
        stop.store(true, Ordering::Relaxed);
        let sent = flood.join().map_err(|_| anyhow::anyhow!("the flood panicked"))??;
        outcome.map(|()| sent)
    })?;
    let leaked = host.receiver.collect(1, SILENCE, |seen| seen == bad)?.len();
    assert_eq!(leaked, 0, "of {sent} packets of a blocked source");
    assert!(sent > 100, "only {sent} packets were sent");
    let list = host.ok(&["block", "list"])?;
    assert!(list.contains("203.0.113.0/24") && list.contains("stays"), "{list}");
    Ok(())
}

#[test]
fn sigterm_leaves_the_filter_and_detach_removes_every_trace() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("detach", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    let bad = host.from("203.0.113.7").udp(1, 2).build();
    assert!(host.end(Signal::SIGTERM)?.success());
    assert!(!host.passes(&bad)?, "the filter is gone with its daemon");
    assert!(!host.socket().exists(), "the socket was left behind");
    let said = host.ok(&["detach", "eth0", "--bpffs", &host.bpffs().display().to_string()])?;
    assert!(said.contains("no daemon"), "{said}");
    assert!(host.passes(&bad)?);
    assert!(!host.bpffs().exists(), "something is still pinned");

    host.launch()?;
    assert!(!host.passes(&bad)?, "the list was forgotten");
    host.ok(&["detach", "eth0"])?;
    assert!(host.wait()?.success(), "the daemon ends with its last interface");
    assert!(host.passes(&bad)?);
    assert!(!host.bpffs().exists(), "something is still pinned");
    Ok(())
}

#[test]
fn another_program_on_the_interface_is_left_alone() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut one = Protected::start("other", BINARY)?;
    one.end(Signal::SIGTERM)?;
    // To a daemon with pins of its own, the first one's program is somebody else's.
    let bpffs = std::path::PathBuf::from(format!("{}-second", one.bpffs().display()));
    let output = one.daemon_command(&bpffs).stderr(std::process::Stdio::piped()).output()?;
    drop(fs::remove_dir_all(&bpffs));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("has an XDP program already"), "{said}");
    Ok(())
}

#[test]
fn two_daemons_do_not_share_a_socket_or_a_state() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("twice", BINARY)?;
    let output = host.daemon_command(host.bpffs()).stderr(std::process::Stdio::piped()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("another floodwall"), "{said}");
    host.ok(&["status"])?;
    Ok(())
}

#[test]
fn a_journal_that_a_crash_cut_off_loses_only_what_was_never_answered() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("journal", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    host.end(Signal::SIGKILL)?;
    let journal = host.state_dir().join("journal-0.jsonl");
    let mut text = fs::read_to_string(&journal)?;
    text.push_str("{\"change\":\"add\",\"list\":\"blo");
    fs::write(&journal, &text)?;
    host.launch()?;
    assert_eq!(host.json_lines(&["block", "list"])?.len(), 1);

    host.end(Signal::SIGTERM)?;
    fs::write(&journal, "not a change\n")?;
    let output = host.daemon_command(host.bpffs()).stderr(std::process::Stdio::piped()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("journal-0.jsonl line 1"), "{said}");
    assert_eq!(fs::read_to_string(&journal)?, "not a change\n", "what cannot be read is left as it is");
    let bad = host.from("203.0.113.7").udp(1, 2).build();
    assert!(!host.passes(&bad)?, "the filter that was in force must stay so");
    Ok(())
}
