//! Another commit's benchmark, built beside this checkout.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::checkout::{Checkout, Commit, Place};
use crate::setup;
use crate::shell;

/// Where other commits are checked out and built. One task at a time has it.
pub(super) struct Shelf {
    place: Place,
}

impl Shelf {
    /// Opens it below a target directory.
    ///
    /// # Errors
    /// When another task has it, or it cannot be made.
    pub(super) fn open(target: &Path) -> Result<Self> {
        Ok(Self { place: Place::open(target, "against")? })
    }

    /// The commit's benchmark, as `build` builds it in a checkout (with the target directory that it is given), or as an
    /// earlier call did with the same compilers.
    ///
    /// # Errors
    /// When the commit cannot be checked out or built.
    pub(super) fn benchmark(
        &self,
        commit: &Commit,
        compilers: &str,
        build: impl FnOnce(&Path, &Path) -> Result<PathBuf>,
    ) -> Result<PathBuf> {
        let kept = self.place.folder.join(&commit.id);
        let (binary, built_by) = (kept.join("floodwall-bench"), kept.join("built-by"));
        if binary.exists() && fs::read_to_string(&built_by).is_ok_and(|text| text == compilers) {
            eprintln!("bench: {} was built before: {}", commit.short(), binary.display());
            return Ok(binary);
        }
        eprintln!("bench: building {} in {}", commit.short(), self.place.folder.display());
        let checkout = Checkout::new(&shell::root(), self.place.folder.join("checkout"), commit)?;
        let built = build(&checkout.path, &self.place.folder.join("target"))
            .with_context(|| format!("building the benchmark of {}", commit.short()))?;
        fs::create_dir_all(&kept).with_context(|| format!("creating {}", kept.display()))?;
        fs::copy(&built, &binary).with_context(|| format!("copying {}", built.display()))?;
        // Last, so that a copy that was broken off is not taken for a whole one.
        fs::write(&built_by, compilers).with_context(|| format!("writing {}", built_by.display()))?;
        Ok(binary)
    }
}

/// What both halves are built with, as text.
///
/// # Errors
/// When a compiler cannot be asked.
pub(super) fn compilers() -> Result<String> {
    let host = shell::output(Command::new("rustc").arg("-vV").current_dir(shell::root()))?;
    let kernel = shell::output(shell::rustup_run(setup::chosen()?.name(), "rustc").arg("-vV"))?;
    let mut linker = Command::new(shell::tools().join("bin/bpf-linker"));
    let linker = shell::output(linker.arg("--version").env_remove("LD_LIBRARY_PATH"))?;
    Ok(host + &kernel + &linker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_built_is_built_again_only_by_other_compilers() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path()).unwrap();
        assert!(Shelf::open(folder.path()).is_err(), "it is taken");
        let commit = Commit { id: "0".repeat(40) };
        let kept = shelf.place.folder.join(&commit.id);
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("floodwall-bench"), "").unwrap();
        fs::write(kept.join("built-by"), "rustc 1").unwrap();
        let built = shelf.benchmark(&commit, "rustc 1", |_, _| panic!("it is there")).unwrap();
        assert_eq!(built, kept.join("floodwall-bench"));
        // There is no such commit to check out.
        let error = shelf.benchmark(&commit, "rustc 2", |_, _| panic!("not this far")).unwrap_err();
        assert!(error.to_string().contains("checking out 0000000000"), "{error:#}");
    }
}
