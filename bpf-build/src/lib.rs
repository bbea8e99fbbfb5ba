//! For build scripts: compiles a package's programs for BPF, with the toolchain that `cargo xtask setup` chose.
//!
//! As aya-build does it, but for a given version of the instruction set: without one, LLVM emits code for kernels
//! older than any that floodwall runs on, and a packet costs some 15 % more.

mod code;
mod loops;
mod stack;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

/// Written by `cargo xtask setup`: the name of the rustup toolchain that has, or can build, a `core` for BPF.
const CHOSEN: &str = ".tools/bpf-toolchain";
/// Put there by `cargo xtask setup`; `.cargo/config.toml` names it.
const LINKER: &str = ".tools/bin/bpf-linker";
/// 32-bit arithmetic and jumps, atomic operations; Linux has read all of it since 5.12
/// (Documentation/bpf/standardization/instruction-set.rst).
const INSTRUCTION_SET: &str = "v3";
/// Crates that use an unstable feature. Their names let them do so on a stable compiler whose `core` is prebuilt.
const UNSTABLE: &str = "aya_ebpf,floodwall_common";

/// Compiles a binary of the package in a folder of the workspace, to `$OUT_DIR/<binary>`.
///
/// # Errors
///
/// If `cargo xtask setup` has not been run, or the compiler fails (it has said why on standard error then), or if what it made
/// cannot be loaded by all kernels that floodwall runs on.
pub fn build(folder: &str, binary: &str) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("this crate lies in no workspace")?;
    for part in [CHOSEN, "common/src", "bpf-build/src"] {
        println!("cargo:rerun-if-changed={}", root.join(part).display());
    }
    println!("cargo:rerun-if-changed={}", root.join(folder).display());
    let toolchain = fs::read_to_string(root.join(CHOSEN))
        .with_context(|| format!("no BPF toolchain in {CHOSEN}; `cargo xtask setup` installs one"))?;
    let toolchain = toolchain.trim();
    ensure!(root.join(LINKER).exists(), "there is no {LINKER}; `cargo xtask setup` installs it");

    let out = PathBuf::from(variable("OUT_DIR")?);
    let target = match variable("CARGO_CFG_TARGET_ENDIAN")?.as_str() {
        "big" => "bpfeb-unknown-none",
        _ => "bpfel-unknown-none",
    };
    // Cargo would wait for itself, had this the target directory of the build that it is a part of.
    let built = out.join("bpf");
    let flags = [
        // Says how aya-ebpf reads registers and system call arguments.
        format!("--cfg=bpf_target_arch=\"{}\"", variable("CARGO_CFG_TARGET_ARCH")?),
        format!("-Ctarget-cpu={INSTRUCTION_SET}"),
        "-Cdebuginfo=2".to_owned(),
        "-Clink-arg=--btf".to_owned(),
        // Left to itself LLVM may enter a loop in its middle, so that it falls into its own head (`loops.rs`).
        "-Clink-arg=--llvm-args=-disable-block-placement".to_owned(),
    ];
    let mut cargo = Command::new("rustup");
    cargo.args(["run", toolchain, "cargo", "build", "--release", "--bin", binary]);
    cargo.args(["--target", target, "--target-dir"]).arg(&built);
    if toolchain.starts_with("nightly") {
        cargo.args(["-Z", "build-std=core"]);
    }
    cargo.current_dir(root.join(folder));
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")).env("RUSTC_BOOTSTRAP", UNSTABLE);
    for of_the_host in ["RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"] {
        cargo.env_remove(of_the_host);
    }
    let status = cargo.status().context("running the BPF compiler by `rustup run`")?;
    ensure!(status.success(), "compiling {folder} for BPF failed; the compiler's messages are above");
    let compiled = built.join(target).join("release").join(binary);
    let object = fs::read(&compiled).with_context(|| format!("reading {}", compiled.display()))?;
    loops::check(&object)?;
    stack::check(&object)?;
    fs::write(out.join(binary), object).with_context(|| format!("copying {}", compiled.display()))?;
    Ok(())
}

/// A variable that cargo sets for build scripts.
fn variable(name: &str) -> anyhow::Result<String> {
    env::var(name).with_context(|| format!("{name} is not set: this is for build scripts"))
}
