//! Running other programs, and finding things in the checkout.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::{env, fmt};

use anyhow::{Context as _, Result, bail};

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// What is installed for this checkout alone.
pub(crate) fn tools() -> PathBuf {
    root().join(".tools")
}

/// Where builds go.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The cargo that runs this task, at the root of the checkout.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    without_own_package(&mut command);
    command
}

/// Takes out what `cargo run` tells this task of its own package. Build scripts that depend on such a variable (ring's does)
/// would be run again whenever somebody builds by `cargo test` what a task has built before, and all that depends on them be
/// built again.
fn without_own_package(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let is_own =
            ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|of| name.to_string_lossy().starts_with(of));
        if is_own {
            command.env_remove(name);
        }
    }
}

/// A program of a rustup toolchain, at the root of the checkout.
pub(crate) fn rustup_run(toolchain: &str, program: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", toolchain, program]).current_dir(root());
    // Cargo points these at the host toolchain, whose libraries another compiler must not load.
    command.env_remove("LD_LIBRARY_PATH").env_remove("RUSTC").env_remove("CARGO");
    without_own_package(&mut command);
    command
}

/// What a program prints, or why it could not be run or failed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = line_of(command);
    let output = command.output().with_context(|| format!("running `{line}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{line}` failed: {}", said.trim().lines().last().unwrap_or("it said nothing"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program with our own input and output.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    let line = line_of(command);
    command.status().with_context(|| format!("running `{line}`"))
}

/// Whether this process may install packages and mount file systems.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A command as one would type it.
pub(crate) fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).map(|word| quoted(&word)).collect::<Vec<_>>().join(" ")
}

/// A word as a shell reads it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:+,@%^".contains(letter);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { Quoted(word).to_string() }
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "'{}'", self.0.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_typed_again() {
        let mut command = Command::new("dpkg-query");
        command.args(["-f", "${Package}\n", "it's", "plain-1.0"]);
        assert_eq!(line_of(&command), "dpkg-query -f '${Package}\n' 'it'\\''s' plain-1.0");
    }

    #[test]
    fn a_failure_carries_the_last_line_that_was_said() {
        let error =
            output(Command::new("sh").args(["-c", "echo first >&2; echo last >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().ends_with("failed: last"), "{error}");
    }
}
