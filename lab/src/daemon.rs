//! A floodwall daemon in a namespace, run as an operator would run it.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::child::ends_with_us;
use crate::namespace::{self, Namespace};

const BPFFS: &str = "/sys/fs/bpf";
/// The daemon has loaded, attached and answers within this, or something is wrong.
const START: Duration = Duration::from_secs(30);
/// It ends within this when asked, or is killed.
const END: Duration = Duration::from_secs(5);

/// How to start a daemon.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The program.
    pub binary: &'a Path,
    /// The interfaces that it protects.
    pub interfaces: &'a [&'a str],
    /// Where its program is attached: `native`, `generic` or `auto`.
    pub mode: &'a str,
}

/// A running daemon. When dropped, it is detached and ended, and its pins are removed.
#[derive(Debug)]
pub struct Daemon {
    binary: PathBuf,
    /// State, socket and log.
    home: TempDir,
    pins: PathBuf,
    host: Namespace,
    interfaces: Vec<String>,
    child: Child,
    started: Instant,
}

impl Daemon {
    /// Starts the daemon in the namespace `host`. What `configuration` makes of the directory that the daemon may use is
    /// written to its configuration file; an empty text is that of a fresh install.
    ///
    /// # Errors
    /// When its files cannot be made, or it cannot be run. [`Self::has_started`] tells how it goes on.
    pub fn start(
        host: &Namespace,
        options: &Options<'_>,
        configuration: impl FnOnce(&Path) -> String,
    ) -> Result<Self> {
        let home = tempfile::tempdir().context("making a directory for floodwall's state")?;
        let pins = Path::new(BPFFS).join(host.name());
        let log = File::create(home.path().join("log")).context("creating floodwall's log")?;
        let errors = log.try_clone().context("sharing floodwall's log")?;
        let written = home.path().join("floodwall.toml");
        fs::write(&written, configuration(home.path())).context("writing floodwall's configuration")?;
        let mut command = host.command(options.binary);
        command.arg("run").args(options.interfaces.iter().flat_map(|interface| ["--iface", interface]));
        command.arg("--state-dir").arg(home.path().join("state"));
        command.arg("--socket").arg(home.path().join("s.sock"));
        command.arg("--bpffs").arg(&pins).args(["--mode", options.mode]);
        command.arg("--config").arg(written);
        // Ctrl-C is for who started it, and who then ends the daemon in order.
        command.stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
        let child = ends_with_us(&mut command)
            .spawn()
            .with_context(|| format!("running {}", options.binary.display()))?;
        Ok(Self {
            binary: options.binary.to_owned(),
            home,
            pins,
            host: host.clone(),
            interfaces: options.interfaces.iter().map(|&name| name.to_owned()).collect(),
            child,
            started: Instant::now(),
        })
    }

    /// What `floodwall status --json` says, once it answers.
    ///
    /// # Errors
    /// When it has ended, or has not answered for too long.
    pub fn has_started(&mut self) -> Result<Option<String>> {
        if let Some(status) = self.child.try_wait().context("asking how floodwall is")? {
            bail!("floodwall ended at once ({status}); its log says: {}", self.log_end());
        }
        match self.ask(&["status", "--json"]) {
            Ok(status) => Ok(Some(status)),
            Err(error) if self.started.elapsed() > START => {
                Err(error.context(format!("floodwall does not answer; its log says: {}", self.log_end())))
            }
            Err(_) => Ok(None),
        }
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// Those of [`Self::has_started`].
    pub fn wait_for_start(&mut self) -> Result<()> {
        while self.has_started()?.is_none() {
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The directory that it may use.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A command to it, without its arguments.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--socket").arg(self.home.path().join("s.sock"));
        command
    }

    /// What a command to it prints.
    ///
    /// # Errors
    /// When the command fails, with the last line that it says.
    pub fn ask(&self, arguments: &[&str]) -> Result<String> {
        let asked = arguments.join(" ");
        let output = self.command().args(arguments).output().with_context(|| format!("asking `{asked}`"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`floodwall {asked}` failed: {}", said.trim().lines().last().unwrap_or("it said nothing"));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_end(&self) -> String {
        let log = fs::read_to_string(self.home.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.trim().lines().collect();
        lines[lines.len().saturating_sub(5)..].join(" | ")
    }

    /// Time that all of its threads have had on processors.
    ///
    /// # Errors
    /// When it has ended.
    pub fn processor_time(&self) -> Result<Duration> {
        let clock =
            clock_getcpuclockid(self.pid()?).context("asking for the clock of floodwall's process")?;
        Ok(clock.now().context("reading the clock of floodwall's process")?.into())
    }

    /// Memory of its own, bytes: what it shares with the kernel is not in it.
    ///
    /// # Errors
    /// When it has ended.
    pub fn memory(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        Ok(kibibytes.with_context(|| format!("{path} has no RssAnon"))? << 10)
    }

    fn pid(&self) -> Result<Pid> {
        Ok(Pid::from_raw(self.child.id().try_into().context("a process has a number above all others")?))
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

impl Drop for Daemon {
    fn drop(&mut self) {
        for interface in &self.interfaces {
            // With its own pins named: if the daemon is dead, the command falls back on them, and
            // must not find those of a floodwall that protects this machine.
            let mut detach = self.host.command(&self.binary);
            detach.arg("--socket").arg(self.home.path().join("s.sock"));
            detach.args(["detach", interface, "--bpffs"]).arg(&self.pins);
            // It may never have got so far; what is left is removed below.
            let _ = detach.output();
        }
        if self.wait_for_end(Duration::from_secs(1)).is_none() {
            if let Ok(pid) = self.pid() {
                let _ = kill(pid, Signal::SIGTERM);
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

/// Removes the pins of daemons in namespaces of processes that were killed.
pub fn sweep() {
    let Ok(entries) = fs::read_dir(BPFFS) else { return };
    for entry in entries.flatten() {
        if namespace::is_orphan(&entry.file_name().to_string_lossy()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
