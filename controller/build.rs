//! Builds the kernel program with the BPF toolchain that `cargo xtask setup` chose, and embeds it.

use std::{env, fs, path::Path};

use anyhow::{Context as _, anyhow};
use aya_build::{Package, Toolchain};

/// Written by `cargo xtask setup`: the name of the rustup toolchain that has a `core` for BPF.
const CHOSEN: &str = "../.tools/bpf-toolchain";

fn main() -> anyhow::Result<()> {
    println!("cargo:rerun-if-changed={CHOSEN}");
    println!("cargo:rerun-if-changed=../common/src");
    println!("cargo:rerun-if-changed=../filter-ebpf/src");
    let chosen = fs::read_to_string(CHOSEN)
        .map_err(|error| anyhow!("no BPF toolchain ({CHOSEN}: {error}); `cargo xtask setup` installs one"))?;
    let linker = Path::new("../.tools/bin/bpf-linker");
    if !linker.exists() {
        return Err(anyhow!("no bpf-linker in .tools/bin; `cargo xtask setup` installs it"));
    }
    // Lets these two crates use their one unstable feature each on a stable compiler whose BPF `core` is prebuilt; names instead
    // of 1 keeps aya-build from asking for `-Z build-std`, and a nightly compiler ignores it.
    // SAFETY: build scripts have one thread at this point.
    unsafe { env::set_var("RUSTC_BOOTSTRAP", "aya_ebpf,floodwall_common") };
    let root_dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../filter-ebpf");
    let package = Package { name: "floodwall-filter", root_dir, ..Package::default() };
    aya_build::build_ebpf([package], Toolchain::Custom(chosen.trim())).context("building the kernel program")
}
