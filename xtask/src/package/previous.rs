//! The package of before, which is upgraded from.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::{DIRECTORY, package_of};
use crate::checkout::{Checkout, Commit};
use crate::{build, shell};

/// Lower than any version that there was.
pub(super) const VERSION: &str = "0.0.1-1";

/// Builds the package of another commit, for development, with a [`VERSION`] that is lower than this one's.
///
/// # Errors
/// When there is no such commit, or it cannot be built or packed.
pub(super) fn of_commit(name: &str) -> Result<PathBuf> {
    let commit = Commit::named(&shell::root(), name)?;
    let place = shell::root().join(DIRECTORY).join("previous");
    let checkout = Checkout::new(&shell::root(), place, &commit)?;
    let mut cargo = shell::cargo();
    cargo.current_dir(&checkout.path).args(["build", "--package", "floodwall", "--bin", "floodwall"]);
    // The same packages of others as here, and nothing of this checkout.
    cargo.env("CARGO_TARGET_DIR", shell::target());
    let binary = build::executable_in(&mut cargo, "floodwall")
        .with_context(|| format!("building floodwall of {}", commit.short()))?;
    package_of(&checkout.path, &binary, Some(VERSION))
}
