//! The daemon as a service manager runs it: with the interfaces of its configuration, sockets that are listened on already,
//! and news of how it stands.

use std::{
    fs,
    os::{
        fd::AsRawFd as _,
        unix::{
            fs::PermissionsExt as _,
            net::{UnixDatagram, UnixListener},
            process::CommandExt as _,
        },
    },
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use floodwall_lab::{or_skip, skip::require_root};
use floodwall_tests::{protected::Protected, requests::wait_for, terminal::Terminal};
use nix::sys::signal::Signal;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
/// Where `sd_listen_fds(3)` has the first descriptor, and the one after it.
const HANDED_OVER: [i32; 2] = [3, 4];
/// Nobody in particular.
const NOBODY: &str = "65534";

#[test]
fn where_no_interface_is_named_nothing_is_filtered_and_that_is_told() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::not_started("idle", BINARY, "")?;
    host.launch_on(&[], &[], 9)?;
    let status = host.run(&["--json", "status"])?;
    let status: serde_json::Value = serde_json::from_slice(&status.stdout)?;
    assert_eq!(status["interfaces"], serde_json::json!([]));
    let problems = status["problems"].to_string();
    assert!(problems.contains("NOTHING IS FILTERED") && problems.contains("floodwall setup"), "{problems}");
    let links = host.lab.inside.namespace().ip("-d link show")?;
    assert!(!links.contains("xdp"), "{links}");
    host.ok(&["block", "add", "198.51.100.0/24"])?;
    let frame = host.from("198.51.100.7").udp(53, 40_000).payload(b"something").build();
    assert!(host.passes(&frame)?, "nothing is filtered");
    host.ok(&["attach", host.lab.inside.name()])?;
    host.ok(&["status"])?;
    assert!(!host.passes(&frame)?);
    Ok(())
}

#[test]
fn interfaces_of_the_configuration_are_protected_and_a_reload_says_when_others_are() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::not_started("named", BINARY, "")?;
    host.configure(&format!("interfaces = [\"{}\"]", host.lab.inside.name()))?;
    host.launch_on(&[], &[], 0)?;
    assert_eq!(host.json(&["status"])?["interfaces"][0]["name"], host.lab.inside.name());
    host.configure("interfaces = [\"eth7\"]")?;
    let said = host.ok(&["reload", "--dry-run"])?;
    assert!(said.contains("interfaces: eth7, at the next start"), "{said}");
    Ok(())
}

/// The command that starts the daemon inside, where it finds these sockets as systemd hands them over.
fn handed_over(host: &Protected, sockets: &[UnixListener; 2]) -> anyhow::Result<Command> {
    for descriptor in HANDED_OVER {
        // What the child needs until it is the daemon must not have these numbers.
        ensure!(fs::exists(format!("/proc/self/fd/{descriptor}"))?, "descriptor {descriptor} is free here");
    }
    let daemon = host.daemon_command(host.bpffs());
    let mut command = host.lab.inside.namespace().command("sh");
    // The number of the process is known to itself alone.
    command.args(["-c", "export LISTEN_PID=$$; exec \"$@\"", "sh"]).arg(daemon.get_program());
    command.args(daemon.get_args()).env("LISTEN_FDS", "2").env("LISTEN_FDNAMES", "control:read-only");
    let pairs = [(sockets[0].as_raw_fd(), HANDED_OVER[0]), (sockets[1].as_raw_fd(), HANDED_OVER[1])];
    ensure!(pairs.iter().all(|(socket, _)| *socket > HANDED_OVER[1]), "the sockets are in each other's way");
    let duplicate = move || {
        for (socket, place) in pairs {
            // SAFETY: both are descriptors of this process, which nobody else uses between fork and exec.
            if unsafe { libc::dup2(socket, place) } < 0 {
                return Err(std::io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes two system calls; it neither allocates nor takes a lock.
    unsafe {
        command.pre_exec(duplicate);
    }
    Ok(command)
}

#[test]
fn a_service_manager_hands_over_sockets_and_hears_of_start_work_reload_and_end() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::not_started("service", BINARY, "")?;
    host.configure("")?;
    let (control, looking) = (host.socket(), host.file("read-only.sock"));
    let sockets = [UnixListener::bind(&control)?, UnixListener::bind(&looking)?];
    let manager = UnixDatagram::bind(host.file("notify"))?;
    manager.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut command = handed_over(&host, &sockets)?;
    command.env("NOTIFY_SOCKET", host.file("notify")).env("WATCHDOG_USEC", "8000000");
    let child = command.spawn().context("starting the daemon")?;
    host.adopt(child)?;
    let heard = |wanted: &str| -> anyhow::Result<String> {
        let mut message = [0; 1_024];
        loop {
            let length = manager.recv(&mut message).with_context(|| format!("waiting for {wanted}"))?;
            let message = String::from_utf8_lossy(&message[..length]).into_owned();
            if message.contains(wanted) {
                return Ok(message);
            }
        }
    };
    let ready = heard("READY=1")?;
    assert!(ready.contains("STATUS=no attack; filtering eth0 (native)"), "{ready}");
    heard("WATCHDOG=1")?;
    heard("WATCHDOG=1")?;
    host.signal(Signal::SIGHUP)?;
    heard("RELOADING=1")?;
    heard("READY=1")?;
    who_may_only_look(&host)?;
    host.end(Signal::SIGTERM)?;
    heard("STOPPING=1")?;
    assert!(control.exists() && looking.exists(), "the sockets are the manager's");
    Ok(())
}

/// A user who may not use the control socket sees by the other one how things stand, and changes nothing.
fn who_may_only_look(host: &Protected) -> anyhow::Result<()> {
    let directory = host.socket().parent().context("no directory")?.to_owned();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755))?;
    fs::set_permissions(host.socket(), fs::Permissions::from_mode(0o660))?;
    fs::set_permissions(host.file("read-only.sock"), fs::Permissions::from_mode(0o666))?;
    // The namespace is entered by root.
    let asked = |arguments: &[&str]| {
        let mut command = host.lab.inside.namespace().command("setpriv");
        command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]).arg(host.binary());
        command.args(arguments).env("FLOODWALL_SOCKET", host.socket()).output()
    };
    let status = asked(&["status"])?;
    let said = String::from_utf8_lossy(&status.stderr).into_owned();
    assert_eq!(status.status.code(), Some(0), "{said}");
    let blocked = asked(&["block", "add", "198.51.100.0/24"])?;
    let said = String::from_utf8_lossy(&blocked.stderr).into_owned();
    assert_eq!(blocked.status.code(), Some(8), "{said}");
    assert!(said.contains("may only look"), "{said}");
    let mut command = host.lab.inside.namespace().command("setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]).arg(host.binary());
    command.arg("top").env("FLOODWALL_SOCKET", host.socket());
    let mut top = Terminal::start(command, 24, 80)?;
    top.wait_until_shown("READ-ONLY")?;
    top.wait_until_shown("Peace")?;
    top.press("B")?;
    top.wait_until_shown("this only looks; to do it: floodwall bypass on --for 5m")?;
    top.press("yq")?;
    assert!(top.wait()?.success());
    let audit = host.json(&["audit"])?.to_string();
    assert!(!audit.contains("bypass"), "nothing was done: {audit}");
    wait_for("nothing is listed", || Ok(host.json(&["status"])?["block"]["ipv4"] == 0))
}
