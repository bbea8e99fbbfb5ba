//! A Docker of a host's own, and containers of an image that is made for them.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use floodwall_lab::{
    child::ends_with_us,
    namespace::Namespace,
    skip::{require_service, require_tool, services},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

const PATIENCE: Duration = Duration::from_secs(30);
const IMAGE: &str = "floodwall/busybox";

/// A daemon of Docker's. When dropped, its containers are removed, and it is ended.
pub struct Docker {
    home: PathBuf,
    path: OsString,
    daemon: Child,
}

/// Programs that it is made of.
///
/// # Errors
/// The reason for a skip when one is missing.
pub fn require_docker() -> Result<(), String> {
    require_tool("busybox")?;
    ["dockerd", "docker", "containerd", "containerd-shim-runc-v2", "runc", "docker-proxy", "iptables"]
        .into_iter()
        .try_for_each(|program| require_service(program).map(drop))
}

impl Docker {
    /// Starts the daemon on a host, with all that it keeps below a directory, and makes an image.
    pub fn start(host: &Namespace, home: &Path, options: &[&str]) -> anyhow::Result<Self> {
        fs::create_dir_all(home)?;
        let mut path = std::env::var_os("PATH").unwrap_or_default();
        path.push(":");
        path.push(services());
        // Its mounts are nobody else's.
        let mut command = host.command("unshare");
        command.args(["--mount", "--propagation", "private", "dockerd", "--storage-driver", "vfs"]);
        command.arg("--data-root").arg(home.join("data")).arg("--exec-root").arg(home.join("exec"));
        command.arg("--pidfile").arg(home.join("pid")).arg("--host").arg(at(home)).args(options);
        let log = fs::File::create(home.join("log"))?;
        command.env("PATH", &path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let daemon = ends_with_us(&mut command).spawn().context("starting dockerd")?;
        let mut docker = Self { home: home.to_owned(), path, daemon };
        let deadline = Instant::now() + PATIENCE;
        while docker.run(&["version"]).is_err() {
            let has_ended = docker.daemon.try_wait()?.is_some();
            ensure!(!has_ended && Instant::now() < deadline, "dockerd does not answer: {}", docker.log());
            thread::sleep(Duration::from_millis(100));
        }
        docker.make_image()?;
        Ok(docker)
    }

    /// What a command of Docker's prints.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.command(arguments).output().context("running docker")?;
        if !output.status.success() {
            bail!("docker {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Starts a container with a name and published ports, in which nothing runs yet; its network.
    pub fn container(&self, name: &str, published: &[&str]) -> anyhow::Result<Namespace> {
        let ports = published.iter().flat_map(|port| ["--publish", port]);
        let options = ["run", "--detach", "--name", name].into_iter().chain(ports);
        let arguments: Vec<&str> = options.chain([IMAGE, "/busybox", "sleep", "600"]).collect();
        self.run(&arguments)?;
        let process = self.run(&["inspect", "--format", "{{.State.Pid}}", name])?;
        Namespace::of_process(process.parse().context("the number of a process")?, name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.env("PATH", &self.path).env("HOME", &self.home).arg("--host").arg(at(&self.home));
        command.args(arguments);
        command
    }

    fn make_image(&self) -> anyhow::Result<()> {
        let tree = self.home.join("image");
        fs::create_dir_all(&tree)?;
        // It is linked statically, as the virtual machine of the tests needs it so, too.
        let busybox = require_tool("busybox").map_err(anyhow::Error::msg)?;
        fs::copy(busybox, tree.join("busybox"))?;
        let archive = self.home.join("image.tar");
        let status = Command::new("tar").arg("-C").arg(&tree).arg("-cf").arg(&archive).arg(".").status()?;
        ensure!(status.success(), "tar: {status}");
        let archive = archive.to_str().context("a path that is text")?;
        self.run(&["import", archive, IMAGE]).map(drop)
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.home.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }
}

/// Where the daemon listens that keeps its things below a directory.
fn at(home: &Path) -> String {
    format!("unix://{}", home.join("socket").display())
}

impl Drop for Docker {
    fn drop(&mut self) {
        let containers = self.run(&["ps", "--all", "--quiet"]).unwrap_or_default();
        let all: Vec<&str> = ["rm", "--force"].into_iter().chain(containers.split_whitespace()).collect();
        if all.len() > 2 {
            drop(self.run(&all));
        }
        // It ends containerd as well.
        if let Ok(pid) = self.daemon.id().try_into() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.daemon.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(50));
        }
        drop(self.daemon.kill());
        drop(self.daemon.wait());
    }
}
