//! Tries the package under a real systemd: boots the Debian tree in a container (systemd-nspawn) that has one end of a cable of
//! its own and a BPF file system of its own. From the other end of the cable a blocked prefix floods it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use floodwall_lab::pair::Pair;

use super::flooded::Flooded;

/// Runs in the booted container. Every line has to succeed.
const SCRIPT: &str = include_str!("boot.sh");
/// The unit that runs the script and then powers the container off.
const UNIT: &str = "[Unit]\nAfter=basic.target\n[Service]\nType=oneshot\nExecStart=/bin/bash /opt/try.sh\n\
                    StandardOutput=file:/opt/said\nStandardError=inherit\nExecStopPost=/bin/systemctl poweroff --no-block\n";
/// Seconds after which the container is killed.
const TIMEOUT: &str = "300";
/// How often it is looked what the script wants.
const PAUSE: Duration = Duration::from_millis(20);
/// Lines of the script's output that an error shows.
const SHOWN: usize = 12;

/// Boots the tree, and has the service started, restarted, killed and suspended, and the package upgraded from `before`,
/// downgraded, removed and purged. Returns what was seen of the flood meanwhile.
///
/// # Errors
/// With the last lines of the script's output, if a step fails; or if a packet of the flood gets past the filter.
pub(super) fn run(root: &Path, before: &Path) -> Result<String> {
    let write = |file: &str, text: &str| {
        fs::write(root.join(file), text).with_context(|| format!("writing {file} into the folder"))
    };
    let unit = "etc/systemd/system/try.service";
    write("opt/try.sh", SCRIPT)?;
    write(unit, UNIT)?;
    fs::copy(before, root.join("opt/before.deb")).context("copying the package of before")?;
    let wants = root.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).context("preparing the folder")?;
    symlink(Path::new("/").join(unit), wants.join("try.service")).context("preparing the folder")?;
    let lab = Pair::new("package").context("making a network for the container")?;
    let mut flooded = Flooded::new(&lab, &root.join("opt"))?;
    let mut command = container(root, &lab);
    let mut container =
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("booting the folder")?;
    // The container may exit with a failure although the script has passed.
    let ended = loop {
        if let Some(status) = container.try_wait().context("waiting for the container")? {
            break status;
        }
        flooded.follow()?;
        thread::sleep(PAUSE);
    };
    let said = fs::read_to_string(root.join("opt/said")).unwrap_or_default();
    if said.lines().any(|line| line == "PASSED") {
        return flooded.verdict();
    }
    let lines: Vec<_> = said.lines().collect();
    let last = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
    if last.is_empty() {
        bail!("the container ended with {ended}, and the script was not begun");
    }
    bail!("the script has not passed; its last lines:\n{last}")
}

/// The command that boots the tree at the inner end of the cable.
fn container(root: &Path, lab: &Pair) -> Command {
    // The BPF file system must not be the machine's.
    let enter = "mount --make-rprivate / && mount -t bpf -o mode=0700 bpf /sys/fs/bpf && exec \"$@\"";
    let mut command = Command::new("timeout");
    command.args([TIMEOUT, "unshare", "--mount", "sh", "-c", enter, "sh"]);
    command.args([
        "systemd-nspawn",
        "--boot",
        "--register=no",
        "--keep-unit",
        "--console=pipe",
        "--capability=all",
        "--system-call-filter=bpf",
        "--bind=/sys/fs/bpf",
    ]);
    let mut network = std::ffi::OsString::from("--network-namespace-path=");
    network.push(lab.inside.namespace().path());
    command.arg(network).arg("--directory").arg(root);
    command
}
