//! Can this machine run the filter at all? Answered before anything is touched.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nix::sys::{
    statfs::{FsType, statfs},
    utsname::uname,
};

/// `BPF_FS_MAGIC` in `include/uapi/linux/magic.h`.
const BPF_FS: i64 = 0xcafe_4a11;
/// Oldest kernel whose features all are there: XDP programs for multi-buffer packets came with 5.18.
const OLDEST_KERNEL: (u32, u32) = (5, 18);
/// Bits of `CapEff` in `/proc/self/status`, from `include/uapi/linux/capability.h`.
const CAP_NET_ADMIN: u64 = 1 << 12;
const CAP_SYS_ADMIN: u64 = 1 << 21;
const CAP_BPF: u64 = 1 << 39;

/// Something that is missing, in one line that says how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum Missing {
    /// The kernel lacks what the filter needs.
    #[error(
        "kernel {0} is too old: floodwall needs {major}.{minor} or newer (XDP for multi-buffer packets)",
        major = OLDEST_KERNEL.0, minor = OLDEST_KERNEL.1
    )]
    Kernel(String),
    /// The process may not load programs.
    #[error(
        "no privilege to load XDP programs: run as root, or give the process CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON"
    )]
    Privilege,
    /// There is nothing to pin to.
    #[error(
        "{} is not on a BPF file system: `mount -t bpf bpf /sys/fs/bpf` mounts one (or name another by --bpffs)",
        .0.display()
    )]
    BpfFs(PathBuf),
}

/// Checks kernel, privileges and, if something is to be pinned below `bpffs`, its file system.
pub fn preflight(bpffs: Option<&Path>) -> Result<(), Missing> {
    kernel()?;
    privileges()?;
    bpffs.map_or(Ok(()), mounted)
}

fn kernel() -> Result<(), Missing> {
    let Ok(name) = uname() else { return Ok(()) };
    let release = name.release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < OLDEST_KERNEL {
        return Err(Missing::Kernel(release));
    }
    Ok(())
}

fn privileges() -> Result<(), Missing> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .unwrap_or(0);
    let enough = effective & CAP_NET_ADMIN != 0 && effective & (CAP_BPF | CAP_SYS_ADMIN) != 0;
    if enough { Ok(()) } else { Err(Missing::Privilege) }
}

fn mounted(bpffs: &Path) -> Result<(), Missing> {
    let existing = bpffs.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    match statfs(existing) {
        Ok(found) if found.filesystem_type() == FsType(BPF_FS) => Ok(()),
        _ => Err(Missing::BpfFs(bpffs.to_owned())),
    }
}
