//! What is told of the machine below the filter: its links, and its disks.

use std::{fs, path::Path, process::Stdio};

use anyhow::Context as _;
use floodwall_lab::{or_skip, skip::require_root};
use floodwall_tests::{
    protected::Protected,
    requests::{syn, wait_for},
};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");

/// A small file system in memory, for as long as this is there.
struct Tmpfs<'a>(&'a Path);

impl<'a> Tmpfs<'a> {
    fn mount(place: &'a Path, options: &str) -> anyhow::Result<Self> {
        fs::create_dir_all(place)?;
        mount(Some("tmpfs"), place, Some("tmpfs"), MsFlags::empty(), Some(options))
            .context("mounting a tmpfs")?;
        Ok(Self(place))
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        let _ = umount2(self.0, MntFlags::MNT_DETACH);
    }
}

#[test]
fn a_disk_that_is_nearly_full_is_told_with_its_figures_and_so_is_the_end_of_that() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::not_started("disk", BINARY, "")?;
    let logs = host.file("logs");
    let _tmpfs = Tmpfs::mount(&logs, "size=16m,nr_inodes=1000")?;
    let text = format!("samples-per-second = 0\nwatch-disk = [\"{}\"]\n", logs.display());
    fs::write(host.file("floodwall.toml"), text)?;
    host.launch()?;
    let disk = || -> anyhow::Result<Value> {
        let status = host.json(&["status"])?;
        let disks = status["machine"]["disks"].as_array().cloned().unwrap_or_default();
        let found = disks.into_iter().find(|disk| disk["path"] == logs.display().to_string());
        Ok(found.unwrap_or_default())
    };
    wait_for("it is looked at", || Ok(disk()?["bytes"] == 16 << 20))?;
    assert_eq!((&disk()?["problem"], &disk()?["inodes"]), (&Value::Null, &1_000.into()));
    // Less than a quarter is little of so small a one.
    let filled = logs.join("access.log");
    fs::write(&filled, vec![7; 13 << 20])?;
    let is_told =
        || Ok(disk()?["problem"].as_str().is_some_and(|text| text.contains("IS NEARLY FULL: 3 of 16 MiB")));
    let twice = |what: &str, is_so: &mut dyn FnMut() -> anyhow::Result<bool>| {
        // It is looked at each ten seconds.
        wait_for(what, &mut *is_so).or_else(|_| wait_for(what, is_so))
    };
    twice("it is told that it is nearly full", &mut { is_told })?;
    let said = host.ok(&["status"])?;
    assert!(said.contains("WARNING") && said.contains("IS NEARLY FULL"), "{said}");
    assert!(host.log().contains("IS NEARLY FULL"), "{}", host.log());
    fs::remove_file(&filled)?;
    twice("it has room again", &mut || Ok(host.log().contains("has room again")))?;
    assert_eq!(disk()?["problem"], Value::Null);
    for number in 0..980 {
        fs::write(logs.join(number.to_string()), "")?;
    }
    twice("it is told that no files are left", &mut || Ok(host.log().contains("HAS NEARLY NO FILES LEFT")))?;
    Ok(())
}

#[test]
fn the_figures_of_a_link_are_read_and_no_speed_is_believed_of_a_device_without_a_wire() -> anyhow::Result<()>
{
    or_skip!(require_root());
    let mut host = Protected::not_started("links", BINARY, "samples-per-second = 0\n[suspects]\nrate = 0\n")?;
    let (daemon, pins) = (host.daemon_command(host.bpffs()), host.file("pins"));
    fs::create_dir(&pins)?;
    // With the files of its own network namespace below /sys, as in a container.
    let script = format!(
        "mount --bind /sys/fs/bpf {0} && mount -t sysfs none /sys && mount --bind {0} /sys/fs/bpf && exec \"$@\"",
        pins.display()
    );
    let mut command = host.lab.inside.namespace().command("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]);
    command.arg(daemon.get_program()).args(daemon.get_args());
    let log = fs::File::create(host.file("log"))?;
    let child = command.stdout(Stdio::null()).stderr(log).spawn()?;
    host.adopt(child)?;
    let link = || -> anyhow::Result<Value> { Ok(host.json(&["status"])?["machine"]["links"][0].clone()) };
    wait_for("it is measured", || Ok(link()?["in_rate"].is_u64()))?;
    assert_eq!((&link()?["interface"], &link()?["speed"]), (&"eth0".into(), &Value::Null));
    let frames: Vec<_> = (0..200).map(|port| syn(&host, "192.0.2.1", 1_000 + port)).collect();
    wait_for("what comes is seen", || {
        host.sender.send_batch(&frames)?;
        // 200 packets of 54 bytes, and 24 more each on a wire, in a second.
        Ok(link()?["in_rate"].as_u64().is_some_and(|rate| rate >= 200 * 78 * 8))
    })?;
    let said = host.ok(&["status"])?;
    assert!(said.contains("links       eth0, speed not known: in "), "{said}");
    let cpu = &host.json(&["status"])?["machine"]["cpu"];
    assert!(cpu["busiest_percent"].is_f64() && cpu["backlog_dropped_rate"].is_u64(), "{cpu}");
    Ok(())
}

#[test]
fn where_the_files_are_those_of_another_namespace_no_link_is_measured() -> anyhow::Result<()> {
    or_skip!(require_root());
    // The daemon enters a network namespace, and sees the machine's own interfaces below /sys.
    let host = Protected::start("foreign", BINARY)?;
    std::thread::sleep(std::time::Duration::from_secs(4));
    let link = &host.json(&["status"])?["machine"]["links"][0];
    assert_eq!((&link["interface"], &link["in_rate"]), (&"eth0".into(), &Value::Null), "{link}");
    Ok(())
}
