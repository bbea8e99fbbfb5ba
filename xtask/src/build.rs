//! `cargo xtask build` and `cargo xtask run`.

use std::io::BufRead as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::Value;

use crate::setup::{self, Talk};
use crate::shell;

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    /// Arguments of floodwall
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Builds, and says where the result is.
///
/// # Errors
/// When setup or the build fails.
pub(crate) fn run() -> Result<ExitCode> {
    println!("{}", floodwall()?.display());
    Ok(ExitCode::SUCCESS)
}

/// Builds, and becomes the result.
///
/// # Errors
/// When setup or the build fails, or the binary cannot be executed.
pub(crate) fn run_with(options: &RunOptions) -> Result<ExitCode> {
    let binary = floodwall()?;
    // Signals and the exit status then are floodwall's own.
    let error = Command::new(&binary).args(&options.arguments).exec();
    Err(error).with_context(|| format!("running {}", binary.display()))
}

/// The release binary, built if it is not up to date.
///
/// # Errors
/// When setup or the build fails.
pub(crate) fn floodwall() -> Result<PathBuf> {
    setup::run(Talk::Changes)?;
    floodwall_by(&["--release"])
}

/// The binary of a build for development; setup was run.
///
/// # Errors
/// When the build fails.
pub(crate) fn floodwall_for_development() -> Result<PathBuf> {
    floodwall_by(&[])
}

fn floodwall_by(profile: &[&str]) -> Result<PathBuf> {
    let mut build = shell::cargo();
    build.arg("build").args(profile).args(["--package", "floodwall", "--bin", "floodwall"]);
    executable_in(&mut build, "floodwall")
}

/// Runs a build, and returns the executable of this name.
///
/// # Errors
/// When the build fails, or names no such executable.
pub(crate) fn executable_in(build: &mut Command, name: &str) -> Result<PathBuf> {
    let built = executables(build)?.into_iter().find(|built| built.target == name);
    Ok(built.with_context(|| format!("cargo built {name}, but named no executable"))?.path)
}

/// An executable that cargo has built.
#[derive(Debug)]
pub(crate) struct Executable {
    /// The file.
    pub(crate) path: PathBuf,
    /// The name of what was built: a binary, a library, or a file of tests.
    pub(crate) target: String,
    /// `lib`, `bin`, `test`, …
    pub(crate) kind: String,
    /// The manifest of the package.
    pub(crate) manifest: PathBuf,
    /// Whether it runs tests, rather than being run by some.
    pub(crate) is_test: bool,
}

/// Runs a build, with cargo's messages on standard error, and returns the executables it names.
///
/// # Errors
/// When the build fails; the compiler has said why.
pub(crate) fn executables(build: &mut Command) -> Result<Vec<Executable>> {
    let line = shell::line_of(build);
    build.arg("--message-format=json-render-diagnostics").stdout(Stdio::piped());
    let mut child = build.spawn().with_context(|| format!("running `{line}`"))?;
    let output = child.stdout.take().with_context(|| format!("reading what `{line}` builds"))?;
    let mut executables = Vec::new();
    for message in std::io::BufReader::new(output).lines() {
        let message = message.with_context(|| format!("reading what `{line}` builds"))?;
        // Build scripts may print lines of their own.
        if let Ok(message) = serde_json::from_str::<Value>(&message) {
            executables.extend(executable(&message));
        }
    }
    let status = child.wait().with_context(|| format!("waiting for `{line}`"))?;
    ensure!(status.success(), "`{line}` failed; the compiler's messages are above");
    Ok(executables)
}

/// The executable of this name among those that cargo names, line by line, with `--message-format=json-render-diagnostics`.
pub(crate) fn executable_of(messages: &[u8], target: &str) -> Option<PathBuf> {
    let messages = String::from_utf8_lossy(messages);
    let named = messages.lines().filter_map(|line| executable(&serde_json::from_str(line).ok()?));
    named.filter(|built| built.target == target).map(|built| built.path).next_back()
}

/// Reads one message of cargo's; most are about other things.
fn executable(message: &Value) -> Option<Executable> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Some(Executable {
        path: text(&message["executable"])?.into(),
        target: text(&message["target"]["name"])?,
        kind: text(&message["target"]["kind"][0])?,
        manifest: text(&message["manifest_path"])?.into(),
        is_test: message["profile"]["test"] == true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_with_an_executable_count() {
        let message = r#"{"reason":"compiler-artifact","manifest_path":"/f/Cargo.toml","executable":"/t/f-1",
            "target":{"name":"f","kind":["test"]}}"#;
        let built = executable(&serde_json::from_str(message).unwrap()).unwrap();
        assert_eq!(
            (built.path, built.target, built.kind),
            ("/t/f-1".into(), "f".to_owned(), "test".to_owned())
        );
        let line = message.replace('\n', "");
        let messages = format!("no JSON\n{{}}\n{line}\n");
        assert_eq!(executable_of(messages.as_bytes(), "f"), Some("/t/f-1".into()));
        assert_eq!(executable_of(messages.as_bytes(), "g"), None);
        let library = serde_json::json!({"reason": "compiler-artifact", "executable": null});
        assert!(executable(&library).is_none());
    }
}
