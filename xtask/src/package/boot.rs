//! Tries the package under a real systemd: boots the Debian tree in a container (systemd-nspawn) with a network and a BPF file
//! system of its own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// Runs in the booted container. Every line has to succeed. `host0` is the container's end of a veth pair.
const SCRIPT: &str = r#"set -eux
deb=/opt/floodwall.deb
dpkg -i $deb
says() { systemctl show --property StatusText --value floodwall | grep -q "$1"; }
told() { for half in $(seq 20); do says "$1" && return; sleep 0.5; done; return 1; }
is_filtered() { test -e /sys/fs/bpf/floodwall/links/host0; }
told 'nothing is filtered'
code=0; floodwall status || code=$?; test $code = 9
floodwall setup --iface host0 --yes
systemctl restart floodwall
told 'no attack; observing host0'
floodwall doctor
floodwall block add 198.51.100.0/24
useradd --groups floodwall-read onlooker; useradd stranger
as() { su "$1" -s /bin/sh -c "$2"; }
as onlooker 'floodwall status'
code=0; as onlooker 'floodwall block add 203.0.113.0/24' || code=$?; test $code = 8
code=0; as stranger 'floodwall status' || code=$?; test $code = 8
process() { systemctl show --property MainPID --value floodwall; }
before=$(process); test "$before" -gt 1; kill -KILL "$before"; is_filtered
for second in 1 2 3 4 5 6 7 8 9; do sleep 1; systemctl --quiet is-active floodwall && break; done
test "$(process)" -gt 1; test "$(process)" != "$before"
dpkg -i $deb; is_filtered; systemctl is-active floodwall
floodwall block list | grep -q 198.51.100.0/24
floodwall setup enforce --yes; told 'filtering host0'
systemctl reload floodwall
systemctl stop floodwall; is_filtered
code=0; floodwall status || code=$?; test $code = 7
systemctl start floodwall
before=$(process); test "$before" -gt 1; kill -STOP "$before"
for second in $(seq 45); do sleep 1; test "$(process)" != "$before" && break; done
test "$(process)" != "$before"
dpkg -r floodwall; test ! -e /sys/fs/bpf/floodwall
dpkg -i $deb; dpkg -P floodwall
test ! -e /sys/fs/bpf/floodwall; test ! -e /var/lib/floodwall; test ! -e /etc/floodwall; test ! -e /run/floodwall
echo PASSED
"#;
/// The unit that runs the script and then powers the container off.
const UNIT: &str = "[Unit]\nAfter=basic.target\n[Service]\nType=oneshot\nExecStart=/bin/bash /opt/try.sh\n\
                    StandardOutput=file:/opt/said\nStandardError=inherit\nExecStopPost=/bin/systemctl poweroff --no-block\n";
/// Seconds after which the container is killed.
const TIMEOUT: &str = "240";
/// Lines of the script's output that an error shows.
const SHOWN: usize = 12;

/// Boots the tree, and has the service started, restarted, killed and suspended, and the package upgraded, removed and purged.
///
/// # Errors
/// With the last lines of the script's output, if a step fails.
pub(super) fn run(root: &Path) -> Result<()> {
    let write = |file: &str, text: &str| {
        fs::write(root.join(file), text).with_context(|| format!("writing {file} into the folder"))
    };
    let unit = "etc/systemd/system/try.service";
    write("opt/try.sh", SCRIPT)?;
    write(unit, UNIT)?;
    let wants = root.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).context("preparing the folder")?;
    symlink(Path::new("/").join(unit), wants.join("try.service")).context("preparing the folder")?;
    fs::remove_file(root.join("usr/sbin/policy-rc.d")).context("allowing that services are started")?;
    // The BPF file system must not be the machine's, and the other end of the veth pair must be in another namespace.
    let enter = "mount --make-rprivate / && mount -t bpf -o mode=0700 bpf /sys/fs/bpf && exec \"$@\"";
    let mut command = Command::new("timeout");
    command.args([TIMEOUT, "unshare", "--mount", "--net", "sh", "-c", enter, "sh"]);
    command.args([
        "systemd-nspawn",
        "--boot",
        "--register=no",
        "--keep-unit",
        "--console=pipe",
        "--capability=all",
    ]);
    command
        .args(["--system-call-filter=bpf", "--network-veth", "--bind=/sys/fs/bpf", "--directory"])
        .arg(root);
    // The container may exit with a failure although the script has passed.
    let ended = shell::output(&mut command);
    let said = fs::read_to_string(root.join("opt/said")).unwrap_or_default();
    if said.lines().any(|line| line == "PASSED") {
        return Ok(());
    }
    let lines: Vec<_> = said.lines().collect();
    let last = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
    match ended {
        Err(error) if last.is_empty() => Err(error),
        _ => bail!("the script has not passed; its last lines:\n{last}"),
    }
}
