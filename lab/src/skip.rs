//! Skips that are counted.
//!
//! The test harness knows no "skipped at run time": a test that returns early looks passed. So a
//! skip is written to standard error at once and, when the environment variable
//! `FLOODWALL_SKIPS` names a file, appended to it as `test path<TAB>reason`; the `test` task
//! reads that file and takes the skips off the passes.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

pub use crate::{or_skip, skip};

/// Names the file that skips are appended to.
pub const SKIPS_FILE: &str = "FLOODWALL_SKIPS";
/// Names the directory of captures, lists and scenarios.
pub const CORPUS: &str = "FLOODWALL_CORPUS";
/// Names the directory of small inputs that operators have reported.
pub const CASES: &str = "FLOODWALL_CASES";

/// What a test returns when it is skipped: nothing, or success.
pub trait Skipped {
    /// The value that ends the test.
    fn skipped() -> Self;
}

impl Skipped for () {
    fn skipped() -> Self {}
}

impl<E> Skipped for Result<(), E> {
    fn skipped() -> Self {
        Ok(())
    }
}

/// Ends the test it stands in as skipped, with a reason (a format string and its arguments).
#[macro_export]
macro_rules! skip {
    ($($reason:tt)+) => {{
        // A function's type is named by its path, whatever thread the harness runs it on.
        fn here() {}
        $crate::skip::record(::std::any::type_name_of_val(&here), &::std::format!($($reason)+));
        return $crate::skip::Skipped::skipped();
    }};
}

/// Takes the value out of a `Result`, or ends the test as skipped with the error as its reason.
#[macro_export]
macro_rules! or_skip {
    ($need:expr) => {
        match $need {
            Ok(value) => value,
            Err(reason) => $crate::skip!("{reason}"),
        }
    };
}

/// Writes a skip down. [`skip!`](crate::skip!) is the way to call it.
#[doc(hidden)]
pub fn record(here: &str, reason: &str) {
    let test = here.trim_end_matches("::here").trim_end_matches("::{{closure}}");
    let reason = reason.replace(['\n', '\t'], " ");
    // Straight to the descriptor: the harness swallows `eprintln!` of tests that pass.
    let _ = writeln!(io::stderr(), "SKIPPED {test}: {reason}");
    if let Some(path) = env::var_os(SKIPS_FILE)
        && let Err(error) = append(Path::new(&path), test, &reason)
    {
        // A skip nobody counts would be a silent one.
        panic!("cannot append the skip of {test} to {}: {error}", Path::new(&path).display());
    }
}

/// One write a line: tests of several processes share the file.
fn append(path: &Path, test: &str, reason: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(format!("{test}\t{reason}\n").as_bytes())
}

/// Whether this process may make namespaces and load programs.
///
/// # Errors
/// The reason for a skip when it is not root.
pub fn require_root() -> Result<(), String> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    Err("needs root (network namespaces, raw sockets, BPF)".to_owned())
}

/// Where a program is, from `PATH` and the directories for system programs.
///
/// # Errors
/// The reason for a skip when it is not installed.
pub fn require_tool(program: &str) -> Result<PathBuf, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(system)
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| format!("needs `{program}`, which is not installed (`cargo xtask setup` installs it)"))
}

/// Where programs are that run as services, below the checkout: nobody installs one for a test, as its package would start it.
#[must_use]
pub fn services() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/services/bin")
}

/// Where a program is that runs as a service: installed, or unpacked below [`services`].
///
/// # Errors
/// The reason for a skip when there is none.
pub fn require_service(program: &str) -> Result<PathBuf, String> {
    let unpacked = || Some(services().join(program)).filter(|candidate| candidate.is_file());
    require_tool(program).ok().or_else(unpacked).ok_or_else(|| {
        format!("needs `{program}`, which is neither installed nor unpacked (`cargo xtask setup` unpacks it)")
    })
}

/// The directory of captures, lists and scenarios: `FLOODWALL_CORPUS`, else the checkout's
/// neighbour `shared/corpus`.
///
/// # Errors
/// The reason for a skip when there is none.
pub fn corpus() -> Result<PathBuf, String> {
    let path = env::var_os(CORPUS)
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"), PathBuf::from);
    path.canonicalize().map_err(|error| {
        format!("needs the corpus at {} ({error}); {CORPUS} names another place", path.display())
    })
}

/// The directory of small inputs from reports of operators: `FLOODWALL_CASES`, else the checkout's
/// neighbour `shared/cases`.
///
/// # Errors
/// The reason for a skip when there is none.
pub fn cases() -> Result<PathBuf, String> {
    let path = env::var_os(CASES)
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/cases"), PathBuf::from);
    path.canonicalize().map_err(|error| {
        format!("needs the cases at {} ({error}); {CASES} names another place", path.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_add_up_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("skips");
        append(&path, "one::test", "needs root").unwrap();
        append(&path, "another::test", "needs `nft`").unwrap();
        let written = std::fs::read_to_string(path).unwrap();
        assert_eq!(written, "one::test\tneeds root\nanother::test\tneeds `nft`\n");
    }

    #[test]
    fn a_missing_tool_is_named() {
        assert!(require_tool("no-such-program").unwrap_err().contains("`no-such-program`"));
        assert!(require_tool("sh").unwrap().is_file());
    }
}
