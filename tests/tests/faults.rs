//! The daemon is killed, restarted, detached, started twice: packets stay judged.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use floodwall_lab::{or_skip, skip::require_root, wire::Sender};
use floodwall_tests::protected::{PATIENCE, Protected, SILENCE};
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
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("has an XDP program already"), "{said}");
    assert!(!bpffs.exists(), "a start that failed has left something pinned");
    Ok(())
}

#[test]
fn a_daemon_with_pins_that_another_uses_leaves_its_lists_alone() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("samepins", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    let bad = host.from("203.0.113.7").udp(1, 2).build();
    let (state, socket) = (host.file("other-state"), host.file("other-socket"));
    let mut other = host.lab.inside.namespace().command(BINARY);
    other.args(["run", "--iface", "eth0", "--max-sources", "8192", "--max-prefixes", "20000", "--bpffs"]);
    other.arg(host.bpffs()).arg("--state-dir").arg(&state).arg("--socket").arg(&socket);
    let output = other.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("another floodwall pins below"), "{said}");
    assert!(!host.passes(&bad)?, "the second daemon has emptied the first one's blocklist");
    assert!(!socket.exists(), "a start that failed has left its socket");

    // Nor is the filter taken from under the daemon by whoever asks at the wrong socket.
    let bpffs = host.bpffs().display().to_string();
    let socket = socket.display().to_string();
    let (_, said) = host.fails(&["--socket", &socket, "detach", "eth0", "--bpffs", &bpffs])?;
    assert!(said.contains("another floodwall pins below"), "{said}");
    assert!(!host.passes(&bad)?, "the filter is off");
    Ok(())
}

#[test]
fn an_interface_that_disappears_is_told_of() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("gone", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    let status = host.lab.inside.namespace().command("ip").args(["link", "del", "eth0"]).status()?;
    assert!(status.success(), "the interface could not be removed");
    let deadline = Instant::now() + PATIENCE;
    while host.run(&["status"])?.status.success() {
        assert!(Instant::now() < deadline, "it is not told of");
    }
    let (code, status) = host.fails(&["status"])?;
    assert!(code == 9 && status.contains("eth0 IS NOT FILTERED: there is no interface"), "{code}: {status}");
    host.ok(&["detach", "eth0"])?;
    assert!(host.wait()?.success(), "the daemon ends with its last interface");
    assert!(!host.bpffs().exists(), "something is still pinned");
    Ok(())
}

#[test]
fn an_interface_that_was_renamed_does_not_lose_its_filter_silently() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("renamed", BINARY)?;
    host.end(Signal::SIGTERM)?;
    let rename = |from: &str, to: &str| -> anyhow::Result<()> {
        for arguments in [vec!["link", "set", from, "down"], vec!["link", "set", from, "name", to]] {
            let status = host.lab.inside.namespace().command("ip").args(&arguments).status()?;
            anyhow::ensure!(status.success(), "ip {} failed", arguments.join(" "));
        }
        Ok(())
    };
    rename("eth0", "wan0")?;
    let inside = host.lab.inside.namespace();
    inside.ip("link add eth0 type veth peer name other0")?;
    host.launch()?;
    let links = host.bpffs().join("links");
    assert!(links.join("wan0").exists(), "the renamed interface is not filtered any more");
    assert!(links.join("eth0").exists(), "what has its name now is not filtered");
    let log = host.log();
    assert!(
        log.contains("was renamed since an earlier run protected it") && log.contains("not taken over"),
        "{log}"
    );
    Ok(())
}

#[test]
fn a_full_disk_refuses_changes_and_leaves_all_as_it_was() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("diskfull", BINARY)?;
    host.end(Signal::SIGTERM)?;
    let state = host.state_dir();
    let _small = SmallDisk::mount(&state)?;
    host.launch()?;
    let (one, two) = (host.file("one.txt"), host.file("two.txt"));
    fs::write(&one, "198.51.100.1\n198.51.100.2\n")?;
    fs::write(&two, "198.51.100.3\n")?;
    let import = |file: &std::path::Path| {
        host.run(&["block", "import", &file.display().to_string(), "--name", "list", "--replace"])
    };
    assert!(import(&one)?.status.success());
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    let before = host.ok(&["block", "export"])?;

    // Until not even what has been set aside for later suffices.
    let filler = state.join("filler");
    let mut full = fs::File::create(&filler)?;
    while full.write_all(&[0; 4_096]).is_ok() {}
    let mut kept = vec!["203.0.113.0/24".to_owned()];
    // First what takes much room, and then what takes the least, so that nothing at all finds room after these.
    for (block, note) in [("198.18.0", "y".repeat(900)), ("198.18.1", String::new())] {
        let mut refused = None;
        for number in 0..200 {
            let prefix = format!("{block}.{number}/32");
            let output = host.run(&["block", "add", &prefix, "--note", &note])?;
            if !output.status.success() {
                refused = Some(String::from_utf8_lossy(&output.stderr).into_owned());
                break;
            }
            kept.push(prefix);
        }
        let said = refused.expect("a disk that is full takes everything");
        assert!(said.contains("No space left"), "{said}");
    }
    let output = import(&two)?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("No space left"), "{said}");
    let before = {
        let now = host.ok(&["block", "export"])?;
        assert!(before.lines().all(|line| now.contains(line)), "{now}");
        assert!(kept.iter().all(|prefix| now.lines().any(|line| line == prefix)), "{now}");
        now
    };
    let (code, said) = host.fails(&["status"])?;
    assert!(code == 9 && said.contains("THE STATE CANNOT BE WRITTEN"), "{code}: {said}");
    host.end(Signal::SIGKILL)?;
    // It starts on a disk that is full, too, and enforces what was acknowledged.
    host.launch()?;
    assert_eq!(host.ok(&["block", "export"])?, before, "after a restart on a disk that is full");
    host.end(Signal::SIGKILL)?;
    drop(full);
    fs::remove_file(&filler)?;
    host.launch()?;
    assert_eq!(host.ok(&["block", "export"])?, before, "after a restart");
    assert!(host.run(&["block", "add", "192.0.2.128/25"])?.status.success(), "there is room again");
    host.end(Signal::SIGTERM)?;
    Ok(())
}

/// A file system with room for little, for as long as it lives.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: &std::path::Path) -> anyhow::Result<Self> {
        let none = None::<&str>;
        nix::mount::mount(none, at, Some("tmpfs"), nix::mount::MsFlags::empty(), Some("size=256k"))?;
        Ok(Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The daemon may be using it still, if the test has failed.
        let _ = nix::mount::umount2(&self.0, nix::mount::MntFlags::MNT_DETACH);
    }
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
fn a_change_that_a_crash_cut_off_loses_only_what_was_never_answered() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("journal", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    host.end(Signal::SIGKILL)?;
    let log = host.state_dir().join("state-1.db-wal");
    let mut bytes = fs::read(&log)?;
    // The beginning of what would be written next.
    bytes.extend_from_within(32..2_000);
    fs::write(&log, &bytes)?;
    host.launch()?;
    assert_eq!(host.json_lines(&["block", "list"])?.len(), 1);
    Ok(())
}

#[test]
fn a_state_directory_that_is_removed_takes_no_more_changes() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("removed", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    let blocked = host.from("203.0.113.7").udp(1, 2).build();
    fs::remove_dir_all(host.state_dir())?;
    let (code, said) = host.fails(&["block", "add", "192.0.2.128"])?;
    assert!(code == 1 && said.contains("is not the one that floodwall has opened"), "{code}: {said}");
    let deadline = Instant::now() + PATIENCE;
    while host.run(&["status"])?.status.success() {
        assert!(Instant::now() < deadline, "it is not told of");
    }
    let (_, said) = host.fails(&["status"])?;
    assert!(said.contains("THE STATE CANNOT BE WRITTEN"), "{said}");
    assert!(!host.passes(&blocked)?, "what is known stays in force");
    host.ok(&["bypass", "on", "--for", "1m"])?;
    Ok(())
}

/// Runs out of file descriptors anywhere on its way.
#[test]
fn a_start_that_fails_half_way_leaves_nothing() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::not_started("half-way", BINARY, "")?;
    let inside = host.lab.inside.clone();
    // The first may be filtered already when the start fails at the second.
    inside.namespace().ip("link add other0 type veth peer name other1")?;
    let interfaces = ["eth0", "other0"].map(str::to_owned);
    let is_bare = || -> anyhow::Result<bool> {
        // What looks at what leaves ends with its pin and the daemon.
        Ok(!inside.namespace().ip("-details link show")?.contains("xdp"))
    };
    let mut failed = 0;
    for descriptors in (6..200).step_by(2) {
        let mut command = inside.namespace().command("prlimit");
        let daemon = host.daemon_command_for(&interfaces, host.bpffs());
        command.arg(format!("--nofile={descriptors}:{descriptors}")).arg(daemon.get_program());
        command.args(daemon.get_args()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().context("starting the daemon")?;
        let mut said = String::new();
        let mut lines = BufReader::new(child.stderr.take().context("no standard error")?);
        let is_ready = loop {
            let mut line = String::new();
            if lines.read_line(&mut line)? == 0 {
                break false;
            }
            said.push_str(&line);
            if line.contains("ready socket=") {
                break true;
            }
        };
        if is_ready {
            host.adopt(child)?;
            break;
        }
        assert!(!child.wait()?.success(), "with {descriptors} descriptors: {said}");
        failed += 1;
        assert!(is_bare()?, "with {descriptors} descriptors a program stays: {said}");
        assert!(!host.bpffs().exists(), "with {descriptors} descriptors pins stay: {said}");
    }
    assert!(host.pid().is_ok(), "it never came up");
    assert!(failed > 5, "only {failed} starts failed");
    Ok(())
}
