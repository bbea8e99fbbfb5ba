//! `cargo xtask package`: builds the Debian package, and checks it.
//!
//! Its contents are in `packaging` and in `package.metadata.deb` of `controller/Cargo.toml`; the binary itself generates its
//! manual pages and completions. `cargo-deb` packs all of it.

mod boot;
mod check;
mod flooded;
mod machine;
mod previous;
mod stage;
mod tool;
mod tree;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};

use crate::setup::{self, Talk};
use crate::{build, shell};

/// The options of `cargo xtask package`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Which build is packed; one for development serves for trying the package
    #[arg(long, default_value = "release")]
    profile: Profile,
    /// Hold the package against Debian's rules (lintian), and have it installed, upgraded, removed and purged in a
    /// Debian in a folder (debootstrap), which is booted as well where there is systemd-nspawn
    #[arg(long)]
    check: bool,
    /// For `--check`, upgrade from the package of this commit; without it, from one of this checkout with a lower version
    #[arg(long, requires = "check", value_name = "COMMIT")]
    from: Option<String>,
}

/// Where packages go, from the root of the checkout: `package.metadata.deb` names what is staged there.
const DIRECTORY: &str = "target/package";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Profile {
    Release,
    Dev,
}

/// Builds the package, and prints its path.
///
/// # Errors
/// When the build fails, a program is missing that cannot be installed, or a check fails.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    setup::run(Talk::Changes)?;
    let binary = match options.profile {
        Profile::Release => build::floodwall()?,
        Profile::Dev => build::floodwall_for_development()?,
    };
    let package = package_of(&shell::root(), &binary, None)?;
    println!("{}", package.display());
    if !options.check {
        return Ok(ExitCode::SUCCESS);
    }
    let before = match &options.from {
        Some(commit) => previous::of_commit(commit)?,
        None => pack(&shell::root(), Some(previous::VERSION))?,
    };
    check::run(&package, &before, &shell::root().join(DIRECTORY))
}

/// The package of a checkout whose binary is built; of the version that it names itself, or of another one.
fn package_of(checkout: &Path, binary: &Path, version: Option<&str>) -> Result<PathBuf> {
    stage::fill(&checkout.join(DIRECTORY).join("stage"), binary)?;
    pack(checkout, version)
}

/// Has cargo-deb pack the files that a checkout has staged.
fn pack(checkout: &Path, version: Option<&str>) -> Result<PathBuf> {
    let cargo_deb = tool::cargo_deb()?;
    let mut command = Command::new(cargo_deb);
    command.current_dir(checkout);
    command.args(["--no-build", "--no-strip", "--package", "floodwall"]);
    command.arg("--output").arg(shell::root().join(DIRECTORY));
    command.args(version.iter().flat_map(|version| ["--deb-version", version]));
    command.env("SOURCE_DATE_EPOCH", stage::date()?);
    let output = shell::output(&mut command).context("packing")?;
    let package = PathBuf::from(output.lines().last().unwrap_or_default().trim());
    ensure!(package.is_file(), "cargo-deb has printed `{}`, and there is no such package", output.trim());
    Ok(package)
}
