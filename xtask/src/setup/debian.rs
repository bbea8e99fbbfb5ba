//! Debian's packages: a stable compiler with a prebuilt `core` for BPF, and LLVM for the linker.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use super::toolchain::Toolchain;
use crate::shell;
use crate::steps::Steps;

/// The compiler, its `core` for BPF, and its linter.
const COMPILER: [&str; 4] = ["rustc-web", "cargo-web", "libstd-rust-web-dev-bpf", "rust-web-clippy"];
/// What bpf-linker is built against; the major version has to be the compiler's.
const LLVM: [&str; 4] = ["llvm-22-dev", "libpolly-22-dev", "zlib1g-dev", "libzstd-dev"];
/// The oldest compiler known to build the kernel half, by minor version of Rust 1.
const OLDEST_MINOR: u32 = 96;
const CORE: &str = "/usr/lib/rustlib/bpfel-unknown-none/lib";

/// The package manager, which is asked for its lists at most once.
#[derive(Debug, Default)]
pub(super) struct Apt {
    updated: bool,
}

impl Apt {
    /// Installs packages without questions, without removing any other, and without recommended ones.
    ///
    /// # Errors
    /// Without apt, root or network.
    pub(super) fn install(&mut self, steps: &Steps, what: &str, packages: &[&str]) -> Result<()> {
        ensure!(Path::new("/usr/bin/apt-get").exists(), "this machine has no apt-get");
        let list = packages.join(" ");
        ensure!(shell::is_root(), "needs root: sudo apt-get install --no-install-recommends {list}");
        if !self.updated {
            steps
                .install("package lists", &mut apt_get(&["update"]))
                .context("asking for package lists (no network?)")?;
            self.updated = true;
        }
        let options = ["install", "--yes", "--no-install-recommends", "--no-remove"];
        steps.install(what, &mut apt_get(&[&options, packages].concat()))
    }

    /// Fetches packages, and of what they depend on those that are not installed, into a directory; installs none of them.
    ///
    /// # Errors
    /// Without apt, root or network.
    pub(super) fn fetch(&mut self, steps: &Steps, what: &str, packages: &[&str], into: &Path) -> Result<()> {
        ensure!(Path::new("/usr/bin/apt-get").exists(), "this machine has no apt-get");
        ensure!(shell::is_root(), "needs root, to ask apt for packages");
        self.update_for(steps, packages)?;
        fs::create_dir_all(into.join("partial")).with_context(|| format!("making {}", into.display()))?;
        let archives = format!("Dir::Cache::archives={}", into.display());
        let options = [
            "-o",
            &archives,
            "install",
            "--yes",
            "--download-only",
            "--no-install-recommends",
            "--no-remove",
        ];
        steps.install(what, &mut apt_get(&[&options, packages].concat()))
    }

    /// Asks for the lists of packages, if they don't know one of these and were not asked for yet.
    fn update_for(&mut self, steps: &Steps, packages: &[&str]) -> Result<()> {
        if self.updated || packages.iter().all(|package| Self::candidate(package).is_some()) {
            return Ok(());
        }
        steps
            .install("package lists", &mut apt_get(&["update"]))
            .context("asking for package lists (no network?)")?;
        self.updated = true;
        Ok(())
    }

    /// The version that would be installed, as far as the lists on this machine know.
    fn candidate(package: &str) -> Option<String> {
        let policy = shell::output(Command::new("apt-cache").args(["policy", package])).ok()?;
        let line = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
        (line != "(none)").then(|| line.to_owned())
    }
}

fn apt_get(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command
        .args(["-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Use-Pty=0", "--quiet"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Those of `packages` that are not installed.
fn missing<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    // It fails when it knows none of a name, but still prints the others.
    let output = Command::new("dpkg-query")
        .args(["-W", "-f=${Package} ${db:Status-Status}\n"])
        .args(packages)
        .output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let installed = |package: &str| text.lines().any(|line| line == format!("{package} installed"));
    packages.iter().copied().filter(|package| !installed(package)).collect()
}

/// Whether LLVM's files for building the linker are there, without asking apt.
pub(super) fn llvm_missing() -> bool {
    !missing(&LLVM).is_empty()
}

/// Installs LLVM's files for building the linker.
///
/// # Errors
/// Without apt, root or network, or when the distribution is too old to have that version.
pub(super) fn install_llvm(steps: &Steps, apt: &mut Apt) -> Result<()> {
    apt.install(steps, "LLVM 22", &missing(&LLVM))
}

/// Whether the packages are there, recent enough, and linked into rustup; says which version.
///
/// # Errors
/// What is lacking.
pub(super) fn usable() -> Result<String> {
    let entries = fs::read_dir(CORE).context("there is no prebuilt core for BPF")?;
    let core = |name: &str| name.starts_with("libcore-") && name.ends_with(".rlib");
    let found = entries.flatten().any(|entry| core(&entry.file_name().to_string_lossy()));
    ensure!(found, "{CORE} holds no core");
    ensure!(Path::new("/usr/bin/cargo").exists(), "/usr/bin/cargo is missing");
    let version =
        shell::output(Command::new("/usr/bin/rustc").arg("--version").env_remove("LD_LIBRARY_PATH"))?;
    ensure!(recent(&version), "{} is older than 1.{OLDEST_MINOR}", version.trim());
    shell::output(shell::rustup_run(Toolchain::Debian.name(), "rustc").arg("--version"))
        .context("it is not linked into rustup")?;
    Ok(version.trim().to_owned())
}

/// Whether `rustc 1.96.0 (…)` is recent enough.
fn recent(version: &str) -> bool {
    let mut numbers = version.split([' ', '.']).skip(1).map_while(|number| number.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(1), Some(minor)) => minor >= OLDEST_MINOR,
        (Some(major), _) => major > 1,
        _ => false,
    }
}

/// Installs the packages and links them into rustup.
///
/// # Errors
/// When this is no Debian, its packages are too old, or they would push out others.
pub(super) fn install(steps: &Steps, apt: &mut Apt) -> Result<()> {
    let about = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let debian = about.lines().any(|line| {
        line.trim_matches('"') == "ID=debian" || line.starts_with("ID_LIKE=") && line.contains("debian")
    });
    ensure!(debian, "this is no Debian");
    // Debian's compiler and Debian's rustup exclude each other; rustup's own installer is no package.
    ensure!(!missing(&["rustup"]).is_empty(), "the package rustup conflicts with them");
    let lacking = missing(&COMPILER);
    if !lacking.is_empty() {
        ensure!(
            shell::is_root(),
            "needs root: sudo apt-get install --no-install-recommends {}",
            lacking.join(" ")
        );
        if Apt::candidate("rustc-web").is_none_or(|version| !recent(&format!("rustc {version}"))) {
            // The lists may be old or empty.
            steps
                .install("package lists", &mut apt_get(&["update"]))
                .context("asking for package lists (no network?)")?;
            apt.updated = true;
        }
        match Apt::candidate("rustc-web") {
            Some(version) if recent(&format!("rustc {version}")) => {}
            Some(version) => bail!("rustc-web {version} is older than 1.{OLDEST_MINOR}"),
            None => bail!("there is no package rustc-web"),
        }
        apt.install(steps, "compiler with core for BPF", &lacking)?;
    }
    let mut link = Command::new("rustup");
    link.args(["toolchain", "link", Toolchain::Debian.name(), "/usr"]);
    steps
        .install("rustup's link to it", &mut link)
        .context("linking /usr as a rustup toolchain (needs rustup)")
}

/// The linter for the kernel half, which came later than the compiler on machines set up before.
///
/// # Errors
/// Without apt, root or network.
pub(super) fn ensure_clippy(steps: &Steps, apt: &mut Apt) -> Result<()> {
    let missing = missing(&["rust-web-clippy"]);
    if missing.is_empty() {
        return Ok(());
    }
    apt.install(steps, "clippy for the kernel half", &missing)
}

/// Installs those of `packages` that this distribution has; returns the others.
///
/// # Errors
/// Without apt, root or network.
pub(super) fn install_available<'a>(
    steps: &Steps,
    apt: &mut Apt,
    what: &str,
    packages: &[&'a str],
) -> Result<Vec<&'a str>> {
    let list = packages.join(" ");
    ensure!(shell::is_root(), "needs root: sudo apt-get install --no-install-recommends {list}");
    apt.update_for(steps, packages)?;
    let (there, absent): (Vec<_>, Vec<_>) =
        packages.iter().partition(|package| Apt::candidate(package).is_some());
    if !there.is_empty() {
        apt.install(steps, what, &there)?;
    }
    Ok(absent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(recent("rustc 1.96.0 (ac68faa20 2026-05-25)\n"));
        assert!(recent("rustc 1.100.0"));
        assert!(recent("rustc 1.96.0+dfsg1-1~deb12u2"));
        assert!(recent("rustc 2.0.0"));
        assert!(!recent("rustc 1.85.0+dfsg3-1~deb12u3"));
        assert!(!recent("rustc 1.9.0"));
        assert!(!recent("nonsense"));
    }
}
