//! Builds the benchmark's XDP programs with the BPF toolchain that `cargo xtask setup` chose, and embeds them.

use std::{env, fs, path::Path};

use anyhow::{Context as _, anyhow};
use aya_build::{Package, Toolchain};

/// Written by `cargo xtask setup`: the name of the rustup toolchain that has a `core` for BPF.
const CHOSEN: &str = "../.tools/bpf-toolchain";

fn main() -> anyhow::Result<()> {
    println!("cargo:rerun-if-changed={CHOSEN}");
    println!("cargo:rerun-if-changed=../common/src");
    println!("cargo:rerun-if-changed=../bench-ebpf/src");
    let chosen = fs::read_to_string(CHOSEN)
        .map_err(|error| anyhow!("no BPF toolchain ({CHOSEN}: {error}); `cargo xtask setup` installs one"))?;
    if !Path::new("../.tools/bin/bpf-linker").exists() {
        return Err(anyhow!("no bpf-linker in .tools/bin; `cargo xtask setup` installs it"));
    }
    // The same as for floodwall's own program: see the controller's build script.
    // SAFETY: build scripts have one thread at this point.
    unsafe { env::set_var("RUSTC_BOOTSTRAP", "aya_ebpf,floodwall_common") };
    let root_dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench-ebpf");
    let package = Package { name: "floodwall-bench-filters", root_dir, ..Package::default() };
    aya_build::build_ebpf([package], Toolchain::Custom(chosen.trim()))
        .context("building the benchmark's programs")
}
