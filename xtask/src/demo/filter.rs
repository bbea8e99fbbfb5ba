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

use super::news::News;
use super::site::INTERFACES;
use super::terms::Terms;
use super::{counters, page};
use crate::shell;

const BPFFS: &str = "/sys/fs/bpf";
/// Name of the socket of its page.
const PAGE: &str = "web.sock";
const PREFIX: &str = "floodwall-demo-";
/// The daemon has loaded, attached and answers within this, or something is wrong.
const START: Duration = Duration::from_secs(30);
/// It ends within this when asked, or is killed.
const END: Duration = Duration::from_secs(5);

/// A running daemon. When dropped, it is detached and ended, and its pins are removed.
pub(super) struct Filter {
    binary: PathBuf,
    /// State, socket and log.
    home: TempDir,
    pins: PathBuf,
    edge: Namespace,
    child: Child,
    started: Instant,
    has_page: bool,
}

impl Filter {
    /// Starts the daemon as it comes, on both interfaces of the edge.
    pub(super) fn start(terms: &Terms, edge: &Namespace) -> Result<Self> {
        let Terms { binary, mode, web, .. } = terms;
        let home = tempfile::tempdir().context("making a directory for floodwall's state")?;
        let pins = Path::new(BPFFS).join(format!("{PREFIX}{}", std::process::id()));
        let log = File::create(home.path().join("log")).context("creating floodwall's log")?;
        let errors = log.try_clone().context("sharing floodwall's log")?;
        let mut command = edge.command(binary);
        command.arg("run");
        for interface in INTERFACES {
            command.args(["--iface", interface]);
        }
        command.arg("--state-dir").arg(home.path().join("state"));
        command.arg("--socket").arg(home.path().join("s.sock"));
        command.arg("--bpffs").arg(&pins).args(["--mode", mode]);
        if *web {
            let configuration = home.path().join("floodwall.toml");
            let listen = home.path().join(PAGE);
            let text = format!("[web]\nlisten = \"unix:{}\"\n", listen.display());
            fs::write(&configuration, text).context("writing floodwall's configuration")?;
            command.arg("--config").arg(configuration);
        }
        // Ctrl-C is for the show, which then ends the daemon in order.
        command.stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
        // SAFETY: between fork and exec the closure makes one system call.
        unsafe {
            // If the show is killed outright, the daemon must not go on without it.
            command.pre_exec(|| set_pdeathsig(Signal::SIGTERM).map_err(io::Error::from));
        }
        let line = shell::line_of(&command);
        let child = command.spawn().with_context(|| format!("running `{line}`"))?;
        let started = Instant::now();
        Ok(Self { binary: binary.to_owned(), home, pins, edge: edge.clone(), child, started, has_page: *web })
    }

    /// The packets that it has dropped, once it answers.
    ///
    /// # Errors
    /// When it has ended, or has not answered for too long.
    pub(super) fn has_started(&mut self) -> Result<Option<u64>> {
        if let Some(status) = self.child.try_wait().context("asking how floodwall is")? {
            bail!("floodwall ended at once ({status}); its log says: {}", self.log_end());
        }
        match self.dropped() {
            Ok(_) if self.has_page && !self.home.path().join(PAGE).exists() => Ok(None),
            Ok(dropped) => Ok(Some(dropped)),
            Err(error) if self.started.elapsed() > START => {
                Err(error.context(format!("floodwall does not answer; its log says: {}", self.log_end())))
            }
            Err(_) => Ok(None),
        }
    }

    /// Packets dropped until now.
    pub(super) fn dropped(&self) -> Result<u64> {
        counters::dropped(&self.ask(&["status", "--json"])?)
    }

    /// The address of its page, if there is one.
    pub(super) fn page(&self) -> Result<Option<String>> {
        if !self.has_page {
            return Ok(None);
        }
        let socket = self.home.path().join(PAGE);
        let (port, token) = (page::forward(&socket)?, self.ask(&["web", "token"])?);
        Ok(Some(format!("http://127.0.0.1:{port}/#token={}", token.trim())))
    }

    /// What it says of itself from now on.
    pub(super) fn news(&self) -> Result<News> {
        News::listen(self.command())
    }

    fn ask(&self, arguments: &[&str]) -> Result<String> {
        shell::output(self.command().args(arguments))
    }

    /// A command to it, without its arguments.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--socket").arg(self.home.path().join("s.sock"));
        command
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
