//! The file system that pinned BPF objects live in.

use std::fs;

use anyhow::{Context as _, Result};
use nix::mount::{MsFlags, mount};

use crate::shell;
use crate::steps::Steps;

const PATH: &str = "/sys/fs/bpf";

/// Mounts the BPF file system where everybody expects it, unless it is there.
///
/// # Errors
/// When the kernel has none.
pub(super) fn ensure(steps: &Steps) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("reading /proc/self/mounts")?;
    if mounted(&mounts) {
        steps.ok("BPF file system", PATH);
        return Ok(());
    }
    if !shell::is_root() {
        steps.lacking("BPF file system", &format!("filters cannot be pinned; sudo mount -t bpf bpf {PATH}"));
        return Ok(());
    }
    let what = format!("BPF file system at {PATH} (until the next boot)");
    steps.change(&what, || {
        mount(Some("bpf"), PATH, Some("bpf"), MsFlags::empty(), Some("mode=700")).with_context(|| {
            format!("mounting the BPF file system on {PATH} (a kernel without CONFIG_BPF_SYSCALL?)")
        })
    })
}

fn mounted(mounts: &str) -> bool {
    mounts.lines().any(|line| line.split(' ').skip(1).take(2).eq([PATH, "bpf"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_is_found_by_place_and_kind() {
        assert!(mounted("proc /proc proc rw 0 0\nbpf /sys/fs/bpf bpf rw,mode=700 0 0\n"));
        assert!(!mounted("sysfs /sys sysfs rw 0 0\ntmpfs /sys/fs/bpf tmpfs rw 0 0\nbpf /mnt bpf rw 0 0\n"));
    }
}
