//! Which compiler builds the kernel half.
//!
//! Two ways lead to a `core` for BPF. Debian packages it prebuilt, for a stable compiler. Elsewhere
//! a dated nightly builds it from source. What is installed already wins; on Debian, Debian's
//! own is the first choice for what is not.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use super::debian::{self, Apt};
use super::nightly;
use crate::shell;
use crate::steps::Steps;

/// A rustup toolchain that can compile for BPF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// Debian's packages, linked into rustup.
    Debian,
    /// The dated nightly with its sources.
    Nightly,
}

impl Toolchain {
    /// The name it has in rustup, and in the file that build scripts read.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Debian => "debian-bpf",
            Self::Nightly => "nightly-2026-05-20",
        }
    }

    /// What makes it unusable, if anything.
    fn usable(self) -> Result<String> {
        match self {
            Self::Debian => debian::usable(),
            Self::Nightly => nightly::usable(),
        }
    }
}

/// Where the choice is written down; `bpf-build` reads it.
fn record() -> PathBuf {
    shell::tools().join("bpf-toolchain")
}

/// The choice made by an earlier setup.
///
/// # Errors
/// When none was made.
pub(crate) fn chosen() -> Result<Toolchain> {
    let path = record();
    let name = fs::read_to_string(&path)
        .with_context(|| format!("reading {} (`cargo xtask setup` writes it)", path.display()))?;
    let known = [Toolchain::Debian, Toolchain::Nightly];
    known.into_iter().find(|toolchain| toolchain.name() == name.trim()).with_context(|| {
        format!("{} names {:?}; remove it and run `cargo xtask setup`", path.display(), name.trim())
    })
}

/// Finds a toolchain that is there, or installs one, and writes the choice down.
///
/// # Errors
/// When none can be had; says what stands in the way of each.
pub(super) fn ensure(steps: &Steps, apt: &mut Apt) -> Result<Toolchain> {
    let earlier = chosen().ok();
    for toolchain in earlier.into_iter().chain([Toolchain::Debian, Toolchain::Nightly]) {
        if let Ok(found) = toolchain.usable() {
            write_down(toolchain)?;
            steps.ok("BPF toolchain", &format!("{} ({found})", toolchain.name()));
            return Ok(toolchain);
        }
    }
    let toolchain = install(steps, apt)?;
    let found = toolchain
        .usable()
        .with_context(|| format!("{} was installed, but cannot be used", toolchain.name()))?;
    write_down(toolchain)?;
    steps.ok("BPF toolchain", &format!("{} ({found})", toolchain.name()));
    Ok(toolchain)
}

fn install(steps: &Steps, apt: &mut Apt) -> Result<Toolchain> {
    let debian = match debian::install(steps, apt) {
        Ok(()) => return Ok(Toolchain::Debian),
        Err(error) => error,
    };
    match nightly::install(steps) {
        Ok(()) => Ok(Toolchain::Nightly),
        Err(nightly) => bail!(
            "no compiler for BPF can be installed here. Debian's packages: {debian:#}. A nightly: {nightly:#}"
        ),
    }
}

/// Written only when it changes: build scripts run again when it does.
fn write_down(toolchain: Toolchain) -> Result<()> {
    let path = record();
    let line = format!("{}\n", toolchain.name());
    if fs::read_to_string(&path).is_ok_and(|written| written.trim() == line.trim()) {
        return Ok(());
    }
    fs::create_dir_all(shell::tools()).with_context(|| format!("creating {}", shell::tools().display()))?;
    fs::write(&path, line).with_context(|| format!("writing the choice of toolchain to {}", path.display()))
}
