//! Signals: none ends the daemon but those that are meant to, and those lose nothing.

use std::{fs::File, io::Read as _, os::fd::AsFd as _, process::Stdio, thread, time::Duration};

use floodwall_lab::{or_skip, skip::require_root};
use floodwall_tests::{protected::Protected, requests::wait_for};
use nix::{pty::openpty, sys::signal::Signal};

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
/// What is kept of what is usual.
const BASELINE: &str = "baseline.json.gz";

#[test]
fn hangup_reloads_and_a_bad_file_changes_nothing() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host =
        Protected::start_as_configured("hangup", BINARY, "[limit]\nsyn = { rate = 77, burst = 78 }\n")?;
    let rate = || -> anyhow::Result<u64> {
        Ok(host.json(&["status"])?["limits"]["syn"]["rate"].as_u64().unwrap_or_default())
    };
    assert_eq!(rate()?, 77);
    let file = host.file("floodwall.toml");
    std::fs::write(&file, "[limit]\nsyn = { rate = 99, burst = 100 }\n")?;
    host.signal(Signal::SIGHUP)?;
    wait_for("the limit is another one", || Ok(rate()? == 99))?;
    wait_for("it is told", || Ok(host.log().contains("floodwall.toml is in force")))?;
    std::fs::write(&file, "[limit]\nsin = { rate = 11, burst = 12 }\n")?;
    host.signal(Signal::SIGHUP)?;
    wait_for("the mistake is told", || Ok(host.log().contains("SIGHUP: the configuration stays as it is")))?;
    assert!(host.log().contains("`packets` or `syn`"), "what is allowed there: {}", host.log());
    assert_eq!(rate()?, 99);
    wait_for("both stand in the audit log", || {
        let results: Vec<_> = host.json(&["audit"])?["entries"].as_array().cloned().unwrap_or_default();
        let results: Vec<_> = results
            .iter()
            .filter(|entry| entry["command"] == "reload (SIGHUP)")
            .map(|entry| entry["result"].as_str().unwrap_or_default().to_owned())
            .collect();
        Ok(results.len() == 2 && results[0] == "done" && results[1].contains("floodwall.toml"))
    })?;
    Ok(())
}

#[test]
fn the_other_signals_end_nothing_and_one_tells_how_it_stands() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("usr", BINARY)?;
    host.ok(&["block", "add", "198.51.100.0/24"])?;
    let pid = host.pid()?;
    for signal in [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGPIPE] {
        host.signal(signal)?;
        thread::sleep(Duration::from_millis(200));
        assert_eq!(host.json(&["status"])?["pid"], pid, "{signal}");
    }
    wait_for("it is told", || {
        let log = host.log();
        Ok(log.contains("1 prefixes are blocked") && log.contains("on eth0 (native)"))
    })?;
    Ok(())
}

#[test]
fn what_was_learnt_is_kept_by_whatever_ends_the_daemon_and_by_a_terminal_that_is_closed() -> anyhow::Result<()>
{
    or_skip!(require_root());
    let mut host = Protected::start("kept", BINARY)?;
    let kept = host.state_dir().join(BASELINE);
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        assert!(!kept.exists(), "nothing is kept before it is to be: {}", kept.display());
        host.end(signal)?;
        assert!(kept.exists(), "{signal}: {:?}", std::fs::read_dir(host.state_dir())?.collect::<Vec<_>>());
        std::fs::remove_file(&kept)?;
        host.launch()?;
    }
    host.signal(Signal::SIGHUP)?;
    wait_for("a hangup keeps it", || Ok(kept.exists()))?;
    Ok(())
}

#[test]
fn a_daemon_whose_terminal_is_closed_goes_on() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::not_started("terminal", BINARY, "samples-per-second = 0\n")?;
    let terminal = openpty(None, None)?;
    let mut command = host.daemon_command(host.bpffs());
    let output = terminal.slave.as_fd().try_clone_to_owned()?;
    let child = command.stdout(Stdio::null()).stderr(Stdio::from(output)).spawn()?;
    host.adopt(child)?;
    // Nothing of the terminal is held open but by the daemon.
    drop((command, terminal.slave));
    let mut said = vec![0; 4_096];
    let length = File::from(terminal.master.try_clone()?).read(&mut said)?;
    assert!(length > 0, "it logs to the terminal");
    drop(terminal.master);
    host.signal(Signal::SIGHUP)?;
    for number in 0..5 {
        // Each is logged, which fails now.
        host.ok(&["block", "add", &format!("198.51.100.{number}")])?;
    }
    thread::sleep(Duration::from_secs(1));
    assert_eq!(host.json(&["status"])?["block"]["ipv4"], 5);
    assert_eq!(host.json(&["status"])?["problems"], serde_json::json!([]), "no task has failed");
    let mut events = host.command(&["--json", "events", "--kind", "list", "--count", "1"]);
    let events = events.stdout(Stdio::piped()).spawn()?;
    thread::sleep(Duration::from_millis(300));
    host.ok(&["block", "rm", "198.51.100.1"])?;
    let told = events.wait_with_output()?;
    assert!(String::from_utf8_lossy(&told.stdout).contains("1 removed"), "the bus goes on");
    Ok(())
}
