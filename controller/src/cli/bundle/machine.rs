//! What is read off the machine: kernel, drivers, and the last lines of the log.

use std::{fmt::Write as _, fs, path::Path, process::Stdio, time::Duration};

use floodwall_incident::redacted;
use tokio::{process::Command, time::timeout};

use super::archive::Archive;
use crate::host;

/// How long the journal may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Lines of the log.
const LINES: &str = "2000";

/// Puts it into an archive.
pub(super) async fn add(archive: &mut Archive) {
    archive.add(
        "machine.txt",
        "kernel, its settings for BPF, interfaces and their drivers",
        redacted(&facts()),
    );
    let what = "the last lines of the daemon's log, from the journal";
    match journal().await {
        Ok(text) => archive.add("log.txt", what, nameless(&redacted(&text))),
        Err(why) => archive.miss("log.txt", what, why),
    }
}

fn facts() -> String {
    let mut text = format!("floodwall: {}\n", env!("CARGO_PKG_VERSION"));
    let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().replace('\n', "; "));
    for (name, path) in [
        ("kernel", "/proc/sys/kernel/osrelease"),
        ("kernel version", "/proc/sys/kernel/version"),
        ("system", "/etc/os-release"),
        ("BPF JIT", "/proc/sys/net/core/bpf_jit_enable"),
        ("unprivileged BPF", "/proc/sys/kernel/unprivileged_bpf_disabled"),
        ("lockdown", "/sys/kernel/security/lockdown"),
        ("clock source", "/sys/devices/system/clocksource/clocksource0/current_clocksource"),
    ] {
        let value = read(path).unwrap_or_else(|error| format!("not known: {error}"));
        // Writing to a string does not fail.
        _ = writeln!(text, "{name}: {value}");
    }
    _ = writeln!(text, "BTF of the kernel: {}", Path::new("/sys/kernel/btf/vmlinux").exists());
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    _ = writeln!(text, "CPUs: {cpus}");
    let Ok(interfaces) = fs::read_dir("/sys/class/net") else { return text };
    let mut lines: Vec<_> = interfaces.flatten().map(|entry| interface(&entry.path())).collect();
    lines.sort();
    lines.iter().for_each(|line| _ = writeln!(text, "{line}"));
    text
}

/// `interface eth0: driver virtio_net, MTU 1500, up, 4 receive queues`.
fn interface(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let read = |file: &str| {
        fs::read_to_string(path.join(file)).map_or_else(|_| "?".to_owned(), |text| text.trim().to_owned())
    };
    let driver = fs::read_link(path.join("device/driver"));
    let driver = driver.ok().and_then(|link| Some(link.file_name()?.to_string_lossy().into_owned()));
    let driver = driver.unwrap_or_else(|| "none of a device".to_owned());
    let queues = fs::read_dir(path.join("queues")).map_or(0, |queues| {
        queues.flatten().filter(|queue| queue.file_name().to_string_lossy().starts_with("rx-")).count()
    });
    format!(
        "interface {name}: driver {driver}, MTU {}, {}, {queues} receive queues",
        read("mtu"),
        read("operstate")
    )
}

/// The last lines of the log. A journal that does not answer is not waited for.
async fn journal() -> Result<String, String> {
    let mut command = Command::new("journalctl");
    command.args(["--unit", "floodwall", "--lines", LINES, "--no-pager", "--quiet", "--output", "short-iso"]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output =
        timeout(PATIENCE, command.output()).await.map_err(|_| "journalctl does not answer".to_owned())?;
    let output = output.map_err(|error| format!("running journalctl: {error}"))?;
    if !output.status.success() {
        return Err(format!("journalctl ended with {}", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if text.trim().is_empty() {
        Err("the journal holds no line of the unit floodwall".to_owned())
    } else {
        Ok(text)
    }
}

/// Text without the host's name.
fn nameless(text: &str) -> String {
    let name = host::hostname();
    if name.len() < 3 { text.to_owned() } else { text.replace(&name, "HOST") }
}
