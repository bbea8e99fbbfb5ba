//! A host that a real daemon protects, and someone outside.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use floodwall_lab::{
    flood::Target,
    frame::{Frame, ipv4::Ipv4},
    namespace::Namespace,
    pair::{INSIDE_V4, Pair},
    wire::{Receiver, Sender},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

/// How long something may take before it counts as not happening.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long silence is waited for.
pub const SILENCE: Duration = Duration::from_millis(150);

/// The lab, the daemon, and where both keep things.
pub struct Protected {
    /// The two hosts.
    pub lab: Pair,
    /// Sends from outside.
    pub sender: Sender,
    /// Sees what gets past the filter.
    pub receiver: Receiver,
    binary: PathBuf,
    directory: TempDir,
    bpffs: PathBuf,
    daemon: Option<Child>,
    max_prefixes: u32,
    max_sources: u32,
    descriptors: Option<u32>,
    /// What the daemon finds in its environment.
    pub environment: Vec<(&'static str, String)>,
}

/// A configuration by which nobody looks for attacks. Most of what tests send is for ports where nothing listens, and all
/// of it is alike, which is not what they are about: as many of these pass as like.
fn without_detection(text: &str) -> String {
    format!("samples-per-second = 0\n{text}\n[suspects]\nrate = 0\n")
}

impl Protected {
    /// Builds the lab and starts the daemon `binary` on the host's interface, with room for some prefixes.
    pub fn start(label: &str, binary: &str) -> anyhow::Result<Self> {
        Self::start_with_room(label, binary, 20_000)
    }

    /// As [`Self::start`], with room for so many prefixes.
    pub fn start_with_room(label: &str, binary: &str, max_prefixes: u32) -> anyhow::Result<Self> {
        Self::start_sized(label, binary, max_prefixes, 8_192, &without_detection(""))
    }

    /// As [`Self::start`], with this configuration, and room for many prefixes and sources.
    pub fn start_configured(label: &str, binary: &str, configuration: &str) -> anyhow::Result<Self> {
        Self::start_sized(label, binary, 200_000, 500_000, &without_detection(configuration))
    }

    /// As [`Self::start`], with so many files that it may have open at once (RLIMIT_NOFILE, soft and hard).
    pub fn start_with_descriptors(label: &str, binary: &str, descriptors: u32) -> anyhow::Result<Self> {
        let mut protected = Self::prepare(label, binary, 20_000, 8_192, &without_detection(""))?;
        protected.descriptors = Some(descriptors);
        protected.launch()?;
        Ok(protected)
    }

    /// As [`Self::start_as_configured`], but for the start itself, which [`Self::launch`] makes.
    pub fn not_started(label: &str, binary: &str, configuration: &str) -> anyhow::Result<Self> {
        Self::prepare(label, binary, 20_000, 200_000, configuration)
    }

    /// As [`Self::start_configured`], with room for so many sources.
    pub fn start_for_sources(
        label: &str,
        binary: &str,
        max_sources: u32,
        configuration: &str,
    ) -> anyhow::Result<Self> {
        Self::start_sized(label, binary, 200_000, max_sources, &without_detection(configuration))
    }

    /// As [`Self::start`], with this configuration and nothing else in it.
    pub fn start_as_configured(label: &str, binary: &str, configuration: &str) -> anyhow::Result<Self> {
        Self::start_sized(label, binary, 20_000, 200_000, configuration)
    }

    /// As [`Self::start`], with all that a fresh install does by itself.
    pub fn start_with_defaults(label: &str, binary: &str) -> anyhow::Result<Self> {
        Self::start_sized(label, binary, 20_000, 200_000, "")
    }

    fn start_sized(
        label: &str,
        binary: &str,
        max_prefixes: u32,
        max_sources: u32,
        configuration: &str,
    ) -> anyhow::Result<Self> {
        let mut protected = Self::prepare(label, binary, max_prefixes, max_sources, configuration)?;
        protected.launch()?;
        Ok(protected)
    }

    fn prepare(
        label: &str,
        binary: &str,
        max_prefixes: u32,
        max_sources: u32,
        configuration: &str,
    ) -> anyhow::Result<Self> {
        let lab = Pair::new(label)?;
        let sender = Sender::open(lab.outside.namespace(), lab.outside.name())?;
        let receiver = Receiver::open(lab.inside.namespace(), lab.inside.name())?;
        let directory = tempfile::tempdir().context("making a directory for the daemon")?;
        let bpffs = PathBuf::from(format!("/sys/fs/bpf/{}", lab.inside.namespace().name()));
        let protected = Self {
            lab,
            sender,
            receiver,
            binary: PathBuf::from(binary),
            directory,
            bpffs,
            daemon: None,
            max_prefixes,
            max_sources,
            descriptors: None,
            environment: Vec::new(),
        };
        protected.write_configuration(configuration)?;
        Ok(protected)
    }

    /// Starts the daemon and waits until it answers that all is well.
    pub fn launch(&mut self) -> anyhow::Result<()> {
        self.launch_with(&[], 0)
    }

    /// Starts the daemon with more options, and waits until `status` ends with this exit code.
    pub fn launch_with(&mut self, options: &[&str], code: i32) -> anyhow::Result<()> {
        self.launch_on(&[self.lab.inside.name().to_owned()], options, code)
    }

    /// As [`Self::launch_with`], for these interfaces in place of the lab's own.
    pub fn launch_on(&mut self, interfaces: &[String], options: &[&str], code: i32) -> anyhow::Result<()> {
        let mut command = self.daemon_command_for(interfaces, &self.bpffs);
        let child = command.args(options).spawn().context("starting the daemon")?;
        self.await_answer(child, code)
    }

    /// Takes a daemon for this one's that was started otherwise, and waits until it answers that all is well.
    pub fn adopt(&mut self, child: Child) -> anyhow::Result<()> {
        self.await_answer(child, 0)
    }

    fn await_answer(&mut self, mut child: Child, code: i32) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.socket().exists() || self.run(&["status"])?.status.code() != Some(code) {
            if let Some(status) = child.try_wait()? {
                bail!("the daemon ended with {status}: {}", self.log());
            }
            if Instant::now() > deadline {
                child.kill()?;
                bail!("the daemon does not answer: {}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.daemon = Some(child);
        Ok(())
    }

    /// Writes the configuration file, and that nobody is to look for attacks; the daemon reads it when it is told to.
    pub fn configure(&self, text: &str) -> anyhow::Result<()> {
        self.write_configuration(&without_detection(text))
    }

    fn write_configuration(&self, text: &str) -> anyhow::Result<()> {
        std::fs::write(self.file("floodwall.toml"), text).context("writing the configuration")
    }

    /// The command that starts the daemon, with its pins below `bpffs`.
    pub fn daemon_command(&self, bpffs: &Path) -> Command {
        self.daemon_command_for(&[self.lab.inside.name().to_owned()], bpffs)
    }

    /// As [`Self::daemon_command`], for these interfaces in place of the lab's own.
    pub fn daemon_command_for(&self, interfaces: &[String], bpffs: &Path) -> Command {
        let namespace = self.lab.inside.namespace();
        let mut command = match self.descriptors {
            None => namespace.command(&self.binary),
            Some(most) => {
                let mut command = namespace.command("prlimit");
                command.arg(format!("--nofile={most}:{most}")).arg(&self.binary);
                command
            }
        };
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        command.arg("run");
        command.args(interfaces.iter().flat_map(|interface| ["--iface", interface]));
        command.arg("--state-dir").arg(self.state_dir()).arg("--socket").arg(self.socket());
        command.arg("--bpffs").arg(bpffs).args(["--max-sources", &self.max_sources.to_string()]);
        command.arg("--config").arg(self.file("floodwall.toml"));
        command.args(["--max-prefixes", &self.max_prefixes.to_string()]);
        let log = std::fs::File::options().create(true).append(true).open(self.directory.path().join("log"));
        match log {
            Ok(log) => command.stdout(Stdio::null()).stderr(log),
            Err(_) => command.stdout(Stdio::null()).stderr(Stdio::null()),
        };
        command
    }

    /// Number of the daemon's process.
    pub fn pid(&self) -> anyhow::Result<u32> {
        Ok(self.daemon.as_ref().context("no daemon runs")?.id())
    }

    /// Memory of the daemon's own, bytes: what it shares with the kernel is not in it.
    pub fn memory(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("no RssAnon")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
    }

    /// What the daemon has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Where the daemon keeps what outlives a reboot.
    pub fn state_dir(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    /// A file for the test to use.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where the maps and the link are pinned.
    pub fn bpffs(&self) -> &Path {
        &self.bpffs
    }

    /// Sends a signal to the daemon, waits for its end, and returns its status.
    pub fn end(&mut self, signal: Signal) -> anyhow::Result<std::process::ExitStatus> {
        let mut child = self.daemon.take().context("no daemon runs")?;
        kill(Pid::from_raw(child.id().cast_signed()), signal).context("signalling the daemon")?;
        wait(&mut child)
    }

    /// Sends the daemon a signal, and does not wait for what comes of it: [`Self::wait`] does.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let child = self.daemon.as_ref().context("no daemon runs")?;
        kill(Pid::from_raw(child.id().cast_signed()), signal).context("signalling the daemon")
    }

    /// Waits for the daemon to end by itself.
    pub fn wait(&mut self) -> anyhow::Result<std::process::ExitStatus> {
        let mut child = self.daemon.take().context("no daemon runs")?;
        wait(&mut child)
    }

    /// Runs a command of the CLI against the daemon.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        self.command(arguments).output().context("running the CLI")
    }

    /// The program.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// The CLI, ready to be run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.lab.inside.namespace().command(&self.binary);
        command.args(arguments).env("FLOODWALL_SOCKET", self.socket());
        command.env_remove("SSH_CONNECTION").env_remove("SSH_CLIENT");
        command
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub fn ok(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.run(arguments)?;
        if !output.status.success() {
            bail!("floodwall {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// As [`Self::ok`], with `--json`.
    pub fn json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let mut all = vec!["--json"];
        all.extend(arguments);
        let text = self.ok(&all)?;
        serde_json::from_str(&text).with_context(|| format!("floodwall {} printed `{text}`", all.join(" ")))
    }

    /// As [`Self::json`], for commands that print a document a line.
    pub fn json_lines(&self, arguments: &[&str]) -> anyhow::Result<Vec<Value>> {
        let mut all = vec!["--json"];
        all.extend(arguments);
        let text = self.ok(&all)?;
        text.lines()
            .map(|line| {
                serde_json::from_str(line)
                    .with_context(|| format!("floodwall {} printed `{line}`", all.join(" ")))
            })
            .collect()
    }

    /// Runs a command that must fail; returns its exit code and what it said.
    pub fn fails(&self, arguments: &[&str]) -> anyhow::Result<(i32, String)> {
        let output = self.run(arguments)?;
        if output.status.success() {
            bail!("floodwall {} succeeded: {}", arguments.join(" "), String::from_utf8_lossy(&output.stdout));
        }
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        Ok((output.status.code().context("ended by a signal")?, said))
    }

    /// Packets counted for a reason so far.
    pub fn count(&self, reason: &str) -> anyhow::Result<u64> {
        let status = self.json(&["status"])?;
        let counters = status["counters"].as_array().context("no counters")?;
        let found = counters.iter().find(|counter| counter["reason"] == reason);
        found.and_then(|counter| counter["packets"].as_u64()).with_context(|| format!("no counter {reason}"))
    }

    /// Whether a frame from outside gets past the filter.
    pub fn passes(&self, frame: &[u8]) -> anyhow::Result<bool> {
        self.receiver.clear()?;
        self.sender.send(frame)?;
        let patience = SILENCE;
        Ok(!self.receiver.collect(1, patience, |seen| seen == frame)?.is_empty())
    }

    /// The host's port as the target of a flood from outside.
    pub fn target(&self, port: u16) -> Target {
        Target::behind(&self.lab.outside, &self.lab.inside, INSIDE_V4, port)
    }

    /// Sends an HTTP request to a port of the host's loopback address; the answer with its head.
    pub fn http(&self, port: u16, request: &str) -> anyhow::Result<String> {
        http_in(self.lab.inside.namespace(), port, request)
    }

    /// An IPv4 frame from this source to the host, to be finished by the caller.
    pub fn from(&self, source: &str) -> Frame<Ipv4> {
        Frame::ipv4(source, "192.0.2.10").between(&self.lab.outside, &self.lab.inside)
    }
}

/// Sends an HTTP request to a port of the loopback address in a namespace; the answer with its head.
pub fn http_in(namespace: &Namespace, port: u16, request: &str) -> anyhow::Result<String> {
    namespace.enter(|| {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    })?
}

fn wait(child: &mut Child) -> anyhow::Result<std::process::ExitStatus> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > deadline {
            child.kill()?;
            bail!("the daemon does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Drop for Protected {
    fn drop(&mut self) {
        if let Some(mut child) = self.daemon.take() {
            // Nothing can be done about a failure here; the directories go either way.
            drop(child.kill());
            drop(child.wait());
        }
        drop(std::fs::remove_dir_all(&self.bpffs));
    }
}
