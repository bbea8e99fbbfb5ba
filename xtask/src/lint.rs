//! `cargo xtask lint`: formatting and lints, of both halves, and what the dependencies are.
//!
//! Host clippy never sees code under `cfg(target_arch = "bpf")`, so the kernel half is linted a second
//! time for its own target, by the toolchain that builds it.
//!
//! Dependencies are held against `deny.toml` where cargo-deny is installed. That needs no network; what does is left
//! to `cargo deny check advisories`.

use std::fs;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::modules::Graph;
use crate::named_files;
use crate::setup::{self, Talk, Toolchain, deny};
use crate::shell;

const TARGET: &str = "bpfel-unknown-none";
/// What is compiled for the kernel.
const KERNEL_HALF: [&str; 3] = ["floodwall-filter", "floodwall-bench-filters", "floodwall-common"];

/// Runs every check, even after one failed, and says which did.
///
/// # Errors
/// When a check cannot be run at all.
pub(crate) fn run() -> Result<ExitCode> {
    setup::run(Talk::Changes)?;
    let toolchain = setup::chosen()?;

    let mut format = shell::cargo();
    format.args(["fmt", "--all", "--check"]);
    let mut host = shell::cargo();
    host.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    let (kernel, kernel_title) = kernel_half(toolchain);
    let mut links = shell::cargo();
    links.args(["doc", "--workspace", "--lib", "--no-deps", "--document-private-items"]);
    links.env("RUSTDOCFLAGS", "-D rustdoc::broken_intra_doc_links -A rustdoc::private_intra_doc_links");
    let dependencies = dependencies().map(|command| ("licences, bans and sources of dependencies", command));

    let mut failed = Vec::new();
    let checks = [
        ("formatting", format),
        ("lints of the host half", host),
        (kernel_title, kernel),
        ("what comments link to is there", links),
    ];
    for (title, mut command) in checks.into_iter().chain(dependencies) {
        println!("lint: {title}");
        if !shell::status(&mut command)?.success() {
            failed.push(title);
        }
    }
    let title = "the modules of a crate import each other in one direction";
    println!("lint: {title}");
    if circles()? > 0 {
        failed.push(title);
    }
    let title = "files that the documentation names are there";
    println!("lint: {title}");
    let missing = named_files::missing(&shell::root())?;
    missing.iter().for_each(|path| println!("error: {path} is not there"));
    if !missing.is_empty() {
        failed.push(title);
    }
    let title = "no merge was left half done";
    println!("lint: {title}");
    let conflicts = conflicts()?;
    print!("{conflicts}");
    if !conflicts.is_empty() {
        failed.push(title);
    }
    if failed.is_empty() {
        println!("lint: all clean");
        return Ok(ExitCode::SUCCESS);
    }
    println!("lint: not clean: {}", failed.join(", "));
    Ok(ExitCode::FAILURE)
}

/// The lines of the checkout that mark a conflict of a merge, as `git grep` tells them; nothing where there is no repository.
fn conflicts() -> Result<String> {
    let mut command = Command::new("git");
    command.current_dir(shell::root()).args(["grep", "-nE", "^(<{7}|>{7})( |$)"]);
    let output = command.output().context("running `git grep`")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// How many circles of modules there are in the controller and its crates; says which.
fn circles() -> Result<usize> {
    let mut sources = vec![shell::root().join("controller/src")];
    let crates = shell::root().join("crates");
    for folder in fs::read_dir(&crates).with_context(|| format!("reading {}", crates.display()))? {
        sources.push(folder?.path().join("src"));
    }
    let mut found = 0;
    for folder in &sources {
        for circle in Graph::of(folder)?.circles() {
            println!("error: a circle in {}: {} → {}", folder.display(), circle.join(" → "), circle[0]);
            found += 1;
        }
    }
    Ok(found)
}

/// The check of the dependencies, if there is a program for it; says so if not.
fn dependencies() -> Option<Command> {
    let Some(program) = deny::found() else {
        println!("lint: dependencies are NOT CHECKED: `{}` installs what does", deny::remedy());
        return None;
    };
    let mut command = Command::new(program);
    command.current_dir(shell::root()).args(["check", "bans", "licenses", "sources"]);
    Some(command)
}

/// The check of the kernel half, and what it amounts to.
fn kernel_half(toolchain: Toolchain) -> (Command, &'static str) {
    let clippy =
        shell::output(shell::rustup_run(toolchain.name(), "cargo").args(["clippy", "--version"])).is_ok();
    let mut command = shell::rustup_run(toolchain.name(), "cargo");
    command.arg(if clippy { "clippy" } else { "check" });
    for package in KERNEL_HALF {
        command.args(["--package", package]);
    }
    // Another compiler than the host's: in one directory they would wait for each other.
    command.args(["--target", TARGET, "--target-dir"]).arg(shell::target().join("bpf-lint"));
    if toolchain == Toolchain::Nightly {
        command.args(["-Z", "build-std=core"]);
    }
    if clippy {
        command.args(["--", "-D", "warnings"]);
    }
    // The same as for the real build: see `bpf-build`.
    command.env("RUSTC_BOOTSTRAP", "aya_ebpf,floodwall_common");
    let mut flags = vec![format!("--cfg=bpf_target_arch=\"{}\"", std::env::consts::ARCH)];
    if !clippy {
        flags.push("-Dwarnings".to_owned());
    }
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    if clippy {
        (command, "lints of the kernel half")
    } else {
        (command, "compiler warnings of the kernel half (its toolchain has no clippy: not linted)")
    }
}
