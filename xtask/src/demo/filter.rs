//! floodwall itself, run as an operator would run it.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use floodwall_lab::namespace::Namespace;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::attack::{Attack, SPOOFED};
use super::counters::Counters;
use super::interrupt;
use super::site::{INTERFACES, Site};
use crate::shell;
use crate::thousands::thousands;

const BPFFS: &str = "/sys/fs/bpf";
const PREFIX: &str = "floodwall-demo-";
/// What one source may send per second, in packets. SYNs are limited by default.
const PACKETS_PER_SOURCE: &str = "2000";
/// The daemon has loaded, attached and answers within this, or something is wrong.
const START: Duration = Duration::from_secs(30);
/// It ends within this when asked, or is killed.
const END: Duration = Duration::from_secs(5);

/// A running daemon. When dropped, it is detached and ended, and its pins are removed.
pub(super) struct Filter {
    binary: PathBuf,
    /// State, socket, log and lists.
    home: TempDir,
    pins: PathBuf,
    edge: Namespace,
    child: Child,
}

impl Filter {
    /// Starts the daemon on both interfaces of the edge, and waits until it answers.
    pub(super) fn start(binary: &Path, site: &Site, mode: &str) -> Result<Self> {
        let home = tempfile::tempdir().context("making a directory for floodwall's state")?;
        let pins = Path::new(BPFFS).join(format!("{PREFIX}{}", std::process::id()));
        let log = File::create(home.path().join("log")).context("creating floodwall's log")?;
        let errors = log.try_clone().context("sharing floodwall's log")?;
        let mut command = site.edge.command(binary);
        command.arg("run");
        for interface in INTERFACES {
            command.args(["--iface", interface]);
        }
        command.arg("--state-dir").arg(home.path().join("state"));
        command.arg("--socket").arg(home.path().join("s.sock"));
        command.arg("--bpffs").arg(&pins).args(["--mode", mode]);
        // Ctrl-C is for the show, which then ends the daemon in order.
        command.stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
        // SAFETY: between fork and exec the closure makes one system call.
        unsafe {
            // If the show is killed outright, the daemon must not go on without it.
            command.pre_exec(|| set_pdeathsig(Signal::SIGTERM).map_err(io::Error::from));
        }
        let line = shell::line_of(&command);
        let child = command.spawn().with_context(|| format!("running `{line}`"))?;
        let mut filter = Self { binary: binary.to_owned(), home, pins, edge: site.edge.clone(), child };
        filter.wait_until_ready().with_context(|| format!("starting `{line}`"))?;
        Ok(filter)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START;
        while !interrupt::asked() {
            if let Some(status) = self.child.try_wait().context("asking how floodwall is")? {
                bail!("it ended at once ({status}); its log says: {}", self.log_end());
            }
            match self.counters() {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    return Err(
                        error.context(format!("it does not answer; its log says: {}", self.log_end()))
                    );
                }
                Err(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
        bail!("interrupted")
    }

    /// Blocks what an operator would block; returns what was done, in words.
    pub(super) fn block(&self, attack: &Attack) -> Vec<String> {
        let (network, length) = SPOOFED;
        let prefix = format!("{network}/{length}");
        let mut done = vec![
            self.told(&["block", "add", &prefix, "--note", "demo"]),
            // No customer comes near it.
            self.told(&["limit", "set", "packets", PACKETS_PER_SOURCE]),
        ];
        if !attack.captured_sources.is_empty() {
            let list = self.home.path().join("captured-sources.txt");
            let text: String = attack.captured_sources.iter().map(|source| format!("{source}\n")).collect();
            let what = format!(
                "a list of the captures' {} sources",
                thousands(attack.captured_sources.len() as u64)
            );
            done.push(match fs::write(&list, text) {
                Ok(()) => {
                    let step = self.told(&["block", "import", &list.display().to_string()]);
                    step.replace(&list.display().to_string(), &format!("({what})"))
                }
                Err(error) => format!("{what} could not be written: {error}"),
            });
        }
        done
    }

    /// Runs a command, and says in one line what it was, how long it took, and what went wrong.
    fn told(&self, arguments: &[&str]) -> String {
        let start = Instant::now();
        let outcome = self.ask(arguments);
        let line = format!("floodwall {}", arguments.join(" "));
        match outcome {
            Ok(_) => format!("{line}  ({:.0} ms)", start.elapsed().as_secs_f64() * 1000.0),
            Err(error) => format!("{line}  failed: {error:#}"),
        }
    }

    /// Packets by reason until now.
    pub(super) fn counters(&self) -> Result<Counters> {
        Counters::read(&self.ask(&["status", "--json"])?)
    }

    fn ask(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.binary);
        command.arg("--socket").arg(self.home.path().join("s.sock")).args(arguments);
        shell::output(&mut command)
    }

    fn log_end(&self) -> String {
        let log = fs::read_to_string(self.home.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.trim().lines().collect();
        lines[lines.len().saturating_sub(5)..].join(" | ")
    }

    /// Waits for the daemon to end by itself, at most so long.
    fn wait_for_end(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            match self.child.try_wait() {
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(20)),
                Ok(status) => return status,
                Err(_) => return None,
            }
        }
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        for interface in INTERFACES {
            // With its own pins named: if the daemon is dead, the command falls back on them, and
            // must not find those of a floodwall that protects this machine.
            let mut detach = self.edge.command(&self.binary);
            detach.arg("--socket").arg(self.home.path().join("s.sock"));
            detach.args(["detach", interface, "--bpffs"]).arg(&self.pins);
            // It may never have got so far; what is left is removed below.
            let _ = shell::output(&mut detach);
        }
        if self.wait_for_end(Duration::from_secs(1)).is_none() {
            if let Ok(pid) = i32::try_from(self.child.id()) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            }
            if self.wait_for_end(END).is_none() {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
        // The last reference to a program or a map; the interfaces go with their namespace.
        let _ = fs::remove_dir_all(&self.pins);
    }
}

/// Removes the pins of shows that were killed.
pub(super) fn sweep() {
    let Ok(entries) = fs::read_dir(BPFFS) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let dead = |pid: &str| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists();
        if name.strip_prefix(PREFIX).is_some_and(dead) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
