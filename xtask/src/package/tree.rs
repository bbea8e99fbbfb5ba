//! A Debian tree in a directory (debootstrap), in which the package is installed without starting services.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::shell;
use crate::steps::Steps;

/// The oldest release that the package supports.
const RELEASE: &str = "bookworm";
/// Packages of a usual server that the minimal tree lacks.
const INCLUDED: [&str; 6] = ["systemd", "init-system-helpers", "kmod", "udev", "iproute2", "openssh-server"];
/// Files that may remain after a purge: records of the package manager, and account files, as accounts are kept so that their
/// numbers are not assigned again.
const MAY_REMAIN: [&str; 12] = [
    "/proc",
    "/dev",
    "/sys",
    "/tmp",
    "/var/cache",
    "/var/lib/dpkg",
    "/var/lib/apt",
    "/var/log",
    "/etc/passwd",
    "/etc/group",
    "/etc/shadow",
    "/etc/gshadow",
];

/// The tree. The next one replaces it.
pub(super) struct Tree {
    root: PathBuf,
}

impl Tree {
    /// Makes a tree of this name with the package's file in `/opt`. It is downloaded the first time and copied from that later.
    ///
    /// # Errors
    /// Without root or network.
    pub(super) fn make(directory: &Path, name: &str, package: &Path) -> Result<Self> {
        ensure!(shell::is_root(), "a Debian in a folder takes root");
        let (fetched, root) = (directory.join(RELEASE), directory.join(name));
        // debootstrap removes its own directory as its last step.
        let has = |package: &&str| fetched.join(format!("var/lib/dpkg/info/{package}.list")).exists();
        let is_whole = INCLUDED.iter().all(has) && !fetched.join("debootstrap").exists();
        if !is_whole {
            remove(&fetched)?;
            let mut command = Command::new("debootstrap");
            let included = format!("--include={}", INCLUDED.join(","));
            command.args(["--variant=minbase", &included, RELEASE]).arg(&fetched);
            Steps { verbose: false }.install("Debian in a folder", &mut command)?;
        }
        remove(&root)?;
        shell::output(Command::new("cp").args(["-a", "--reflink=auto"]).args([&fetched, &root]))
            .context("copying Debian")?;
        let policy = root.join("usr/sbin/policy-rc.d");
        fs::write(&policy, "#!/bin/sh\nexit 101\n").context("forbidding that services are started")?;
        fs::set_permissions(&policy, fs::Permissions::from_mode(0o755))
            .context("forbidding that services are started")?;
        fs::copy(package, root.join("opt/floodwall.deb")).context("copying the package")?;
        Ok(Self { root })
    }

    /// Has services be started from now on, as a booted system does.
    ///
    /// # Errors
    /// When what forbids it cannot be removed.
    pub(super) fn allow_services(&self) -> Result<()> {
        fs::remove_file(self.root.join("usr/sbin/policy-rc.d")).context("allowing that services are started")
    }

    /// Its directory.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Runs a shell script in the tree, in mount, PID and network namespaces of its own; returns its output.
    ///
    /// # Errors
    /// With the last lines of its output, if a command fails.
    pub(super) fn run(&self, script: &str) -> Result<String> {
        let root = self.root.display();
        let enter = format!(
            "mount --make-rprivate / && mount -t proc proc {root}/proc && mount -t tmpfs tmpfs {root}/run && \
             exec chroot {root} sh -euc \"$1\""
        );
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--pid",
            "--net",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
            &enter,
            "sh",
            script,
        ]);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8");
        command.env("DEBIAN_FRONTEND", "noninteractive").env("PACKAGE", "/opt/floodwall.deb");
        let output = command.output().context("entering the folder")?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if !output.status.success() {
            let lines: Vec<_> = said.lines().collect();
            bail!(
                "it ended with {}; it said last:\n{}",
                output.status,
                lines[lines.len().saturating_sub(15)..].join("\n")
            );
        }
        Ok(said)
    }

    /// The files in the tree, except those that may remain after a purge.
    ///
    /// # Errors
    /// If the tree cannot be read.
    pub(super) fn files(&self) -> Result<BTreeSet<String>> {
        let mut command = Command::new("find");
        command.arg(&self.root).args(["-xdev", "-printf", "/%P\\n"]);
        let found = shell::output(&mut command).context("looking what is in the folder")?;
        let may_remain = |path: &str| {
            MAY_REMAIN.iter().any(|kept| Path::new(path.trim_end_matches('-')).starts_with(kept))
        };
        Ok(found.lines().filter(|path| !may_remain(path)).map(str::to_owned).collect())
    }
}

fn remove(directory: &Path) -> Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory).with_context(|| format!("removing {}", directory.display()))?;
    }
    Ok(())
}
