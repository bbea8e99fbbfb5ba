//! Whether what is said to be filtered is, and what a start that fails leaves.

use std::process::Stdio;

use floodwall_lab::{or_skip, skip::require_root};
use floodwall_tests::{foreign::detach_pinned, protected::Protected, requests::wait_for};
use nix::sys::signal::Signal;
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");

/// What `doctor` says is not as it should be, and its exit code.
fn doctor(host: &Protected) -> anyhow::Result<(Option<i32>, Vec<Value>)> {
    let output = host.run(&["--json", "doctor"])?;
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let checks = report["checks"].as_array().cloned().unwrap_or_default();
    Ok((output.status.code(), checks))
}

#[test]
fn the_doctor_proves_that_what_is_said_to_be_filtered_is() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("doctor", BINARY)?;
    let of = |checks: &[Value], name: &str| {
        checks.iter().find(|check| check["check"] == name).cloned().unwrap_or_default()
    };
    let (code, checks) = doctor(&host)?;
    assert!(code == Some(0) && checks.iter().all(|check| check["sound"] == true), "{checks:?}");
    for name in ["link", "program", "maps", "packet", "counters"] {
        assert!(of(&checks, name)["text"].is_string(), "{name}: {checks:?}");
    }
    host.ok(&["block", "add", "203.0.113.7"])?;
    let before = host.count("blocked")?;
    let (code, checks) = doctor(&host)?;
    assert_eq!(code, Some(0), "{checks:?}");
    let said = of(&checks, "packet")["text"].to_string();
    assert!(said.contains("one from 203.0.113.7, which is blocked, was dropped"), "{said}");
    assert_eq!(host.count("blocked")?, before + 1, "it is counted");
    host.ok(&["bypass", "on", "--for", "1m"])?;
    let (code, checks) = doctor(&host)?;
    let said = of(&checks, "packet")["text"].to_string();
    assert!(code == Some(0) && said.contains("was passed, as all are (bypass)"), "{said}");
    host.ok(&["bypass", "off"])?;

    // A pin that another tool removes leaves a filter that would end with the daemon.
    let pin = host.bpffs().join("links/eth0");
    let aside = host.bpffs().join("aside");
    std::fs::rename(&pin, &aside)?;
    let (code, checks) = doctor(&host)?;
    assert!(code == Some(9) && of(&checks, "link")["sound"] == false, "{checks:?}");
    let said = host.run(&["doctor"])?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("NOT OK  link of eth0: no link is pinned for it"), "{said}");
    std::fs::rename(&aside, &pin)?;
    // Maps that another tool exchanges are not those that the program reads.
    let maps = std::fs::read_dir(host.bpffs())?.flatten().map(|entry| entry.path());
    let maps = maps.into_iter().find(|path| path.join("SETTINGS").exists()).expect("maps are pinned");
    std::fs::rename(maps.join("SETTINGS"), maps.join("ASIDE"))?;
    std::fs::rename(maps.join("SOURCES"), maps.join("SETTINGS"))?;
    let (code, checks) = doctor(&host)?;
    assert!(code == Some(9) && of(&checks, "maps")["sound"] == false, "{checks:?}");
    std::fs::rename(maps.join("SETTINGS"), maps.join("SOURCES"))?;
    std::fs::rename(maps.join("ASIDE"), maps.join("SETTINGS"))?;
    assert_eq!(doctor(&host)?.0, Some(0));
    // Another tool that detaches it time and again: it is attached again by itself, but not for ever.
    wait_for("the doctor says that nothing is filtered", || {
        // While it is attached again, there is no pin.
        let _ = detach_pinned(&pin);
        let (code, checks) = doctor(&host)?;
        Ok(code == Some(9) && of(&checks, "interface")["text"].to_string().contains("IS NOT FILTERED"))
    })?;
    host.end(Signal::SIGTERM)?;
    Ok(())
}

#[test]
fn a_start_that_fails_leaves_what_is_in_force_and_nothing_of_its_own() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("broken", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    let bad = host.from("203.0.113.7").udp(1, 2).build();
    host.end(Signal::SIGKILL)?;
    let good = std::fs::read(host.file("floodwall.toml"))?;
    let fails = |host: &Protected, code: i32| -> anyhow::Result<String> {
        let mut child = host.daemon_command(host.bpffs()).stderr(Stdio::piped()).spawn()?;
        let ended = wait_for("it ends", || Ok(child.try_wait()?.is_some()));
        if ended.is_err() {
            child.kill()?;
        }
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ended?;
        assert_eq!(output.status.code(), Some(code), "{said}");
        Ok(said)
    };
    std::fs::write(host.file("floodwall.toml"), "mode = \"fast\"\n")?;
    let said = fails(&host, 2)?;
    assert!(said.contains("on eth0 stays in force"), "{said}");
    assert!(!host.passes(&bad)?, "a broken configuration has taken the filter away");
    std::fs::write(host.file("floodwall.toml"), &good)?;

    // The state cannot be opened: a file stands where its directory was.
    let state = host.state_dir();
    let aside = host.file("state-aside");
    std::fs::rename(&state, &aside)?;
    std::fs::write(&state, "no directory")?;
    let said = fails(&host, 1)?;
    assert!(said.contains("on eth0 stays in force"), "{said}");
    assert!(!host.passes(&bad)?, "a state that cannot be opened has taken the filter away");
    host.ok(&["detach", "eth0", "--bpffs", &host.bpffs().display().to_string()])?;
    assert!(!host.bpffs().exists());

    // At the first start there is nothing in force, and nothing is left.
    let said = fails(&host, 1)?;
    assert!(!said.contains("stays in force") && !host.bpffs().exists(), "{said}");
    std::fs::write(host.file("floodwall.toml"), "[[service]]\n")?;
    fails(&host, 2)?;
    assert!(!host.bpffs().exists(), "something is pinned");
    std::fs::write(host.file("floodwall.toml"), &good)?;
    std::fs::remove_file(&state)?;

    // An unreadable list costs nothing but itself.
    std::fs::rename(&aside, &state)?;
    std::fs::write(state.join("witness"), "")?;
    host.launch_with(&[], 9)?;
    assert!(!host.passes(&bad)?, "what can be read is enforced");
    Ok(())
}
