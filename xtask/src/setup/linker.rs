//! bpf-linker, which turns the compiler's output into a BPF object.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result, bail};

use super::debian::{self, Apt};
use super::toolchain::Toolchain;
use crate::shell;
use crate::steps::Steps;

/// The pinned version.
const VERSION: &str = "0.13.0";
/// The major version of LLVM that both toolchains write their bitcode with.
const LLVM: &str = "22";
/// Where distributions put LLVM.
const PREFIXES: [&str; 4] =
    ["/usr/lib/llvm-22", "/usr/lib64/llvm22", "/usr/lib/llvm22", "/opt/homebrew/opt/llvm@22"];

/// Has the pinned linker at `.tools/bin/bpf-linker`, where `.cargo/config.toml` expects it.
///
/// # Errors
/// When it has to be built and LLVM 22 is not to be had, or there is no network.
pub(super) fn ensure(steps: &Steps, toolchain: Toolchain, apt: &mut Apt) -> Result<()> {
    let ours = shell::tools().join("bin/bpf-linker");
    let what = format!("bpf-linker {VERSION}");
    if is_pinned(&ours) {
        steps.ok(&what, &ours.display().to_string());
        return Ok(());
    }
    // One that was installed by other means, such as `cargo binstall bpf-linker@0.13.0`.
    if let Some(other) = on_path("bpf-linker").filter(|path| is_pinned(path)) {
        return steps.change(&format!("{what} (link to {})", other.display()), || link(&other, &ours));
    }
    if llvm().is_none() || toolchain == Toolchain::Debian && debian::llvm_missing() {
        debian::install_llvm(steps, apt).with_context(|| {
            format!(
                "{what} is built against LLVM {LLVM}: install its development files and set LLVM_PREFIX, or put the \
                 released binary on PATH (https://github.com/aya-rs/bpf-linker/releases/tag/v{VERSION})"
            )
        })?;
    }
    let Some(llvm) = llvm() else {
        bail!(
            "no LLVM {LLVM} found in {}: set LLVM_PREFIX to where its bin/llvm-config is",
            PREFIXES.join(", ")
        );
    };
    let mut install = shell::cargo();
    install
        .args(["install", "bpf-linker", "--version", VERSION, "--locked", "--force"])
        .args(["--no-default-features", "--features", &format!("llvm-{LLVM}")])
        .args(["--root".as_ref(), shell::tools().as_os_str()])
        .env("LLVM_PREFIX", llvm)
        // The checkout's own configuration and targets are no business of this build.
        .current_dir("/")
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("LD_LIBRARY_PATH");
    steps.install(&what, &mut install).with_context(|| format!("building {what} for {}", toolchain.name()))
}

/// Whether the file runs and says the pinned version.
fn is_pinned(path: &Path) -> bool {
    let said = shell::output(Command::new(path).arg("--version").env_remove("LD_LIBRARY_PATH"));
    said.is_ok_and(|said| said.trim() == format!("bpf-linker {VERSION}"))
}

/// Where a program is on `PATH`.
pub(super) fn on_path(program: &str) -> Option<PathBuf> {
    let directories = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&directories).map(|directory| directory.join(program)).find(|path| path.is_file())
}

fn link(from: &Path, to: &Path) -> Result<()> {
    let directory = shell::tools().join("bin");
    fs::create_dir_all(&directory).with_context(|| format!("creating {}", directory.display()))?;
    if fs::symlink_metadata(to).is_ok() {
        fs::remove_file(to).with_context(|| format!("removing the old {}", to.display()))?;
    }
    std::os::unix::fs::symlink(from, to)
        .with_context(|| format!("linking {} to {}", to.display(), from.display()))
}

/// Where LLVM of the right version is, with what building against it needs.
fn llvm() -> Option<PathBuf> {
    let named = env::var_os("LLVM_PREFIX").map(PathBuf::from);
    named.into_iter().chain(PREFIXES.map(PathBuf::from)).find(|prefix| {
        let version = shell::output(Command::new(prefix.join("bin/llvm-config")).arg("--version"));
        version.is_ok_and(|version| version.split('.').next() == Some(LLVM))
    })
}
