//! The kernel that the distribution installs, fetched but not installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::shell;

/// The package that depends on the kernel of the day.
const NEWEST: &str = "linux-image-amd64";

const UNKNOWN: &str = "the kernel of the distribution cannot be fetched";

/// A kernel that was unpacked.
#[derive(Debug)]
pub(super) struct Kernel {
    /// What `uname -r` says.
    pub(super) release: String,
    pub(super) image: PathBuf,
    /// Its modules, with a list of what each depends on.
    pub(super) modules: PathBuf,
}

impl Kernel {
    /// Fetches this package, or that of the kernel of the day, and unpacks it below a directory, unless it is there.
    ///
    /// # Errors
    /// Without apt, its lists, or network.
    pub(super) fn fetch(directory: &Path, package: Option<&str>) -> Result<Self> {
        let package = package.map_or_else(
            || {
                newest().or_else(|_| {
                    shell::output(Command::new("apt-get").args(["update", "--quiet"]))?;
                    newest()
                })
            },
            |package| Ok(package.to_owned()),
        );
        let package = package.context(UNKNOWN)?;
        let release = package.trim_start_matches("linux-image-").to_owned();
        let there = directory.join(&release);
        let kernel = Self {
            image: there.join("boot").join(format!("vmlinuz-{release}")),
            modules: there.join("lib/modules").join(&release),
            release,
        };
        if kernel.modules.join("modules.dep").exists() {
            return Ok(kernel);
        }
        println!("fetching {package} for the virtual machine");
        let fetched = tempfile::tempdir().context("making a directory")?;
        let mut fetching = Command::new("apt-get");
        fetching.args(["download", "--quiet", &package]).current_dir(&fetched);
        shell::output(&mut fetching).context(UNKNOWN)?;
        let entries = fs::read_dir(&fetched).context("looking for what was fetched")?;
        let archive = entries.flatten().map(|entry| entry.path()).next().context("apt fetched nothing")?;
        fs::create_dir_all(&there).with_context(|| format!("making {}", there.display()))?;
        shell::output(Command::new("dpkg-deb").arg("--extract").arg(&archive).arg(&there))?;
        shell::output(Command::new("depmod").arg("--basedir").arg(&there).arg(&kernel.release))?;
        Ok(kernel)
    }
}

/// The package that holds the kernel of the day.
fn newest() -> Result<String> {
    let depends = shell::output(Command::new("apt-cache").args(["depends", NEWEST]))?;
    let package = depends.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
    package.map(str::to_owned).with_context(|| format!("{NEWEST} depends on no kernel"))
}
